"""Response: incidents that open and close, and the hours each runs beyond what was promised (semantics §6)."""

import math
from dataclasses import dataclass
from fractions import Fraction

from tests.oracle.book import Book, Chapter
from tests.oracle.events import counting
from tests.oracle.excuses import Record, excuses
from tests.oracle.guarantees import Figures, Judged, in_force, labelled
from tests.oracle.obligations import HOUR, spans_of
from tests.oracle.quantity import rises
from tests.oracle.service_hours import service_time
from tests.oracle.spans import Spans, first_of, joined, length, shared, without
from tests.oracle.terms import Terms, duration_ms
from tests.oracle.timeline import timeline


@dataclass
class Incident:
    """One failure of a device: when it opened and closed, and how it has run so far, in milliseconds."""

    opened: int
    closed: int | None
    elapsed: int = 0
    beyond: int = 0
    credited: Fraction = Fraction(0)


def incidents(book: Book, guarantee: Terms, device: str) -> list[Incident]:
    """Return every incident of a device up to the end of the last period."""
    rule = guarantee["response"]
    opens = [start for start, _ in spans_in_force(book, rule["from"], device, opening=True)]
    closes = spans_in_force(book, rule["to"], device, opening=False)
    found: list[Incident] = []
    for opened in sorted(opens):
        if found and (found[-1].closed is None or found[-1].closed > opened):
            continue
        later = [max(start, opened + 1) for start, end in closes if end > opened + 1]
        found.append(Incident(opened, min(later, default=None)))
    return found


def spans_in_force(book: Book, trigger: Terms, device: str, *, opening: bool) -> Spans:
    """Return when a trigger speaks while the device is in force.

    That is the moment of an event; of a condition, the moment it becomes true, or to close an incident all of the
    time it is known true.
    """
    found: Spans = []
    for chapter in book.chapters:
        scene = chapter.scene_of(device)
        if scene is None:
            continue
        if "event" in trigger:
            told = [e.start for e in counting(book.events, trigger["event"]) if e.concerns(device)]
            found += [(moment, moment + 1) for moment in told if scene.start <= moment < scene.end]
        elif opening:
            found += [(moment, moment + 1) for moment in rises(scene, trigger)]
        else:
            found += spans_of(timeline(scene.world, trigger, device, scene.start, scene.end), True)
    return found


def judge_response(
    book: Book, chapter: Chapter, record: Record, promise: tuple[Terms, str], running: list[Incident]
) -> Judged:
    """Let the incidents of a device run through one period, after all periods before."""
    guarantee, device = promise
    served = service_time(book.terms, guarantee, *in_force(chapter, device))
    live = [i for i in running if i.opened < chapter.end and (i.closed is None or i.closed >= chapter.start)]
    times = [shared(served, [(i.opened, chapter.end if i.closed is None else i.closed)]) for i in live]
    reasons = excuses(book, chapter, record, promise, joined(*times))
    excused = joined(*(spans for _, spans in reasons))
    within = duration_ms(guarantee["response"]["within"])
    owed, beyond, elapsed = Fraction(0), [], 0
    seen = []
    for incident, time in zip(live, times, strict=True):
        counted = without(time, excused)
        late = without(counted, first_of(counted, max(0, within - incident.elapsed)))
        owed += credit_of(guarantee["credits"], incident, length(late))
        incident.elapsed += length(counted)
        incident.beyond += length(late)
        elapsed += length(counted)
        beyond += late
        seen.append(shown(incident, chapter, length(late)))
    intervals = [
        *labelled(beyond, [], "down", "down"),
        *labelled(excused, reasons, "excused", "excused"),
    ]
    figures = Figures(
        service=length(served), agreed=elapsed + length(excused), excused=length(excused), down=length(beyond)
    )
    return Judged(guarantee, device, figures, sorted(intervals), beyond, seen, owed)


def shown(incident: Incident, chapter: Chapter, beyond: int) -> dict[str, int | None]:
    """Return an incident as it stands at the end of a period, and how much of it in the period was beyond."""
    closed = incident.closed if incident.closed is not None and incident.closed < chapter.end else None
    return {"opened": incident.opened, "closed": closed, "elapsed": incident.elapsed, "beyond": beyond}


def credit_of(price: Terms, incident: Incident, late_ms: int) -> Fraction:
    """Return what the hours beyond in one period are worth, under the cap of the incident."""
    before, after = Fraction(incident.beyond, HOUR), Fraction(incident.beyond + late_ms, HOUR)
    hours = Fraction(math.ceil(after) - math.ceil(before)) if price.get("started") == "true" else after - before
    worth = hours * Fraction(price["per_hour"])
    if "cap" in price:
        worth = min(worth, Fraction(price["cap"]) - incident.credited)
    incident.credited += worth
    return worth
