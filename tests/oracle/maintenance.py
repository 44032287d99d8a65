"""When maintenance is due: after so much of a meter, or so many days, since the last service (semantics §7)."""

import math
from datetime import datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from tests.oracle.book import Book
from tests.oracle.dates import device_days, midnight_ms
from tests.oracle.events import counting
from tests.oracle.quantity import Gain, measure
from tests.oracle.service_hours import EPOCH, moment_of
from tests.oracle.spans import Spans, joined
from tests.oracle.terms import Terms, device


def maintenance_breaches(book: Book, name: str, rule: Terms) -> Spans:
    """Return when a device's maintenance obligation was breached, up to the end of the last period."""
    end = book.chapters[-1].end
    days = device_days(book.terms, device(book.terms, name))
    since = midnight_ms(days.first, book.terms["timezone"])
    events = [e for e in counting(book.events, "serviced", "access_refused") if e.concerns(name) and e.start >= since]
    serviced = [event.start for event in events if event.type == "serviced"]
    if rule["by"] == "provider":
        refused = [event.start for event in events if event.type == "access_refused"]
        return joined((start, min([s for s in serviced if s > start], default=end)) for start in refused)
    gains = gains_of(book, name, rule)
    breaches = []
    begins = [None, *sorted(serviced)]
    for index, last in enumerate(begins):
        until = begins[index + 1] if index + 1 < len(begins) else end
        due = due_after(book, rule, gains, (last, since))
        assert until is not None
        if due is not None and due < until:
            breaches.append((due, until))
    return joined(breaches)


def gains_of(book: Book, name: str, rule: Terms) -> list[Gain]:
    """Return all that a maintenance meter gained of a device, in order of time."""
    if "of" not in rule:
        return []
    found = [chapter.scene_of(name) for chapter in book.chapters]
    gains = [gain for scene in found if scene for gain in measure(scene, book.terms["meters"][rule["of"]]).gains]
    return sorted(gains, key=lambda gain: (gain.start, gain.end))


def due_after(book: Book, rule: Terms, gains: list[Gain], begin: tuple[int | None, int]) -> int | None:
    """Return when maintenance is due after the last service, or after the device's first moment in force."""
    serviced, since = begin
    found = []
    if "every" in rule:
        found.append(reached(gains, Fraction(rule["every"]), serviced))
    if "or_days" in rule:
        start = since if serviced is None else serviced
        found.append(days_later(start, int(rule["or_days"]), book.terms["timezone"]))
    return min((moment for moment in found if moment is not None), default=None)


def reached(gains: list[Gain], every: Fraction, serviced: int | None) -> int | None:
    """Return the first moment at which the gains since a service come to an amount."""
    total = Fraction(0)
    for gain in gains:
        if gain.start == gain.end:
            if serviced is None or gain.start > serviced:
                total += gain.amount
            if total >= every:
                return gain.start
            continue
        start = gain.start if serviced is None else max(gain.start, serviced)
        if start < gain.end:
            per_ms = gain.amount / (gain.end - gain.start)
            if total + per_ms * (gain.end - start) >= every:
                return start + max(0, math.ceil((every - total) / per_ms))
            total += per_ms * (gain.end - start)
    return None


def days_later(moment: int, days: int, zone: str) -> int:
    """Return the same local clock time some calendar days later."""
    local = (EPOCH + timedelta(milliseconds=moment)).astimezone(ZoneInfo(zone))
    there: datetime = local + timedelta(days=days)
    return moment_of(there.date(), there.time(), zone, last=False)
