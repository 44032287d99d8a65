"""What people read: who owes what and why, both sides' promises in one form, and what was said, on a page 100 wide."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.adjusting import adjusted, adjustments, stated
from contracts.contract import read_contract
from contracts.explain.layout import WIDTH, apart, filled, moment, stretch, table
from contracts.figures import grouped, lasting
from tests.contracts.explain.printed import ALWAYS, BRUSSELS, FORCE, HELD, OUT, UPTIME, printed, section, text_of
from tests.contracts.sides.promised import lived, promising
from tests.oracle.dirty_rows import csv_of
from tests.oracle.product import compute_from_texts
from tests.oracle.two_sided import case_of

# --- in short -------------------------------------------------------------------------------------------------------


def test_the_customer_reads_first_what_it_owes_and_why_not_more() -> None:
    """The total, what was used, and the promise that the provider did not keep, with its figures."""
    text = printed(promising(UPTIME), OUT)
    assert "Customer owes Provider 90.00 EUR before tax for 2026-01." in text
    assert "100.00 EUR for use: rent" in text
    figures = "98.3198 % of the agreed hours, where at least 99 % was promised"
    assert f"−10.00 EUR because the provider did not keep “The press can run” on m1: {figures}" in text
    assert "Promises of the provider: 1 not kept." in text


def test_the_provider_can_owe() -> None:
    """More for a late repair than the rent: the provider owes the difference."""
    late = """
guarantees:
  - id: repair
    title: Repaired within a day
    response: {from: {event: breakdown}, to: {event: repaired}, within: 24h}
    credits: {per_hour: 5.00}
"""
    events = (
        "[{type: breakdown, device: m1, time: @01-05T08:00, by: Ann, side: customer}, "
        "{type: repaired, device: m1, time: @01-08T08:30, by: Bob, side: provider}]"
    )
    text = printed(promising(late), ALWAYS, events)
    assert "Provider owes Customer 142.50 EUR before tax for 2026-01." in text
    assert "on m1: it took 72 h 30 min, where within 24 h was promised" in text
    assert "incident 2026-01-05 08:00 to 2026-01-08 08:30: 72 h 30 min counted, 48 h 30 min beyond the time" in text


def test_where_nothing_is_missed_nothing_is_explained_away() -> None:
    """Both sides kept every promise, and no cost stands beneath any."""
    agreed = promising(UPTIME + "obligations: [{id: online, title: Stay online, connected: 90}]")
    text = text_of(agreed, lived(agreed, ALWAYS))
    assert "Both sides kept every promise." in text
    rows = section(text, "WHAT BOTH SIDES PROMISED")
    assert len(rows) == 3
    assert all(" kept " in row for row in rows[1:])


def test_nobody_owes_anything() -> None:
    """A statement that comes to nothing says so, rather than that somebody owes nothing."""
    agreed = promising(UPTIME, base="channels: {up: {}}\ncharges: [{id: rent, price: {flat: 0.00, per: device}}]")
    assert "Nobody owes anything for 2026-01: the sums come to 0.00 EUR." in printed(agreed, ALWAYS)


def test_a_statement_so_far_says_so() -> None:
    """What is owed while a period runs is not yet what will be owed."""
    agreed = promising(UPTIME)
    document = {**lived(agreed, OUT), "status": "open"}
    assert "So far, Customer owes Provider 90.00 EUR" in text_of(agreed, document)


def test_a_credit_taken_away_is_not_hidden() -> None:
    """A promise not kept that costs nothing, because the customer broke its own, stands among the reasons."""
    void = "obligations: [{id: rest, title: Keep it at rest, limit: {channel: load, is: 0}, "
    agreed = promising(UPTIME + void + "consequence: {void_credits: [uptime], surcharge: {flat: 7.00}}}]")
    text = printed(agreed, {**OUT, "load": {"2025-12-31T00:00": 0, "01-20T00:00": 1, "01-21T00:00": 0}})
    assert "Customer owes Provider 107.00 EUR" in text
    assert "0.00 EUR although the provider did not keep “The press can run” on m1: taken away, because" in text
    assert "7.00 EUR because the customer did not keep “Keep it at rest” on m1: out of limits for 3.2258 %" in text
    assert "takes away the credit for “The press can run”" in text


def test_several_devices_share_a_reason() -> None:
    """One sum for one promise, with the devices on which it was missed."""
    agreed = promising(UPTIME, devices="[{id: m1}, {id: m2}]")
    text = printed(agreed, {**OUT, "m2/up": OUT["up"]})
    assert "−20.00 EUR because the provider did not keep “The press can run” on m1, m2" in text


def test_a_credit_above_the_target_is_not_called_a_promise_broken() -> None:
    """Terms may give credits for less than the best though the target is met; nobody is said to have broken a word."""
    agreed = promising(UPTIME.replace("target: 99", "target: 98"))
    text = printed(agreed, OUT)
    assert "−10.00 EUR because “The press can run” came below a level that brings a credit, on m1: 98.3198 %" in text
    assert "Every promise was kept." in text
    assert "costs the provider 10.00 EUR" in text


def test_an_obligation_broken_on_several_devices_is_named_once() -> None:
    """One sentence for one obligation, with the devices."""
    duty = "obligations: [{id: rest, title: Keep it at rest, limit: {channel: load, is: 0}, "
    agreed = promising(UPTIME + duty + "consequence: {excuse: [uptime]}}]", devices="[{id: m1}, {id: m2}]")
    load = {"2025-12-31T00:00": 0, "01-12T10:00": 1, "01-12T11:00": 0}
    text = printed(agreed, {**OUT, "load": load, "m2/up": OUT["up"], "m2/load": load})
    assert text.count("The customer did not keep") == 1
    assert "did not keep “Keep it at rest” on m1, m2, which excuses the provider there." in text


# --- money ----------------------------------------------------------------------------------------------------------


def test_every_amount_of_the_statement_is_printed() -> None:
    """Each line with its amount, and the total; a reader's own addition comes out."""
    bonus = "    bonus: {at_least: 99.9, percent: 3, of: [rent]}\n"
    agreed = promising(UPTIME + bonus, devices="[{id: m1}, {id: m2}]")
    statement = lived(agreed, {**OUT, "m2/up": ALWAYS["up"]})
    lines = section(text_of(agreed, statement), "WHAT IT COSTS")
    amounts = [
        line.rsplit("  ", 1)[1].removesuffix(" EUR") for line in lines if line.endswith(" EUR") and line[0] != " "
    ]
    assert amounts == [grouped(Decimal(line["amount"])) for line in statement["lines"]] + ["193.00"]
    assert amounts[2:-1] == ["−10.00", "3.00"]
    assert any(line.startswith("Credit: The press can run · m1") for line in lines)
    assert any(line.startswith("Bonus: The press can run · m2") for line in lines)


def test_a_line_names_what_caused_and_what_changed_it() -> None:
    """Because of which figures, and changed by which obligation and when."""
    duty = "obligations: [{id: rest, title: Keep it at rest, limit: {channel: load, is: 0}, "
    agreed = promising(UPTIME + duty + "consequence: {excuse: [uptime], surcharge: {per_hour: 1.00}}}]")
    text = printed(agreed, {**OUT, "load": {"2025-12-31T00:00": 0, "01-12T10:00": 1, "01-12T11:00": 0}})
    assert "because: 98.4522 % of the agreed hours, where at least 99 % was promised" in text
    assert "changed by: “Keep it at rest”, not kept 2026-01-12 10:00 to 11:00 (1 h)" in text
    assert "because: out of limits for 0.1344 % of the time, where at most 0 % was promised; 2026-01-12 10:00" in text


def test_corrections_of_earlier_periods_say_was_now_and_why() -> None:
    """Later data stands on the next statement with its own period, what was stated, what it is now, and the reason."""
    agreed = promising("", base=HELD.replace("rent, price", "rent, title: Rent, price"))
    before, after = lived(agreed, {}), lived(agreed, {})
    after["lines"][0]["amount"] = "98.50"
    rows = adjustments(stated({**before, "number": 3}, []), after, "120 later readings")
    document = adjusted(agreed.terms, lived(agreed, {}, period="2026-02"), rows, [])
    text = " ".join(text_of(agreed, document).split())
    assert "Correction of 2026-01: Rent · m1 −1.50 EUR" in text
    assert "100.00 EUR by statement 3, 98.50 EUR now, because of 120 later readings" in text
    assert "−1.50 EUR for corrections of earlier periods: 2026-01" in text
    assert "Customer owes Provider 98.50 EUR before tax for 2026-02." in text


# --- the page -------------------------------------------------------------------------------------------------------


def spread(statement: dict[str, Any], long: str) -> Iterator[dict[str, Any]]:
    """The same statement with every device and title as long as somebody may have made it."""
    rows = [{**row, "device": long, "title": long} for row in statement["guarantees"]]
    lines = [{**line, "device": long, "title": long} for line in statement["lines"]]
    usage = [{**row, "device": long} for row in statement["usage"]]
    yield {**statement, "guarantees": rows, "lines": lines, "usage": usage, "contract": long}


@pytest.mark.parametrize("long", ["word " * 60, "x" * 150])
def test_no_line_is_wider_than_the_page(long: str) -> None:
    """However long names are, and whether or not they have spaces, the page stays 100 wide."""
    agreed = promising(UPTIME)
    events = f"[{FORCE.replace('The river rose', long)}]"
    statement = lived(agreed, {**OUT, "pages": {"01-01T00:00": 1, "01-02T00:00": 123456789}}, events)
    for document in spread(statement, long.strip()):
        assert "owes" in text_of(agreed, document)


@pytest.mark.parametrize("seed", range(0, 200, 10))
def test_any_two_sided_statement_can_be_read(seed: int) -> None:
    """Whatever was agreed, reported and said: it prints, keeps to the page, and shows each amount and each verdict."""
    case = case_of(seed)
    statement = compute_from_texts(case.terms, csv_of(case.rows), case.period, case.events_text())
    text = text_of(read_contract(case.terms, "terms.yaml"), statement)
    assert all(f"{grouped(Decimal(line['amount']))} {statement['currency']}" in text for line in statement["lines"])
    head, *rows = section(text, "WHAT BOTH SIDES PROMISED")
    verdicts = [row["met"] for row in (*statement["guarantees"], *statement["obligations"])]
    assert sum(row[head.index("kept?") :].startswith("not kept") for row in rows) == verdicts.count(False)


WORDS = st.text(st.sampled_from("abc é—12 ,%"), max_size=160)


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=4), WORDS)
def test_tables_and_texts_keep_to_the_page(rows: list[tuple[str, str, str]], text: str) -> None:
    """Nothing that is printed is wider than the page, and no word is lost."""
    lines = [*table(["one", "two", "three"], rows, left={0, 1}), *filled(text, 4), *apart(text, "1 234.00 EUR")]
    assert max(map(len, lines)) <= WIDTH
    told = "".join("".join(lines[1:]).split())
    assert sorted(told) == sorted("".join(f"onetwothree{''.join(map(''.join, rows))}{text}{text}1234.00EUR".split()))


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("2026-01-05T08:00:00.000Z", "2026-01-05T17:00:00.000Z", "2026-01-05 09:00 to 18:00"),
        ("2026-01-05T08:00:00.000Z", "2026-01-05T23:00:00.000Z", "2026-01-05 09:00 to 24:00"),
        ("2026-01-05T08:00:00.000Z", "2026-01-06T23:00:00.000Z", "2026-01-05 09:00 to 2026-01-07 00:00"),
        ("2026-01-05T08:00:01.000Z", "2026-01-05T08:00:02.500Z", "2026-01-05 09:00:01 to 09:00:02.500"),
        ("2026-07-05T22:30:00.000Z", "2026-07-06T08:00:00.000Z", "2026-07-06 00:30 to 10:00"),
        ("2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z", "2026-10-25 02:30 (CEST) to 02:30 (CET)"),
    ],
)
def test_stretches_are_told_on_the_contracts_clock(start: str, end: str, said: str) -> None:
    """Local time; the day only once; in the hour that is repeated, which of the two."""
    assert stretch(start, end, BRUSSELS) == said
    assert moment(start, BRUSSELS) == said.partition(" to ")[0]


@pytest.mark.parametrize(
    ("ms", "said"),
    [(0, "0 min"), (60_000, "1 min"), (13_320_000, "3 h 42 min"), (7_200_000, "2 h"), (1_500, "1.5 s"),
     (3_600_000_000, "1 000 h"), (3_661_001, "1 h 1 min 1.001 s")],
)  # fmt: skip
def test_lengths_of_time_are_said_as_people_say_them(ms: int, said: str) -> None:
    """Hours and minutes; seconds only where there are some."""
    assert lasting(ms) == said
