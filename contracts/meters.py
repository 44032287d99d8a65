"""The four kinds of meter, each over one stretch: what it measured, and where it stands after (semantics §3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from contracts.counter import (
    STILL_WAITING,
    Announcements,
    Break,
    Counting,
    Flag,
    Register,
    Steps,
    count_steps,
    flag_low,
)
from contracts.judging import Verdict, Window
from contracts.language.terms import MeterKind, Terms
from contracts.periods import Span
from contracts.readings import NOTHING, Ints, Series
from contracts.sides.told import Told
from contracts.timeline import FALSE, TRUE, UNKNOWN, States, Timeline, constant, lasting, overlay
from contracts.units import DAY_MS

LOOK_BACK_MS = 7 * DAY_MS


@dataclass(frozen=True, slots=True)
class MeterState:
    """Where one meter stands between two stretches."""

    counting: Counting = field(default_factory=Counting)
    before: tuple[int, int] | None = None  # a count's last known state, and until when it was known
    under_way: tuple[int, int, int] = (0, 0, 0)  # ms of `only_when` false, unknown, true since the baseline
    in_gap: bool = False


@dataclass(frozen=True, slots=True)
class Totals:
    """What a meter measured over a stretch, in exact integers that add up.

    The unit of `on`, `off` and `unknown` is the meter's own: ticks of a register, tick-milliseconds of an integral,
    milliseconds of a duration, or times counted; they are the parts where `only_when` held, did not, or is unknown.
    `opening` and `closing` are a register's baselines, in ticks.
    """

    on: int = 0
    off: int = 0
    unknown: int = 0
    known_ms: int = 0
    gaps: int = 0
    flags: tuple[Flag, ...] = ()
    breaks: tuple[Break, ...] = ()
    opening: int | None = None
    closing: int | None = None

    def __add__(self, later: Totals) -> Totals:
        return Totals(
            self.on + later.on,
            self.off + later.off,
            self.unknown + later.unknown,
            self.known_ms + later.known_ms,
            self.gaps + later.gaps,
            self.flags + later.flags,
            self.breaks + later.breaks,
            later.opening if self.opening is None else self.opening,
            self.closing if later.closing is None else later.closing,
        )


@dataclass(frozen=True, slots=True)
class Sight:
    """Everything the meters of a device see of one stretch, and whether a period or the time in force ends with it."""

    terms: Terms
    device: str
    window: Window
    verdicts: Mapping[tuple[str, str], Verdict]
    restarts: tuple[int, ...]
    told: Told
    closing: bool

    @property
    def span(self) -> Span:
        """The stretch."""
        return self.window.span

    def announcements(self, channel: str) -> Announcements:
        """What was said of a register."""
        told = self.told.within(self.span)
        exchanges = tuple(each for each in told.exchanges if each.channel == channel)
        # A meter that is read out is no new one to any of the device's registers.
        return Announcements(self.restarts, told.meter_ids, exchanges, told.decisions.get(channel, ()))

    def measured(self, name: str) -> Timeline:
        """The condition of a duration or a count."""
        return self.verdicts[name, "measured"].timeline

    def gate(self, name: str) -> Timeline:
        """Where the meter's `only_when` holds; everywhere if it has none."""
        verdict = self.verdicts.get((name, "only_when"))
        return verdict.timeline if verdict else constant(self.span, TRUE)

    def knowledge(self, name: str) -> Timeline:
        """When what the meter measures is known: its channel, or its condition."""
        channel = self.terms.meters[name].channel
        if channel is not None:
            return self.window.track(self.device, channel).knowledge()
        measured = self.measured(name)
        states = np.where(measured.states == UNKNOWN, UNKNOWN, TRUE).astype(np.int8)
        return Timeline(self.span, measured.starts, states)

    def beginnings(self, name: str, state: MeterState) -> tuple[Ints, tuple[int, int] | None]:
        """When the condition of a count became true, and its last known state after."""
        return beginnings(self.measured(name), state.before)

    def seen(self, name: str, state: MeterState) -> tuple[int, int, bool]:
        """Known time, gaps that begin here, and whether the stretch ends in one."""
        known = self.knowledge(name).merged()
        gaps = int(np.count_nonzero(known.states == UNKNOWN)) - int(state.in_gap and known.states[0] == UNKNOWN)
        return known.time_in(TRUE), gaps, bool(known.states[-1] == UNKNOWN)


def beginnings(timeline: Timeline, before: tuple[int, int] | None) -> tuple[Ints, tuple[int, int] | None]:
    """When a condition became true: known false before, at most seven days back, and known true now.

    `before` is the last known state before the timeline and until when it was known; given back as it is at the end.
    """
    runs = timeline.merged()
    known = np.flatnonzero(runs.states != UNKNOWN)
    if not len(known):
        return np.zeros(0, np.int64), before
    states, starts = runs.states[known], runs.starts[known]
    ends = np.append(runs.starts[1:], runs.span.end)[known]
    before_state, before_until = before or (TRUE, 0)
    previous = np.concatenate([[before_state], states[:-1]])
    until = np.concatenate([[before_until], ends[:-1]])
    became = (states == TRUE) & (previous == FALSE) & (starts - until < LOOK_BACK_MS)
    return starts[became], (int(states[-1]), int(ends[-1]))


def _meter_integral(sight: Sight, name: str, state: MeterState) -> tuple[Totals, MeterState]:
    channel = sight.terms.meters[name].integral
    assert channel is not None, "dispatched by kind"
    values, gate = sight.window.track(sight.device, channel), sight.gate(name)
    starts, (value_at, gate_at) = overlay(values, gate)
    lengths = np.where(values.known[value_at], lasting(starts, sight.span), 0)
    ticks, states = values.ticks[value_at], gate.states[gate_at]
    on, off, unknown = (_area(ticks, np.where(states == which, lengths, 0)) for which in (TRUE, FALSE, UNKNOWN))
    known_ms, gaps, in_gap = sight.seen(name, state)
    return Totals(on, off, unknown, known_ms, gaps), replace(state, in_gap=in_gap)


def _area(ticks: Ints, lengths: Ints) -> int:
    """Σ ticks × ms, exactly: the high and low halves of the ticks are summed apart, so that nothing overflows."""
    return (int(np.dot(ticks >> 26, lengths)) << 26) + int(np.dot(ticks & (2**26 - 1), lengths))


def _meter_duration(sight: Sight, name: str, state: MeterState) -> tuple[Totals, MeterState]:
    measured, gate = sight.measured(name), sight.gate(name)
    starts, (measured_at, gate_at) = overlay(measured, gate)
    lengths = np.where(measured.states[measured_at] == TRUE, lasting(starts, sight.span), 0)
    states = gate.states[gate_at]
    on, off, unknown = (int(lengths[states == which].sum()) for which in (TRUE, FALSE, UNKNOWN))
    known_ms, gaps, in_gap = sight.seen(name, state)
    return Totals(on, off, unknown, known_ms, gaps), replace(state, in_gap=in_gap)


def _meter_count(sight: Sight, name: str, state: MeterState) -> tuple[Totals, MeterState]:
    """Times the condition became true."""
    moments, before = sight.beginnings(name, state)
    gates = sight.gate(name).at(moments)
    on, off, unknown = (int(np.count_nonzero(gates == which)) for which in (TRUE, FALSE, UNKNOWN))
    known_ms, gaps, in_gap = sight.seen(name, state)
    return Totals(on, off, unknown, known_ms, gaps), replace(state, in_gap=in_gap, before=before)


def _meter_counter(sight: Sight, name: str, state: MeterState) -> tuple[Totals, MeterState]:
    steps, series = _steps(sight, name, state)
    low = steps.state.low
    if sight.closing and low is not None and low.count:
        steps.flags.append(flag_low(low, STILL_WAITING))
    on, off, unknown, under_way = _gated(sight, name, steps, state)
    known_ms, gaps, in_gap = sight.seen(name, state)
    opening = state.counting.baseline.ticks if state.counting.baseline else _first_read(sight, name, series)
    closing = steps.state.baseline.ticks if steps.state.baseline else None
    flags, breaks = tuple(steps.flags), tuple(steps.breaks)
    totals = Totals(on, off, unknown, known_ms, gaps, flags, breaks, opening, closing)
    return totals, MeterState(steps.state, None, under_way, in_gap)


def _first_read(sight: Sight, name: str, series: Series) -> int | None:
    """The first register of a stretch, as the device or, of an exchanged meter, a person read it."""
    said = sight.announcements(sight.terms.meters[name].counter or "")
    read = [(each.time, each.new) for each in said.exchanges]
    read += zip(series.times[:1].tolist(), series.ticks[:1].tolist(), strict=True)
    return min(read, key=lambda one: one[0])[1] if read else None


def _steps(sight: Sight, name: str, state: MeterState) -> tuple[Steps, Series]:
    """The register's readings of the stretch, and the steps they are judged to be."""
    channel = sight.terms.meters[name].counter
    assert channel is not None, "called for counters only"
    series = sight.window.series.get((sight.device, channel), NOTHING).between(sight.span.start, sight.span.end)
    said = sight.announcements(channel)
    return count_steps(Register.of(sight.terms, name), state.counting, series, said), series


def accepted_steps(sight: Sight, name: str, state: MeterState) -> tuple[Ints, Ints]:
    """When each accepted step of a counter came, and its ticks in which `only_when` held."""
    steps, _ = _steps(sight, name, state)
    _, ends, ticks = steps.arrays()
    if sight.terms.meters[name].only_when is None:
        return ends, ticks
    return ends, _parted(sight, name, steps, state)[0]


def scale(terms: Terms, name: str) -> Fraction:
    """The meter's unit in one of its integers (see `Totals`)."""
    meter = terms.meters[name]
    if meter.kind == "count":
        return Fraction(1)
    if meter.kind == "duration":
        return Fraction(1, meter.unit_ms)
    assert meter.channel is not None, "a counter or an integral has a channel"
    step = Fraction(terms.channels[meter.channel].resolution)
    return step / meter.per if meter.per else step


Parts = tuple[int, int, int]


def _gated(sight: Sight, name: str, steps: Steps, state: MeterState) -> tuple[int, int, int, Parts]:
    """Steps divided by `only_when`, and how long it was false, unknown and true in the step now under way."""
    total = int(steps.arrays()[2].sum())
    if sight.terms.meters[name].only_when is None:
        return total, 0, 0, (0, 0, 0)
    gate, begin = sight.gate(name), sight.span.start
    on, unknown = (int(part.sum()) for part in _parted(sight, name, steps, state))
    since = steps.state.baseline.time if steps.state.baseline else sight.span.end
    edges = np.array([max(since, begin), sight.span.end])
    spent = [int(np.diff(gate.time_until(which, edges))[0]) for which in (FALSE, UNKNOWN, TRUE)]
    carried = state.under_way if since < begin else (0, 0, 0)
    under_way = (spent[0] + carried[0], spent[1] + carried[1], spent[2] + carried[2])
    return on, total - on - unknown, unknown, under_way


def _parted(sight: Sight, name: str, steps: Steps, state: MeterState) -> tuple[Ints, Ints]:
    """Of each step, the ticks in which `only_when` held, and in which it is unknown."""
    starts, ends, ticks = steps.arrays()
    gate, begin = sight.gate(name), sight.span.start
    parts = [
        gate.time_until(which, ends)
        - gate.time_until(which, np.maximum(starts, begin))
        + np.where(starts < begin, state.under_way[which], 0)
        for which in (FALSE, UNKNOWN, TRUE)
    ]
    return _shares(ticks, parts, gate.at(ends))


def _shares(ticks: Ints, parts: list[Ints], states: States) -> tuple[Ints, Ints]:
    """The ticks of each step in which the condition held, and in which it is unknown.

    Each step counts by the share of its span, rounded half-even to a tick; what is unknown is rounded together with
    what held, so that the three parts of a step always add up to it. An empty span: the condition at that moment.
    """
    false_ms, unknown_ms, true_ms = parts
    empty = false_ms + unknown_ms + true_ms == 0
    whole_on = ((false_ms == 0) & (unknown_ms == 0) & ~empty) | (empty & (states == TRUE))
    whole_unknown = ((false_ms == 0) & (true_ms == 0) & ~empty) | (empty & (states == UNKNOWN))
    whole_off = ((true_ms == 0) & (unknown_ms == 0) & ~empty) | (empty & (states == FALSE))
    on, unknown = np.where(whole_on, ticks, 0), np.where(whole_unknown, ticks, 0)
    for place in np.flatnonzero(~(whole_on | whole_unknown | whole_off)):
        step, held, open_ = int(ticks[place]), int(true_ms[place]), int(unknown_ms[place])
        length = held + open_ + int(false_ms[place])
        part = round(Fraction(step * held, length))
        on[place] = part
        unknown[place] = round(Fraction(step * (held + open_), length)) - part
    return on, unknown


METERING: Mapping[MeterKind, Callable[[Sight, str, MeterState], tuple[Totals, MeterState]]] = {
    "counter": _meter_counter,
    "integral": _meter_integral,
    "duration": _meter_duration,
    "count": _meter_count,
}
