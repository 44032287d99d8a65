"""Evidence opened and checked: its header, the digest of every part, and what it gives by itself (semantics §8)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from contracts.adjusting import period_called
from contracts.canonical import sha256
from contracts.compute import compute_period
from contracts.contract import Contract, read_contract
from contracts.event_record import event_of
from contracts.events import Docket
from contracts.evidence import COLUMNS, GZIP_HEADER, Entry, Part, altered_line
from contracts.judging import Key
from contracts.problems import ProblemsFound
from contracts.readings import Clock, judge
from contracts.sides.told import MeterId, decisions_of
from contracts.state import read_state
from contracts.statement import Input
from contracts.table import Table, read_table

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


class Unreadable(Exception):  # noqa: N818 - carries a finding
    """A part that cannot be read at all; `text` is as much of it as could be."""

    def __init__(self, where: str, message: str, text: bytes = b"") -> None:
        super().__init__(message)
        self.finding = Finding(where, message)
        self.text = text


def read_file(read_part: ReadPart, path: str) -> bytes:
    """The text of a part, unpacked; raises Unreadable."""
    data = read_part(path)
    if data is None:
        raise Unreadable(path, "this part is missing from the evidence")
    if not path.endswith(".gz"):
        return data
    text, complaint = unpack(data)
    if complaint:
        raise Unreadable(path, complaint, text)
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
    if _padded(data[len(GZIP_HEADER) : -len(check)]):
        return text, "the last bits of the archive were altered"
    return text, ""


def _padded(body: bytes) -> bool:
    """Are bits set after the compressed text, where its last byte has none to say?"""
    before = zlib.decompressobj(-zlib.MAX_WBITS)
    before.decompress(body[:-1])
    whole = before.copy().decompress(body[-1:])
    for bits in range(9):  # the fewest low bits that end the text in the same way are those that count
        used, trial = body[-1] & (1 << bits) - 1, before.copy()
        try:
            if trial.decompress(bytes([used])) == whole and trial.eof:
                return used != body[-1]
        except zlib.error:
            continue
    return False


def json_of(data: bytes, path: str) -> dict[str, Any]:
    """A part that is a JSON object; raises Unreadable."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise Unreadable(path, f"line {line} was altered: this is no longer JSON") from None
    if not isinstance(document, dict):
        raise Unreadable(path, "line 1 was altered: this is not a JSON object")
    return document


def read_header(statement: Mapping[str, Any], read_part: ReadPart) -> dict[str, Any]:
    """The header as JSON; where it no longer reads as such, the sums in the statement tell the line."""
    data = read_file(read_part, "header.json")
    try:
        return json_of(data, "header.json")
    except Unreadable:
        place = _place(header_entry(statement, data), data)
        raise Unreadable("header.json", f"{place}this is no longer the header of evidence") from None


def header_entry(statement: Mapping[str, Any], data: bytes) -> Entry:
    """What the statement says of the header; how many lines it had is not said, so as many as there are."""
    evidence = statement["evidence"]
    lines = len(data.splitlines())
    return Entry.read(
        {"path": "header.json", "sha256": evidence["root_sha256"], "lines": lines, "locator": evidence["locator"]}
    )


def check_root(
    statement: Mapping[str, Any], read_part: ReadPart, head: Mapping[str, Any], report: Report
) -> Iterator[Finding]:
    """Is the header the one that was signed, with the terms that the statement names?"""
    data = read_file(read_part, "header.json")
    evidence = statement["evidence"]
    if sha256(data) != evidence["root_sha256"]:
        place = _place(header_entry(statement, data), data)
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


def check_parts(
    read_part: ReadPart, head: Mapping[str, Any], paths: list[str]
) -> tuple[dict[str, bytes], list[Finding]]:
    """Every part whose bytes are those its digest describes, and a finding for each that is not."""
    good, findings = {}, []
    entries = {entry["path"]: entry for entry in head["parts"]}
    for path, listed in entries.items():
        entry = Entry.read(listed)
        try:
            data = read_file(read_part, path)
        except Unreadable as unreadable:
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


def recompute(
    contract: Contract, head: Mapping[str, Any], parts: Mapping[str, bytes]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The statement that evidence gives by itself, and the parts that computing it makes."""
    terms = contract.terms
    period = period_called(terms, head["period"])
    opening = read_state(terms, json_of(parts["opening.json"], "opening.json"))
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


def first_difference(data: bytes, again: bytes) -> str:
    """Where a part begins to differ from what the readings give."""
    lines, others = data.splitlines(), again.splitlines()
    for number, (line, other) in enumerate(zip(lines, others, strict=False), start=1):
        if line != other:
            return f"line {number} reads {line.decode()[:120]!r}, but the readings give {other.decode()[:120]!r}"
    return f"it has {len(lines)} lines, but the readings give {len(others)}"


def give_again(
    head: Mapping[str, Any], parts: Mapping[str, bytes], place: str
) -> tuple[Contract | None, dict[str, Any], list[Finding]]:
    """Compute a period from its evidence: its contract, its statement, and every part that does not follow.

    `place` goes before the name of each part in a finding; the contract is None where its terms cannot be read.
    """
    try:
        contract = read_contract("".join(head["terms"]), "terms")
    except ProblemsFound as found:
        return None, {}, [Finding(f"{place}header.json", f"the terms cannot be read: {found.problems[0]}")]
    document, again = recompute(contract, head, parts)
    findings = [
        Finding(f"{place}{path}", first_difference(data, again.get(path, b"")))
        for path, data in parts.items()
        if again.get(path) != data
    ]
    missing = sorted(set(again) - set(parts) - {"header.json"})
    findings += [
        Finding(f"{place}{name}", "the readings give this part, but the evidence does not hold it") for name in missing
    ]
    return contract, document, findings
