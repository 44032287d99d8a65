"""What a stretch of the journal adds to the block store: one value, committed whole or not at all.

These are also the records in which the store answers questions about what was not metered: rejections, readings
that belong to no contract, events of devices, and the counts that must add up (semantics §8).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

from contracts.events import Event
from contracts.readings import Ints
from gateway.block_format import Rows
from gateway.book import Key
from gateway.journal import Tip

EventKind = Literal["boot", "meter", "online", "offline"]

_FIRST_DAY: Final = date(1970, 1, 1)


def date_of(day: int) -> date:
    """The UTC date of a day counted from 1970."""
    return _FIRST_DAY + timedelta(days=day)


def day_of(moment: date) -> int:
    """The day, counted from 1970, of a UTC date."""
    return (moment - _FIRST_DAY).days


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message, or a part of one, that was not understood or could not be kept, and what its maker can do.

    The message is number `number` (from 0) of the journal batch at `position`. `part` is the place in its payload,
    empty for the whole message; `device` is None where the topic names none; `excerpt` is the payload's beginning.
    """

    position: int
    number: int
    arrival_ms: int
    topic: str
    device: str | None
    part: str
    reason: str
    remedy: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Unassigned:
    """What arrived on one UTC day and belongs to no contract; it is in the journal, and metered after a rebuild.

    `channel` is empty where no contract names the device at all. First and last seen are arrivals, in ms UTC.
    """

    device: str
    channel: str
    day: date
    readings: int
    first_ms: int
    last_ms: int

    @property
    def reason(self) -> str:
        """Why it is not metered, in words."""
        if self.channel:
            return f"no contract of {self.device} names the channel {self.channel}"
        return f"no contract names the device {self.device}"


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """Something that happened to a device by its own word: a restart, another meter, its coming and going.

    `id` is unique for a device and kind, so that a redelivery is no second event; `details` are JSON values.
    """

    device: str
    time_ms: int
    kind: EventKind
    id: str
    details: Mapping[str, Any]
    position: int


@dataclass(frozen=True, slots=True)
class ContractEvent:
    """An event of a contract, and the position of the journal batch in which it came."""

    contract: str
    position: int
    event: Event


@dataclass(frozen=True, slots=True)
class LastStatus:
    """What is known of a device from its status messages.

    `said_ms` is the latest time by the device's own clock, at most its arrival; 0 before there was any.
    """

    online: bool
    said_ms: int = 0
    meter: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What arrived on a UTC day: messages received = decoded + rejected; readings = stored + refused + unassigned.

    `stored` readings are accepted, duplicates, conflicts or quarantined; which, the terms decide (semantics §8).
    """

    received: int = 0
    decoded: int = 0
    rejected: int = 0
    stored: int = 0
    refused: int = 0
    unassigned: int = 0

    @property
    def readings(self) -> int:
        """All readings that decoded messages held, and those lost in the others."""
        return self.stored + self.refused + self.unassigned

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Increment:
    """Everything that the batches after `before`, up to `after`, come to.

    `rows` are readings in journal order within each channel; `owners` says to which of `series` each belongs, and
    `newest_ms` the newest time seen of each. `boots` are restart marks new to a device, with their place among its
    boots. `refused` counts readings lost, by device, channel, time and journal position.
    """

    before: Tip
    after: Tip
    series: Sequence[Key]
    newest_ms: Sequence[int]
    owners: Ints
    rows: Rows
    boots: Sequence[tuple[str, int, str]]
    statuses: Mapping[str, LastStatus]
    events: Sequence[DeviceEvent]
    contract_events: Sequence[ContractEvent]
    rejections: Sequence[Rejection]
    refused: Mapping[tuple[str, str, int, int], int]
    unassigned: Sequence[Unassigned]
    counts: Mapping[date, Counts]
