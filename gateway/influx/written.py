"""What InfluxDB already holds of a contract, so that only what differs is sent again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np

from contracts.periods import Period, rfc3339
from gateway.influx.flux import points_in
from gateway.influx.points import Point, line
from gateway.influx.sending import Sender
from gateway.influx.timelines import WORDS, Course, changes

Place = tuple[str, int]  # the period's name, or what else it is; and a moment or number in it
SeriesName = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class Written:
    """Digests of what was sent, group by group of points, and the timelines as they stand in InfluxDB.

    Digests begin with the gateway; timelines are asked back from InfluxDB, for a change once written stays there.
    """

    contract: str
    _digests: dict[Place, int] = field(default_factory=dict)
    _courses: dict[str, dict[SeriesName, Course]] = field(default_factory=dict)

    def __contains__(self, place: Place) -> bool:
        return place in self._digests

    def send(self, sender: Sender, groups: Iterable[tuple[Place, list[Point]]]) -> None:
        """Send the groups that differ from what was sent before."""
        digests, lines = {}, list[str]()
        for place, group in groups:
            mine = [line(point) for point in group]
            digest = hash("\n".join(mine))
            if self._digests.get(place) != digest:
                digests[place] = digest
                lines += filter(None, mine)
        if lines:
            sender.send_lines(lines)
        self._digests |= digests

    def send_timelines(self, sender: Sender, period: Period, now: Iterable[Course]) -> None:
        """Send the changes of timelines that InfluxDB does not have, or has differently."""
        if period.name not in self._courses:
            self._courses[period.name] = self._asked_back(sender, period)
        known, points = self._courses[period.name], list[Point]()
        written = {}
        for course in now:
            name = (course.measurement, course.tags)
            written[name], more = changes(known.get(name), course)
            points += more
        if points:
            sender.send(points)
        known |= written

    def forget(self, period: str) -> None:
        """The period is final and drawn: nothing of it changes any more."""
        self._courses.pop(period, None)
        self._digests = {place: digest for place, digest in self._digests.items() if place[0] != period}

    def _asked_back(self, sender: Sender, period: Period) -> dict[SeriesName, Course]:
        """The timelines of a period as an earlier run of the gateway has left them."""
        start, end = rfc3339(period.span.start), rfc3339(period.span.end)
        within = f"range(start: {start}, stop: {end})"
        asked = {"contract": self.contract, "_field": "state"}
        found: dict[SeriesName, list[tuple[int, str]]] = {}
        rows = (sender.influx.tables(points_in(sender.influx.bucket, each, asked, within)) for each in _TAGS)
        for row in chain.from_iterable(rows):
            if period.span.start <= row["_time"] < period.span.end:  # 1.8 gives what stands at `stop`, too
                found.setdefault(_name(row), []).append((row["_time"], row["_value"]))
        return {name: _course(name, rows) for name, rows in found.items()}


_TAGS: Final = {"state": ("contract", "device", "condition"), "timeline": ("contract", "device", "promise", "side")}


def _name(row: Mapping[str, Any]) -> SeriesName:
    measurement: str = row["_measurement"]
    return measurement, tuple((tag, row.get(tag) or "") for tag in _TAGS[measurement])


def _course(name: SeriesName, rows: list[tuple[int, str]]) -> Course:
    words = WORDS[name[0]]
    rows = sorted((time, word) for time, word in rows if word in words)
    times = np.array([time for time, _ in rows], np.int64)
    states = np.array([words.index(word) for _, word in rows], np.int64)
    return Course(*name, words, times, states)
