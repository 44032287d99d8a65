"""A statement checked by anyone: nothing but the statement, its evidence and the gateway's public key (semantics §8).

Checks go from the outside in, and each finding names what differs: the signature, the root, a part and its line, the
opening and closing state, a reading's disposition, and last every field of the statement computed again.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from contracts.canonical import sha256
from contracts.compute import compute_period
from contracts.contract import Contract, read_contract
from contracts.event_text import event_of
from contracts.events import Docket
from contracts.evidence import COLUMNS, GZIP_HEADER, Entry, Part, altered_line
from contracts.judging import Key
from contracts.periods import period_named
from contracts.problems import ProblemsFound
from contracts.readings import Clock, judge
from contracts.seal import SEAL, signature_fault, statement_sha256
from contracts.state import read_state
from contracts.statement import Input
from contracts.table import Table, read_table
from contracts.told import MeterId, decisions_of

ReadPart = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not agree, and where: a part with its line, or a field of the statement."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(slots=True)
class Report:
    """What was checked, and what was found not to agree; a statement without findings is verified."""

    checks: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def verified(self) -> bool:
        """Does everything agree?"""
        return not self.findings


class _Unreadable(Exception):  # noqa: N818 - carries a finding
    def __init__(self, where: str, message: str, text: bytes = b"") -> None:
        super().__init__(message)
        self.finding = Finding(where, message)
        self.text = text


def verify(
    statement: Mapping[str, Any],
    read_part: ReadPart,
    paths: list[str],
    key: bytes | None,
    previous: Mapping[str, Any] | None = None,
) -> Report:
    """Check a statement against its evidence, whose files `read_part` gives by path; `paths` are all that are there.

    `key` is the public key in PEM; `previous` the statement before, where at hand, whose digest and closing state this
    one must continue.
    """
    report = Report()
    report.findings += _signature(statement, key, report)
    report.findings += _chain(statement, previous, report)
    try:
        head = _head(statement, read_part)
        report.findings += _root(statement, read_part, head, report)
        parts, damaged = _parts(read_part, head, paths)
        report.findings += damaged
        report.checks.append(f"{len(parts)} of {len(head['parts'])} files of evidence are as their digests say")
        if not damaged:
            report.findings += _recompute(statement, head, parts, previous, report)
    except _Unreadable as unreadable:
        report.findings.append(unreadable.finding)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        finding = Finding("evidence", f"this is not the evidence of a statement: {type(error).__name__} {error}")
        report.findings.append(finding)
    return report


def _read(read_part: ReadPart, path: str) -> bytes:
    data = read_part(path)
    if data is None:
        raise _Unreadable(path, "this part is missing from the evidence")
    if not path.endswith(".gz"):
        return data
    text, complaint = unpack(data)
    if complaint:
        raise _Unreadable(path, complaint, text)
    return text


def unpack(data: bytes) -> tuple[bytes, str]:
    """The text in a gzip member as this software writes it, as far as it can be read, and what is wrong with it."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    text = b""
    try:
        for start in range(len(GZIP_HEADER), len(data), 64):  # in small bites, to know how far the text can be read
            text += inflate.decompress(data[start : start + 64])
    except zlib.error:
        return text, "the archive was altered and cannot be read to its end"
    check = zlib.crc32(text).to_bytes(4, "little") + (len(text) % 2**32).to_bytes(4, "little")
    if data[: len(GZIP_HEADER)] != GZIP_HEADER:
        return text, "the first bytes of the archive were altered"
    if not inflate.eof or inflate.unused_data != check:
        return text, "the archive was altered: its text fails the archive's own check"
    return text, ""


def _json(data: bytes, path: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise _Unreadable(path, f"line {line} was altered: this is no longer JSON") from None
    if not isinstance(document, dict):
        raise _Unreadable(path, "line 1 was altered: this is not a JSON object")
    return document


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


def _head(statement: Mapping[str, Any], read_part: ReadPart) -> dict[str, Any]:
    """The header as JSON; where it no longer reads as such, the sums in the statement tell the line."""
    data = _read(read_part, "header.json")
    try:
        return _json(data, "header.json")
    except _Unreadable:
        place = _place(_head_entry(statement, data), data)
        raise _Unreadable("header.json", f"{place}this is no longer the header of evidence") from None


def _head_entry(statement: Mapping[str, Any], data: bytes) -> Entry:
    """What the statement says of the header; how many lines it had is not said, so as many as there are."""
    evidence = statement["evidence"]
    lines = len(data.splitlines())
    return Entry.read(
        {"path": "header.json", "sha256": evidence["root_sha256"], "lines": lines, "locator": evidence["locator"]}
    )


def _root(
    statement: Mapping[str, Any], read_part: ReadPart, head: Mapping[str, Any], report: Report
) -> Iterator[Finding]:
    data = _read(read_part, "header.json")
    evidence = statement["evidence"]
    if sha256(data) != evidence["root_sha256"]:
        place = _place(_head_entry(statement, data), data)
        yield Finding("header.json", f"{place}its digest is not the root that the statement holds")
    elif (
        head["terms_sha256"] != statement["terms_sha256"]
        or sha256("".join(head["terms"]).encode()) != head["terms_sha256"]
    ):
        yield Finding("terms_sha256", "the terms in the evidence are not those the statement names")
    else:
        report.checks.append("the evidence is the one the statement names, with its terms")


def _place(entry: Entry, data: bytes) -> str:
    """Which line was altered: known exactly if it is one alone, else the first that no longer reads as a reading."""
    if sha256(data) == entry.sha256:
        return "the readings are intact, but "
    found = altered_line(entry, data)
    if found is not None:
        return f"line {found[0]} was {found[1]}: "
    if not entry.path.startswith("readings/"):
        return "more than one line was altered: "
    start = ",".join(entry.path.split("/")[1:3]).encode() + b","
    for number, text in enumerate(data.splitlines(keepends=True)[1:], start=2):
        if not (text.startswith(start) and text.count(b",") == COLUMNS.count(",") and text.endswith(b"\n")):
            return f"more than one line was altered, the first that does not read is line {number}: "
    return "more than one line was altered: "


def _parts(read_part: ReadPart, head: Mapping[str, Any], paths: list[str]) -> tuple[dict[str, bytes], list[Finding]]:
    """Every part whose bytes are those its digest describes, and a finding for each that is not."""
    good, findings = {}, []
    entries = {entry["path"]: entry for entry in head["parts"]}
    for path, listed in entries.items():
        entry = Entry.read(listed)
        try:
            data = _read(read_part, path)
        except _Unreadable as unreadable:
            place = _place(entry, unreadable.text) if unreadable.text else ""
            findings.append(Finding(path, f"{place}{unreadable.finding.message}"))
            continue
        if sha256(data) == entry.sha256:
            good[path] = data
        else:
            findings.append(Finding(path, f"{_place(entry, data)}its digest is another one"))
    extra = sorted(set(paths) - set(entries) - {"header.json"})
    findings += [Finding(path, "this file is not part of the evidence that was signed") for path in extra]
    return good, findings


def _recompute(
    statement: Mapping[str, Any],
    head: Mapping[str, Any],
    parts: Mapping[str, bytes],
    previous: Mapping[str, Any] | None,
    report: Report,
) -> Iterator[Finding]:
    """Compute the period again from its opening state and readings, and compare every part and every field."""
    try:
        contract = read_contract("".join(head["terms"]), "terms")
    except ProblemsFound as found:
        yield Finding("header.json", f"the terms cannot be read: {found.problems[0]}")
        return
    if previous is not None and sha256(parts["opening.json"]) != previous.get("closing_state_sha256"):
        yield Finding("opening.json", f"it is not the state with which statement {previous.get('number')} closed")
    document, again = recompute(contract, head, parts)
    for path, data in parts.items():
        if again.get(path) != data:
            yield Finding(path, _first_difference(data, again.get(path, b"")))
    for name in sorted(set(again) - set(parts) - {"header.json"}):
        yield Finding(name, "the readings give this part, but the evidence does not hold it")
    report.checks.append(f"{document['evidence']['readings']} readings give the same dispositions and closing state")
    for name, value in document.items():
        if name not in SEAL:
            yield from _differences(name, statement.get(name), value)
    for name in sorted(set(statement) - set(document)):
        yield Finding(name, "the statement has a field that no statement has")
    report.checks.append("every line, figure and total is what the terms and the readings give")


def recompute(
    contract: Contract, head: Mapping[str, Any], parts: Mapping[str, bytes]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The statement that evidence gives by itself, and the parts that computing it makes."""
    terms = contract.terms
    period = period_named(terms, head["period"])
    opening = read_state(terms, _json(parts["opening.json"], "opening.json"))
    clock = Clock.of(terms)
    table = Table("evidence")
    for path in sorted(path for path in parts if path.startswith("readings/")):
        more = read_table(parts[path].decode(), path)
        table.extend(more)
    events = [json.loads(line) for line in parts["events.jsonl"].decode().splitlines()]
    docket = Docket.of(event_of(event) for event in events if event["type"] != "meter")
    decisions = {device.id: decisions_of(terms, docket, device.id) for device in terms.devices}
    judged = {
        key: judge(columns, clock, decisions[key[0]].get(key[1], ())) for key, columns in table.columns(terms).items()
    }
    given = Input(judged, refused_of(head), meter_ids_of(events), late_of(head), docket, holidays_of(head))
    again: dict[str, bytes] = {}

    def keep(part: Part) -> None:
        again[part.path] = part.data

    outcome = compute_period(
        contract,
        period,
        opening,
        given,
        status="computed",
        keep=keep,
        cut=head["cut"],
        tzdata=head["tzdata"],
    )
    return outcome.document, again


def holidays_of(head: Mapping[str, Any]) -> dict[str, tuple[date, ...]]:
    """The holidays of each promise's service hours, as they were resolved when the statement was made."""
    return {promise: tuple(map(date.fromisoformat, days)) for promise, days in head["holidays"].items()}


def late_of(head: Mapping[str, Any]) -> dict[Key, int]:
    """Late readings by device and channel, as the header states them."""
    return _by_key(head["late"])


def refused_of(head: Mapping[str, Any]) -> dict[Key, int]:
    """Refused readings by device and channel, as the header states them."""
    return _by_key(head["rejected"])


def _by_key(counts: Mapping[str, Mapping[str, int]]) -> dict[Key, int]:
    return {(device, channel): count for device, each in counts.items() for channel, count in each.items()}


def meter_ids_of(events: list[dict[str, Any]]) -> dict[str, tuple[MeterId, ...]]:
    """The new meter ids that each device announced."""
    found: dict[str, list[MeterId]] = {}
    for event in events:
        if event["type"] == "meter":
            found.setdefault(event["device"], []).append(MeterId.read(event))
    return {device: tuple(each) for device, each in found.items()}


def _first_difference(data: bytes, again: bytes) -> str:
    lines, others = data.splitlines(), again.splitlines()
    for number, (line, other) in enumerate(zip(lines, others, strict=False), start=1):
        if line != other:
            return f"line {number} reads {line.decode()[:120]!r}, but the readings give {other.decode()[:120]!r}"
    return f"it has {len(lines)} lines, but the readings give {len(others)}"


def _differences(name: str, said: Any, computed: Any) -> Iterator[Finding]:
    """Where two JSON values differ, by the path of the field."""
    if isinstance(said, dict) and isinstance(computed, dict):
        for key in sorted({*said, *computed}):
            yield from _differences(f"{name}.{key}", said.get(key), computed.get(key))
    elif isinstance(said, list) and isinstance(computed, list) and len(said) == len(computed):
        for place, (one, other) in enumerate(zip(said, computed, strict=True)):
            label = one.get("id") or one.get("meter") or place if isinstance(one, dict) else place
            yield from _differences(f"{name}[{label}]", one, other)
    elif said != computed:
        yield Finding(name, f"the statement says {_short(said)}, the evidence gives {_short(computed)}")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else f"{text[:157]}..."
