"""Later data: a final statement is never changed; what it would be now becomes adjustments on the next (semantics §8).

A final period computed again is *restated*. Each line that differs from what was stated, earlier adjustments included,
becomes one adjustment of its own period; so original + adjustments = recomputation, always. A restated period hands
its closing state to the period after it, which is restated too where that state is not the one it began with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from contracts.figures import grouped, plain
from contracts.language.terms import Terms
from contracts.periods import Period, Span, period_named, period_of
from contracts.pricing import statement_line
from contracts.statement import total_of
from contracts.units import minor_digits

Document = Mapping[str, Any]
Row = dict[str, Any]
LineKey = tuple[str, str | None, str]  # id, device, kind

CLOSING = "closing"  # the name of what comes after a contract's last period


@dataclass(frozen=True, slots=True)
class Stated:
    """A final period as its parties know it: its statement, and each line as stated and adjusted since."""

    statement: Document
    amounts: Mapping[LineKey, Decimal]

    @property
    def period(self) -> str:
        """The name of the period."""
        name: str = self.statement["period"]["name"]
        return name


def key_of(line: Document) -> LineKey:
    """What a line is, whichever statement it stands on."""
    return line["id"], line["device"], line["kind"]


def amounts_of(document: Document) -> dict[LineKey, Decimal]:
    """The lines of a statement that are its own period's."""
    return {key_of(line): Decimal(line["amount"]) for line in document["lines"] if line["kind"] != "adjustment"}


def stated(statement: Document, later: Iterable[Document]) -> Stated:
    """A final period as stated, with the adjustments of later statements added."""
    amounts, period = amounts_of(statement), statement["period"]["name"]
    for document in later:
        for row in document["adjustments"]:
            if row["period"] == period:
                key = (row["line"], row["device"], row["kind"])
                amounts[key] = amounts.get(key, Decimal(0)) + Decimal(row["amount"])
    return Stated(statement, amounts)


def adjustments(known: Stated, again: Document, because: str) -> list[Row]:
    """Each line of a period that differs from what is known, as an adjustment row; `again` is the recomputation."""
    now = amounts_of(again)
    titles = {key_of(line): line["title"] for document in (known.statement, again) for line in document["lines"]}
    nothing = Decimal(0).scaleb(-minor_digits(again["currency"]))
    rows = []
    for key in dict.fromkeys([*known.amounts, *now]):
        was, amount = known.amounts.get(key, nothing), now.get(key, nothing)
        if was != amount:
            row = {"period": known.period, "statement": known.statement["number"], "line": key[0], "device": key[1]}
            row |= {"kind": key[2], "title": titles.get(key, key[0]), "was": plain(was), "now": plain(amount)}
            rows.append({**row, "amount": plain(amount - was), "because": because})
    return rows


def adjustment_line(terms: Terms, row: Row) -> Row:
    """An adjustment row as a line of the statement it enters."""
    kind = "" if row["kind"] == "charge" else f" ({row['kind'].replace('_', '-')})"
    now, was = grouped(Decimal(row["now"])), grouped(Decimal(row["was"]))
    text = f"{was} {terms.currency} by statement {row['statement']}, {now} {terms.currency} now"
    title = f"Correction of {row['period']}: {row['title']}{kind}"
    steps = [{"text": f"{text}, because of {row['because']}", "amount": row["amount"]}]
    because = [{"statement": row["statement"], "period": row["period"]}]
    return statement_line(terms, row["line"], row["device"], "adjustment", title, row["amount"], steps, because=because)


@dataclass(frozen=True, slots=True)
class Restated:
    """A final period computed again: which one, what made it differ, and the statement it would be now.

    `later_events` are the ids of what people said since it was last stated.
    """

    known: Stated
    document: Document
    because: str
    statement_sha256: str
    later_events: frozenset[str] = frozenset()

    @property
    def rows(self) -> list[Row]:
        """Its adjustments."""
        return adjustments(self.known, self.document, self.because)

    def entry(self) -> Row:
        """As the statement that brings the adjustments lists it: enough to verify each of them."""
        return {
            "period": self.known.period,
            "statement": self.known.statement["number"],
            "statement_sha256": self.statement_sha256,
            "version": self.document["version"],
            "terms_sha256": self.document["terms_sha256"],
            "because": self.because,
            "events": [row for row in self.document["events"] if row["id"] in self.later_events],
            "closing_state_sha256": self.document["closing_state_sha256"],
            "evidence": self.document["evidence"],
        }


def adjusted(terms: Terms, document: Document, rows: list[Row], restated: list[Row]) -> Row:
    """A statement with the adjustments of earlier periods; `restated` lists those periods, each with its evidence."""
    own = [line for line in document["lines"] if line["kind"] != "settlement"]
    settlements = [line for line in document["lines"] if line["kind"] == "settlement"]
    lines = [*own, *(adjustment_line(terms, row) for row in rows), *settlements]
    total = total_of(terms, lines)
    return {**document, "lines": lines, "adjustments": rows, "restated": restated, "total": total}


def closing_period(terms: Terms, last: Period) -> Period:
    """What comes after a contract's last period: as long as later data may still correct it."""
    end = last.span.end
    return Period(CLOSING, last.after, last.after, Span(end, end + terms.corrections), last.timezone)


def period_called(terms: Terms, name: str) -> Period:
    """The period with that name, or what comes after the contract's last; ValueError where there is none."""
    if name != CLOSING or terms.valid.until is None:
        return period_named(terms, name)
    return closing_period(terms, period_of(terms, terms.valid.until - timedelta(days=1)))
