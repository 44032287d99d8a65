"""A period walked hour by hour: the statement to date at the end of every UTC hour, as the final one is computed.

What each device measured adds up from hour to hour. A mark is where everything stands at an hour's end; from a mark
the walk can go on, or go again when a later reading changes an hour behind it. So the statement to date at the end of
an hour depends on the journal alone, and not on when somebody looked.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from contracts.adjusting import adjusted
from contracts.contract import Contract
from contracts.judging import Key
from contracts.language.conditions import Condition
from contracts.language.promises import Obligation
from contracts.language.terms import Device, Terms
from contracts.metering import DeviceState, Stretch, advance, begin_period, keys_of
from contracts.meters import Totals
from contracts.periods import Period, Span, in_force
from contracts.readings import Counts, Judged
from contracts.sides.carried import Carried, State
from contracts.sides.stretches import Stretches, united
from contracts.sides.told import changed_moments
from contracts.sides.watch import Watch, joined
from contracts.state import read_state, state_document
from contracts.statement import draft, holidays_of
from contracts.timeline import Timeline
from contracts.units import DAY_MS, HOUR_MS
from contracts.usage import Metered
from gateway.influx.progress import NO_FIGURES, Figures, figures_of
from gateway.live import Seen
from gateway.meter import Source

Row = dict[str, Any]
Corrections = tuple[list[Row], list[Row]]  # of earlier periods: the adjustments, and the periods computed again
NO_CORRECTIONS: Final[Corrections] = ([], [])
CONDITION: Final = "condition "  # no promise has such an id: names have no spaces
_HOURS_KEPT: Final = 30


@dataclass(frozen=True, slots=True)
class Reach:
    """How far one device is metered: where it stands, and what it came to in the period by then."""

    state: DeviceState
    totals: Mapping[str, Totals]
    counts: Mapping[str, Counts] = field(default_factory=dict)
    watched: Mapping[Watch, Timeline] = field(default_factory=dict)
    overdue: Mapping[str, Stretches] = field(default_factory=dict)

    def further(self, stretch: Stretch, counts: Mapping[str, Counts], state: DeviceState) -> "Reach":
        """The same after one more stretch."""
        totals = {name: before + stretch.totals[name] for name, before in self.totals.items()}
        counts = {**self.counts, **{name: self.counts.get(name, Counts()) + each for name, each in counts.items()}}
        watched = {
            watch: joined((self.watched[watch], each)) if watch in self.watched else each
            for watch, each in stretch.watched.items()
        }
        overdue = {duty: united((*self.overdue.get(duty, ()), *each)) for duty, each in stretch.overdue.items()}
        return Reach(state, totals, counts, {**self.watched, **watched}, {**self.overdue, **overdue})


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a period stands at the end of an hour, and the sums that the next hour is compared with."""

    end: int
    devices: Mapping[str, Reach]
    figures: Figures = NO_FIGURES
    carried: Carried | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A period up to a moment: the statement to date, its devices as metered, and the mark to go on from."""

    until: int
    document: Row
    metered: list[Metered]
    mark: Mark

    @property
    def readings(self) -> int:
        """How many readings were accepted by then."""
        return sum(counts.accepted for each in self.metered for counts in each.counts.values())


class Walk:
    """One period of one contract, walked as far as it has come."""

    def __init__(self, contract: Contract, period: Period, opening: State, source: Source) -> None:
        self.contract = contract
        self.period = period
        self.opening = opening
        self.holidays = holidays_of(contract.terms, period)
        self._corrections = NO_CORRECTIONS
        self._settlements: frozenset[str] = frozenset()
        self._watching = watching_conditions(contract.terms)
        self._keys = {device.id: keys_of(self._watching, device.id) for device in contract.terms.devices}
        self._told = {device.id: source.told(device, period) for device in contract.terms.devices}
        self._marks = [self._start()]
        self._closing: tuple[Mark, State] | None = None

    def begin(
        self, opening: State, corrections: Corrections = NO_CORRECTIONS, settlements: frozenset[str] = frozenset()
    ) -> None:
        """What the period begins with: another state, correction or settlement than before is another period."""
        if (opening, corrections, settlements) != (self.opening, self._corrections, self._settlements):
            self.opening, self._corrections, self._settlements = opening, corrections, settlements
            self._marks = [self._start()]

    def _start(self) -> "Mark":
        totals = dict.fromkeys(self.contract.terms.meters, Totals())
        devices = {name: Reach(begin_period(state), totals) for name, state in self.opening.devices.items()}
        return Mark(self.period.span.start, devices)

    @property
    def reached(self) -> int:
        """Up to which hour's end the walk has come."""
        return self._marks[-1].end

    @cached_property
    def reporters(self) -> frozenset[str]:
        """The devices whose readings can change the period."""
        return frozenset(device for keys in self._keys.values() for device, _ in keys)

    def back(self, moment: int) -> None:
        """Something at `moment`, or later, has changed: the hours from there on are to be walked again."""
        place = bisect_right([mark.end for mark in self._marks], max(moment, self.period.span.start))
        del self._marks[place:]

    def hear(self, source: Source) -> None:
        """Take in what is said of each device by now, and go back to where that differs from before."""
        for device in self.contract.terms.devices:
            told = source.told(device, self.period)
            for moment in changed_moments(self._told[device.id], told):
                self.back(moment)
            self._told[device.id] = told

    def edges(self, now_ms: int) -> list[int]:
        """The ends of hours still to be walked: whole hours gone by, and the period's end when it is over."""
        first = (self.reached // HOUR_MS + 1) * HOUR_MS
        whole = list(range(first, min(now_ms, self.period.span.end) + 1, HOUR_MS))
        ended = self.period.span.end <= now_ms and self.reached < self.period.span.end
        return [*whole, self.period.span.end] if ended and self.period.span.end not in whole else whole

    def standings(self, source: Source, ends: list[int], status: str) -> Iterator[tuple[Figures, Standing]]:
        """The period at each of these moments, which follow the last mark, and the sums an hour before.

        Nothing is kept of them before `keep`.
        """
        mark = self._marks[-1]
        judged = self._seen(source, mark, ends[-1]) if ends else {}
        seen = Seen(judged, {key: each.series() for key, each in judged.items()})
        for end in ends:
            before = mark.figures
            standing = self._stand(source, mark, seen, end, status)
            mark = standing.mark
            yield before, standing

    def keep(self, mark: Mark) -> None:
        """Go on from this mark from now on. Of hours longer ago one mark a day is kept."""
        self._marks.append(mark)
        recent = mark.end - _HOURS_KEPT * HOUR_MS
        self._marks = [each for each in self._marks if each.end > recent or self._lasting(each)]

    def _lasting(self, mark: Mark) -> bool:
        return mark.end == self.period.span.start or mark.end % DAY_MS == 0

    def _stand(self, source: Source, mark: Mark, seen: Seen, end: int, status: str) -> Standing:
        settled, whole = {}, {}
        for device in self.contract.terms.devices:
            both = self._further(device, mark, seen, end)
            settled[device.id], whole[device.id] = both
        metered = [self._metered(device, whole[device.id], end) for device in self.contract.terms.devices]
        document, carried = self._draft(source, metered, end, status)
        return Standing(end, document, metered, Mark(end, settled, figures_of(document), carried))

    def _further(self, device: Device, mark: Mark, seen: Seen, end: int) -> tuple[Reach, Reach]:
        """The device at `end`: as far as it is settled, and as if the period ended there."""
        reach, over = mark.devices[device.id], end == self.period.span.end
        counts = self._counts(device, seen.judged, Span(mark.end, end))
        told, state = self._told[device.id], reach.state
        series = {key: seen.series[key] for key in self._keys[device.id] if key in seen.series}
        stretch, after = advance(self._watching, device, self.period, state, series, end, closing=over, told=told)
        settled = reach.further(stretch, counts, after)
        if over or (after.at == end and not any(each.counting.low for each in after.meters.values())):
            return settled, settled
        stretch, after = advance(self._watching, device, self.period, state, series, end, closing=True, told=told)
        return settled, reach.further(stretch, counts, after)

    def _counts(self, device: Device, seen: Mapping[Key, Judged], span: Span) -> dict[str, Counts]:
        """What became of the device's readings in an hour, whatever conditions are still to be settled."""
        span = in_force(self.contract.terms, device, self.period).within(span)
        keys = ((channel, (device.id, channel)) for channel in self.contract.terms.channels)
        return {channel: seen[key].counts(span.start, span.end) for channel, key in keys if key in seen}

    def _metered(self, device: Device, reach: Reach, end: int) -> Metered:
        terms = self.contract.terms
        force = in_force(terms, device, self.period).within(Span(self.period.span.start, end))
        counts = {channel: reach.counts.get(channel, Counts()) for channel in terms.channels}
        nothing = dict.fromkeys(terms.channels, 0)
        return Metered(device, force, reach.totals, counts, nothing, (), reach.watched, reach.overdue)

    def _draft(self, source: Source, metered: list[Metered], end: int, status: str) -> tuple[Row, Carried]:
        document, carried = draft(
            self.contract,
            self.period,
            metered,
            self.opening.carried,
            source.docket.touching(self.period.span, self._settlements),
            status=status,
            until=end,
            holidays=self.holidays,
        )
        return adjusted(self.contract.terms, document, *self._corrections), carried

    def _seen(self, source: Source, mark: Mark, end: int) -> dict[Key, Judged]:
        """The readings that the devices look at, from where their meters stand to `end`."""
        keys = set[Key]().union(*self._keys.values())
        start = min([mark.end, *(reach.state.at for reach in mark.devices.values())])
        found = {key: source.judged(key, max(start, self.period.span.start), end) for key in keys}
        return {key: judged for key, judged in found.items() if len(judged.columns)}

    def closing(self) -> State | None:
        """The state with which the period closes; None before the walk has come to its end."""
        mark = self._marks[-1]
        if mark.end < self.period.span.end or mark.carried is None:
            return None
        if self._closing is None or self._closing[0] is not mark:
            terms, devices = self.contract.terms, {device: reach.state for device, reach in mark.devices.items()}
            state = State(mark.end, devices, mark.carried)
            # As its statement's file will hold it, so that closing makes no difference to the period after.
            self._closing = mark, read_state(terms, state_document(terms, state))
        return self._closing[1]


def watching_conditions(terms: Terms) -> Terms:
    """The terms, with every named condition watched as promises' are; for metering only, never for pricing."""
    named = [
        Obligation.model_construct(id=CONDITION + name, limit=Condition(condition=name)) for name in terms.conditions
    ]
    return terms.model_copy(update={"obligations": (*terms.obligations, *named)})
