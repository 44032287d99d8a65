"""Events in JSON: from a device's topic, or entered at the gateway by a person with a name and a side.

What was entered may have been refused as it was entered, by more than the journal says, such as which statements are
final. That refusal is journalled with it, so that the journal alone always gives the same.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from contracts.event_text import Fault, Refused, read_event
from gateway.message import Kind, Message
from gateway.payloads.decoded import Decoded, Rejected
from gateway.payloads.decoded import Fault as Unreadable
from gateway.payloads.document import is_sound, parse, with_every_key

_REFUSED_AT_ENTRY: Final = "refused"


def decode_event(message: Message, device: str | None) -> Decoded:
    """The event in a message from this device's topic; `device` None for one entered at the gateway."""
    document = _document(message)
    if isinstance(document, Rejected):
        return Decoded(device, document)
    topic = message.topic.encode("utf-8", "surrogateescape")
    identity = hashlib.sha256(topic + b"\0" + message.payload).hexdigest()
    refusal = document.pop(_REFUSED_AT_ENTRY, None) if message.kind is Kind.EVENT else None
    try:
        event = read_event(document, entered=message.arrival_ms, identity=identity, device=device)
    except Refused as refused:
        return Decoded(device, rejected_for(*refused.faults))
    if isinstance(refusal, dict):
        return Decoded(device, Rejected(str(refusal.get("reason")), str(refusal.get("remedy"))))
    return Decoded(device, event)


def _document(message: Message) -> dict[str, Any] | Rejected:
    if message.cut is not None:
        return Rejected(f"the event has {message.cut.length} bytes, more than the gateway takes", "say it shorter")
    document = with_every_key(message.payload, parse(message.payload))
    if isinstance(document, Unreadable):
        return Rejected(*document)
    if not isinstance(document, dict):
        return Rejected("the payload is not a JSON object", 'send {"type": "serviced", …}')
    for key, value in document.items():
        if not is_sound([key, value]):
            reason = f'"{key[:64]}" stands twice, or holds what is not plain JSON'
            return Rejected(reason, "name each key once, with a text or a number")
    return document


def entered_event(document: Mapping[str, Any], refusal: Fault | None) -> bytes:
    """The payload of an event entered at the gateway, with why it was refused as it was entered, if it was."""
    marked = {} if refusal is None else {_REFUSED_AT_ENTRY: asdict(rejected_for(refusal))}
    return json.dumps({**document, **marked}, ensure_ascii=False).encode()


def rejected_for(*faults: Fault) -> Rejected:
    """Why an event does not stand, as its sender is told: the first reason, and how many more there are."""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Rejected(faults[0].message + more, faults[0].remedy)
