"""The words of a statement: what promises are called, amounts, reasons, what people said and how it stands.

Semantics §6: an event that helps its own author is marked as claimed by it; a contested one does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from contracts.explain.layout import RULE, filled, headed, length, moment, stretch
from contracts.figures import grouped
from contracts.language.promises import Guarantee, Obligation
from contracts.language.terms import Terms
from contracts.periods import zone

Document = Mapping[str, Any]
Row = Mapping[str, Any]

MOST_EVENTS = 25

# What an event may be about, beside its device: a reading, registers read out, a line of a statement.
_ABOUT = ("channel", "value", "old", "new", "period", "line", "amount")

_REASONS = re.compile(r", (?=(?:obligation|planned|force_majeure|excused):)")


@dataclass(frozen=True, slots=True)
class Told:
    """A statement and what its words come from: the terms, the clock of the contract, events by id."""

    document: Document
    terms: Terms
    zone: ZoneInfo
    guarantees: Mapping[str, Guarantee]
    obligations: Mapping[str, Obligation]
    events: Mapping[str, Row]

    @staticmethod
    def of(document: Document, terms: Terms) -> Told:
        """What a statement's words come from."""
        guarantees = {each.id: each for each in terms.guarantees}
        obligations = {each.id: each for each in terms.obligations}
        events = {row["id"]: row for row in _said(document)}
        return Told(document, terms, zone(terms.timezone), guarantees, obligations, events)

    def within(self, row: Row) -> int:
        """The time of a promise to respond, in milliseconds."""
        response = self.guarantees[row["id"]].response
        assert response is not None, "a response says within when"
        return response.within

    def by_customer(self, row: Row) -> bool:
        """Is it for the customer to have a service done? Otherwise it only has to let the provider in."""
        service = self.obligations[row["id"]].service
        return service is not None and service.by == "customer"

    def title(self, promise: str) -> str:
        """What a promise is called; its id where it has no title."""
        named = self.guarantees.get(promise) or self.obligations.get(promise)
        return (named.title if named else None) or promise

    def promise_of(self, line: Row) -> Row | None:
        """What became of the promise that a line follows from."""
        rows = (*self.document["guarantees"], *self.document["obligations"])
        own = (row for row in rows if (row["id"], row["device"]) == (line["id"], line["device"]))
        return next(own, None)

    def money(self, amount: str | Decimal) -> str:
        """An amount in the contract's currency."""
        return f"{grouped(Decimal(amount))} {self.document['currency']}"


def _said(document: Document) -> Iterator[Row]:
    """What people said of the period, and what they said since of earlier ones that are corrected by it."""
    for entry in document["restated"]:
        yield from entry["events"]
    yield from document["events"]


def stretches_of(told: Told, intervals: Sequence[Row]) -> str:
    """The first of several stretches in words, and how many more there are."""
    if not intervals:
        return ""
    first, more = intervals[0], len(intervals) - 1
    text = f"{stretch(first['start'], first['end'], told.zone)} ({length(first['start'], first['end'])})"
    return text + (f" and {grouped(more)} more" if more else "")


# --- events ---------------------------------------------------------------------------------------------------------


def events_section(told: Told) -> list[str]:
    """What people said, for which side, and whether it counts; replies stand under what they answer.

    What was said later of an earlier period stands first: it is why that period is corrected.
    """
    rows = [row for row in told.events.values() if row["of"] not in told.events]
    if not rows:
        return []
    result = ["WHAT PEOPLE SAID", RULE]
    for row in rows[:MOST_EVENTS]:
        result += _event(told, row)
    if len(rows) > MOST_EVENTS:
        result.append(f"and {grouped(len(rows) - MOST_EVENTS)} more, all in statement.json")
    return result


def _event(told: Told, row: Row) -> Iterator[str]:
    start, end = row["start"], row["end"]
    when = moment(start, told.zone) if start == end else stretch(start, end, told.zone)
    about = " ".join(str(row[name]) for name in _ABOUT if name in row)
    said = f"{_named(row['type'])}, {row['device'] or 'all devices'}" + (f", {about}" if about else "")
    said += f" ({row['verdict']})" if row["verdict"] else ""
    said += f": {row['reason']}" if row["reason"] else ""
    yield from headed(f"{when}  ", said)
    entered = f", entered {moment(row['entered'], told.zone)[:16]}" if row["type"] == "planned" else ""
    yield from filled(f"{standing(row)}{entered}", 6)
    for reply in told.events.values():
        if reply["of"] == row["id"]:
            word = "contested by" if reply["type"] == "contested" else f"decision ({reply['verdict']}) of"
            about = f": {reply['reason']}" if reply["reason"] else ""
            yield from filled(
                f"{word} the {reply['side']} ({reply['by']}), {moment(reply['start'], told.zone)}{about}", 6, 8
            )


def standing(event: Row) -> str:
    """Who said it, for which side, and how it stands between the two."""
    who = f"by the {event['side']} ({event['by']})"
    words = {
        "stated": f"stated {who}",
        "contested": f"claimed {who}, CONTESTED: does not count until both sides decide",
        "accepted": f"stated {who}, accepted by both",
        "discarded": f"stated {who}, discarded by both: does not count",
    }
    return words.get(event["standing"], f"claimed {who}")


def _named(kind: str) -> str:
    """A type of event in words."""
    return {"planned": "planned work", "excused": "excuse"}.get(kind, kind.replace("_", " "))


def reasons(interval: Row) -> list[str]:
    """The reasons of a stretch, one by one; an event's id may itself hold commas."""
    return _REASONS.split(interval["reason"]) if interval["reason"] else []


def reason(told: Told, text: str) -> str:
    """An excuse in words: the obligation that was not kept, or the event with who said it and how it stands."""
    kind, _, name = text.partition(":")
    if kind == "obligation":
        return f"the customer had not kept “{told.title(name)}”"
    event = told.events.get(name)
    if event is None:
        return f"{_named(kind)} {name}"
    about = f" “{event['reason']}”" if event["reason"] else ""
    return f"{_named(kind)}{about}, {standing(event)}"
