"""Promises and events as a statement shows them: the same form for both sides (semantics §6 and §7)."""

from __future__ import annotations

from typing import Any

from contracts.events import Docket, Event
from contracts.figures import percent_down, plain
from contracts.language.promises import Consequence
from contracts.periods import contract_window, midnight_ms, rfc3339
from contracts.sides.obligations import Duty
from contracts.sides.outcome import MONTHS, Facts, Promise
from contracts.sides.settling import coverage

Row = dict[str, Any]


def promise_row(facts: Facts, each: Promise) -> Row:
    """A guarantee: what was promised, measured, kept or not, and the intervals in which it was not simply kept."""
    figures, share = each.figures, each.figures.share
    measured = each.promise.response is None and share is not None
    return {
        "id": each.promise.id,
        "device": each.device,
        "title": each.promise.title or each.promise.id,
        "kind": each.promise.kind,
        "percent": percent_down(figures.agreed_ms - figures.down_ms, figures.agreed_ms) if measured else None,
        "target": None if each.promise.target is None else plain(each.promise.target),
        "met": each.met,
        "service_ms": figures.service_ms,
        "agreed_ms": figures.agreed_ms,
        "excused_ms": figures.excused_ms,
        "down_ms": figures.down_ms,
        "unknown_ms": figures.unknown_ms,
        "coverage": coverage(each),
        "intervals": [
            {
                "start": rfc3339(interval.span.start),
                "end": rfc3339(interval.span.end),
                "state": interval.state,
                "reason": interval.reason,
            }
            for interval in each.intervals
        ],
        "over": _over(facts, each),
        "incidents": [
            {
                "opened": rfc3339(incident.opened),
                "closed": None if incident.closed is None else rfc3339(incident.closed),
                "elapsed_ms": incident.elapsed_ms,
                "beyond_ms": incident.beyond_ms,
            }
            for incident in each.incidents
        ],
    }


def _over(facts: Facts, each: Promise) -> Row | None:
    """The quarter or year that a promise is measured over, and whether it is over."""
    if each.promise.over is None:
        return None
    first, after = contract_window(facts.terms, facts.period, MONTHS[each.promise.over])
    zone = facts.terms.timezone
    start, end = rfc3339(midnight_ms(first, zone)), rfc3339(midnight_ms(after, zone))
    return {"start": start, "end": end, "decided": each.decided}


def duty_row(duty: Duty) -> Row:
    """An obligation, in the same form: what was promised, measured, kept or not, when not, and what follows."""
    return {
        "id": duty.duty.id,
        "device": duty.device,
        "title": duty.duty.title or duty.duty.id,
        "kind": duty.duty.kind,
        "met": duty.met,
        "measured": duty.measured,
        "limit": duty.limit,
        "unit": duty.unit,
        "intervals": [
            {"start": rfc3339(span.start), "end": rfc3339(span.end), "state": "breach", "reason": None}
            for span in duty.stretches
        ],
        "consequences": consequences(duty.duty.consequence),
    }


def consequences(agreed: Consequence) -> list[str]:
    """What follows where the obligation is not kept, in words."""
    found = [f"excuse {promise}" for promise in agreed.excuse]
    found += [f"void credits of {promise}" for promise in agreed.void_credits]
    found += ["surcharge"] if agreed.surcharge else []
    return found + (["notify"] if agreed.notify else [])


def event_row(docket: Docket, event: Event) -> Row:
    """An event that touches the period, all that it says, and how it stands between the two sides."""
    said = event.document()
    more = ("channel", "value", "old", "new", "period", "line", "amount")
    return {
        "id": event.id,
        "type": event.type,
        "device": event.device,
        "start": rfc3339(event.start),
        "end": rfc3339(event.end),
        **{name: said.get(name) for name in ("by", "side", "reason", "entered", "announced", "of", "verdict")},
        **{name: said[name] for name in more if name in said},
        "standing": docket.standing(event),
        "counts": docket.counts(event),
    }
