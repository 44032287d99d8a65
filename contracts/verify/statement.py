"""A statement checked by anyone: nothing but the statement, its evidence and the gateway's public key (semantics §8).

Checks go from the outside in, and each finding names what differs: the signature, the root, a part and its line, the
opening and closing state, a reading's disposition, and last every field of the statement computed again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contracts.adjusting import adjusted
from contracts.canonical import sha256
from contracts.seal import SEAL, signature_fault, statement_sha256
from contracts.verify.adjustments import check_adjustments, misshapen_lists, opening_of
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


def verify(
    statement: Mapping[str, Any],
    read_part: ReadPart,
    paths: list[str],
    key: bytes | None,
    previous: Mapping[str, Any] | None = None,
    earlier: Sequence[Mapping[str, Any]] = (),
) -> Report:
    """Check a statement against its evidence, whose files `read_part` gives by path; `paths` are all that are there.

    `key` is the public key in PEM; `previous` the statement before, where at hand, whose digest and closing state this
    one must continue; `earlier` all statements before it that are at hand, against which its adjustments are checked.
    """
    report = Report()
    report.findings += _signature(statement, key, report)
    report.findings += _chain(statement, previous, report)
    try:
        head = read_header(statement, read_part)
        report.findings += check_root(statement, read_part, head, report)
        own = [path for path in paths if not path.startswith("adjustments/")]
        parts, damaged = check_parts(read_part, head, own)
        report.findings += damaged
        report.checks.append(f"{len(parts)} of {len(head['parts'])} files of evidence are as their digests say")
        misshapen = list(misshapen_lists(statement))
        report.findings += misshapen
        if not damaged and not misshapen:
            report.findings += _recompute(statement, head, parts, previous, report)
            report.findings += check_adjustments(statement, read_part, paths, earlier, report)
    except Unreadable as unreadable:
        report.findings.append(unreadable.finding)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        finding = Finding("evidence", f"this is not the evidence of a statement: {type(error).__name__} {error}")
        report.findings.append(finding)
    return report


def _signature(statement: Mapping[str, Any], key: bytes | None, report: Report) -> Iterator[Finding]:
    signature = statement.get("signature")
    if signature is None:
        yield from _unsealed(statement, report)
        return
    if key is None:
        yield Finding("signature", "no public key was given to check it with; name it with --key")
        return
    fault = signature_fault(statement, key)
    if fault:
        yield Finding("signature", fault)
    else:
        report.checks.append("the signature is the gateway's, over every field of the statement")


def _unsealed(statement: Mapping[str, Any], report: Report) -> Iterator[Finding]:
    """A statement that nobody signed is one computed from files, and has nothing else of a seal either."""
    if statement.get("status") != "computed":
        yield Finding("signature", "the statement is not signed")
        return
    for name in SEAL:
        if name != "status" and statement.get(name) is not None:
            yield Finding(name, "a computed statement has none; was the signature of a final one taken away?")
    report.checks.append("it is computed from files, and signed by nobody: its figures are checked, not its origin")


def _chain(statement: Mapping[str, Any], previous: Mapping[str, Any] | None, report: Report) -> Iterator[Finding]:
    if previous is None:
        return
    try:
        digest = statement_sha256(previous)
    except ValueError as error:  # numbers that JSON cannot hold exactly
        yield Finding("previous_sha256", f"the statement given as the one before is none: {error}")
        return
    if statement.get("previous_sha256") != digest:
        yield Finding("previous_sha256", f"it is not the digest of statement {previous.get('number')}")
    elif statement.get("number") != previous.get("number", 0) + 1:
        yield Finding("number", f"{statement.get('number')} does not follow {previous.get('number')}")
    else:
        report.checks.append(f"it continues statement {previous.get('number')}")


def _recompute(
    statement: Mapping[str, Any],
    head: Mapping[str, Any],
    parts: Mapping[str, bytes],
    previous: Mapping[str, Any] | None,
    report: Report,
) -> Iterator[Finding]:
    """Compute the period again from its opening state and readings, and compare every part and every field."""
    contract, document, findings = give_again(head, parts, "")
    yield from findings
    if contract is None:
        return
    if previous is not None and sha256(parts["opening.json"]) != opening_of(statement, previous):
        yield Finding("opening.json", f"it is not the state with which statement {previous.get('number')} closed")
    report.checks.append(f"{document['evidence']['readings']} readings give the same dispositions and closing state")
    document = adjusted(contract.terms, document, statement["adjustments"], statement["restated"])
    for name, value in document.items():
        if name not in SEAL:
            yield from differences(name, statement.get(name), value, "the evidence gives")
    for name in sorted(set(statement) - set(document)):
        yield Finding(name, "the statement has a field that no statement has")
    report.checks.append("every line, figure and total is what the terms and the readings give")


def differences(name: str, said: Any, computed: Any, gives: str) -> Iterator[Finding]:
    """Where a statement and a second computation differ, by the path of the field; `gives` says by what it was made."""
    if isinstance(said, dict) and isinstance(computed, dict):
        for key in sorted({*said, *computed}):
            yield from differences(f"{name}.{key}", said.get(key), computed.get(key), gives)
    elif isinstance(said, list) and isinstance(computed, list) and len(said) == len(computed):
        for place, (one, other) in enumerate(zip(said, computed, strict=True)):
            label = one.get("id") or one.get("meter") or place if isinstance(one, dict) else place
            yield from differences(f"{name}[{label}]", one, other, gives)
    elif said != computed:
        yield Finding(name, f"the statement says {_short(said)}, {gives} {_short(computed)}")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else f"{text[:157]}..."
