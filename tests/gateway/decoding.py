"""Messages for the tests of payloads, and their readings in a form that is easy to compare."""

import json
from typing import Any

from gateway.message import Message
from gateway.payloads import Decoded, Layout, Rejected, Telemetry, decode

NEW_YEAR_MS = 1_767_225_600_000
ARRIVAL_MS = NEW_YEAR_MS + 5_000


def sent(payload: Any, topic: str = "telemetry/comp-01", layout: Layout | None = None) -> Decoded:
    """Decode a payload given as bytes, or as what JSON is to be made of."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return decode(Message(topic, raw, ARRIVAL_MS), layout or Layout())


def readings(decoded: Decoded) -> dict[str, list[tuple[int, object]]]:
    """Times and values by channel."""
    assert isinstance(decoded.content, Telemetry), decoded
    return {
        name: list(zip(column.times_ms, column.values, strict=True)) for name, column in decoded.content.columns.items()
    }


def rejected(decoded: Decoded) -> Rejected:
    """The rejection, which must be one."""
    assert isinstance(decoded.content, Rejected), decoded
    return decoded.content
