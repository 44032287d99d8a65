"""The customer's side: each obligation measured, with its breaches (semantics §7)."""

from dataclasses import dataclass
from fractions import Fraction

from tests.oracle.book import Book, Chapter, closes_window, same_window, window_of
from tests.oracle.dates import contract_days
from tests.oracle.maintenance import maintenance_breaches
from tests.oracle.quantity import Scene
from tests.oracle.reading import when_heard
from tests.oracle.service_hours import service_time
from tests.oracle.spans import Spans, joined, length, shared, without
from tests.oracle.terms import UNIT_MS, Terms, duration_ms, meter_unit
from tests.oracle.timeline import Piece, timeline

HOUR = UNIT_MS["h"]


@dataclass(frozen=True, slots=True)
class Duty:
    """One obligation of one device (or none) in one period, as measured."""

    obligation: Terms
    device: str | None
    met: bool | None
    measured: Fraction | None
    limit: Fraction
    unit: str
    breaches: Spans
    short: Fraction = Fraction(0)


def kind_of(obligation: Terms) -> str:
    """Return which of the obligations of semantics §7 this is."""
    return next(k for k in ("limit", "service", "connected", "minimum_use", "use_limit") if k in obligation)


def duties(book: Book, chapter: Chapter) -> list[Duty]:
    """Return every obligation of every device in force in a period, but for minimum use."""
    ways = {"limit": limit, "service": service, "connected": connected, "use_limit": use_limit}
    return [
        ways[kind_of(obligation)](book, chapter, scene, obligation)
        for obligation in book.promises("obligations")
        if kind_of(obligation) != "minimum_use"
        for scene in chapter.scenes
    ]


def spans_of(pieces: list[Piece], *states: bool | None) -> Spans:
    """Return the time in which a condition has one of the states."""
    return joined((piece.start, piece.end) for piece in pieces if piece.state in states)


def limit(_book: Book, _chapter: Chapter, scene: Scene, obligation: Terms) -> Duty:
    """Measure the share of known time out of bounds; beyond the tolerance all of it is breach."""
    held = timeline(scene.world, obligation["limit"], scene.device, scene.start, scene.end)
    looked_at = [(scene.start, scene.end)]
    if "while" in obligation:
        looked_at = spans_of(timeline(scene.world, obligation["while"], scene.device, scene.start, scene.end), True)
    out_states = [False, None] if obligation.get("unknown") == "breach" else [False]
    out = shared(spans_of(held, *out_states), looked_at)
    against = length(shared(spans_of(held, True, *out_states), looked_at))
    tolerance = Fraction(obligation.get("tolerance", "0"))
    if against == 0:
        return Duty(obligation, scene.device, None, None, tolerance, "%", [])
    share = Fraction(100 * length(out), against)
    met = share <= tolerance
    return Duty(obligation, scene.device, met, share, tolerance, "%", [] if met else out)


def connected(_book: Book, _chapter: Chapter, scene: Scene, obligation: Terms) -> Duty:
    """Measure the share of time in which at least one channel of the device was known."""
    asked = service_time(scene.terms, obligation, scene.start, scene.end)
    heard = shared(when_heard(scene.terms, scene.judged, scene.device), asked)
    wanted = Fraction(obligation["connected"])
    if not asked:
        return Duty(obligation, scene.device, None, None, wanted, "%", [])
    share = Fraction(100 * length(heard), length(asked))
    met = share >= wanted
    return Duty(obligation, scene.device, met, share, wanted, "%", [] if met else without(asked, heard))


def service(book: Book, _chapter: Chapter, scene: Scene, obligation: Terms) -> Duty:
    """Measure for how long maintenance was overdue, or access to it refused."""
    breach = shared(maintenance_breaches(book, scene.device, obligation["service"]), [(scene.start, scene.end)])
    hours = Fraction(length(breach), HOUR)
    return Duty(obligation, scene.device, not breach, hours, Fraction(0), "h", breach)


def use_limit(_book: Book, chapter: Chapter, scene: Scene, obligation: Terms) -> Duty:
    """Measure one meter per another."""
    rule = obligation["use_limit"]
    used, per = (quantity_of(chapter, rule[key], scene.device) for key in ("meter", "per"))
    most = Fraction(rule["at_most"])
    ratio = used / per if per else None
    return Duty(obligation, scene.device, used <= most * per, ratio, most, "", [])


def quantity_of(chapter: Chapter, meter: str, device: str | None) -> Fraction:
    """Return a meter's rounded quantity in a period, of one device or, asked for none, of all."""
    rows = [row for row in chapter.usage if row["meter"] == meter and device in (None, row["device"])]
    return sum((Fraction(row["quantity"]) for row in rows), Fraction(0))


def minimum_use(book: Book, chapter: Chapter, obligation: Terms, relief: Fraction) -> Duty:
    """Measure what all devices used, against a minimum that shrinks by days in force and by `relief`, a share."""
    rule = obligation["minimum_use"]
    yearly = rule["per"] == "year"
    counted = same_window(book, chapter, 12) if yearly else [chapter]
    used = sum((quantity_of(each, rule["meter"], None) for each in counted), Fraction(0))
    whole = window_of(book.terms, chapter, 12) if yearly else chapter.days
    share = Fraction(whole.within(contract_days(book.terms)).days, whole.days)
    least = max(Fraction(0), Fraction(rule["at_least"]) * share * (1 - relief))
    decided = not yearly or closes_window(book.terms, chapter, 12)
    unit = meter_unit(book.terms, book.terms["meters"][rule["meter"]])
    short = max(Fraction(0), least - used) if decided else Fraction(0)
    return Duty(obligation, None, used >= least if decided else None, used, least, unit, [], short)


def breach_hours(duty: Duty) -> Fraction:
    """Return the exact hours a duty was breached."""
    return Fraction(length(duty.breaches), HOUR)


def excused_by(obligation: Terms, breaches: Spans) -> Spans:
    """Return the time an obligation's breaches excuse: while they last, and the window after each."""
    after = duration_ms(obligation["consequence"].get("window", "0s"))
    return joined((start, end + after) for start, end in breaches)
