"""Adjustments checked: each final period that was computed again, from its own evidence (semantics §8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from contracts.adjusting import adjustments, amounts_of, stated
from contracts.canonical import sha256
from contracts.seal import statement_sha256
from contracts.verify.evidence import (
    Finding,
    ReadPart,
    Report,
    Unreadable,
    check_parts,
    check_root,
    give_again,
    read_header,
)

Document = Mapping[str, Any]


_ROW = {"period", "statement", "line", "device", "kind", "title", "was", "now", "amount", "because"}
_ENTRY = {
    "period", "statement", "statement_sha256", "version", "terms_sha256", "because", "events", "closing_state_sha256",
    "evidence",
}  # fmt: skip


def misshapen_lists(statement: Document) -> Iterator[Finding]:
    """Lists of adjustments and restated periods that are none."""
    for name, keys in (("adjustments", _ROW), ("restated", _ENTRY)):
        rows = statement[name] if isinstance(statement.get(name), list) else [None]
        if any(not isinstance(row, dict) or set(row) != keys for row in rows):
            yield Finding(name, "this is not a list of what it should name")


def opening_of(statement: Document, previous: Document) -> str:
    """The digest of the state a statement must open with: what the one before closed with, or its restatement."""
    for entry in statement["restated"]:
        if entry["statement"] == previous.get("number"):
            digest: str = entry["closing_state_sha256"]
            return digest
    closed: str = previous["closing_state_sha256"]
    return closed


def check_adjustments(
    statement: Document, read_part: ReadPart, paths: list[str], earlier: Sequence[Document], report: Report
) -> Iterator[Finding]:
    """Every period computed again, in order; `earlier` are the statements before, as far as they are at hand."""
    known = {entry["period"] for entry in statement["restated"]}
    for path in paths:
        if path.startswith("adjustments/") and path.split("/")[1] not in known:
            yield Finding(path, "this file is not part of the evidence that was signed")
    left: Document | None = None
    for entry in statement["restated"]:
        try:
            yield from _check_entry(statement, entry, left, read_part, paths, earlier, report)
        except Unreadable as unreadable:
            yield from _placed(f"adjustments/{entry['period']}/", [unreadable.finding])
        left = entry
    restated = {entry["period"] for entry in statement["restated"]}
    for row in statement["adjustments"]:
        if row["period"] not in restated:
            yield Finding(f"adjustments[{row['line']}]", f"no evidence of {row['period']} computed again is named")


def _check_entry(
    statement: Document,
    entry: Document,
    left: Document | None,
    read_part: ReadPart,
    paths: list[str],
    earlier: Sequence[Document],
    report: Report,
) -> Iterator[Finding]:
    folder = f"adjustments/{entry['period']}/"

    def read(path: str) -> bytes | None:
        return read_part(folder + path)

    head = read_header(entry, read)
    yield from _placed(folder, check_root(entry, read, head, Report()))
    own = [path.removeprefix(folder) for path in paths if path.startswith(folder)]
    parts, damaged = check_parts(read, head, own)
    yield from _placed(folder, damaged)
    if damaged:
        return
    contract, again, findings = give_again(head, parts, folder)
    yield from findings
    if contract is None:
        return
    opening = sha256(parts["opening.json"])
    if left is not None and left["statement"] == entry["statement"] - 1 and opening != left["closing_state_sha256"]:
        yield Finding(f"{folder}opening.json", f"it is not the state that {left['period']} closed with")
    if again["closing_state_sha256"] != entry["closing_state_sha256"]:
        yield Finding(f"restated[{entry['period']}]", "its closing state is not what its evidence gives")
    if again["evidence"] != entry["evidence"]:
        yield Finding(f"restated[{entry['period']}]", "what it says of its evidence is not what the evidence gives")
    if any(row not in again["events"] for row in entry["events"]):
        yield Finding(f"restated[{entry['period']}]", "an event it names is not what its evidence gives")
    rows = [row for row in statement["adjustments"] if row["period"] == entry["period"]]
    yield from _check_rows(rows, again)
    at_hand = {each["number"]: each for each in earlier if isinstance(each.get("number"), int)}
    missing = [number for number in range(entry["statement"], statement["number"]) if number not in at_hand]
    if missing:
        numbers = ", ".join(map(str, missing))
        report.checks.append(f"not at hand, so what was stated for {entry['period']} is taken from here: {numbers}")
    else:
        yield from _check_against(at_hand, entry, rows, again)
    report.checks.append(f"{entry['period']} computed again gives the adjustments of statement {entry['statement']}")


def _placed(folder: str, findings: Any) -> Iterator[Finding]:
    for finding in findings:
        yield Finding(f"{folder}{finding.where}", finding.message)


def _check_rows(rows: list[Document], again: Document) -> Iterator[Finding]:
    now = amounts_of(again)
    for row in rows:
        amount = now.get((row["line"], row["device"], row["kind"]), Decimal(0))
        label = f"adjustments[{row['line']}]"
        if Decimal(row["now"]) != amount:
            yield Finding(label, f"the statement says {row['now']} now, the evidence gives {amount}")
        if Decimal(row["amount"]) != Decimal(row["now"]) - Decimal(row["was"]):
            yield Finding(label, f"{row['now']} − {row['was']} is not {row['amount']}")


def _check_against(
    at_hand: Mapping[int, Document], entry: Document, rows: list[Document], again: Document
) -> Iterator[Finding]:
    """The adjustments against the statement that they correct, and those that corrected it before."""
    original = at_hand[entry["statement"]]
    if statement_sha256(original) != entry["statement_sha256"]:
        yield Finding(f"restated[{entry['period']}]", f"statement {entry['statement']} at hand is another one")
        return
    later = [document for number, document in sorted(at_hand.items()) if number > entry["statement"]]
    expected = adjustments(stated(original, later), again, entry["because"])
    if expected != rows:
        shown = ", ".join(f"{row['line']} {row['amount']}" for row in expected) or "none"
        yield Finding(f"adjustments of {entry['period']}", f"the statements before and the evidence give: {shown}")
