"""One message as it arrived, and the bytes it is kept as.

A message is what a device (or a person, for an event) really sent: topic, payload and the moment it arrived.
Nothing is interpreted here; what cannot be understood later must still be there to be shown (architecture,
decision 1).

A batch body is a version byte, then for each message a fixed header, its topic and its payload, one after
the other. The body is what the journal's hash chain covers, so this layout only ever grows by a new version.
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

BODY_VERSION: Final = b"\x01"
KEPT_OF_OVERSIZED_BYTES: Final = 4096

_HEADER: Final = struct.Struct("<qBHI")  # arrival_ms, flags, topic bytes, payload bytes
_CUT: Final = struct.Struct("<Q32s")  # original bytes, SHA-256 of the original
_IS_EVENT: Final = 1
_IS_RETAINED: Final = 2
_IS_CUT: Final = 4


class Kind(IntEnum):
    """How a message came in: from a broker, or as an event entered by a person or program at the gateway."""

    MQTT = 0
    EVENT = 1


_MQTT: Final = Kind.MQTT
_EVENT: Final = Kind.EVENT


@dataclass(frozen=True, slots=True)
class Cut:
    """What an oversized payload was before all but its beginning was left out: its length and its SHA-256."""

    length: int
    sha256: bytes


class Message(NamedTuple):
    """A message as it arrived; a named tuple, because there is one for every message and it is made in half the time.

    `topic` holds bytes that are not UTF-8 as surrogate escapes, so that no topic is lost. `arrival_ms` is the
    gateway's clock, UTC, in milliseconds; in the journal it never steps back (semantics §1). `cut` is set when
    the payload was over the limit and only its first 4 KiB were kept.
    """

    topic: str
    payload: bytes
    arrival_ms: int
    kind: Kind = Kind.MQTT
    retained: bool = False
    cut: Cut | None = None


def within(payload: bytes, limit_bytes: int) -> tuple[bytes, Cut | None]:
    """The payload whole, or, if it is over the limit, its first 4 KiB and a record of what it was."""
    if len(payload) <= limit_bytes:
        return payload, None
    return payload[:KEPT_OF_OVERSIZED_BYTES], Cut(len(payload), hashlib.sha256(payload).digest())


def pack(messages: Iterable[Message], not_before_ms: int) -> tuple[bytes, int]:
    """The body of a batch and its last arrival; an arrival earlier than the one before it is raised to it."""
    parts = [BODY_VERSION]
    header, last_ms = _HEADER.pack, not_before_ms
    for message in messages:
        last_ms = max(last_ms, message.arrival_ms)
        topic = message.topic.encode("utf-8", "surrogateescape")
        payload, cut = message.payload, message.cut
        flags = message.kind | (_IS_RETAINED if message.retained else 0) | (_IS_CUT if cut else 0)
        parts.append(header(last_ms, flags, len(topic), len(payload)))
        if cut:
            parts.append(_CUT.pack(cut.length, cut.sha256))
        parts.append(topic)
        parts.append(payload)
    return b"".join(parts), last_ms


def unpack(body: bytes) -> tuple[Message, ...]:
    """The messages of a batch body; raises ValueError where the body is not one this version can read."""
    if body[:1] != BODY_VERSION:
        raise ValueError(f"batch body of version {body[:1].hex() or 'none'}, this program reads version 01")
    messages: list[Message] = []
    at, end, size = 1, len(body), _HEADER.size
    header, new = _HEADER.unpack_from, tuple.__new__  # one message takes half the time that `Message(…)` does
    while at < end:
        if at + size > end:
            raise ValueError("batch body ends inside a message")
        arrival_ms, flags, topic_bytes, payload_bytes = header(body, at)
        at += size
        cut = None
        if flags & _IS_CUT:
            if at + _CUT.size > end:
                raise ValueError("batch body ends inside a message")
            cut = Cut(*_CUT.unpack_from(body, at))
            at += _CUT.size
        topic_end = at + topic_bytes
        topic = body[at:topic_end].decode("utf-8", "surrogateescape")
        at = topic_end + payload_bytes
        if at > end:
            raise ValueError("batch body ends inside a message")
        kind = _EVENT if flags & _IS_EVENT else _MQTT
        message = (topic, body[topic_end:at], arrival_ms, kind, flags & _IS_RETAINED != 0, cut)
        messages.append(new(Message, message))
    return tuple(messages)
