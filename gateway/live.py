"""The statement so far: periods that still run, metered hour by hour as readings come in (architecture, decision 5).

A segment is what one device measured in one hour, and where its meters stood before; days that were over when
metering began are one segment each. A late reading meters its segment again, and those after it, until a segment's
state before is the one it had: from there on nothing changes. Sums of many segments are kept, so that the statement so
far is a short addition, by the very code of the final.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from contracts.adjusting import adjusted
from contracts.contract import Contract
from contracts.judging import Key
from contracts.language.terms import Device
from contracts.metering import DeviceState, Stretch, advance, begin_period, keys_of
from contracts.meters import Totals
from contracts.periods import Period, Span, in_force
from contracts.readings import Counts, Judged, Series
from contracts.review import Row, kept_aside
from contracts.sides.carried import Carried, State
from contracts.sides.stretches import Stretches, united
from contracts.sides.told import NOTHING_TOLD, Told, changed_moments
from contracts.sides.watch import Watch, joined
from contracts.statement import draft, holidays_of
from contracts.timeline import Timeline
from contracts.units import DAY_MS, HOUR_MS
from contracts.usage import Metered
from gateway.meter import Source
from gateway.restate import Restatement

TOGETHER = 24  # segments of which the sum is kept


@dataclass(frozen=True, slots=True)
class Measured:
    """What one device measured over a stretch, and what became of its readings; stretches add up."""

    totals: Mapping[str, Totals]
    counts: Mapping[str, Counts]
    aside: tuple[Row, ...] = ()
    watched: Mapping[Watch, tuple[Timeline, ...]] = field(default_factory=dict)
    overdue: Mapping[str, Stretches] = field(default_factory=dict)

    def __add__(self, later: "Measured") -> "Measured":
        # A stretch without readings of a channel does not name it, and must not make the others forget it.
        totals = {
            **self.totals,
            **{name: self.totals.get(name, Totals()) + each for name, each in later.totals.items()},
        }
        counts = {
            **self.counts,
            **{name: self.counts.get(name, Counts()) + each for name, each in later.counts.items()},
        }
        watched = {watch: self.watched.get(watch, ()) + each for watch, each in later.watched.items()}
        overdue = {duty: self.overdue.get(duty, ()) + each for duty, each in later.overdue.items()}
        return Measured(
            totals, counts, self.aside + later.aside, {**self.watched, **watched}, {**self.overdue, **overdue}
        )


NOTHING = Measured({}, {})


@dataclass(frozen=True, slots=True)
class Seen:
    """The readings of a stretch that the meters and promises of a device look at."""

    judged: Mapping[Key, Judged]
    series: Mapping[Key, Series]


@dataclass(frozen=True, slots=True)
class Segment:
    """One hour, or one day gone by, of one device: the state before it and what it measured."""

    before: DeviceState
    measured: Measured


@dataclass(slots=True)
class Chain:
    """The segments of one device over a period, in order; `after` is the state where they end."""

    device: Device
    segments: list[Segment] = field(default_factory=list)
    sums: dict[int, Measured] = field(default_factory=dict)
    after: DeviceState | None = None
    told: Told = NOTHING_TOLD


class LivePeriod:
    """One period of one contract, metered as far as its readings go."""

    def __init__(self, contract: Contract, period: Period, opening: State, now_ms: int) -> None:
        self.contract = contract
        self.period = period
        self.opening = opening
        self._edges = edges(period.span, now_ms)
        self._folded = now_ms // DAY_MS
        self.later = Restatement()
        self.settlements: Collection[str] = ()  # those that its statement brings
        self._holidays = holidays_of(contract.terms, period)
        self._chains = {device.id: Chain(device) for device in contract.terms.devices}

    def update(self, source: Source, dirty: Mapping[str, set[int]], now_ms: int) -> None:
        """Meter what is new: the dirty hours (counted from 1970) by device, and whole hours that readings reach into.

        Silence after the last reading is not cut into hours: a statement meters it as one stretch.
        """
        said = self.hear(source)
        self._fold(now_ms)
        for chain in self._chains.values():
            keys = keys_of(self.contract.terms, chain.device.id)
            reporters = {device for device, _ in keys}
            hours = set[int]().union(*(dirty.get(each, set()) | said.get(each, set()) for each in reporters))
            self._again(source, chain, self._places(hours, len(chain.segments)))
            newest = max(source.store.newest_ms(*key) for key in keys)
            self._further(source, chain, min(now_ms, newest))

    def _fold(self, now_ms: int) -> None:
        """Make one segment of each day gone by, as they are at a start: memory goes with days, and not with hours.

        A day in which a device was metered only in part, because it fell silent, is metered again when it speaks.
        """
        if now_ms // DAY_MS == self._folded:
            return
        self._folded = now_ms // DAY_MS
        after = edges(self.period.span, now_ms)
        for chain in self._chains.values():
            _fold_chain(chain, self._edges, after)
        self._edges = after

    def hear(self, source: Source) -> dict[str, set[int]]:
        """Take in what is said of each device by now, and give the hours in which that differs from before."""
        hours = {}
        for device, chain in self._chains.items():
            told = source.told(chain.device, self.period)
            hours[device] = {moment // HOUR_MS for moment in changed_moments(chain.told, told)}
            chain.told = told
        return hours

    def reopen(self, source: Source, opening: State) -> None:
        """Begin from another opening state: the period before has changed, and this one as far as that reaches."""
        self.opening = opening
        for chain in self._chains.values():
            begin = begin_period(opening.devices[chain.device.id])
            if chain.segments and chain.segments[0].before != begin:
                self._run(source, chain, 0, begin, len(chain.segments), {0})

    def statement(self, source: Source, now_ms: int) -> dict[str, object]:
        """The statement so far: whole hours from their segments, and the hour under way as if it ended now."""
        end = min(now_ms, self.period.span.end)
        status = "open" if now_ms < self.period.span.end else "provisional"
        document = self._draft(source, end, status)[0]
        return adjusted(self.contract.terms, document, self.later.rows, self.later.entries)

    def _draft(self, source: Source, end: int, status: str) -> tuple[dict[str, object], Carried]:
        metered = [self._to_date(source, chain, end) for chain in self._chains.values()]
        docket = source.docket.touching(self.period.span, self.settlements)
        return draft(
            self.contract,
            self.period,
            metered,
            self.opening.carried,
            docket,
            status=status,
            until=end,
            holidays=self._holidays,
        )

    def closing(self, source: Source) -> State:
        """The state with which the period would close if it closed now; the period must be over."""
        end = self.period.span.end
        states = {chain.device.id: self._rest(source, chain, end)[1] for chain in self._chains.values()}
        return State(end, states, self._draft(source, end, "provisional")[1])

    def _places(self, hours: set[int], count: int) -> set[int]:
        """The segments, of the first `count`, in which these hours lie."""
        spans = [(hour * HOUR_MS, (hour + 1) * HOUR_MS) for hour in hours]
        first = self._edges[0]
        places = {max(0, bisect_right(self._edges, start) - 1) for start, end in spans if end > first}
        return {place for place in places if place < count}

    def _again(self, source: Source, chain: Chain, changed: set[int]) -> None:
        """Meter changed segments again, and those after each of them until the state is as it was."""
        reached = 0
        for first in sorted(changed):
            if first >= reached:
                begin = chain.segments[first].before
                reached = self._run(source, chain, first, begin, len(chain.segments), changed)

    def _further(self, source: Source, chain: Chain, limit_ms: int) -> None:
        """Meter the whole hours up to `limit_ms` that are not metered yet."""
        last = bisect_right(self._edges, limit_ms) - 1
        self._run(source, chain, len(chain.segments), self._after(chain), last, set())

    def _run(self, source: Source, chain: Chain, first: int, state: DeviceState, last: int, changed: set[int]) -> int:
        """Meter segments from `first` to before `last`, or to one that begins as it did, after all that is `changed`.

        Says how far it came. A state that is not settled lies before its segment: what changed in between is still to
        be metered. Readings are read for more segments at a time the further it goes.
        """
        place, reach, settled_from = first, 2, 0
        while place < last:
            upto = min(place + reach, last)
            seen = self._seen(source, chain.device, state.at, self._edges[upto])
            while place < upto:
                if place in changed:
                    settled_from = self._edges[place + 1]
                elif place < len(chain.segments) and chain.segments[place].before == state and state.at >= settled_from:
                    return place
                state = self._meter(chain, place, state, seen)
                place += 1
            reach *= 2
        if place == len(chain.segments):
            chain.after = state
        return place

    def _after(self, chain: Chain) -> DeviceState:
        return chain.after or begin_period(self.opening.devices[chain.device.id])

    def _meter(self, chain: Chain, place: int, state: DeviceState, seen: Seen) -> DeviceState:
        end = self._edges[place + 1]
        stretch, after = self._advance(chain, state, seen, end, closing=end == self.period.span.end)
        measured = self._measured(chain, stretch, seen, Span(self._edges[place], end))
        segment = Segment(state, measured)
        if place < len(chain.segments):
            chain.segments[place] = segment
        else:
            chain.segments.append(segment)
        chain.sums.pop(place // TOGETHER, None)
        return after

    def _advance(
        self, chain: Chain, state: DeviceState, seen: Seen, end: int, *, closing: bool
    ) -> tuple[Stretch, DeviceState]:
        terms, told = self.contract.terms, chain.told
        return advance(terms, chain.device, self.period, state, seen.series, end, closing=closing, told=told)

    def _measured(self, chain: Chain, stretch: Stretch, seen: Seen, span: Span) -> Measured:
        terms, device = self.contract.terms, chain.device
        span = in_force(terms, device, self.period).within(span)
        counts = {
            channel: seen.judged[device.id, channel].counts(span.start, span.end)
            for channel in terms.channels
            if (device.id, channel) in seen.judged
        }
        aside = tuple(kept_aside(terms, device.id, seen.judged, span, chain.told.decisions))
        watched = {watch: (timeline,) for watch, timeline in stretch.watched.items()}
        return Measured(stretch.totals, counts, aside, watched, stretch.overdue)

    def _seen(self, source: Source, device: Device, start: int, end: int) -> Seen:
        found = {key: source.judged(key, start, end) for key in keys_of(self.contract.terms, device.id)}
        judged = {key: each for key, each in found.items() if len(each.columns)}
        return Seen(judged, {key: each.series() for key, each in judged.items()})

    def _rest(self, source: Source, chain: Chain, end: int) -> tuple[Measured, DeviceState]:
        """From where the segments end to `end`, as if the period ended there."""
        state = self._after(chain)
        reached = self._edges[len(chain.segments)]
        if state.at >= end:
            return NOTHING, state
        seen = self._seen(source, chain.device, min(state.at, reached), end)
        stretch, after = self._advance(chain, state, seen, end, closing=True)
        return self._measured(chain, stretch, seen, Span(reached, max(reached, end))), after

    def _to_date(self, source: Source, chain: Chain, end: int) -> Metered:
        terms = self.contract.terms
        whole = sum((_summed(chain, group) for group in range(-(-len(chain.segments) // TOGETHER))), NOTHING)
        measured = whole + self._rest(source, chain, end)[0]
        force = in_force(terms, chain.device, self.period).within(Span(self.period.span.start, end))
        keys = [(chain.device.id, channel) for channel in terms.channels]
        refused = {key[1]: source.store.refused(*key, force.start, max(force.start + 1, force.end)) for key in keys}
        totals = {name: measured.totals.get(name, Totals()) for name in terms.meters}
        counts = {channel: measured.counts.get(channel, Counts()) for channel in terms.channels}
        watched = {watch: joined(parts) for watch, parts in measured.watched.items()}
        overdue = {duty: united(each) for duty, each in measured.overdue.items()}
        return Metered(chain.device, force, totals, counts, refused, measured.aside, watched, overdue)


def _summed(chain: Chain, group: int) -> Measured:
    """The sum of segments that stand together, kept until one of them changes."""
    parts = chain.segments[group * TOGETHER : (group + 1) * TOGETHER]
    if group not in chain.sums or len(parts) < TOGETHER:
        chain.sums[group] = sum((segment.measured for segment in parts), NOTHING)
    return chain.sums[group]


def _fold_chain(chain: Chain, before: list[int], after: list[int]) -> None:
    """Put the segments between two of the edges `after` together; those that reach no such edge are dropped."""
    held, folded = before[len(chain.segments)], list[Segment]()
    for start, end in pairwise(after):
        if end > held:
            break
        parts = chain.segments[bisect_left(before, start) : bisect_left(before, end)]
        folded.append(parts[0] if len(parts) == 1 else Segment(parts[0].before, _together(parts)))
    rest = bisect_left(before, after[len(folded)])
    if rest < len(chain.segments):
        chain.after = chain.segments[rest].before
    chain.segments = folded
    chain.sums.clear()


def _together(parts: list[Segment]) -> Measured:
    """What segments that follow each other measured, in as few timelines as it takes."""
    whole = sum((segment.measured for segment in parts), NOTHING)
    watched = {watch: (joined(each),) for watch, each in whole.watched.items()}
    return replace(whole, watched=watched, overdue={duty: united(each) for duty, each in whole.overdue.items()})


def edges(span: Span, now_ms: int) -> list[int]:
    """The edges of a period's segments: its start, each UTC day that was over a day ago, each hour since, its end."""
    day = (span.start // DAY_MS + 1) * DAY_MS
    days = range(day, min(span.end, now_ms - DAY_MS), DAY_MS)
    hour = days[-1] + HOUR_MS if days else (span.start // HOUR_MS + 1) * HOUR_MS
    return [span.start, *days, *range(hour, span.end, HOUR_MS), span.end]
