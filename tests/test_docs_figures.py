"""The figures of the documentation: the customer's worked example, and the evidence it gives, as their pages say."""

import gzip
import json
import subprocess
import sys
import zlib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contracts.canonical import readable
from contracts.compute import compute
from contracts.contract import read_contract
from contracts.event_text import read_events
from contracts.evidence import COLUMNS, pack
from contracts.explain.page import statement_text
from contracts.table import read_table
from gateway.archive import write_durably
from gateway.keys import open_signer
from tests.markdown import Document, code, tables

BILL, EVIDENCE = Document("docs/how-your-bill-is-computed.md"), Document("docs/evidence.md")


@dataclass(frozen=True, slots=True)
class Worked:
    """The customer's worked example, computed by the product: its statement, its text, and its evidence on disk."""

    document: dict[str, Any]
    text: str
    evidence: Path


@pytest.fixture
def worked(tmp_path: Path) -> Worked:
    """The week of the printer in `how your bill is computed`, from the very text of that page."""
    contract = read_contract(BILL.blocks("yaml")[0].text, "weekly.yaml")
    evidence = tmp_path / "evidence"
    table = read_table(BILL.blocks("csv")[0].text, "readings.csv")
    document = compute(contract, table, "2026-W02", lambda part: write_durably(evidence / part.path, part.packed()))
    return Worked(document, statement_text(document, contract.terms), evidence)


def test_the_worked_statement_is_what_the_product_prints(worked: Worked) -> None:
    """The statement that a customer reads there is the one that the product computes from the readings above it."""
    printed = BILL.blocks("text")[0].text
    assert printed in worked.text
    assert "TOTAL" in printed and "KEPT ASIDE" in printed


def test_the_worked_figures_add_up(worked: Worked) -> None:
    """The pages of the table, reading by reading, are those of the statement; so are the figures in the text."""
    *steps, total = tables(BILL.section("A week, worked out"))[0]
    readings = [line.split(",")[-1] for line in BILL.blocks("csv")[0].text.splitlines()[1:]]
    assert [row[1].replace(" ", "") for row in steps if row[1] != "(nothing)"] == readings
    pages = sum(int(row[3]) for row in steps if row[3])
    assert total[3] == f"**{pages}**"
    assert worked.document["usage"][0]["quantity"] == str(pages)
    subscription, overage = (Decimal(line["amount"]) for line in worked.document["lines"])
    said = " ".join(BILL.section("A week, worked out").split())
    assert f"{pages} pages less 250 included are {pages - 250} pages" in said
    assert f"seven packages, {overage} EUR" in said
    assert f"that makes {subscription + overage} EUR" in said
    unknown_ms = 7 * 24 * 3_600_000 - worked.document["usage"][0]["known_ms"]
    assert f"Of the week's 168 hours, {unknown_ms // 3_600_000} are unknown" in said


def test_the_truck_worked_out_is_what_the_product_says() -> None:
    """The truck's month, from the terms, readings and events of that page: its statement, its table, its figures."""
    contract = read_contract(BILL.blocks("yaml")[1].text, "truck.yaml")
    events, problems = read_events(BILL.blocks("json")[0].text, "events.json", contract.terms)
    assert problems == []
    document = compute(contract, read_table(BILL.blocks("csv")[1].text, "truck.csv"), "2026-01", events=events)
    assert BILL.blocks("text")[1].text in statement_text(document, contract.terms)
    *steps, total = tables(BILL.section("A month of a truck, worked out"))[0]
    (found,) = document["guarantees"]
    down = sum(Decimal(row[3]) for row in steps if row[3])
    assert total[3] == f"**{down}**"
    service, agreed, excused, silent = (found[f"{name}_ms"] for name in ("service", "agreed", "excused", "unknown"))
    said = " ".join(BILL.section("A month of a truck, worked out").split())
    hours = [Decimal(ms) / 3_600_000 for ms in (service, excused, silent, agreed)]
    assert "{} hours less {} excused and {} unknown are {} agreed hours".format(*hours) in said
    assert f"In {(hours[3] - down).normalize():f} of them the truck could drive: {found['percent']} %" in said
    assert Decimal(found["down_ms"]) == down * 3_600_000
    without = f"{100 * (hours[0] - hours[2] - down - hours[1]) / (hours[0] - hours[2]):.10f}"
    assert f"Had nothing been excused, it would have been {without[:7]} %" in said
    assert document["lines"][1]["amount"] == "-245.00"


def signed(worked: Worked, keys: Path) -> list[Path]:
    """The worked statement sealed as a gateway does it; the files that a verifier is given."""
    sealed = {**worked.document, "number": 1, "status": "final", "issued_at": "2026-01-15T00:00:00.000Z"}
    file = keys / "statement.json"
    signer = open_signer(keys)
    file.write_bytes(readable(signer.sign(sealed)))
    return [file, worked.evidence, keys / "public.pem"]


def test_the_verifier_shown_verifies(worked: Worked, tmp_path: Path) -> None:
    """The short program on the page of evidence accepts what the gateway signs, and finds one altered reading."""
    program = tmp_path / "check.py"
    program.write_text(EVIDENCE.blocks("python")[0].text)
    files = signed(worked, tmp_path)
    ran = subprocess.run([sys.executable, program, *files], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "signature, root and all parts are as they were signed\n"), ran.stderr
    part = worked.evidence / "readings/printer-01/pages/2026-01-05.csv.gz"
    part.write_bytes(pack(gzip.decompress(part.read_bytes()).replace(b",1263,", b",1264,")))
    ran = subprocess.run([sys.executable, program, *files], capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "2026-01-05.csv.gz" in ran.stderr


def test_the_locator_is_what_the_page_says(worked: Worked) -> None:
    """The two sums beside a digest, computed from their description, are those in the header."""
    header = json.loads((worked.evidence / "header.json").read_bytes())
    for part in header["parts"]:
        data = (worked.evidence / part["path"]).read_bytes()
        lines = (gzip.decompress(data) if part["path"].endswith(".gz") else data).splitlines(keepends=True)
        first = sum(zlib.crc32(line) for line in lines) % (2**61 - 1)
        second = sum(number * zlib.crc32(line) for number, line in enumerate(lines, start=1)) % (2**61 - 1)
        assert part["locator"] == [f"{first:016x}", f"{second:016x}"]


def test_every_field_of_the_evidence_is_described(worked: Worked) -> None:
    """Whoever writes a verifier finds each field of statement, header, state and readings on the page."""
    header, closing = (json.loads((worked.evidence / f"{name}.json").read_bytes()) for name in ("header", "closing"))
    assert set(code(EVIDENCE.section("The statement"))) >= worked.document.keys() | worked.document["usage"][0].keys()
    lines = [*worked.document["lines"], *worked.document["review"], worked.document["usage"][0]["counts"]]
    assert set(code(EVIDENCE.section("The statement"))) >= {key for line in lines for key in line}
    assert set(code(EVIDENCE.section("The parts"))) >= header.keys() | header["parts"][0].keys()
    state = " ".join(code(EVIDENCE.section("The state")))
    device = closing["devices"]["printer-01"]
    assert all(key in state for key in [*closing, *device, *device["meters"]["pages"]])
    assert EVIDENCE.blocks("csv")[0].text.splitlines()[0] == COLUMNS
