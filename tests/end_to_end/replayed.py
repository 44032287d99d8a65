"""A recording on its way through the line: replayed to a real broker, billed, and its statement taken apart."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from contracts.evidence import pack
from device_sim.link import Broker
from device_sim.recording import Clock
from device_sim.replay import replay
from gateway.commands.statements import verify_files
from tests.end_to_end import independent
from tests.end_to_end.installation import Installation, distinct, until


@dataclass(frozen=True, slots=True)
class Played:
    """A recording to replay as a device: which columns are which channels, and when."""

    recording: Path
    device: str
    mapping: Mapping[str, str]
    clock: Clock
    boot: str | None = None


async def billed(site: Installation, contract: str, played: list[Played], rows: Mapping[str, int]) -> dict[str, Any]:
    """The first final statement after replaying; `rows` says how many different readings a device is to have."""
    async with site.serving() as gateway:
        for each in played:
            # Big messages: what is twice in a recording shall stay in its order, whatever the broker delivers again.
            done = await replay(
                each.recording, Broker("127.0.0.1", site.port), each.device, each.mapping, each.clock, boot=each.boot,
                sets_per_message=2_000,
            )  # fmt: skip
            assert done.problem_count == 0
        channels = {each.device: next(iter(each.mapping.values())) for each in played}
        await until(lambda: all(distinct(gateway.stores, d, channels[d]) >= count for d, count in rows.items()))
        issued = await gateway.close_due()
    assert {each.document["contract"] for each in issued} == {contract}
    return issued[0].document


def usage(document: dict[str, Any], meter: str, device: str | None = None) -> dict[str, Any]:
    """The usage row of a meter."""
    (row,) = [row for row in document["usage"] if row["meter"] == meter and device in (None, row["device"])]
    return dict(row)


def costs(document: dict[str, Any]) -> dict[str, str]:
    """The amounts of a statement by line, and by device where a line has one."""
    named = {f"{line['id']} {line['device'] or ''}".strip(): line["amount"] for line in document["lines"]}
    return {**named, "total": document["total"]}


def amounts(**exact: Fraction) -> dict[str, str]:
    """What the lines must be, from exact amounts; a device's name follows two underscores."""
    lines = {name.replace("__", " ").replace("_", "-"): independent.cents(amount) for name, amount in exact.items()}
    return {name: str(amount) for name, amount in {**lines, "total": sum(lines.values(), Decimal(0))}.items()}


def told(row: dict[str, Any]) -> dict[str, int]:
    """A row's counts but for the two that depend on how the broker delivered (semantics, head)."""
    return {name: count for name, count in row["counts"].items() if name not in ("duplicate", "late")}


def figures(readings: int, gaps: int, conflicting: int = 0) -> dict[str, int]:
    """The counts of a row in which nothing was quarantined or rejected."""
    return {"accepted": readings, "conflicting": conflicting, "quarantined": 0, "rejected": 0, "gaps": gaps}


def check_files(site: Installation, contract: str) -> None:
    """The files of statement 1 verify; one altered byte in them is named by part and line."""
    folder = site.statement(contract, 1)
    report = verify_files(folder / "statement.json", folder / "evidence")
    assert (report.verified, report.findings) == (True, [])
    part = max((folder / "evidence" / "readings").rglob("*.csv.gz"), key=lambda path: path.stat().st_size)
    lines = gzip.decompress(part.read_bytes()).splitlines(keepends=True)
    at = len(lines) // 3
    cells = lines[at].split(b",")
    cells[3] = cells[3][:-1] + (b"7" if cells[3][-1:] != b"7" else b"4")
    part.write_bytes(pack(b"".join([*lines[:at], b",".join(cells), *lines[at + 1 :]])))
    (finding,) = verify_files(folder / "statement.json", folder / "evidence").findings
    assert finding.where == part.relative_to(folder / "evidence").as_posix()
    assert finding.message.startswith(f"line {at + 1} was altered")
