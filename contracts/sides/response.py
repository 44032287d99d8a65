"""Response: how long the provider took from something that happened to what ends it (semantics §6).

Time runs in service hours less excused time. What runs beyond `within` is credited by the hour in the period in which
it falls; the cap is per incident over all its periods.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from contracts.events import Docket
from contracts.language.promises import Credits, Guarantee, Happening
from contracts.meters import beginnings
from contracts.periods import Span
from contracts.sides.carried import Figures, Incident
from contracts.sides.excuses import Excuse, Interval, apply_excuses, merged
from contracts.sides.stretches import Stretches, first_ms, length_ms, overlap, united, without
from contracts.sides.watch import Watch, stretches_in
from contracts.timeline import TRUE, Timeline
from contracts.units import HOUR_MS


@dataclass(frozen=True, slots=True)
class Answered:
    """One incident in a period: since when, until when, how long its time ran in all and beyond, and what it costs.

    `owed` is what it would cost without the cap, `earlier` what it was credited with in the periods before.
    """

    opened: int
    closed: int | None
    elapsed_ms: int
    beyond_ms: int
    owed: Fraction
    credit: Fraction
    earlier: Fraction


@dataclass(frozen=True, slots=True)
class Responded:
    """The incidents of a period, and what goes on into the next."""

    incidents: list[Answered]
    figures: Figures
    intervals: list[Interval]
    open: Incident | None
    before: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class _Course:
    """An incident's stretch of the period; `closed` None where it goes on."""

    start: Incident
    span: Span
    closed: int | None


def respond(
    promise: Guarantee,
    device: str,
    force: Span,
    watched: Mapping[Watch, Timeline],
    agreed: Stretches,
    excuses: list[Excuse],
    docket: Docket,
    open_: Incident | None,
    before: tuple[int, int] | None,
) -> Responded:
    """The incidents of a device over its time in force; `open_` and `before` are what the last period left."""
    assert promise.response is not None, "called for responses only"
    openings, before = _openings(promise, device, force, watched, docket, before)
    closings = _closings(promise, device, watched, docket)
    courses = _courses(force, openings, closings, open_)
    running = overlap(united(course.span for course in courses), agreed)
    pieces = apply_excuses(promise, running, excuses)
    excused = united(piece.span for piece in pieces if piece.state == "excused")
    answered, late = [], []
    carried: Incident | None = None
    for course in courses:
        ran = without(overlap((course.span,), agreed), excused)
        beyond = without(ran, first_ms(ran, max(0, promise.response.within - course.start.elapsed_ms)))
        late += [Interval(span, "down") for span in beyond]
        one = _answer(promise, course, ran, beyond)
        answered.append(one)
        if course.closed is None:
            carried = Incident(course.start.opened, one.elapsed_ms, course.start.credited + one.credit)
    figures = Figures(
        agreed_ms=length_ms(running),
        excused_ms=length_ms(excused),
        down_ms=sum(one.beyond_ms for one in answered),
    )
    intervals = merged([*late, *(piece for piece in pieces if piece.state == "excused")])
    return Responded(answered, replace(figures, service_ms=length_ms(agreed)), intervals, carried, before)


def _openings(
    promise: Guarantee,
    device: str,
    force: Span,
    watched: Mapping[Watch, Timeline],
    docket: Docket,
    before: tuple[int, int] | None,
) -> tuple[list[int], tuple[int, int] | None]:
    assert promise.response is not None, "called for responses only"
    if isinstance(promise.response.from_, Happening):
        events = docket.standing_of(device, promise.response.from_.event)
        return [event.start for event in events if force.start <= event.start < force.end], before
    moments, before = beginnings(watched[promise.id, "from"], before)
    return moments.tolist(), before


def _closings(promise: Guarantee, device: str, watched: Mapping[Watch, Timeline], docket: Docket) -> Stretches:
    """When what ends an incident holds: the millisecond of an event, or while a condition is known true."""
    assert promise.response is not None, "called for responses only"
    if isinstance(promise.response.to, Happening):
        events = docket.standing_of(device, promise.response.to.event)
        return tuple(Span(event.start, event.start + 1) for event in events)
    return stretches_in(watched[promise.id, "to"], TRUE)


def _courses(force: Span, openings: list[int], closings: Stretches, open_: Incident | None) -> list[_Course]:
    """Incidents one after the other: while one is open, nothing opens another."""
    found: list[_Course] = []
    incident = open_
    place = 0
    while True:
        if incident is None:
            if place >= len(openings):
                return found
            incident = Incident(openings[place], 0, Fraction(0))
        start = max(force.start, incident.opened)
        closed = _closed(closings, incident.opened, start, force.end)
        found.append(_Course(incident, Span(start, force.end if closed is None else closed), closed))
        if closed is None:
            return found
        place = max(bisect_left(openings, closed), bisect_left(openings, incident.opened + 1))
        incident = None


def _closed(closings: Stretches, opened: int, start: int, end: int) -> int | None:
    """The first moment after an incident opened at which it is ended, in [start, end)."""
    for each in closings:
        moment = max(each.start, start, opened + 1)
        if moment < min(each.end, end):
            return moment
    return None


def _answer(promise: Guarantee, course: _Course, ran: Stretches, beyond: Stretches) -> Answered:
    elapsed, late = course.start.elapsed_ms + length_ms(ran), length_ms(beyond)
    due = credit = Fraction(0)
    if promise.credits is not None and promise.response is not None:
        due = _due(promise.credits, max(0, course.start.elapsed_ms - promise.response.within), late)
        cap = promise.credits.cap
        credit = due if cap is None else max(Fraction(0), min(due, Fraction(cap) - course.start.credited))
    start = course.start
    return Answered(start.opened, course.closed, elapsed, late, due, credit, start.credited)


def _due(agreed: Credits, before_ms: int, beyond_ms: int) -> Fraction:
    """What an incident costs in a period without a cap: its hours beyond, begun ones in full if the terms say so."""
    assert agreed.per_hour is not None, "a response is credited by the hour"
    hours = Fraction(beyond_ms, HOUR_MS)
    if agreed.started:
        hours = Fraction(-(-(before_ms + beyond_ms) // HOUR_MS) - -(-before_ms // HOUR_MS))
    return hours * Fraction(agreed.per_hour)
