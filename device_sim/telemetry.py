"""What a device says: its channels, and one set of readings taken at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np

from device_sim.chance import Ints

Value = int | float | bool
Columns = Mapping[str, Ints]  # channel → ticks, one per moment asked for


class Kind(Enum):
    """How a channel's figure behaves."""

    REGISTER = "register"  # only ever grows, until something resets it
    GAUGE = "gauge"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Channel:
    """One measured figure; a tick is the smallest step it really shows, `per_unit` ticks make one unit."""

    name: str
    kind: Kind
    unit: str
    per_unit: int = 1

    def values(self, ticks: Ints) -> list[Value]:
        """Ticks as they are sent: booleans, integers, or the doubles whose shortest text is the decimal meant."""
        if self.kind is Kind.FLAG:
            return [bool(tick) for tick in ticks.tolist()]
        if self.per_unit == 1:
            return list(ticks.tolist())
        return list((ticks / self.per_unit).tolist())

    def ticks(self, value: Value) -> int:
        """The ticks of a value this channel sent."""
        return round(value * self.per_unit)

    def value(self, ticks: int) -> Value:
        """One value as it is sent."""
        return self.values(np.array([ticks], dtype=np.int64))[0]


class Fate(Enum):
    """What becomes of a reading set on its way to the broker."""

    SENT = "sent"
    LOST = "lost"  # never sent: the time stays unknown to the other side
    LATE = "late"  # kept by the device, sent when asked for


@dataclass(frozen=True, slots=True)
class ReadingSet:
    """The readings of one moment, and their history in the simulation, which the other side never learns.

    `t_ms` is the device's own clock and is sent; `happened_ms` is the true time; `ready_ms` is when the set leaves the
    device; `alone` asks for a message of its own; `faults` names the kinds of fault that touched it.
    """

    t_ms: int
    values: Mapping[str, Value]
    seq: int
    boot: str
    happened_ms: int
    ready_ms: int
    fate: Fate = Fate.SENT
    alone: bool = False
    faults: tuple[str, ...] = ()

    def payload(self) -> dict[str, object]:
        """The JSON object of `telemetry/{device}` (interfaces, MQTT)."""
        return {"t": self.t_ms, "v": self.values, "seq": self.seq, "boot": self.boot}
