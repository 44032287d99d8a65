"""Drawing a period: its hours walked up to a moment, and sent as points where they differ from what was sent."""

from typing import Final

from contracts.units import HOUR_MS
from gateway.influx.hours import Standing, Walk
from gateway.influx.points import Point
from gateway.influx.progress import Figures, Hour, progress_points
from gateway.influx.sending import Sender
from gateway.influx.timelines import courses
from gateway.influx.written import Place, Written
from gateway.meter import Source
from gateway.outlook import outlook

HOURS_A_STEP: Final = 24


def draw(walk: Walk, source: Source, written: Written, sender: Sender, now_ms: int, status: str) -> bool:
    """Draw at most a day of a period's hours; with the last of them, the hour under way and the timelines.

    Says whether it has come to `now_ms`, or to the period's end. What could not be sent is walked again next time.
    """
    edges = walk.edges(now_ms)
    ends = edges[:HOURS_A_STEP]
    passed = list(walk.standings(source, ends, status))
    written.send(sender, [_group(walk, before, standing, standing.until) for before, standing in passed])
    for _, standing in passed:
        walk.keep(standing.mark)
    if len(edges) > len(ends):
        return False
    newest = passed[-1][1] if passed else None
    if walk.reached < min(now_ms, walk.period.span.end):
        before, newest = next(walk.standings(source, [now_ms], status))
        written.send(sender, [_group(walk, before, newest, _hour_end(walk, now_ms))])
    if newest is not None:
        now = courses(walk.contract.terms, walk.period, newest.metered, newest.document, walk.holidays)
        written.send_timelines(sender, walk.period, now)
    return True


def _hour_end(walk: Walk, now_ms: int) -> int:
    return min((now_ms // HOUR_MS + 1) * HOUR_MS, walk.period.span.end)


def _group(walk: Walk, before: Figures, standing: Standing, end_ms: int) -> tuple[Place, list[Point]]:
    return (walk.period.name, end_ms), points_of(walk, before, standing, end_ms)


def points_of(walk: Walk, before: Figures, standing: Standing, end_ms: int) -> list[Point]:
    """What is said of a period at the end of an hour, which began with these sums."""
    ahead = outlook(walk.contract, standing.document, standing.until)
    return list(progress_points(walk.contract, Hour(end_ms, standing.document, before, ahead, standing.readings)))
