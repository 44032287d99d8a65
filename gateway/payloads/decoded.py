"""What a message says, once it is understood; and why, where it is not."""

from dataclasses import dataclass
from typing import NamedTuple

from contracts.events import Event

Value = int | float | bool


class Fault(NamedTuple):
    """Why something a device sent cannot be understood, and what its maker can do about it."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """One part of a message that was not understood; the rest of the message stands.

    `where` is its place in the payload (`[3].v.pressure`); `channels` are those whose readings were lost by it.
    """

    where: str
    reason: str
    remedy: str
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message in which nothing could be understood; it stays in the journal and is listed (semantics §8)."""

    reason: str
    remedy: str


class Column(NamedTuple):
    """The readings of one channel in one message, in the order sent; four lists of equal length.

    `times_ms` is the device's own clock, or the arrival where `by_arrival` is true (semantics §1). Columns of
    one message may share lists: they are to be read and copied, never changed.
    """

    times_ms: list[int]
    values: list[Value]
    boots: list[str | None]
    by_arrival: list[bool]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Readings, by channel; `sequence` holds the device's message numbers, where it sends them."""

    columns: dict[str, Column]
    sequence: list[int]


@dataclass(frozen=True, slots=True)
class Status:
    """A device says that it is there, or the broker says for it that it is gone."""

    online: bool
    time_ms: int
    by_arrival: bool
    boot: str | None = None
    firmware: str | None = None
    meter: str | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message understood in whole, in part (`refused` says what was not), or not at all (`Rejected`).

    `device` is None where the topic does not name one, as for events entered at the gateway.
    """

    device: str | None
    content: Telemetry | Status | Event | Rejected
    refused: tuple[Refusal, ...] = ()
