"""The evidence: text that a spreadsheet opens, digests that anyone can check, and sums that name an altered line."""

import csv
import gzip
import hashlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.evidence import COLUMNS, Entry, Part, altered_line, csv_text, locator, pack
from tests.contracts.machines import CONTRACT
from tests.contracts.samples import JANUARY, MINUTE
from tests.contracts.samples import csv as table_of
from tests.contracts.verify.sealed import two_statements

FIRST, SECOND = two_statements()
LINES = st.lists(
    st.binary(max_size=12).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b"") + b"\n"), min_size=1
)


def entry_of(lines: list[bytes]) -> Entry:
    """What a header says of these lines."""
    return Entry.of(Part("part.csv", b"".join(lines)))


def test_a_part_of_readings_is_a_table_with_one_line_a_reading() -> None:
    """Time, value, arrival, boot and what became of it, sorted by time, in the channel's own decimals."""
    text = gzip.decompress(SECOND.files["readings/m1/register/2026-01-02.csv.gz"]).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert text.startswith(f"{COLUMNS}\n")
    assert len(rows) == 12
    assert rows[0] == {
        "device": "m1",
        "channel": "register",
        "time": "2026-01-02T00:00:00.000Z",
        "value": "8.5",
        "arrival": "2026-01-02T00:00:00.900Z",
        "boot": "b2, after work",
        "disposition": "accepted",
    }
    assert [row["value"] for row in rows if row["disposition"] == "quarantined"] == ["9000.0"]
    assert sorted(row["time"] for row in rows) == [row["time"] for row in rows]


def test_duplicates_and_conflicts_are_in_the_evidence_in_order_of_arrival() -> None:
    """Whoever reads it sees what was sent again and what contradicted it."""
    text = gzip.decompress(FIRST.files["readings/m1/flow/2026-01-01.csv.gz"]).decode()
    rows = list(csv.DictReader(io.StringIO(text)))[:3]
    assert [(row["value"], row["disposition"]) for row in rows] == [
        ("0.5", "accepted"), ("0.5", "duplicate"), ("7.5", "conflicting"),
    ]  # fmt: skip


def test_digests_are_of_the_text_and_the_root_is_the_headers() -> None:
    """With nothing but a SHA-256 tool and gunzip, a customer finds the same digests."""
    header = json.loads(SECOND.files["header.json"])
    for entry in header["parts"]:
        data = SECOND.files[entry["path"]]
        text = gzip.decompress(data) if entry["path"].endswith(".gz") else data
        assert hashlib.sha256(text).hexdigest() == entry["sha256"]
        assert len(text.splitlines()) == entry["lines"]
    root = hashlib.sha256(SECOND.files["header.json"]).hexdigest()
    assert SECOND.document["evidence"]["root_sha256"] == root
    assert len(header["parts"]) == len(SECOND.files) - 1
    assert SECOND.document["evidence"]["parts"] == sum(path.startswith("readings/") for path in SECOND.files)


def test_the_header_holds_the_terms_to_the_byte() -> None:
    """The text both parties agreed on travels with the evidence."""
    header = json.loads(SECOND.files["header.json"])
    text = "".join(header["terms"])
    assert text == CONTRACT.text
    assert hashlib.sha256(text.encode()).hexdigest() == SECOND.document["terms_sha256"] == header["terms_sha256"]


def test_a_statement_opens_with_what_the_one_before_closed_with() -> None:
    """The closing state of one is the opening state of the next, to the byte."""
    assert SECOND.files["opening.json"] == FIRST.files["closing.json"]
    assert hashlib.sha256(SECOND.files["opening.json"]).hexdigest() == FIRST.document["closing_state_sha256"]


@given(st.binary(max_size=3000))
def test_packing_is_the_same_everywhere_and_any_gunzip_undoes_it(data: bytes) -> None:
    """Level 1 and no time of making: the same bytes on every machine, readable by every tool."""
    assert gzip.decompress(pack(data)) == data
    assert pack(data) == pack(data)
    assert pack(data)[4:8] == b"\0\0\0\0"


@given(LINES, st.data())
def test_one_altered_line_is_named(lines: list[bytes], data: st.DataObject) -> None:
    """Two sums tell which of a hundred thousand lines was altered, without a digest for each."""
    place = data.draw(st.integers(0, len(lines) - 1))
    other = data.draw(st.binary(max_size=12)).replace(b"\r", b"").replace(b"\n", b"") + b"\n"
    changed = [*lines[:place], other, *lines[place + 1 :]]
    expected = None if other == lines[place] else (place + 1, "altered")
    assert altered_line(entry_of(lines), b"".join(changed)) == expected


@given(st.lists(st.integers(0, 10**9), unique=True, min_size=2, max_size=40), st.data())
def test_one_removed_or_added_line_is_named(numbers: list[int], data: st.DataObject) -> None:
    """A reading that was taken out or slipped in is named by its line."""
    lines = [b"%d\n" % number for number in numbers]
    place = data.draw(st.integers(0, len(lines) - 1))
    fewer = lines[:place] + lines[place + 1 :]
    assert altered_line(entry_of(lines), b"".join(fewer)) == (place + 1, "removed")
    assert altered_line(entry_of(fewer), b"".join(lines)) == (place + 1, "added")


def test_more_than_one_altered_line_is_not_blamed_on_a_third() -> None:
    """Where the sums cannot say, verify says so rather than naming an innocent line."""
    lines = [b"%d\n" % number for number in range(100)]
    changed = [*lines]
    changed[10], changed[70] = b"x\n", b"y\n"
    assert altered_line(entry_of(lines), b"".join(changed)) is None
    assert altered_line(entry_of(lines), b"".join(lines[:50])) is None
    assert altered_line(entry_of(lines), b"".join(lines)) is None


def test_an_entry_is_read_as_it_was_written() -> None:
    """What the header says of a part comes back whole."""
    entry = entry_of([b"a\n", b"b\n"])
    assert Entry.read(entry.document()) == entry
    assert locator([]) == (0, 0)


@pytest.mark.parametrize("text", ["", "plain", "a,b", 'a "quoted" word', "two\nlines", "µ"])
def test_a_cell_reads_back_as_it_was(text: str) -> None:
    """A boot with a comma in it shifts no column."""
    assert next(csv.reader(io.StringIO(f"x,{csv_text(text)},y\n", newline="")))[1] == text


def test_the_evidence_reads_back_as_a_table_of_readings() -> None:
    """`compute` and `verify` read a part of evidence like any other file of readings."""
    text = gzip.decompress(SECOND.files["readings/m1/register/2026-01-02.csv.gz"]).decode()
    rows = table_of(text).rows["m1", "register"]
    assert rows.times[0] == JANUARY + 24 * 60 * MINUTE
    assert rows.boots[0] == "b2, after work"
    assert rows.arrivals[0] == rows.times[0] + 900
