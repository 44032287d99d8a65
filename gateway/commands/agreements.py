"""Commands about contracts themselves: check one, compute a statement from files, print the schema for editors."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.compute import compute
from contracts.contract import Contract, read_contract
from contracts.event_text import read_events
from contracts.events import Event
from contracts.evidence import Part
from contracts.explain.page import statement_text
from contracts.language.load import json_schema, load_terms, warnings
from contracts.problems import Problem, ProblemsFound
from contracts.table import Table, read_table
from contracts.verify.evidence import recompute, unpack
from gateway.archive import ArchiveError, ReadPart, is_archive, open_evidence, write_durably
from gateway.output import fail, print_json, print_text, say
from gateway.settings import load_settings

LARGEST_CONTRACT_BYTES = 4_000_000
LARGEST_READINGS_BYTES = 1_000_000_000


def check(
    files: Annotated[list[Path], typer.Argument(help="contracts (.yaml) and settings (.toml)")],
    as_json: Annotated[bool, typer.Option("--json", help="print the problems as JSON")] = False,
) -> None:
    """Check contracts and settings: every problem, with file, line, what is wrong and how to mend it."""
    problems: list[Problem] = []
    for file in files:
        if file.suffix == ".toml":
            problems += _settings_problems(file)
            continue
        terms, found = load_terms(_bytes(file), str(file))
        problems += found
        if terms is not None:
            counted = f"{len(terms.devices)} devices, {len(terms.charges)} charges"
            say(f"{file}: {terms.id} version {terms.version}, {counted}")
            for warning in warnings(terms):
                say(f"{file}: warning: {warning}")
    if as_json:
        names = ("path", "line", "column", "message", "remedy")
        print_json([{name: getattr(problem, name) for name in names} for problem in problems])
    else:
        print_text("".join(f"{problem}\n" for problem in problems))
    if problems:
        raise typer.Exit(1)


def _settings_problems(file: Path) -> list[Problem]:
    try:
        load_settings(file)
    except ProblemsFound as found:
        return found.problems
    say(f"{file}: settings are fine")
    return []


def schema() -> None:
    """Print the JSON Schema of the contract language, for completion and checks in editors."""
    print_json(json_schema())


def compute_statement(
    terms: Annotated[Path, typer.Option(help="the contract")],
    readings: Annotated[Path, typer.Option(help="CSV of readings (device,channel,time,value), or evidence")],
    period: Annotated[str, typer.Option(help="the period, such as 2026-01, 2026-W05, 2026-Q1 or 2026")],
    events: Annotated[Path | None, typer.Option(help="what people said (YAML or JSON): serviced, planned, …")] = None,
    evidence: Annotated[Path | None, typer.Option(help="also write the evidence to this folder")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the statement as JSON")] = False,
) -> None:
    """Compute a statement from files alone: no store, no broker, nothing kept."""
    try:
        contract = read_contract(_bytes(terms), str(terms))
        document = _computed(contract, readings, period, evidence, _events(events, contract))
    except ProblemsFound as found:
        fail("\n".join(map(str, found.problems)))
    except (ValueError, ArchiveError) as error:
        fail(str(error))
    if as_json:
        print_json(document)
    else:
        print_text(statement_text(document, contract.terms))


def _events(path: Path | None, contract: Contract) -> tuple[Event, ...]:
    """What people said, from a file; a statement that lacks some of it would be another one, so every fault ends it."""
    events, problems = read_events(_bytes(path), str(path), contract.terms) if path else ((), [])
    if problems:
        raise ProblemsFound(problems)
    return events


def _computed(
    contract: Contract, readings: Path, period: str, evidence: Path | None, events: tuple[Event, ...]
) -> dict[str, Any]:
    if readings.is_dir() or is_archive(readings):
        if events:
            raise ArchiveError(f"{readings} is evidence, which holds its own events; leave --events out")
        return _from_evidence(contract, readings, period)

    def keep(part: Part) -> None:
        if evidence is not None:
            write_durably(evidence / part.path, part.packed())

    table = _table(readings)
    document = compute(contract, table, period, keep, events)
    _say_left_out(table, contract)
    return document


def _table(path: Path) -> Table:
    data = _bytes(path, LARGEST_READINGS_BYTES)
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ProblemsFound([Problem(str(path), 0, 0, f"is damaged: {error}", "Use an intact copy")]) from None
    try:
        return read_table(data.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ProblemsFound([Problem(str(path), line, 1, "is not text in UTF-8", "Save it as UTF-8")]) from None


def _say_left_out(table: Table, contract: Contract) -> None:
    """What in the file was not metered, and why; the first few by name, the rest by number."""
    for row in table.refused[:10]:
        say(f"refused: {row.problem}")
    if len(table.refused) > 10:
        say(f"refused: {len(table.refused) - 10} more lines")
    devices = {device.id for device in contract.terms.devices}
    for (device, channel), rows in table.rows.items():
        if device not in devices:
            say(f"unassigned: {len(rows.times)} readings of {device} {channel}: the contract names no such device")
        elif channel not in contract.terms.channels:
            say(f"unassigned: {len(rows.times)} readings of {device} {channel}: the contract names no such channel")


def _from_evidence(contract: Contract, path: Path, period: str) -> dict[str, Any]:
    read, paths = open_evidence(path)
    try:
        head = json.loads(_part(read, "header.json"))
        if head["period"] != period:
            raise ValueError(f"{path} is the evidence of {head['period']}, not of {period}")
        parts = {name: _part(read, name) for name in paths if name != "header.json"}
        return recompute(contract, head, parts)[0]
    except (KeyError, TypeError, AttributeError) as error:
        reason = f"{path} is not whole evidence: {type(error).__name__} {error}; use an intact copy"
        raise ArchiveError(reason) from error


def _part(read: ReadPart, name: str) -> bytes:
    data = read(name)
    if data is None:
        raise ValueError(f"the evidence lacks {name}")
    return unpack(data)[0] if name.endswith(".gz") else data


def _bytes(path: Path, largest: int = LARGEST_CONTRACT_BYTES) -> bytes:
    """What a file holds; one that never ends, such as a device, is refused like one that is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        problem = Problem(str(path), 0, 0, f"cannot be read: {error.strerror}", "Check the name and its rights")
        raise ProblemsFound([problem]) from None
    if len(data) > largest:
        message = f"has more than the {largest:,} bytes that are read of such a file"
        raise ProblemsFound([Problem(str(path), 0, 0, message, "Is this the right file?")])
    return data
