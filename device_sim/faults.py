"""What goes wrong between a machine and its reader, as transformations of the stream of reading sets.

Each is a function of the stream and of where the fault was placed, with no memory of its own: what a sensor showed when
it stuck, or a register when it was reset, is asked of the machine. So a stream that begins in the middle of the month,
as the live one does, carries the same faults as one that began with it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from device_sim.chance import draw
from device_sim.days import placed_ms
from device_sim.fault_spec import (
    BadZero,
    Breakdown,
    ClockSkew,
    Conflict,
    CounterReset,
    Duplicate,
    Fault,
    Reboot,
    Reorder,
    Stretch,
    Stuck,
    Withheld,
)
from device_sim.machines import Machine, channels, next_report_ms, observe, speak
from device_sim.scenario import Scenario
from device_sim.telemetry import Fate, ReadingSet

Stream = Iterator[ReadingSet]


@dataclass(frozen=True, slots=True)
class Placed:
    """A fault at its true time [start_ms, end_ms) on one device; one without a length lasts for one report.

    `base` is what a reset takes off its register, in ticks: all that earlier resets have left of it.
    """

    fault: Fault
    machine: Machine
    start_ms: int
    end_ms: int
    base: int = 0

    def covers(self, reading_set: ReadingSet) -> bool:
        """Whether the set was taken during the fault."""
        return self.start_ms <= reading_set.happened_ms < self.end_ms

    @property
    def first_report_ms(self) -> int:
        """The first moment of reporting that the fault can touch."""
        return next_report_ms(self.machine, self.start_ms)


def told(scenario: Scenario, device_id: str, start_ms: int, end_ms: int, period_start_ms: int) -> Stream:
    """Everything the device takes down in [start_ms, end_ms), with its faults placed from the start of the period.

    Sets that never leave the device are in it too, with their fate, so that nothing the faults did is out of sight.
    """
    machine = scenario.machine(device_id, period_start_ms)
    stream = speak(machine, scenario.device(device_id).boot, period_start_ms, start_ms, end_ms)
    for placed in place(scenario, device_id, period_start_ms):
        stream = _EFFECTS[placed.fault.kind][1](stream, placed, placed.fault)
    return stream


def place(scenario: Scenario, device_id: str, period_start_ms: int) -> tuple[Placed, ...]:
    """The device's faults at their moments: first what happens in the machine, then to its clock, then on the way."""
    machine = scenario.machine(device_id, period_start_ms)
    placed = [_placed(fault, machine, period_start_ms) for fault in scenario.faults if fault.device == device_id]
    placed.sort(key=lambda one: (_EFFECTS[one.fault.kind][0], one.start_ms))
    taken_off: dict[str, int] = {}
    for index, one in enumerate(placed):
        if isinstance(one.fault, CounterReset):
            last_report_ms = one.first_report_ms - machine.interval_ms
            shown = observe(machine, last_report_ms)[one.fault.channel]
            placed[index] = replace(one, base=shown - taken_off.get(one.fault.channel, 0))
            taken_off[one.fault.channel] = shown
    return tuple(placed)


def _placed(fault: Fault, machine: Machine, period_start_ms: int) -> Placed:
    start_ms = placed_ms(period_start_ms, fault.at, fault.workday, machine.zone)
    lasts_ms = fault.lasts if isinstance(fault, Stretch) else machine.interval_ms
    return Placed(fault, machine, start_ms, start_ms + lasts_ms)


def _marked(reading_set: ReadingSet, placed: Placed, **changes: Any) -> ReadingSet:
    return replace(reading_set, faults=(*reading_set.faults, placed.fault.kind), **changes)


def _breakdown(stream: Stream, placed: Placed, _: Breakdown) -> Stream:
    """The machine stood still by itself (see `Machine.broken`): here it is only named."""
    for one in stream:
        yield _marked(one, placed) if placed.covers(one) else one


def _stuck(stream: Stream, placed: Placed, fault: Stuck) -> Stream:
    channel = channels(placed.machine.model)[fault.channel]
    shown = channel.value(observe(placed.machine, placed.first_report_ms)[fault.channel])
    for one in stream:
        yield _marked(one, placed, values={**one.values, fault.channel: shown}) if placed.covers(one) else one


def _restart(stream: Stream, placed: Placed, fault: CounterReset | Reboot) -> Stream:
    """From a restart on: a new boot id and sequence; after a reset the register counts from its last report."""
    channel = channels(placed.machine.model)[fault.channel] if isinstance(fault, CounterReset) else None
    for one in stream:
        if one.happened_ms < placed.start_ms:
            yield one
            continue
        changed = one
        if fault.boot is not None:
            seq = (one.happened_ms - placed.first_report_ms) // placed.machine.interval_ms
            changed = replace(changed, boot=fault.boot, seq=seq)
        if channel is not None:
            lowered = channel.ticks(one.values[channel.name]) - placed.base
            changed = replace(changed, values={**one.values, channel.name: channel.value(lowered)})
        yield _marked(changed, placed) if placed.covers(one) else changed


def _bad_zero(stream: Stream, placed: Placed, fault: BadZero) -> Stream:
    for one in stream:
        yield _marked(one, placed, values={**one.values, fault.channel: 0}) if placed.covers(one) else one


def _conflict(stream: Stream, placed: Placed, fault: Conflict) -> Stream:
    """The true value comes first, and so stands (semantics §1); the other follows at once, alone in its set."""
    channel = channels(placed.machine.model)[fault.channel]
    for one in stream:
        yield one
        if placed.covers(one):
            other = channel.value(channel.ticks(one.values[fault.channel]) + fault.ticks)
            yield _marked(one, placed, values={fault.channel: other})


def _clock_skew(stream: Stream, placed: Placed, fault: ClockSkew) -> Stream:
    for one in stream:
        yield _marked(one, placed, t_ms=one.t_ms + fault.ahead - fault.behind) if placed.covers(one) else one


def _withheld(stream: Stream, placed: Placed, fault: Withheld) -> Stream:
    changes: dict[str, dict[str, Any]] = {
        "dropout": {"fate": Fate.LOST},
        "late_batch": {"fate": Fate.LATE},
        "burst": {"alone": True, "ready_ms": placed.end_ms},
    }
    for one in stream:
        yield _marked(one, placed, **changes[fault.kind]) if placed.covers(one) else one


def _duplicate(stream: Stream, placed: Placed, fault: Duplicate) -> Stream:
    for one in stream:
        yield one
        if placed.covers(one) and draw(placed.machine.seed, "duplicate", one.happened_ms, 100) < fault.share:
            yield _marked(one, placed)


def _reorder(stream: Stream, placed: Placed, fault: Reorder) -> Stream:
    """Each group leaves, shuffled, once its last set is there."""
    seed, interval_ms = placed.machine.seed, placed.machine.interval_ms

    def group_of(one: ReadingSet) -> int:
        return (one.happened_ms - placed.first_report_ms) // interval_ms // fault.within if placed.covers(one) else -1

    for group, members in groupby(stream, group_of):
        if group < 0:
            yield from members
            continue
        together = list(members)
        ready_ms = max(one.ready_ms for one in together)
        together.sort(key=lambda one: draw(seed, "reorder", one.happened_ms, 2**31 - 1))
        yield from (_marked(one, placed, ready_ms=ready_ms) for one in together)


# What each kind of fault does to a stream, and when it has its turn: machine, sensors, clock, way. Restarts share a
# turn, so that the later one names the boot.
_EFFECTS: dict[str, tuple[int, Callable[[Stream, Placed, Any], Stream]]] = {
    "breakdown": (0, _breakdown),
    "stuck": (1, _stuck),
    "counter_reset": (2, _restart),
    "reboot": (2, _restart),
    "bad_zero": (3, _bad_zero),
    "conflict": (4, _conflict),
    "clock_skew": (5, _clock_skew),
    "dropout": (6, _withheld),
    "late_batch": (6, _withheld),
    "burst": (6, _withheld),
    "duplicate": (7, _duplicate),
    "reorder": (8, _reorder),
}
