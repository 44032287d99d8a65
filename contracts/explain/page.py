"""A statement as a page that both parties can read: who owes what, and why (plain text, 100 wide).

First the answer, then what each side promised, then every line of money with its steps, then what it rests on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from contracts.adjusting import CLOSING
from contracts.explain.answer import answer
from contracts.explain.layout import RULE, WIDTH, apart, filled, headed, local, moment, table
from contracts.explain.promises import missed, promises_section
from contracts.explain.words import Told, events_section, stretches_of
from contracts.figures import grouped
from contracts.language.terms import Party, Terms

REVIEW_ROWS = 20

Document = Mapping[str, Any]
Row = Mapping[str, Any]

_KINDS = {"credit": "Credit", "surcharge": "Surcharge", "bonus": "Bonus", "earn_back": "Earned back"}


def statement_text(document: Document, terms: Terms) -> str:
    """The whole statement, ending in a line feed."""
    told = Told.of(document, terms)
    parts = [
        _head(told),
        answer(told),
        promises_section(told),
        _lines(told),
        _balances(document),
        events_section(told),
        _usage(told),
        _review(told),
        _foot(told),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _head(told: Told) -> list[str]:
    document, terms = told.document, told.terms
    number = f"STATEMENT {document['number']}" if document["number"] else "STATEMENT"
    period = document["period"]
    first = local(period["start"], told.zone).date()
    last = local(period["end"], told.zone).date() - timedelta(days=1)
    days = f"{first}" if first == last else f"{first} to {last}"
    return [
        *apart(f"{number} · {document['status']}", f"{document['contract']} · version {document['version']}"),
        *filled(terms.title or terms.id),
        "═" * WIDTH,
        *headed("Provider  ", _party(terms.provider)),
        *headed("Customer  ", _party(terms.customer)),
        *headed("Period    ", f"{period['name']}: {days}, {period['timezone']}"),
    ]


def _party(party: Party) -> str:
    contact = party.contact
    if contact is None:
        return party.name
    return f"{party.name} ({', '.join(part for part in (contact.name, contact.email, contact.phone) if part)})"


# --- money ----------------------------------------------------------------------------------------------------------


def _lines(told: Told) -> list[str]:
    result = ["WHAT IT COSTS, AND WHY", RULE]
    for line in told.document["lines"]:
        device = f" · {line['device']}" if line["device"] else ""
        kind = f"{_KINDS[line['kind']]}: " if line["kind"] in _KINDS else ""
        result += apart(f"{kind}{line['title']}{device}", told.money(line["amount"]))
        known = f", known {line['coverage']} % of the time" if line["coverage"] else ""
        result += filled(f"{line['clause']}{known}", 4)
        for step in line["derivation"]:
            exact = f" = {grouped(Decimal(step['amount']))}" if step["amount"] and "×" in step["text"] else ""
            result += filled(f"{step['text']}{exact}", 4, 6)
        result += _because(told, line)
    total = apart("TOTAL before tax, the sum of the lines above", told.money(told.document["total"]))
    return [*result, RULE, *total]


def _because(told: Told, line: Row) -> Iterator[str]:
    """What caused a line, and what changed it, in words."""
    causes, changes = [], []
    row = told.promise_of(line) if line["kind"] in ("credit", "surcharge", "bonus") else None
    if row is not None:
        causes.append(missed(told, row))
    for each in line["because"]:
        named = each.get("guarantee") or each.get("obligation")
        if named is None or ("guarantee" in each and named == line["id"]):
            continue
        times = stretches_of(told, each.get("intervals", ()))
        if named == line["id"]:
            causes += [times] if times else []
        else:
            changes.append(f"“{told.title(named)}”" + (f", not kept {times}" if "obligation" in each else ""))
    if causes:
        yield from headed("because: ", "; ".join(causes), 4)
    for change in changes:
        yield from headed("changed by: ", change.rstrip(), 4)


def _balances(document: Document) -> list[str]:
    """Units kept for later periods."""
    figures = ("opening", "used", "earned", "expired", "closing")
    rows = [
        [row["id"], row["device"] or "all together", *(grouped(Decimal(row[name])) for name in figures)]
        for row in document["balances"]
    ]
    return ["UNITS KEPT FOR LATER", *table(["charge", "device", *figures], rows, left={0, 1})] if rows else []


# --- what it rests on -----------------------------------------------------------------------------------------------


def _usage(told: Told) -> list[str]:
    document, terms = told.document, told.terms
    if not document["usage"]:
        nothing = not (terms.meters or terms.guarantees or terms.obligations)
        return ["USAGE", "Nothing is measured under this contract."] if nothing else []
    off = any(Decimal(row["off_quality"]) for row in document["usage"])
    head = ["meter", "device", "quantity", "unit", *(["off quality"] if off else []), "register", "known", "gaps"]
    rows = [_usage_row(row, off) for row in document["usage"]]
    titles = [
        line for name, meter in terms.meters.items() if meter.title for line in headed(f"{name}: ", meter.title, 2)
    ]
    kept = ["accepted", "duplicate", "conflicting", "quarantined"]
    counts = []
    for row in document["usage"]:
        numbers = [row["counts"][kind] for kind in kept]
        shown = [sum(numbers), *numbers, row["counts"]["late"], row["counts"]["rejected"]]
        counts.append([row["meter"], row["device"], *map(grouped, shown)])
    return [
        "USAGE",
        *table(head, rows, left={0, 1, 3}),
        *titles,
        *_breaks(told),
        "",
        "READINGS",
        *table(["meter", "device", "decoded =", *kept, "| late", "rejected"], counts, left={0, 1}),
    ]


def _usage_row(row: Row, off: bool) -> list[str]:
    register = f"{grouped(Decimal(row['opening']))} → {grouped(Decimal(row['closing']))}" if row["opening"] else ""
    unit = "" if row["unit"] == "1" else row["unit"]
    cells = [row["meter"], row["device"], grouped(Decimal(row["quantity"])), unit]
    if off:
        cells.append(grouped(Decimal(row["off_quality"])) if Decimal(row["off_quality"]) else "")
    return [*cells, register, f"{row['coverage']} %", str(row["counts"]["gaps"])]


def _breaks(told: Told) -> Iterator[str]:
    """Where a register did not simply count on: a reset, a wrap, an exchange."""
    for row in told.document["usage"]:
        for each in row.get("breaks", []):
            before, after, counted = (grouped(Decimal(each[key])) for key in ("from", "to", "counted"))
            at = moment(each["time"], told.zone)
            yield from filled(f"{row['meter']} of {row['device']}, {at}: {each['reason']}", 2, 6)
            yield from filled(f"{before} → {after}, counted {counted} {row['unit']}", 6)


def _review(told: Told) -> list[str]:
    rows = told.document["review"]
    result = ["KEPT ASIDE, NOT BILLED"] if rows else []
    for row in rows[:REVIEW_ROWS]:
        times = moment(row["first"], told.zone)
        if row["count"] > 1:
            times = f"{row['count']} readings from {times} to {moment(row['latest'], told.zone)}"
        result += filled(f"{row['device']} {row['channel']} {row['value']}, {times}: {row['disposition']}", 2, 6)
        result += filled(row["reason"], 6)
    if len(rows) > REVIEW_ROWS:
        result.append(f"  and {len(rows) - REVIEW_ROWS} more, all in statement.json and in the evidence")
    return result


def _foot(told: Told) -> list[str]:
    document, result = told.document, []
    if document["issued_at"]:
        issued = moment(document["issued_at"], told.zone)[:16]
        result.append(f"Issued {issued} {told.terms.timezone}; it never changes.")
        if document["period"]["name"] != CLOSING:
            result.append("Later readings enter the next statement as an adjustment of this period.")
    evidence = document["evidence"]
    if evidence and evidence["readings"]:
        result.append(f"Evidence: {grouped(evidence['readings'])} readings in {evidence['parts']} parts,")
        result.append(f"root {evidence['root_sha256']}")
    return result
