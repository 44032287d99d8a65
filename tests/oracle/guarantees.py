"""The supplier's side: uptime and level, of a device or of the contract, over service hours (semantics §6)."""

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

from tests.oracle.book import Book, Chapter
from tests.oracle.excuses import Reasons, Record, excuses
from tests.oracle.obligations import kind_of, spans_of
from tests.oracle.quantity import Scene
from tests.oracle.service_hours import service_time
from tests.oracle.spans import Span, Spans, joined, length, shared, without
from tests.oracle.terms import Terms, duration_ms
from tests.oracle.timeline import Piece, State, opposite, timeline

Interval = tuple[int, int, str, str | None]


@dataclass(frozen=True, slots=True)
class Figures:
    """A guarantee's time in milliseconds, which adds up over periods; `watched` is what coverage is a share of."""

    service: int = 0
    agreed: int = 0
    excused: int = 0
    down: int = 0
    unknown: int = 0
    known: int = 0
    watched: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        """Add the time of another period."""
        names = self.__slots__
        return Figures(*(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def share(self) -> Fraction | None:
        """Return the share of agreed time that was delivered, if any was agreed."""
        return Fraction(self.agreed - self.down, self.agreed) if self.agreed else None

    @property
    def coverage(self) -> Fraction | None:
        """Return the known share of service hours."""
        return Fraction(self.known, self.watched) if self.watched else None


@dataclass(frozen=True, slots=True)
class Judged:
    """One guarantee on one device (or the contract) in one period."""

    guarantee: Terms
    device: str | None
    figures: Figures
    intervals: list[Interval]
    beyond: Spans = field(default_factory=list)
    incidents: list[dict[str, Any]] = field(default_factory=list)
    owed: Fraction | None = None


def overlay(several: list[list[Piece]], start: int, end: int) -> list[tuple[int, int, tuple[State, ...]]]:
    """Return several timelines over one, false where one says nothing."""
    edges = {start, end} | {edge for pieces in several for p in pieces for edge in (p.start, p.end)}
    moments = sorted(edge for edge in edges if start <= edge <= end)
    result = []
    for a, b in pairwise(moments):
        states = tuple(next((p.state for p in pieces if p.start <= a < p.end), False) for pieces in several)
        result.append((a, b, states))
    return result


def at_least(states: tuple[State, ...], wanted: int) -> State:
    """Return whether at least so many are true, as far as is known."""
    if states.count(True) >= wanted:
        return True
    return False if states.count(True) + states.count(None) < wanted else None


def state_of(chapter: Chapter, guarantee: Terms, device: str | None) -> tuple[list[Piece], Spans]:
    """Return the state a guarantee is judged by, and the time in which it asks for nothing."""
    if device is None:
        wanted = int(guarantee["at_least_devices"])
        each = [good_or_idle(scene, guarantee) for scene in chapter.scenes]
        over = overlay(each, chapter.start, chapter.end)
        return [Piece(a, b, at_least(states, wanted)) for a, b, states in over], []
    scene = chapter.scene_of(device)
    assert scene is not None
    held = timeline(scene.world, condition_of(guarantee), device, scene.start, scene.end)
    if "while" not in guarantee:
        return held, []
    asked = timeline(scene.world, guarantee["while"], device, scene.start, scene.end)
    over = overlay([held, asked], scene.start, scene.end)
    pieces = [Piece(a, b, state if wanted is True else None) for a, b, (state, wanted) in over]
    return pieces, spans_of(asked, False)


def good_or_idle(scene: Scene, guarantee: Terms) -> list[Piece]:
    """Return when a device is as it should be, for a guarantee of the contract: one that is idle is."""
    held = timeline(scene.world, condition_of(guarantee), scene.device, scene.start, scene.end)
    if "while" not in guarantee:
        return held
    asked = timeline(scene.world, guarantee["while"], scene.device, scene.start, scene.end)
    over = overlay([held, asked], scene.start, scene.end)
    return [Piece(a, b, state if wanted else opposite(wanted)) for a, b, (state, wanted) in over]


def condition_of(guarantee: Terms) -> Any:
    """Return the condition of an uptime or level guarantee."""
    return guarantee.get("available_when", guarantee.get("level"))


def in_force(chapter: Chapter, device: str | None) -> Span:
    """Return the time in force of a device, or of the contract, in a period."""
    if device is None:
        return chapter.start, chapter.end
    scene = chapter.scene_of(device)
    assert scene is not None
    return scene.start, scene.end


def outages(pieces: list[Piece], served: Spans, guarantee: Terms) -> Spans:
    """Return the runs of failure in service hours that are long enough to count."""
    failing = [False, None] if guarantee.get("unknown") == "down" else [False]
    least = duration_ms(guarantee.get("ignore_below", "0s"))
    failed = spans_of(pieces, *failing)
    runs = [run for window in served for run in shared([window], failed)]
    return [run for run in runs if length([run]) >= least]


def judge(book: Book, chapter: Chapter, record: Record, guarantee: Terms, device: str | None) -> Judged:
    """Measure an uptime or level guarantee in one period."""
    pieces, idle = state_of(chapter, guarantee, device)
    served = without(service_time(book.terms, guarantee, *in_force(chapter, device)), idle)
    failed = outages(pieces, served, guarantee)
    reasons = excuses(book, chapter, record, (guarantee, device), failed)
    excused = joined(*(spans for _, spans in reasons))
    unknown = shared(spans_of(pieces, None), served)
    left_out = length(unknown) if unknown_is_excluded(guarantee) else 0
    cut_off = breaches_of_connection(book, record, device)
    unseen = shared(unknown, joined(*(spans for _, spans in cut_off)))
    figures = Figures(
        service=length(served),
        agreed=length(served) - length(excused) - left_out,
        excused=length(excused),
        down=length(failed) - length(excused),
        unknown=length(unknown),
        known=length(served) - length(unknown),
        watched=length(served) - length(unseen),
    )
    silent = without(unknown, failed)
    first_only = [(why, without(spans, joined(*(s for _, s in cut_off[:n])))) for n, (why, spans) in enumerate(cut_off)]
    intervals = labelled(failed, reasons, "down", "excused") + labelled(silent, first_only, "unknown", "unknown")
    return Judged(guarantee, device, figures, sorted(intervals, key=lambda interval: interval[:2]))


def unknown_is_excluded(guarantee: Terms) -> bool:
    """Tell whether unknown time is no agreed time; for a level it never is."""
    return "level" in guarantee or guarantee["unknown"] == "excluded"


def breaches_of_connection(book: Book, record: Record, device: str | None) -> Reasons:
    """Return when the customer kept a device offline beyond what was agreed, by obligation."""
    return [
        (f"obligation:{obligation['id']}", record.breaches(obligation, device))
        for obligation in book.promises("obligations")
        if kind_of(obligation) == "connected"
    ]


def labelled(spans: Spans, reasons: Reasons, bare: str, state: str) -> list[Interval]:
    """Cut time by what explains it: `bare` where nothing does, else `state` with its reasons; like neighbours join."""
    edges = {edge for _, others in [("", spans), *reasons] for span in others for edge in span}
    found: list[Interval] = []
    for start, end in spans:
        moments = sorted({start, end} | {edge for edge in edges if start < edge < end})
        for a, b in pairwise(moments):
            why = ", ".join(name for name, others in reasons if shared(others, [(a, b)]))
            interval = (a, b, state if why else bare, why or None)
            if found and found[-1][1] == a and found[-1][2:] == interval[2:]:
                found[-1] = (found[-1][0], *interval[1:])
            else:
                found.append(interval)
    return found


def is_contract_wide(guarantee: Terms) -> bool:
    """Tell whether a guarantee is of the contract as a whole."""
    return bool(guarantee.get("scope") == "contract")
