"""The rules by which a register's readings become steps (semantics §3).

Readings come in order of time, each judged against the *baseline*, the last accepted one:

1. at or above the baseline and plausible            → accepted, the step is the difference
2. lower after an announced restart, plausible from zero, below `reset_below` where that is set
                                                     → accepted, the step is the new value; a waiting one was an error
3. lower and below `reset_below`                     → waiting; the next different reading decides:
   a. plausible from the old baseline                → the low ones were read errors; counting goes on from there
   b. higher than the low one, plausible from it     → the reset was real; the step is this reading's value
   c. still lower                                    → takes the low one's place
   d. anything else                                  → quarantined, still waiting
4. lower, `width` set, the wrapped step plausible    → accepted, the step goes around the register's end
5. anything else                                     → quarantined: not billed, no baseline

*Plausible* is a step of at most `max_rate` × time since the baseline, and one tick; any step without `max_rate`.
A new meter id makes the next reading a new baseline without a step; where a person gave the old meter's closing and
the new one's opening register, the old closing is the last step and the new opening the baseline. A person may also
decide what rules 3 and 5 set aside: accepting bills a higher value's step and makes a lower one the baseline without
billing; discarding is, for the counter, as if it had never come. What follows is judged from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from contracts.language.terms import Terms
from contracts.readings import Decision, Flags, Ints, Series
from contracts.sides.told import Exchange

READ_ERROR = "read error: the register went on from where it was, or lower still"
STILL_WAITING = "low, and the period ended before the next reading could tell a reset from an error"
RESTARTED = "the device announced a restart, and the register began at zero"
RESET = "the register began at zero, and counted on from there"
WRAPPED = "the register went around its end"
EXCHANGED = "the device announced a new meter; counting goes on from its first reading"
READ_OUT = "a person read the old meter's closing and the new one's opening register"
NOT_READ_OUT = "a person gave the old meter's closing register, which cannot be right; counting goes on from the new"
ACCEPTED = "a person accepted the reading"
DISCARDED = "a person discarded the reading"
TOO_FAST = "a jump beyond max_rate"
TOO_LOW = "lower than the register, and neither a reset nor a wrap"


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

    def can_be_reset(self, ticks: int) -> bool:
        """Is the value as low as a register can be after a reset?"""
        return self.reset_below is None or ticks < self.reset_below

    def wraps(self, difference: int, elapsed_ms: int) -> bool:
        """Can a lower reading be the register after it went around its end?"""
        return difference < 0 and self.width is not None and self.plausible(difference + self.width, elapsed_ms)

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
    """The last accepted reading of a register."""

    time: int
    ticks: int


@dataclass(frozen=True, slots=True)
class Counting:
    """Where a counter stands between two readings."""

    baseline: Baseline | None = None
    low: Low | None = None
    restarted: bool = False  # the device announced a restart since the baseline
    exchanged: bool = False  # a new meter id came: the next reading is a new baseline
    flagged: tuple[int, int] | None = None  # time and ticks of the reading quarantined right before, if one was


@dataclass(frozen=True, slots=True)
class Flag:
    """Readings that are not billed: when, their value, how far above the baseline, and why; kept for a decision.

    `linked` says that it is plausible from the flag right before it: such readings are one case for a person.
    `decided` ones wait for nobody.
    """

    first: int
    latest: int
    count: int
    ticks: int
    excess: int
    reason: str
    linked: bool = False
    decided: bool = False


@dataclass(frozen=True, slots=True)
class Break:
    """Where a register did not simply count on: when, its reading before and after, what was counted, and why."""

    time: int
    before: int
    after: int
    counted: int
    reason: str


@dataclass(slots=True)
class Steps:
    """What a stretch of readings gave: the accepted steps as arrays, flags, breaks, and where the counter stands."""

    starts: list[Ints] = field(default_factory=list)
    ends: list[Ints] = field(default_factory=list)
    ticks: list[Ints] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)
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
class Announcements:
    """What was said of a register, in order of time: restarts (a new `boot`), meter ids not seen before, and by people
    the registers of an exchanged meter and decisions on readings set aside.
    """

    restarts: tuple[int, ...] = ()
    meter_ids: tuple[int, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    decisions: tuple[Decision, ...] = ()

    def decided(self, time: int, ticks: int) -> bool | None:
        """Whether a person accepted the reading or discarded it; None if nobody decided."""
        said = [each.accepted for each in self.decisions if each.time == time and each.ticks in (None, ticks)]
        return said[-1] if said else None


def count_steps(register: Register, state: Counting, series: Series, said: Announcements) -> Steps:
    """Judge the readings of a register in order, knowing what the device announced in the same stretch.

    Long runs that rule 1 accepts are taken at once; every other reading goes through the rules one by one.
    """
    steps = Steps(state=state)
    moments = sorted({*said.restarts, *said.meter_ids, *(each.time for each in said.exchanges)})
    ordinary = _ordinary(register, series, moments)
    exceptions = np.flatnonzero(~ordinary)
    place, count = 0, len(series.times)
    while place < count:
        time = int(series.times[place])
        while moments and moments[0] <= time:
            _announce(register, steps, said, moments.pop(0))
        if ordinary[place] and _stands_on(steps.state, series, place - 1):
            later = exceptions[np.searchsorted(exceptions, place) :]
            end = int(later[0]) if len(later) else count
            _take_run(steps, series, place, end)
            place = end
        else:
            ticks = int(series.ticks[place])
            _judge(register, steps, time, ticks, said.decided(time, ticks))
            place += 1
    for moment in moments:
        _announce(register, steps, said, moment)
    return steps


def _announce(register: Register, steps: Steps, said: Announcements, moment: int) -> None:
    restarted = steps.state.restarted or moment in said.restarts
    exchanged = steps.state.exchanged or moment in said.meter_ids
    steps.state = replace(steps.state, restarted=restarted, exchanged=exchanged)
    for exchange in said.exchanges:
        if exchange.time == moment:
            _exchange(register, steps, exchange)


def _exchange(register: Register, steps: Steps, exchange: Exchange) -> None:
    """A person read both meters: the old one's last step counts, and counting goes on from the new one's register."""
    baseline, low = steps.state.baseline, steps.state.low
    if low is not None and low.count:
        steps.flags.append(flag_low(low, READ_ERROR))
    if baseline is not None:
        step = exchange.old - baseline.ticks
        right = register.plausible(step, exchange.time - baseline.time)
        if right:
            steps.add(baseline.time, exchange.time, step)
        reason = READ_OUT if right else NOT_READ_OUT
        steps.breaks.append(Break(exchange.time, exchange.old, exchange.new, step if right else 0, reason))
    steps.state = Counting(Baseline(exchange.time, exchange.new))


def _ordinary(register: Register, series: Series, announced: list[int]) -> Flags:
    """Which readings rule 1 accepts if the reading before them is the baseline; never the first, or after news."""
    times, ticks = series.times, series.ticks
    result = np.zeros(len(times), np.bool_)
    if len(times) < 2:
        return result
    steps, elapsed = np.diff(ticks), np.diff(times)
    result[1:] = (steps >= 0) & (steps <= _most(register, elapsed))
    after = np.searchsorted(times, np.array(announced, np.int64))
    result[after[after < len(times)]] = False
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
    """Is the reading at `place` the baseline, with nothing waiting or announced?"""
    if place < 0 or state.baseline is None or state.low is not None or state.exchanged or state.restarted:
        return False
    return state.baseline.time == int(series.times[place])


def _take_run(steps: Steps, series: Series, start: int, end: int) -> None:
    steps.starts.append(series.times[start - 1 : end - 1])
    steps.ends.append(series.times[start:end])
    steps.ticks.append(np.diff(series.ticks[start - 1 : end]))
    steps.state = Counting(Baseline(int(series.times[end - 1]), int(series.ticks[end - 1])))


def _judge(register: Register, steps: Steps, time: int, ticks: int, decided: bool | None) -> None:
    """Put one reading through the rules, in their order; `decided` is what a person said of it."""
    state = steps.state
    baseline = state.baseline
    if baseline is None or state.exchanged:
        if baseline is not None:
            steps.breaks.append(Break(time, baseline.ticks, ticks, 0, EXCHANGED))
        steps.state = Counting(Baseline(time, ticks))
        return
    elapsed, difference = time - baseline.time, ticks - baseline.ticks
    if register.plausible(difference, elapsed):
        _accept(steps, time, ticks, difference, error=state.low)
    elif state.restarted and difference < 0 and register.can_be_reset(ticks) and register.plausible(ticks, elapsed):
        _accept(steps, time, ticks, ticks, error=state.low, reason=RESTARTED)
    elif decided is not None and not _proves(register, state, baseline, time, ticks):
        _decided(steps, time, ticks, accepted=decided)
    elif state.low is not None:
        _decide(register, steps, state.low, time, ticks)
    elif difference < 0 and register.reset_below is not None and ticks < register.reset_below:
        steps.state = replace(state, low=Low(ticks, time, time, 1))
    elif register.wraps(difference, elapsed):
        _accept(steps, time, ticks, difference + (register.width or 0), reason=WRAPPED)
    else:
        _quarantine(register, steps, time, ticks)


def _proves(register: Register, state: Counting, baseline: Baseline, time: int, ticks: int) -> bool:
    """Do rules 3 or 4 accept the reading, so that there is nothing for a person to decide?"""
    if state.low is not None:
        return ticks > state.low.ticks and register.plausible(ticks - state.low.ticks, time - state.low.latest)
    waits = register.reset_below is not None and ticks < register.reset_below
    return not waits and register.wraps(ticks - baseline.ticks, time - baseline.time)


def _decided(steps: Steps, time: int, ticks: int, *, accepted: bool) -> None:
    """A person decided a reading that the rules set aside."""
    baseline, low = steps.state.baseline, steps.state.low
    assert baseline is not None, "without a baseline a reading is one"
    difference = ticks - baseline.ticks
    if not accepted:
        steps.flags.append(Flag(time, time, 1, ticks, 0, DISCARDED, decided=True))
    elif difference >= 0:
        _accept(steps, time, ticks, difference, error=low, reason=ACCEPTED)
    else:
        if low is not None and low.count:
            steps.flags.append(flag_low(low, READ_ERROR))
        steps.breaks.append(Break(time, baseline.ticks, ticks, 0, ACCEPTED))
        steps.state = Counting(Baseline(time, ticks))


def _decide(register: Register, steps: Steps, low: Low, time: int, ticks: int) -> None:
    """Rule 3 for the reading after a low one, where the old baseline does not explain it."""
    if ticks == low.ticks:
        steps.state = replace(steps.state, low=replace(low, latest=time, count=low.count + 1))
    elif ticks > low.ticks and register.plausible(ticks - low.ticks, time - low.latest):
        _accept(steps, time, ticks, ticks, reason=RESET)
    elif ticks < low.ticks:
        steps.flags.append(flag_low(low, READ_ERROR))
        steps.state = replace(steps.state, low=Low(ticks, time, time, 1))
    else:
        _quarantine(register, steps, time, ticks)


def _accept(
    steps: Steps, time: int, ticks: int, step: int, *, error: Low | None = None, reason: str | None = None
) -> None:
    """Bill a step and make the reading the baseline; a low reading that it shows to be an `error` is flagged.

    `reason` is given where the register did not simply count on.
    """
    assert steps.state.baseline is not None, "a step goes from a baseline"
    if error is not None and error.count:
        steps.flags.append(flag_low(error, READ_ERROR))
    if reason is not None:
        steps.breaks.append(Break(time, steps.state.baseline.ticks, ticks, step, reason))
    steps.add(steps.state.baseline.time, time, step)
    steps.state = Counting(Baseline(time, ticks))


def flag_low(low: Low, reason: str) -> Flag:
    """The readings that waited, as readings not billed."""
    return Flag(low.first, low.latest, low.count, low.ticks, 0, reason)


def _quarantine(register: Register, steps: Steps, time: int, ticks: int) -> None:
    assert steps.state.baseline is not None, "without a baseline a reading is one"
    excess = max(0, ticks - steps.state.baseline.ticks)
    last = steps.state.flagged
    linked = last is not None and register.plausible(ticks - last[1], time - last[0])
    steps.flags.append(Flag(time, time, 1, ticks, excess, TOO_FAST if excess else TOO_LOW, linked))
    steps.state = replace(steps.state, flagged=(time, ticks))


def cases(flags: list[Flag]) -> Iterator[list[Flag]]:
    """Flags as a person decides them: three or more in a row that explain each other are one case (semantics §3).

    What is decided already is none.
    """
    runs: list[list[Flag]] = []
    for flag in flags:
        if flag.decided:
            continue
        if flag.linked and runs:
            runs[-1].append(flag)
        else:
            runs.append([flag])
    for run in runs:
        yield from [run] if len(run) >= 3 else ([flag] for flag in run)
