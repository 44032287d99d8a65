"""What held when, as series of changes: the conditions of each device, and how each promise stood.

A point stands at each change and says what holds from then on. InfluxDB forgets no point, so a change that later data
takes back is overwritten with what holds there instead: two points that say the same draw as one stretch.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from contracts.language.promises import Guarantee
from contracts.language.terms import Terms
from contracts.periods import Period, Span, in_force
from contracts.readings import Ints
from contracts.sides.guarantees import truth_of
from contracts.sides.service_hours import service_stretches
from contracts.sides.stretches import Stretches
from contracts.statement import Holidays
from contracts.usage import Metered
from gateway.influx.hours import CONDITION
from gateway.influx.points import Point
from gateway.outlook import moment_ms

# What a point says, by measurement; a condition's truth is its place: false 0, unknown 1, true 2.
WORDS: Final = {
    "state": ("false", "unknown", "true"),
    "timeline": ("off", "up", "down", "excused", "unknown", "kept", "breach"),
}
Tag = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Course:
    """Of one series: the moments of its points, and what each says, as a place in `words`."""

    measurement: str
    tags: tuple[Tag, ...]
    words: tuple[str, ...]
    times: Ints
    states: Ints

    def at(self, moments: Ints) -> Ints:
        """What holds at each moment; before the first point, what the first says."""
        found: Ints = self.states[np.maximum(np.searchsorted(self.times, moments, side="right") - 1, 0)]
        return found

    def points(self, places: Iterable[int]) -> Iterator[Point]:
        """Some of its points."""
        for place in places:
            said = self.words[int(self.states[place])]
            yield Point(self.measurement, dict(self.tags), {"state": said}, int(self.times[place]))


def changes(known: Course | None, now: Course) -> tuple[Course, list[Point]]:
    """The course as it is in InfluxDB after the points that are to be written, and these points."""
    if known is None or not len(known.times):
        return now, list(now.points(range(len(now.times))))
    times = np.union1d(known.times, now.times)
    written = Course(now.measurement, now.tags, now.words, times, now.at(times))
    places = np.searchsorted(known.times, times)
    there = (places < len(known.times)) & (np.append(known.times, -1)[places] == times)
    same = there & (np.append(known.states, -1)[places] == written.states)
    return written, list(written.points(np.flatnonzero(~same)))


def courses(
    terms: Terms, period: Period, metered: list[Metered], document: Mapping[str, Any], holidays: Holidays
) -> Iterator[Course]:
    """Every timeline of a period as its devices are metered and its promises stand."""
    present = {each.device.id: each for each in metered if each.force.length_ms}
    for device, each in present.items():
        for (watch, _), timeline in each.watched.items():
            if watch.startswith(CONDITION):
                tags = (("contract", terms.id), ("device", device), ("condition", watch.removeprefix(CONDITION)))
                runs = timeline.merged()
                yield Course("state", tags, WORDS["state"], runs.starts, runs.states.astype(np.int64))
    promises = {promise.id: promise for promise in terms.guarantees}
    for row in document["guarantees"]:
        one = present.get(row["device"] or "")
        until = min(moment_ms(document["period"]["end"]), _until(metered, one))
        span = in_force(terms, one.device if one else None, period).within(Span(period.span.start, until))
        agreed = _agreed(terms, promises[row["id"]], one, span, holidays)
        yield _promise(terms, row, "guarantee", span, agreed)
    for row in document["obligations"]:
        one = present.get(row["device"] or "")
        span = in_force(terms, one.device if one else None, period)
        span = span.within(Span(period.span.start, _until(metered, one)))
        yield _promise(terms, row, "obligation", span, (span,))


def _until(metered: list[Metered], one: Metered | None) -> int:
    return one.force.end if one else max((each.force.end for each in metered), default=0)


def _agreed(terms: Terms, promise: Guarantee, one: Metered | None, span: Span, holidays: Holidays) -> Stretches:
    """The time in which a promise is measured: its service hours, and of a level with `while` where that may hold."""
    agreed = service_stretches(promise.service_hours, span, terms.timezone, holidays.get(promise.id, ()))
    if promise.while_ is not None and one is not None:
        agreed = truth_of(promise, one.watched, agreed)[1]
    return agreed


def _promise(terms: Terms, row: Mapping[str, Any], side: str, span: Span, agreed: Stretches) -> Course:
    """How a promise stood: simply kept in the agreed time, but for the intervals in which it was not."""
    tags = (("contract", terms.id), ("device", row["device"] or ""), ("promise", row["id"]), ("side", side))
    simply = WORDS["timeline"].index("up" if side == "guarantee" else "kept")
    runs = [(each.start, each.end, simply) for each in agreed]
    runs += [
        (moment_ms(each["start"]), moment_ms(each["end"]), WORDS["timeline"].index(each["state"]))
        for each in row["intervals"]
    ]
    times, states = painted(span, runs)
    return Course("timeline", tags, WORDS["timeline"], times, states)


def painted(span: Span, runs: list[tuple[int, int, int]]) -> tuple[Ints, Ints]:
    """Changes over a span that is off (0) but for these runs, the later painted over the earlier."""
    cut = [(max(start, span.start), min(end, span.end), state) for start, end, state in runs]
    edges = np.unique([span.start, *(edge for start, end, _ in cut if start < end for edge in (start, end))])
    times = edges[edges < span.end] if span.length_ms else edges[:1]
    states = np.zeros(len(times), np.int64)
    for start, end, state in cut:
        states[np.searchsorted(times, start) : np.searchsorted(times, end)] = state
    keep = np.concatenate([[True], states[1:] != states[:-1]])
    return times[keep].astype(np.int64), states[keep]
