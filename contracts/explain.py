"""A statement as a table that both parties can read: what was used, what it costs, and why (plain text, 100 wide)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from contracts.figures import grouped
from contracts.periods import zone
from contracts.terms import Party, Terms

WIDTH = 100
REVIEW_ROWS = 20

Document = Mapping[str, Any]
Row = Sequence[str]


def statement_text(document: Document, terms: Terms) -> str:
    """The whole statement, ending in a line feed."""
    parts = [
        _head(document, terms),
        _usage(document, terms),
        _lines(document),
        _review(document),
        _foot(document, terms),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _head(document: Document, terms: Terms) -> list[str]:
    number = f"STATEMENT {document['number']}" if document["number"] else "STATEMENT"
    period = document["period"]
    first = _local(period["start"], terms).date()
    last = _local(period["end"], terms).date() - timedelta(days=1)
    days = f"{first}" if first == last else f"{first} to {last}"
    return [
        _apart(f"{number} · {document['status']}", f"{document['contract']} · version {document['version']}"),
        terms.title or terms.id,
        "═" * WIDTH,
        f"Provider  {_party(terms.provider)}",
        f"Customer  {_party(terms.customer)}",
        f"Period    {period['name']}: {days}, {period['timezone']}",
    ]


def _party(party: Party) -> str:
    contact = party.contact
    if contact is None:
        return party.name
    return f"{party.name} ({', '.join(part for part in (contact.name, contact.email, contact.phone) if part)})"


def _usage(document: Document, terms: Terms) -> list[str]:
    if not document["usage"]:
        return ["USAGE", "Nothing is measured under this contract."]
    off = any(Decimal(row["off_quality"]) for row in document["usage"])
    head = ["meter", "device", "quantity", "unit", *(["off quality"] if off else []), "register", "known", "gaps"]
    rows = [_usage_row(row, off) for row in document["usage"]]
    titles = [f"  {name}: {meter.title}" for name, meter in terms.meters.items() if meter.title]
    kept = ["accepted", "duplicate", "conflicting", "quarantined"]
    counts = []
    for row in document["usage"]:
        numbers = [row["counts"][kind] for kind in kept]
        shown = [sum(numbers), *numbers, row["counts"]["late"], row["counts"]["rejected"]]
        counts.append([row["meter"], row["device"], *map(grouped, shown)])
    return [
        "USAGE",
        *_table(head, rows, left={0, 1, 3}),
        *titles,
        *_breaks(document),
        "",
        "READINGS",
        *_table(["meter", "device", "decoded =", *kept, "| late", "rejected"], counts, left={0, 1}),
    ]


def _breaks(document: Document) -> Iterator[str]:
    """Where a register did not simply count on: a reset, a wrap, an exchange."""
    for row in document["usage"]:
        for each in row.get("breaks", []):
            before, after, counted = (grouped(Decimal(each[key])) for key in ("from", "to", "counted"))
            yield f"  {row['meter']} of {row['device']}, {each['time']}: {each['reason']}"
            yield f"      {before} → {after}, counted {counted} {row['unit']}"


def _usage_row(row: Document, off: bool) -> Row:
    register = f"{grouped(Decimal(row['opening']))} → {grouped(Decimal(row['closing']))}" if row["opening"] else ""
    unit = "" if row["unit"] == "1" else row["unit"]
    cells = [row["meter"], row["device"], grouped(Decimal(row["quantity"])), unit]
    if off:
        cells.append(grouped(Decimal(row["off_quality"])) if Decimal(row["off_quality"]) else "")
    return [*cells, register, f"{row['coverage']} %", str(row["counts"]["gaps"])]


def _lines(document: Document) -> list[str]:
    currency = document["currency"]
    result = ["WHAT IT COSTS, AND WHY", "─" * WIDTH]
    for line in document["lines"]:
        device = f" · {line['device']}" if line["device"] else ""
        amount = f"{grouped(Decimal(line['amount']))} {currency}"
        result.append(_apart(f"{line['title']}{device}", amount))
        known = f", known {line['coverage']} % of the time" if line["coverage"] else ""
        result.append(f"    {line['clause']}{known}")
        for step in line["derivation"]:
            exact = f" = {grouped(Decimal(step['amount']))}" if step["amount"] and "×" in step["text"] else ""
            result += textwrap.wrap(step["text"] + exact, WIDTH - 16, initial_indent="    ", subsequent_indent="      ")
    total = f"{grouped(Decimal(document['total']))} {currency}"
    return [*result, "─" * WIDTH, _apart("TOTAL before tax, the sum of the lines above", total)]


def _review(document: Document) -> list[str]:
    rows = document["review"]
    if not rows:
        return []
    shown = [
        [row["device"], row["channel"], row["disposition"], _times(row), row["value"], row["reason"]]
        for row in rows[:REVIEW_ROWS]
    ]
    result = ["KEPT ASIDE, NOT BILLED"]
    for device, channel, disposition, times, value, reason in shown:
        result.append(f"  {device} {channel} {value}, {times}: {disposition}")
        result += textwrap.wrap(reason, WIDTH - 6, initial_indent="      ", subsequent_indent="      ")
    if len(rows) > REVIEW_ROWS:
        result.append(f"  and {len(rows) - REVIEW_ROWS} more, all in statement.json and in the evidence")
    return result


def _times(row: Document) -> str:
    if row["count"] == 1:
        return str(row["first"])
    return f"{row['count']} readings from {row['first']} to {row['latest']}"


def _foot(document: Document, terms: Terms) -> list[str]:
    result = []
    if document["issued_at"]:
        result.append(
            f"Issued {_local(document['issued_at'], terms):%Y-%m-%d %H:%M} {terms.timezone}; it never changes."
        )
        result.append("Later readings enter the next statement as an adjustment of this period.")
    evidence = document["evidence"]
    if evidence:
        result.append(f"Evidence: {grouped(evidence['readings'])} readings in {evidence['parts']} parts,")
        result.append(f"root {evidence['root_sha256']}")
    return result


def _local(text: str, terms: Terms) -> datetime:
    return datetime.fromisoformat(text).astimezone(zone(terms.timezone))


def _apart(left: str, right: str) -> str:
    return f"{left}{' ' * max(1, WIDTH - len(left) - len(right))}{right}"


def _table(head: Row, rows: Sequence[Row], left: set[int]) -> Iterator[str]:
    """Columns as wide as what is in them, numbers to the right."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    yield "─" * WIDTH
    for row in (head, *rows):
        cells = [
            text.ljust(width) if place in left else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
