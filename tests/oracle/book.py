"""A contract's periods from its first day on, each with its devices, usage and charges."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from tests.oracle.balance import Ledger
from tests.oracle.dates import Span as Days
from tests.oracle.dates import anchored, contract_days, midnight_ms, period_name, period_named
from tests.oracle.events import Event, read_events
from tests.oracle.price import Line, lines
from tests.oracle.quantity import Scene, scenes, usage_row
from tests.oracle.reading import Row, holds, judge_rows
from tests.oracle.terms import Terms
from tests.oracle.timeline import World


@dataclass(frozen=True, slots=True)
class Chapter:
    """One period: its days, the contract's time in force in it, and what was metered and charged."""

    number: int
    name: str
    days: Days
    in_force: Days
    start: int
    end: int
    scenes: list[Scene]
    usage: list[dict[str, Any]]
    charges: list[Line]
    balances: list[dict[str, Any]]

    def scene_of(self, device: str) -> Scene | None:
        """Return what there is to look at of a device, if it is in force."""
        return next((scene for scene in self.scenes if scene.device == device), None)


@dataclass(frozen=True, slots=True)
class Book:
    """A contract with everything known of it, and its periods up to the one asked for."""

    terms: Terms
    world: World
    events: list[Event]
    chapters: list[Chapter]

    def promises(self, kind: str) -> list[Terms]:
        """Return the guarantees or the obligations, in the order of the file."""
        found: list[Terms] = self.terms.get(kind, [])
        return found

    def declared(self) -> list[str]:
        """Return the ids of all devices, in the order of the file."""
        return [device["id"] for device in self.terms["devices"]]


def write_book(terms: Terms, rows: list[Row], records: list[dict[str, Any]], last: str) -> Book:
    """Return the contract's periods up to the last one named; only that one where nothing is promised or kept."""
    events = read_events(records)
    judged = judge_rows(terms, rows, events)
    every = [(declared["id"], channel) for declared in terms["devices"] for channel in terms["channels"]]
    world = World(terms, {source: holds(terms, judged, source) for source in every}, events)
    chapters, ledger = [], Ledger()
    for number, name in enumerate(names_until(terms, last)):
        days = period_named(terms, name)
        in_force = days.within(contract_days(terms))
        start, end = (midnight_ms(day, terms["timezone"]) for day in (in_force.first, in_force.after))
        found = scenes(world, judged, days)
        usage = [usage_row(scene, meter) for meter in terms["meters"] for scene in found]
        charged = lines(terms, days, found, usage, ledger)
        chapters.append(Chapter(number, name, days, in_force, start, end, found, usage, charged, ledger.rows[-1]))
    return Book(terms, world, events, chapters)


def names_until(terms: Terms, last: str) -> list[str]:
    """Return the names of the periods since the contract began."""
    keeps = any("rollover" in charge.get("allowance", {}) for charge in terms["charges"])
    if not ("guarantees" in terms or "obligations" in terms or keeps):
        return [last]
    names = [period_name(terms, contract_days(terms).first)]
    while names[-1] != last:
        names.append(period_name(terms, period_named(terms, names[-1]).after))
        assert len(names) < 1000, f"{last} is no period of the contract"
    return names


def months_later(day: date, months: int) -> date:
    """Return the same day some months later, or that month's last day."""
    return anchored(day.year, day.month + months, day.day)


def window_of(terms: Terms, chapter: Chapter, months: int) -> Days:
    """Return the contract quarter (3) or year (12) in which a period starts."""
    first = contract_days(terms).first
    number = 0
    while months_later(first, (number + 1) * months) <= chapter.in_force.first:
        number += 1
    return Days(months_later(first, number * months), months_later(first, (number + 1) * months))


def same_window(book: Book, chapter: Chapter, months: int) -> list[Chapter]:
    """Return the periods up to a given one that start in the same contract quarter or year."""
    window = window_of(book.terms, chapter, months)
    return [c for c in book.chapters[: chapter.number + 1] if window_of(book.terms, c, months) == window]


def closes_window(terms: Terms, chapter: Chapter, months: int) -> bool:
    """Tell whether a period is the last that starts in its contract quarter or year, or the contract's last."""
    after = window_of(terms, chapter, months).after
    return chapter.days.after >= min(after, contract_days(terms).after)


def previous_period(terms: Terms, days: Days) -> Days:
    """Return the period before another, also one from before the contract."""
    return period_named(terms, period_name(terms, days.first - timedelta(days=1)))
