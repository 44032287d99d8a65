"""JSON payloads: readings and status, as interfaces (MQTT) describes them.

A message in which all is as it should be takes the short way (`gateway.payloads.plain`). Anything else takes the
careful way, set by set, which keeps every reading that can be understood and says why the others cannot. Both give
the same columns for the same message.
"""

from typing import Any, Final

from gateway.message import Kind, Message
from gateway.payloads.decoded import Column, Decoded, Fault, Refusal, Rejected, Status, Telemetry
from gateway.payloads.document import TWICE, parse, with_every_key
from gateway.payloads.event import decode_event
from gateway.payloads.fields import channel_fault, text, time_ms, value_fault
from gateway.payloads.layout import Layout, Shape, reshaped
from gateway.payloads.plain import plain_list, plain_set

_OURS: Final = 'send {"t": 1767225600000, "v": {"channel": 1.5}}, or a list of such objects'


def decode(message: Message, layout: Layout) -> Decoded:
    """What the message says. A message is rejected only if nothing in it could be understood."""
    if message.kind is Kind.EVENT:
        return decode_event(message, None)
    address = layout.address(message.topic)
    if isinstance(address, Fault):
        return Decoded(None, Rejected(*address))
    purpose, device = address
    if purpose == "event":
        return decode_event(message, device)
    if message.cut is not None:
        reason = f"the payload has {message.cut.length} bytes, more than the gateway takes"
        return Decoded(device, Rejected(reason, "send smaller arrays"))
    if purpose == "telemetry":
        return _telemetry(message, device, layout.shape)
    return _status(message, device)


# --- telemetry ------------------------------------------------------------------------------------------------


def _telemetry(message: Message, device: str, shape: Shape | None) -> Decoded:
    document = parse(message.payload)
    if shape is None and not isinstance(document, Fault):
        plain = _plain(document, message.payload.count(b":"))
        if plain is not None:
            return Decoded(device, plain)
    document = with_every_key(message.payload, document)
    if isinstance(document, Fault):
        return Decoded(device, Rejected(*document))
    return _careful(document, message.arrival_ms, device, shape)


def _plain(document: Any, colons: int) -> Telemetry | None:
    """The readings of a plain message; None for any other."""
    if type(document) is list:
        if (listed := plain_list(document, colons)) is None:
            return None
        times, boots, values, sequence = listed
    else:
        if (one := plain_set(document, colons)) is None:
            return None
        times, boots, values = [one[0]], [one[1]], {name: [value] for name, value in one[2].items()}
        sequence = [] if one[3] is None else [one[3]]
    if any(map(channel_fault, values)):
        return None
    by_arrival = [False] * len(times)
    columns = {name: Column(times, column, boots, by_arrival) for name, column in values.items()}
    return Telemetry(columns, sequence)


def _careful(document: Any, arrival_ms: int, device: str, shape: Shape | None) -> Decoded:
    sets = document if isinstance(document, list) else [document]
    columns: dict[str, Column] = {}
    sequence: list[int] = []
    refused: list[Refusal] = []
    for number, given in enumerate(sets):
        where = f"[{number}]" if isinstance(document, list) else ""
        each = given if shape is None else reshaped(given, shape, TWICE)
        _take_set(each, where, arrival_ms, columns, sequence, refused)
    if columns:
        return Decoded(device, Telemetry(columns, sequence), tuple(refused))
    if not sets:
        return Decoded(device, Rejected("the list is empty", "send a message once there is a reading"))
    first = refused[0]
    more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    place = f"{first.where}: " if first.where else ""
    return Decoded(device, Rejected(f"{place}{first.reason}{more}", first.remedy), tuple(refused))


def _take_set(
    each: Any,
    where: str,
    arrival_ms: int,
    columns: dict[str, Column],
    sequence: list[int],
    refused: list[Refusal],
) -> None:
    """Add what is good in one set to the columns and sequence, and what is not to `refused`."""
    dot = where + "." if where else ""
    fault = _set_fault(each)
    if fault:
        refused.append(Refusal(where, *fault))
        return
    by_arrival = "t" not in each
    moment = arrival_ms if by_arrival else time_ms(each["t"])
    if isinstance(moment, Fault):
        refused.append(Refusal(dot + "t", *moment, channels=tuple(map(str, each["v"]))))
        return
    boot, seq = each.get("boot"), each.get("seq")
    if boot is not None and isinstance(boot := text(boot), Fault):
        refused.append(Refusal(dot + "boot", *boot))
        boot = None
    if type(seq) is int:
        sequence.append(seq)
    elif seq is not None:
        refused.append(Refusal(dot + "seq", "the message number is not a whole number", "count messages from 0"))
    for name, value in each["v"].items():
        fault = channel_fault(name) or value_fault(value)
        if fault:
            refused.append(Refusal(f"{dot}v.{name[:128]}", *fault, channels=(name,)))
            continue
        column = columns.setdefault(name, Column([], [], [], []))
        column.times_ms.append(moment)
        column.values.append(value)
        column.boots.append(boot)
        column.by_arrival.append(by_arrival)


def _set_fault(each: Any) -> Fault | None:
    if not isinstance(each, dict):
        return Fault("this is not a JSON object", _OURS)
    if "v" not in each:
        return Fault('there is no "v" with the readings', _OURS)
    if each["v"] is TWICE:
        return Fault('"v" is given twice', _OURS)
    if not isinstance(each["v"], dict):
        return Fault('"v" is not an object of channels and values', _OURS)
    if not each["v"]:
        return Fault('"v" is empty', "send a message once there is a reading")
    return None


# --- status ------------------------------------------------------------------------------------------


def _status(message: Message, device: str) -> Decoded:
    document = with_every_key(message.payload, parse(message.payload))
    if isinstance(document, Fault):
        return Decoded(device, Rejected(*document))
    if not isinstance(document, dict):
        return Decoded(device, Rejected("the payload is not a JSON object", 'send {"online": true} or the like'))
    online = document.get("online")
    if type(online) is not bool:
        return Decoded(device, Rejected('"online" is missing or not true or false', 'send {"online": true, …}'))
    refused: list[Refusal] = []
    by_arrival = "t" not in document
    moment = message.arrival_ms if by_arrival else time_ms(document["t"])
    if isinstance(moment, Fault):
        refused.append(Refusal("t", *moment))
        moment, by_arrival = message.arrival_ms, True
    boot, firmware, meter = (_optional(document, key, 64, refused) for key in ("boot", "firmware", "meter"))
    return Decoded(device, Status(online, moment, by_arrival, boot, firmware, meter), tuple(refused))


def _optional(document: dict[str, Any], key: str, longest: int, refused: list[Refusal]) -> str | None:
    if document.get(key) is None:
        return None
    value = text(document[key], longest)
    if isinstance(value, Fault):
        refused.append(Refusal(key, *value))
        return None
    return value
