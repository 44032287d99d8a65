"""Verification by a customer: what is as it was is confirmed, and whatever was altered is found and named."""

import gzip
import json
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.canonical import readable
from contracts.evidence import pack
from contracts.seal import SEAL, key_name, signature_fault
from tests.contracts.verify.sealed import OTHER_PRIVATE, PUBLIC, Sealed, pem, signed, two_statements

FIRST, SECOND = two_statements()
PATHS = sorted(SECOND.files)
SIZED = settings(max_examples=200, deadline=None)


def text_of(path: str) -> bytes:
    """The uncompressed bytes of a part of the second statement."""
    return gzip.decompress(SECOND.files[path]) if path.endswith(".gz") else SECOND.files[path]


def stored(path: str, text: bytes) -> bytes:
    """The bytes as they are on disk."""
    return pack(text) if path.endswith(".gz") else text


def where(sealed: Sealed, **changes: Any) -> set[str]:
    """The places that verify names."""
    return {finding.where for finding in sealed.checked(**changes).findings}


def altered(data: bytes, place: int, change: int) -> bytes:
    """The same bytes but for one; `change` is never nothing."""
    return data[:place] + bytes([data[place] ^ change]) + data[place + 1 :]


def test_an_unaltered_statement_is_verified() -> None:
    """With the statement, its evidence, the public key and the statement before, all of it is confirmed."""
    report = SECOND.checked(previous=FIRST.document)
    assert (report.findings, report.verified) == ([], True)
    assert len(report.checks) == 6
    assert FIRST.checked().verified


@st.composite
def bytes_of_files(draw: st.DrawFn, *, packed: bool) -> tuple[str, int, int]:
    """Draw a file of the evidence, the place of a byte in it, and what it is changed by."""
    path = draw(st.sampled_from(PATHS))
    length = len(SECOND.files[path] if packed else text_of(path))
    return path, draw(st.integers(0, length - 1)), draw(st.integers(1, 255))


@SIZED
@given(bytes_of_files(packed=True))
def test_any_altered_byte_on_disk_is_found_and_its_file_named(drawn: tuple[str, int, int]) -> None:
    """A damaged disk or a hand on the archive: every single byte counts, those of the packing included."""
    path, place, change = drawn
    report = SECOND.checked(files={**SECOND.files, path: altered(SECOND.files[path], place, change)})
    assert not report.verified
    assert path in {finding.where for finding in report.findings}


@SIZED
@given(bytes_of_files(packed=False))
@example((PATHS[0], 0, 1))
def test_any_altered_byte_of_a_text_is_found_and_its_line_named(drawn: tuple[str, int, int]) -> None:
    """Someone unpacks a part, changes one character and packs it again: verify names the file and the line."""
    path, place, change = drawn
    text = text_of(path)
    other = altered(text, place, change)
    report = SECOND.checked(files={**SECOND.files, path: stored(path, other)})
    assert not report.verified
    said = [finding.message for finding in report.findings if finding.where == path]
    assert said
    if len(other.splitlines()) == len(text.splitlines()):
        line = text.count(b"\n", 0, place) + 1
        assert f"line {line} was altered" in said[0]
    else:
        assert "altered" in said[0]


@pytest.mark.parametrize("path", [path for path in PATHS if path != "header.json"])
def test_a_removed_file_is_named(path: str) -> None:
    """Evidence with a part missing is no evidence."""
    left = {name: data for name, data in SECOND.files.items() if name != path}
    found = SECOND.checked(files=left).findings
    assert [(each.where, each.message) for each in found] == [(path, "this part is missing from the evidence")]


def test_evidence_without_its_header_is_refused() -> None:
    """The header names all other parts; without it nothing can be checked."""
    assert where(SECOND, files={}) == {"header.json"}
    left = {name: data for name, data in SECOND.files.items() if name != "header.json"}
    assert where(SECOND, files=left) == {"header.json"}


def test_an_added_file_is_named() -> None:
    """A day slipped into the folder later is not part of what was signed."""
    path = "readings/m1/flow/2026-01-03.csv.gz"
    assert where(SECOND, files={**SECOND.files, path: pack(b"device\n")}) == {path}


def test_a_renamed_file_is_missing_and_extra() -> None:
    """A reading cannot be moved to another machine by renaming its file."""
    old, new = "readings/m1/flow/2026-01-02.csv.gz", "readings/m2/flow/2026-01-09.csv.gz"
    files = {(new if path == old else path): data for path, data in SECOND.files.items()}
    assert where(SECOND, files=files) == {old, new}


def test_two_swapped_files_are_both_named() -> None:
    """Two machines' readings cannot change places."""
    one, two = "readings/m1/flow/2026-01-02.csv.gz", "readings/m2/flow/2026-01-02.csv.gz"
    files = {**SECOND.files, one: SECOND.files[two], two: SECOND.files[one]}
    assert where(SECOND, files=files) == {one, two}


@pytest.mark.parametrize(("change", "said"), [("remove", "removed"), ("add", "added")])
def test_a_line_removed_or_added_is_named(change: str, said: str) -> None:
    """A reading that is gone or has appeared is named by its line."""
    path = "readings/m1/flow/2026-01-02.csv.gz"
    lines = text_of(path).splitlines(keepends=True)
    lines[5:6] = [] if change == "remove" else [lines[5], lines[5].replace(b",1.5,", b",9.5,")]
    found = SECOND.checked(files={**SECOND.files, path: pack(b"".join(lines))}).findings
    assert [each.where for each in found] == [path]
    assert f"line {6 if change == 'remove' else 7} was {said}" in found[0].message


def test_another_packing_of_the_same_text_is_told_apart() -> None:
    """Digests are of the text; but what was written by other means than ours is said to be so."""
    path = "readings/m1/flow/2026-01-02.csv.gz"
    found = SECOND.checked(files={**SECOND.files, path: gzip.compress(text_of(path))}).findings
    assert [each.where for each in found] == [path]
    assert "the readings are intact" in found[0].message


def leaves(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every figure, text and nothing in a statement."""
    if isinstance(value, dict) and value:
        return [leaf for key, each in value.items() for leaf in leaves(each, (*at, key))]
    if isinstance(value, list) and value:
        return [leaf for place, each in enumerate(value) for leaf in leaves(each, (*at, place))]
    return [at]


def with_leaf(document: dict[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    """The statement with one leaf made another."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    around: Any = copy
    for step in path[:-1]:
        around = around[step]
    old = around[path[-1]]
    around[path[-1]] = f"{old}1" if isinstance(old, str) else old + 1 if isinstance(old, int) else "something"
    return copy


def kinds(paths: list[tuple[str | int, ...]]) -> list[tuple[str | int, ...]]:
    """One leaf of each kind: the last line's amount stands for every line's."""
    return list({tuple(step for step in path if isinstance(step, str)): path for path in paths}.values())


LEAVES = kinds(leaves(SECOND.document))


@pytest.mark.parametrize("path", LEAVES, ids=str)
def test_any_altered_field_of_a_statement_breaks_its_signature(path: tuple[str | int, ...]) -> None:
    """Nobody without the key changes a figure, a text or a date unnoticed."""
    assert "signature" in where(SECOND, document=with_leaf(SECOND.document, path))


@pytest.mark.parametrize("path", [leaf for leaf in LEAVES if leaf[0] not in SEAL], ids=str)
def test_even_with_the_key_no_figure_can_be_altered(path: tuple[str | int, ...]) -> None:
    """Whoever signs a wrong statement is found by computing it again: the field, or the evidence, is named."""
    found = where(SECOND, document=signed(with_leaf(SECOND.document, path)))
    field = str(path[0])
    assert any(place.startswith(field) or (field == "evidence" and place == "header.json") for place in found), found


STATEMENT = readable(SECOND.document)


@SIZED
@given(st.integers(0, len(STATEMENT) - 1), st.integers(1, 255))
def test_any_altered_byte_of_a_statements_file_is_found(place: int, change: int) -> None:
    """One character of the file is another one: it no longer reads as JSON, or is not verified."""
    try:
        document = json.loads(altered(STATEMENT, place, change))
    except ValueError:
        return
    assert document == SECOND.document or not SECOND.checked(document=document).verified


def test_the_last_bits_of_a_signature_count_too() -> None:
    """A text of a signature has unused bits at its end; they may not be used to make another file of it."""
    signature = SECOND.document["signature"]
    value = signature["value"]
    assert value.endswith("==")
    neighbour = {"A": "B", "Q": "R", "g": "h", "w": "x"}[value[-3]]
    other = {**signature, "value": f"{value[:-3]}{neighbour}=="}
    assert where(SECOND, document={**SECOND.document, "signature": other}) == {"signature"}
    assert where(SECOND, document={**SECOND.document, "signature": {**signature, "note": 1}}) == {"signature"}


@pytest.mark.parametrize("field", [name for name in SECOND.document if name != "signature"])
def test_a_field_taken_away_is_found(field: str) -> None:
    """A statement with a hole in it is not verified, signed or not."""
    rest = {name: value for name, value in SECOND.document.items() if name != field}
    assert not SECOND.checked(document=rest).verified
    if field not in SEAL:
        assert not SECOND.checked(document=signed(rest)).verified


def test_a_field_added_is_named() -> None:
    """Nothing can be slipped in beside the figures."""
    assert where(SECOND, document=signed({**SECOND.document, "note": "free"})) == {"note"}


def test_an_unsigned_statement_is_not_verified_as_final() -> None:
    """A computed statement has no signature; one that says it is final must."""
    unsigned = {**SECOND.document, "signature": None}
    assert where(SECOND, document=unsigned) == {"signature"}
    computed = {**unsigned, "status": "computed", "number": None, "previous_sha256": None, "issued_at": None}
    assert SECOND.checked(document=computed).verified


def test_another_key_does_not_verify() -> None:
    """A statement signed by someone else is not the gateway's; the keys are named."""
    assert where(SECOND, key=pem(OTHER_PRIVATE)) == {"signature"}
    found = SECOND.checked(document=signed(SECOND.document, OTHER_PRIVATE)).findings
    assert [each.where for each in found] == ["signature"]
    assert key_name(PUBLIC)[:16] in found[0].message


def test_without_a_key_a_signature_is_not_taken_on_trust() -> None:
    """The customer is told what is missing."""
    found = SECOND.checked(key=None).findings
    assert [str(each) for each in found] == ["signature: no public key was given to check it with; name it with --key"]


@SIZED
@given(st.integers(0, len(PUBLIC) - 1), st.integers(1, 255))
def test_any_altered_byte_of_the_key_is_found(place: int, change: int) -> None:
    """A damaged key verifies nothing, unless the change leaves the key itself as it was."""
    key = altered(PUBLIC, place, change)
    try:
        same = key_name(key) == key_name(PUBLIC)
    except (ValueError, UnsupportedAlgorithm):
        same = False
    assert (signature_fault(SECOND.document, key) is None) == same


@pytest.mark.parametrize("key", [b"", b"not a key", b"\xff" * 40])
def test_what_is_no_key_is_said_to_be_none(key: bytes) -> None:
    """A wrong file in place of the key is a finding, not a crash."""
    assert where(SECOND, key=key) == {"signature"}


def test_the_statement_before_must_be_the_one_it_continues() -> None:
    """Statements form a chain: another predecessor, or one out of order, is found."""
    assert where(SECOND, previous=SECOND.document) >= {"previous_sha256"}
    reordered = signed({**SECOND.document, "number": 3})
    assert where(SECOND, document=reordered, previous=FIRST.document) == {"number"}


def test_the_state_must_be_the_one_the_statement_before_closed_with() -> None:
    """Nobody opens a period with a register reading other than the one the last period closed with."""
    forged = signed({**FIRST.document, "closing_state_sha256": "0" * 64})
    found = where(SECOND, document=signed(SECOND.document), previous=forged)
    assert found == {"previous_sha256", "opening.json"}


@pytest.mark.parametrize(
    "garbage", [b"", b"[]", b"{}", b"null", b'{"parts": 5}', b"\xff\xfe", b'{"parts": [{}]}', b"[" * 99_999]
)
def test_a_header_that_is_none_is_a_finding(garbage: bytes) -> None:
    """Whatever stands in the evidence, verify answers."""
    assert not SECOND.checked(files={**SECOND.files, "header.json": garbage}).verified


@pytest.mark.parametrize("previous", [{}, {"number": None}, {"number": 2**60}, {"total": float("nan")}])
def test_a_predecessor_that_is_no_statement_is_a_finding(previous: dict[str, Any]) -> None:
    """A wrong file given as the statement before is said to be one."""
    assert "previous_sha256" in where(SECOND, previous=previous)


@pytest.mark.parametrize("document", [{}, {"evidence": None}, {"signature": 5}, {"signature": {"key": "x"}}])
def test_a_statement_that_is_none_is_a_finding(document: dict[str, Any]) -> None:
    """Likewise for the statement: found wanting, not crashed upon."""
    assert not SECOND.checked(document={"schema": "?", **document}).verified
