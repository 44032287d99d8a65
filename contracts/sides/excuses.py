"""Excuses: time in which downtime is not held against the provider, each with its reason (semantics §6)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.events import Docket, Event
from contracts.language.promises import Guarantee, Obligation
from contracts.language.terms import Terms
from contracts.periods import Span
from contracts.sides.stretches import Stretches, first_ms, overlap, united


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why downtime is excused, and when."""

    reason: str
    stretches: Stretches
    planned: bool = False


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of a guarantee as a statement shows it: its state (down, excused, unknown), and why."""

    span: Span
    state: str
    reason: str | None = None


def excuses_of(
    terms: Terms,
    promise: Guarantee,
    breaches: Mapping[str, Stretches],
    docket: Docket,
    devices: Iterable[str],
    span: Span,
) -> list[Excuse]:
    """Every excuse of a guarantee over a span: breached obligations in file order, then events by their start.

    `breaches` are the customer's, by obligation, each with the window after it.
    """
    found = [
        Excuse(f"obligation:{duty.id}", overlap(breaches.get(duty.id, ()), (span,)))
        for duty in terms.obligations
        if promise.id in duty.consequence.excuse
    ]
    events = {
        event.id: event
        for device in devices
        for event in docket.standing_of(device, "planned", "force_majeure", "excused")
        if event.type != "planned" or _announced(promise, docket, event)
    }
    for event in sorted(events.values(), key=lambda each: (each.start, each.id)):
        stretches = overlap((event.span,), (span,)) if event.end > event.start else ()
        found.append(Excuse(f"{event.type}:{event.id}", stretches, event.type == "planned"))
    return [excuse for excuse in found if excuse.stretches]


def _announced(promise: Guarantee, docket: Docket, event: Event) -> bool:
    """Was planned work entered early enough, or announced early enough as the other side confirms?"""
    if promise.planned is None:
        return False
    latest = event.start - promise.planned.notice
    if event.entered <= latest:
        return True
    return event.announced is not None and event.announced <= latest and docket.confirmed(event)


def with_window(duty: Obligation, breach: Stretches, until: int | None) -> Stretches:
    """A breach as an excuse: each stretch and the window after it, and what the last period left (`until`)."""
    stretches = [Span(each.start, each.end + duty.consequence.window) for each in breach]
    return united([*stretches, Span(0, until or 0)])


def apply_excuses(promise: Guarantee, outages: Stretches, excuses: list[Excuse]) -> list[Interval]:
    """The outages cut where excuses begin and end: each piece is down, or excused with every reason it has.

    Planned work excuses no more than its allowance, used up in order of time.
    """
    planned = united(span for excuse in excuses if excuse.planned for span in excuse.stretches)
    allowed = first_ms(overlap(outages, planned), promise.planned.allowance) if promise.planned else ()
    real = [
        Excuse(excuse.reason, overlap(excuse.stretches, allowed) if excuse.planned else excuse.stretches)
        for excuse in excuses
    ]
    edges = sorted({edge for excuse in real for span in excuse.stretches for edge in (span.start, span.end)})
    begun = [[span.start for span in excuse.stretches] for excuse in real]
    pieces = []
    for outage in outages:
        inner = edges[bisect_right(edges, outage.start) : bisect_left(edges, outage.end)]
        for start, end in zip([outage.start, *inner], [*inner, outage.end], strict=True):
            reasons = [
                excuse.reason
                for excuse, starts in zip(real, begun, strict=True)
                if _covers(excuse.stretches, starts, start)
            ]
            pieces.append(Interval(Span(start, end), "excused" if reasons else "down", ", ".join(reasons) or None))
    return pieces


def _covers(stretches: Stretches, starts: list[int], moment: int) -> bool:
    place = bisect_right(starts, moment) - 1
    return place >= 0 and moment < stretches[place].end


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Intervals in order of time, neighbours of the same state and reason as one."""
    found: list[Interval] = []
    for each in sorted(intervals, key=lambda interval: interval.span.start):
        last = found[-1] if found else None
        if last and last.span.end == each.span.start and (last.state, last.reason) == (each.state, each.reason):
            found[-1] = Interval(Span(last.span.start, each.span.end), each.state, each.reason)
        else:
            found.append(each)
    return found
