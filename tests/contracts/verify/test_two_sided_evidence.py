"""A two-sided statement proves itself: from its opening state, readings and events alone, whatever was promised."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contracts.canonical import readable, sha256
from contracts.compute import compute
from contracts.contract import read_contract
from contracts.event_text import read_events
from contracts.events import Docket
from contracts.evidence import Entry, Part
from contracts.metering import opening_devices
from contracts.periods import period_named, periods_until
from contracts.readings import Clock, judge
from contracts.sides.carried import Carried, Claim, Figures, Incident, Past, State, Use, Window
from contracts.sides.carried_document import carried_document, exact_text, read_carried
from contracts.sides.told import decisions_of
from contracts.state import read_state, state_document
from contracts.statement import Input, draft, meter_period
from contracts.table import read_table
from contracts.timeline import FALSE, TRUE
from contracts.verify.evidence import Report
from contracts.verify.statement import verify
from tests.contracts.samples import JANUARY, csv
from tests.contracts.sides.promised import lived, promising, reported, told
from tests.oracle.dirty_rows import csv_of
from tests.oracle.two_sided import case_of

SIZED = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 10**6)


# --- any contract ---------------------------------------------------------------------------------------------------


@SIZED
@given(SEEDS)
def test_a_two_sided_statement_is_verified_from_its_evidence(seed: int) -> None:
    """Every guarantee, obligation and consequence comes out again without the readings and events before the period."""
    case = case_of(seed)
    agreed = read_contract(case.terms, "terms.yaml")
    events, _ = read_events(case.events_text(), "events.json", agreed.terms)
    files: dict[str, bytes] = {}
    table = read_table(csv_of(case.rows), "readings.csv")
    document = compute(agreed, table, case.period, lambda part: files.update({part.path: part.packed()}), events)
    assert check(document, files).findings == []


def check(document: dict[str, Any], files: dict[str, bytes]) -> Report:
    """What verify says of a computed statement."""
    return verify(document, files.get, sorted(files), None)


@SIZED
@given(SEEDS)
def test_whatever_is_carried_survives_its_journey_as_json(seed: int) -> None:
    """After each period of a contract's life the next one opens with exactly what the last one closed with."""
    case = case_of(seed)
    agreed = read_contract(case.terms, "terms.yaml")
    terms = agreed.terms
    docket = Docket.of(read_events(case.events_text(), "events.json", terms)[0])
    decisions = {device.id: decisions_of(terms, docket, device.id) for device in terms.devices}
    table = read_table(csv_of(case.rows), "readings.csv")
    judged = {
        key: judge(each, Clock.of(terms), decisions[key[0]].get(key[1], ()))
        for key, each in table.columns(terms).items()
    }
    periods = periods_until(terms, period_named(terms, case.period))
    series = {key: each.series() for key, each in judged.items()}
    state = State(periods[0].span.start, opening_devices(terms, periods[0], series))
    for period in periods:
        given_ = Input(judged, docket=docket.touching(period.span))
        metered, devices = meter_period(terms, period, state, given_)
        document, carried = draft(agreed, period, metered, state.carried, given_.docket, status="computed")
        again = draft(agreed, period, metered, through_json(state.carried), given_.docket, status="computed")
        assert again == (document, carried)
        state = State(period.span.end, devices, carried)
        read = read_state(terms, json.loads(readable(state_document(terms, state))))
        assert (read.at, read.carried) == (state.at, state.carried)
        assert {name: each.services for name, each in read.devices.items()} == {
            name: each.services for name, each in state.devices.items()
        }


def through_json(carried: Carried) -> Carried:
    """What is carried, as the next statement's computer reads it."""
    return read_carried(json.loads(readable(carried_document(carried))))


MOMENTS = st.integers(0, 10**12).map(lambda ms: JANUARY + ms)
MS = st.integers(0, 10**10)
EXACT = st.fractions(min_value=0, max_value=10**9, max_denominator=10**6)
CENTS = st.integers(0, 10**9).map(lambda cents: Decimal(cents) / 100)
PLACES = st.tuples(st.sampled_from(["uptime", "repair"]), st.sampled_from(["", "m1", "m2"]))
FIGURES = st.builds(Figures, *[MS] * 6)
CARRIED = st.builds(
    Carried,
    excused_until=st.dictionaries(PLACES, MOMENTS),
    before=st.dictionaries(PLACES, st.tuples(st.sampled_from([FALSE, TRUE]), MOMENTS)),
    incidents=st.dictionaries(PLACES, st.builds(Incident, MOMENTS, MS, EXACT)),
    history=st.dictionaries(PLACES, st.lists(st.builds(Past, MOMENTS, EXACT, CENTS), max_size=13).map(tuple)),
    claims=st.dictionaries(PLACES, st.builds(Claim, CENTS, st.integers(0, 366), MOMENTS)),
    windows=st.dictionaries(PLACES, st.builds(Window, FIGURES, EXACT, EXACT)),
    use=st.dictionaries(st.just("take"), st.builds(Use, CENTS, st.dictionaries(st.just("uptime"), st.tuples(MS, MS)))),
)


@given(CARRIED)
@example(Carried())
def test_everything_carried_comes_back_whole(carried: Carried) -> None:
    """Exact amounts, moments and rows of periods: a state says neither more nor less than was known."""
    assert through_json(carried) == carried


@given(EXACT)
def test_an_amount_without_an_end_is_written_as_a_fraction(amount: Fraction) -> None:
    """A third of a cent is carried as a third."""
    assert Fraction(exact_text(amount)) == amount
    assert exact_text(Fraction(1, 3)) == "1/3"


# --- one contract, and a hand on its evidence -------------------------------------------------------------------------

AGREED = promising(
    """
guarantees:
  - {id: uptime, available_when: {channel: up, is: 1}, target: 99.5, unknown: excluded,
     planned: {allowance: 4h, notice: 48h}, credits: {tiers: [{below: 99.5, percent: 10}], of: [rent]}}
  - {id: repair, response: {from: {event: breakdown}, to: {event: repaired}, within: 1h}, credits: {per_hour: 5.00}}
obligations:
  - {id: rest, limit: {channel: load, is: 0}, tolerance: 0, consequence: {excuse: [uptime], window: 2h}}
"""
)
CHANGES = {
    "up": {"01-01T00:00": 1, "01-10T08:00": 0, "01-10T20:00": 1},
    "load": {"01-01T00:00": 0, "01-31T22:00": 1, "01-31T23:30": 0},
}
EVENTS = """
- {id: b, type: breakdown, device: m1, time: @01-10T08:00, by: Bo, side: customer}
- {id: w, type: planned, start: @01-10T10:00, end: @01-10T14:00, entered: @01-02T00:00, by: A, side: provider}
- {id: r, type: repaired, device: m1, time: @01-10T20:00, by: Ann, side: provider}
"""
FILES: dict[str, bytes] = {}
DOCUMENT = compute(
    AGREED,
    csv(reported(CHANGES)),
    "2026-01",
    lambda part: FILES.update({part.path: part.packed()}),
    told(AGREED.terms, EVENTS),
)
LINES = FILES["events.jsonl"].splitlines(keepends=True)


def test_events_are_in_the_evidence_a_line_each_in_order_of_time() -> None:
    """What people said is part of what was signed."""
    assert [json.loads(line)["id"] for line in LINES] == ["b", "w", "r"]
    assert DOCUMENT["evidence"]["events"] == 3
    assert check(DOCUMENT, FILES).verified
    closing = json.loads(FILES["closing.json"])
    assert closing["excused_until"] == [{"obligation": "rest", "device": "m1", "until": "2026-02-01T01:30:00.000Z"}]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_altered_event_is_named_by_part_and_line(number: int) -> None:
    """Another author, another hour: the line is told, as with readings."""
    lines = [*LINES]
    lines[number - 1] = lines[number - 1].replace(b'"by": "', b'"by": "X')
    (finding,) = check(DOCUMENT, {**FILES, "events.jsonl": b"".join(lines)}).findings
    assert (finding.where, finding.message[:22]) == ("events.jsonl", f"line {number} was altered: it")


@pytest.mark.parametrize(
    ("lines", "said"), [(LINES[:1] + LINES[2:], "line 2 was removed"), (LINES + LINES[:1], "line 4 was added")]
)
def test_an_event_removed_or_added_is_named(lines: list[bytes], said: str) -> None:
    """Nobody takes back an announcement, or makes one up, once the statement is out."""
    (finding,) = check(DOCUMENT, {**FILES, "events.jsonl": b"".join(lines)}).findings
    assert finding.where == "events.jsonl"
    assert finding.message.startswith(said)


def forged(path: str, data: bytes) -> Report:
    """What verify says where whoever altered a part has made its digest and the root anew."""
    head = json.loads(FILES["header.json"])
    entries = [entry for entry in head["parts"] if entry["path"] != path] + [Entry.of(Part(path, data)).document()]
    header = Part("header.json", readable({**head, "parts": sorted(entries, key=lambda entry: str(entry["path"]))}))
    root = {"root_sha256": sha256(header.data), "locator": Entry.of(header).document()["locator"]}
    document = {**DOCUMENT, "evidence": {**DOCUMENT["evidence"], **root}}
    return check(document, {**FILES, path: data, "header.json": header.data})


def test_an_event_altered_with_all_digests_is_found_by_its_figures() -> None:
    """Work that ended earlier excuses less: the guarantee, the credit and the total no longer follow."""
    report = forged("events.jsonl", FILES["events.jsonl"].replace(b"2026-01-10T14:00", b"2026-01-10T11:00"))
    places = {finding.where for finding in report.findings}
    assert {"guarantees[uptime].excused_ms", "guarantees[uptime].down_ms", "events[w].end"} <= places


def test_an_altered_carried_state_is_found() -> None:
    """The window of an excuse that reaches into the next period cannot be made longer."""
    report = forged("closing.json", FILES["closing.json"].replace(b"T01:30:00.000Z", b"T09:30:00.000Z"))
    assert report.findings[0].where == "closing.json"
    assert "the readings give" in report.findings[0].message


def test_garbage_in_place_of_events_is_a_finding() -> None:
    """Whatever stands there, verify answers."""
    for garbage in (b"\n", b"[]\n", b"{}\n", b'{"type": "planned"}\n', b"\xff\n"):
        assert not forged("events.jsonl", garbage).verified
        assert not check(DOCUMENT, {**FILES, "events.jsonl": garbage}).verified


def test_the_next_period_opens_with_what_is_carried() -> None:
    """The first hour and a half of February is excused by January's breach."""
    statement = lived(AGREED, {**CHANGES, "up": {"02-01T00:00": 0, "02-01T03:00": 1}}, EVENTS, "2026-02")
    (uptime, _) = statement["guarantees"]
    assert [(each["end"][11:16], each["reason"]) for each in uptime["intervals"]] == [
        ("01:30", "obligation:rest"), ("03:00", None),
    ]  # fmt: skip
