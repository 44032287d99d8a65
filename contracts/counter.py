"""The rules by which a register's readings become steps (semantics §3).

Readings come in order of time, each judged against the *baseline*, the last accepted one:

1. at or above the baseline and plausible            → accepted, the step is the difference
2. lower after an announced restart, plausible from zero, below `reset_below` where that is set
                                                     → accepted, the step is the new value
3. lower and below `reset_below`                     → waiting; the next different reading decides:
   a. plausible from the old baseline                → the low ones were read errors; counting goes on from there
   b. higher than the low one, plausible from it     → the reset was real; the step is this reading's value
   c. still lower                                    → takes the low one's place
   d. anything else                                  → quarantined, still waiting
4. lower, `width` set, the wrapped step plausible    → accepted, the step goes around the register's end
5. anything else                                     → quarantined: not billed, no baseline

*Plausible* is a step of at most `max_rate` × time since the baseline, and one tick; any step without `max_rate`.
A new meter id makes the next reading a new baseline without a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from contracts.readings import NO_BOOT, Flags, Ints, Series
from contracts.terms import Terms


@dataclass(frozen=True, slots=True)
class Register:
    """The rules of one counter, in ticks of its channel; limits are None where the contract sets none."""

    rate: Fraction | None = None  # ticks per millisecond
    reset_below: Fraction | None = None  # ticks
    width: int | None = None  # ticks

    @staticmethod
    def of(terms: Terms, name: str) -> Register:
        """The rules of the meter with that name."""
        meter = terms.meters[name]
        assert meter.counter is not None, "only a counter has a register"
        step = Fraction(terms.channels[meter.counter].resolution)
        return Register(
            meter.max_rate.per_ms / step if meter.max_rate else None,
            Fraction(meter.reset_below) / step if meter.reset_below else None,
            round(Fraction(meter.width) / step) if meter.width else None,
        )

    def plausible(self, step: int, elapsed_ms: int) -> bool:
        """Can the register have moved that far in that time?"""
        return step >= 0 and (self.rate is None or step <= self.rate * elapsed_ms + 1)


@dataclass(frozen=True, slots=True)
class Low:
    """A low reading that waits for the next different one: its ticks, when it came first and last, and how often."""

    ticks: int
    first: int
    latest: int
    count: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """The last accepted reading of a register, and the boot then known."""

    time: int
    ticks: int
    boot: str | None = None


@dataclass(frozen=True, slots=True)
class Counting:
    """Where a counter stands between two readings."""

    baseline: Baseline | None = None
    low: Low | None = None
    exchanged: int | None = None  # a new meter id came at this time: the next reading is a new baseline
    flagged: tuple[int, int] | None = None  # time and ticks of the reading quarantined right before, if one was


@dataclass(frozen=True, slots=True)
class Flag:
    """Readings that are not billed: when, their value, how far above the baseline, and why; kept for a decision.

    `linked` says that it is plausible from the flag right before it: such readings are one case for a person.
    """

    first: int
    latest: int
    count: int
    ticks: int
    excess: int
    reason: str
    linked: bool = False


@dataclass(slots=True)
class Steps:
    """What a stretch of readings gave: the accepted steps as arrays, the flags, and where the counter stands after."""

    starts: list[Ints] = field(default_factory=list)
    ends: list[Ints] = field(default_factory=list)
    ticks: list[Ints] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    state: Counting = field(default_factory=Counting)

    def add(self, start: int, end: int, ticks: int) -> None:
        """Take one accepted step, from its baseline's time to its reading's."""
        self.starts.append(np.array([start], np.int64))
        self.ends.append(np.array([end], np.int64))
        self.ticks.append(np.array([ticks], np.int64))

    def arrays(self) -> tuple[Ints, Ints, Ints]:
        """Start, end and ticks of every step, in order of time."""
        none = [np.zeros(0, np.int64)]
        return (
            np.concatenate(self.starts or none),
            np.concatenate(self.ends or none),
            np.concatenate(self.ticks or none),
        )


@dataclass(frozen=True, slots=True)
class _Reading:
    time: int
    ticks: int
    boot: str | None


def count_steps(register: Register, state: Counting, series: Series, exchanges: tuple[int, ...] = ()) -> Steps:
    """Judge the readings of a register in order. `exchanges` are the times at which a new meter id was announced.

    Long runs that rule 1 accepts are taken at once; every other reading goes through the rules one by one.
    """
    steps = Steps(state=state)
    ordinary = _ordinary(register, series, exchanges)
    exceptions = np.flatnonzero(~ordinary)
    place, count = 0, len(series.times)
    changes = iter(sorted(exchanges))
    change = next(changes, None)
    while place < count:
        time = int(series.times[place])
        while change is not None and change <= time:
            steps.state = replace(steps.state, exchanged=change)
            change = next(changes, None)
        if _stands_on(steps.state, series, place - 1) and ordinary[place]:
            end = int(exceptions[np.searchsorted(exceptions, place)]) if place <= exceptions.max(initial=-1) else count
            _take_run(steps, series, place, end)
            place = end
        else:
            _judge(register, steps, _reading(series, place))
            place += 1
    if change is not None:
        steps.state = replace(steps.state, exchanged=max(exchanges))
    return steps


def _ordinary(register: Register, series: Series, exchanges: tuple[int, ...]) -> Flags:
    """Which readings rule 1 accepts if the reading before them is the baseline; never the first."""
    times, ticks = series.times, series.ticks
    result = np.zeros(len(times), np.bool_)
    if len(times) < 2:
        return result
    steps, elapsed = np.diff(ticks), np.diff(times)
    result[1:] = (steps >= 0) & (steps <= _most(register, elapsed))
    for moment in exchanges:
        place = int(np.searchsorted(times, moment))
        if place < len(times):
            result[place] = False
    return result


def _most(register: Register, elapsed: Ints) -> Ints:
    """The largest plausible step for each length of time, in whole ticks."""
    if register.rate is None:
        return np.full(len(elapsed), 2**62)
    above, below = register.rate.numerator, register.rate.denominator
    if int(elapsed.max(initial=0)) * above < 2**62:
        return elapsed * above // below + 1
    return np.array([min(2**62, int(ms) * above // below + 1) for ms in elapsed], np.int64)


def _stands_on(state: Counting, series: Series, place: int) -> bool:
    """Is the reading at `place` the baseline, with nothing waiting?"""
    if place < 0 or state.baseline is None or state.low is not None or state.exchanged is not None:
        return False
    return state.baseline.time == int(series.times[place])


def _take_run(steps: Steps, series: Series, start: int, end: int) -> None:
    steps.starts.append(series.times[start - 1 : end - 1])
    steps.ends.append(series.times[start:end])
    steps.ticks.append(np.diff(series.ticks[start - 1 : end]))
    boots = series.boots[start:end]
    named = boots[boots != NO_BOOT]
    known = steps.state.baseline.boot if steps.state.baseline else None
    boot = series.boot_names[int(named[-1])] if len(named) else known
    steps.state = Counting(Baseline(int(series.times[end - 1]), int(series.ticks[end - 1]), boot))


def _reading(series: Series, place: int) -> _Reading:
    boot = int(series.boots[place])
    name = None if boot == NO_BOOT else series.boot_names[boot]
    return _Reading(int(series.times[place]), int(series.ticks[place]), name)


def _judge(register: Register, steps: Steps, reading: _Reading) -> None:
    """Put one reading through the rules, in their order."""
    state = steps.state
    baseline = state.baseline
    if baseline is None or state.exchanged is not None:
        boot = reading.boot or (baseline.boot if baseline else None)
        steps.state = Counting(Baseline(reading.time, reading.ticks, boot))
        return
    elapsed = reading.time - baseline.time
    difference = reading.ticks - baseline.ticks
    if register.plausible(difference, elapsed):
        if state.low is not None:
            steps.flags.append(_flag_low(state.low))
        _accept(steps, baseline, reading, difference)
    elif _restarted(register, baseline, reading, elapsed):
        _accept(steps, baseline, reading, reading.ticks)
    elif state.low is not None:
        _decide(register, steps, state.low, baseline, reading)
    elif difference < 0 and register.reset_below is not None and reading.ticks < register.reset_below:
        steps.state = replace(state, low=Low(reading.ticks, reading.time, reading.time, 1))
    elif difference < 0 and register.width is not None and register.plausible(difference + register.width, elapsed):
        _accept(steps, baseline, reading, difference + register.width)
    else:
        _quarantine(register, steps, baseline, reading)


def _restarted(register: Register, baseline: Baseline, reading: _Reading, elapsed: int) -> bool:
    """Rule 2: the device announced a restart, and the value is what a register starting from zero can show."""
    announced = reading.boot is not None and baseline.boot is not None and reading.boot != baseline.boot
    low_enough = register.reset_below is None or reading.ticks < register.reset_below
    return announced and reading.ticks < baseline.ticks and low_enough and register.plausible(reading.ticks, elapsed)


def _decide(register: Register, steps: Steps, low: Low, baseline: Baseline, reading: _Reading) -> None:
    """Rule 3 for the reading after a low one, where the old baseline does not explain it."""
    if reading.ticks == low.ticks:
        waiting = replace(low, latest=reading.time, count=low.count + 1)
        steps.state = replace(steps.state, low=waiting)
    elif reading.ticks > low.ticks and register.plausible(reading.ticks - low.ticks, reading.time - low.latest):
        _accept(steps, baseline, reading, reading.ticks)
    elif reading.ticks < low.ticks:
        steps.flags.append(_flag_low(low))
        steps.state = replace(steps.state, low=Low(reading.ticks, reading.time, reading.time, 1))
    else:
        _quarantine(register, steps, baseline, reading)


def _accept(steps: Steps, baseline: Baseline, reading: _Reading, ticks: int) -> None:
    steps.add(baseline.time, reading.time, ticks)
    steps.state = Counting(Baseline(reading.time, reading.ticks, reading.boot or baseline.boot))


def _flag_low(low: Low) -> Flag:
    return Flag(low.first, low.latest, low.count, low.ticks, 0, "read error: the register went on from where it was")


def _quarantine(register: Register, steps: Steps, baseline: Baseline, reading: _Reading) -> None:
    excess = max(0, reading.ticks - baseline.ticks)
    reason = "a jump beyond max_rate" if excess else "lower than the register, and neither a reset nor a wrap"
    last = steps.state.flagged
    linked = last is not None and register.plausible(reading.ticks - last[1], reading.time - last[0])
    steps.flags.append(Flag(reading.time, reading.time, 1, reading.ticks, excess, reason, linked))
    steps.state = replace(steps.state, flagged=(reading.time, reading.ticks))


def cases(flags: list[Flag]) -> Iterator[list[Flag]]:
    """Flags as a person decides them: three or more in a row that explain each other are one case (semantics §3)."""
    runs: list[list[Flag]] = []
    for flag in flags:
        if flag.linked and runs:
            runs[-1].append(flag)
        else:
            runs.append([flag])
    for run in runs:
        yield from [run] if len(run) >= 3 else ([flag] for flag in run)
