"""What people read: who owes what and why, both sides' promises in one form, and what was said, on a page 100 wide."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.adjusting import adjusted, adjustments, stated
from contracts.contract import Contract, read_contract
from contracts.explain import statement_text
from contracts.figures import grouped, lasting
from contracts.layout import WIDTH, apart, filled, moment, stretch, table
from tests.contracts.promised import Changes, lived, promising
from tests.oracle.dirty_rows import csv_of
from tests.oracle.product import compute_from_texts
from tests.oracle.two_sided import case_of

UPTIME = """
guarantees:
  - id: uptime
    title: The press can run
    available_when: {channel: up, is: 1}
    target: 99
    unknown: excluded
    credits: {tiers: [{below: 99, percent: 10}], of: [rent]}
"""
ALWAYS: Changes = {"up": {"2025-12-31T00:00": 1}}
OUT: Changes = {"up": {"2025-12-31T00:00": 1, "01-12T08:00": 0, "01-12T20:30": 1}}
BRUSSELS = ZoneInfo("Europe/Brussels")


def text_of(agreed: Contract, statement: dict[str, Any]) -> str:
    """The statement as it is printed, with no line wider than the page."""
    text = statement_text(statement, agreed.terms)
    assert max(map(len, text.splitlines())) <= WIDTH
    return text


def printed(agreed: Contract, changes: Changes, events: str = "[]", period: str = "2026-01") -> str:
    """The text of a period's statement, its lines joined to be searched for sentences."""
    return " ".join(text_of(agreed, lived(agreed, changes, events, period)).split())


def section(text: str, title: str) -> list[str]:
    """The lines of one section of a statement, its title and rule left out."""
    return next(part for part in text.split("\n\n") if part.startswith(title)).splitlines()[2:]


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


# --- promises -------------------------------------------------------------------------------------------------------


def test_both_sides_stand_in_the_same_form() -> None:
    """Side, promise, device, promised, measured, kept or not, difference: in the same columns for either side."""
    agreed = promising(UPTIME + "obligations: [{id: online, title: Stay online, connected: 99}]")
    statement = lived(agreed, {"up": OUT["up"], "beat": {"2025-12-31T00:00": 1}})
    head, *rows = section(text_of(agreed, statement), "WHAT BOTH SIDES PROMISED")
    names = ["side", "promise", "device", "promised", "measured", "kept?", "difference"]
    bounds = [head.index(name) for name in names] + [WIDTH]

    def cells(row: str) -> list[str]:
        return [row[start:end].strip() for start, end in pairwise(bounds)]

    assert cells(head) == names
    found = [cells(row) for row in rows if not row.startswith(" ")]
    assert found[0] == [
        "provider",
        "The press can run",
        "m1",
        "at least 99 %",
        "98.3198 %",
        "not kept",
        "0.6802 % short",
    ]
    assert found[1][:4] == ["customer", "Stay online", "m1", "at least 99 %"]
    assert found[1][5:] == ["kept", "1.0000 % to spare"]


def test_when_it_was_down_and_why_it_is_excused_stand_beneath() -> None:
    """Times on the contract's clock, lengths as people say them, the reason in words, silence as silence."""
    duty = """
obligations:
  - id: service
    title: Have it serviced every ten days
    service: {event: serviced, or_days: 10, by: customer}
    consequence: {excuse: [uptime]}
"""
    agreed = promising(UPTIME + duty, timezone="Europe/Brussels", base=HELD)
    events = "[{type: serviced, device: m1, time: @01-12T13:00, by: Garage, side: customer}]"
    changes = {"up": {"2025-12-31T00:00": 1, "01-12T08:00": 0, "01-12T20:30": 1}}
    text = printed(agreed, changes, events)
    assert "excused 2026-01-12 09:00 to 14:00, 5 h: the customer had not kept “Have it serviced every ten days”" in text
    assert "not available 2026-01-12 14:00 to 21:30, 7 h 30 min" in text
    assert "overdue 2026-01-11 00:00 to 2026-01-12 14:00, 38 h" in text
    assert "excuses the provider for 5 h of “The press can run”" in text
    assert "did not keep “Have it serviced every ten days” on m1, which excuses the provider for 5 h." in text


HELD = """
channels: {up: {max_hold: 400d}, load: {max_hold: 400d}}
charges: [{id: rent, price: {flat: 100.00, per: device}}]
"""


def test_silence_is_shown_as_silence() -> None:
    """Unknown time is neither hidden nor called an outage; who carries it is said."""
    base = HELD.replace("up: {max_hold: 400d}", "up: {max_hold: 12h}")
    agreed = promising(UPTIME.replace("excluded", "up"), base=base)
    text = printed(agreed, {"up": {f"01-{day:02d}T{hour}": 1 for day in range(1, 32) for hour in ("00:00", "12:00")}})
    assert "silence" not in text
    text = printed(agreed, {"up": {f"01-{day:02d}T{hour}": 1 for day in range(2, 32) for hour in ("00:00", "12:00")}})
    assert "silence 2026-01-01 00:00 to 24:00, 24 h: nobody knows, counts as available" in text


def test_not_measured_is_neither_kept_nor_missed() -> None:
    """Where nobody knows anything, there is no verdict and no cost."""
    text = printed(promising(UPTIME), {"load": {"01-01T00:00": 1}})
    assert "Promises of the provider: 1 not measured." in text
    assert "Customer owes Provider 100.00 EUR" in text
    assert "nobody knows, counts for neither side" in text


def test_a_quarter_is_decided_later() -> None:
    """A promise over a quarter has no verdict before it is over, and says when it will."""
    agreed = promising(UPTIME.replace("target: 99", "target: 99\n    over: quarter"))
    text = printed(agreed, OUT)
    assert "Promises of the provider: 1 decided later." in text
    assert "decided when the quarter is over, after 2026-03-31" in text
    assert "in the quarter so far 12 h 30 min not available of 744 h agreed" in text
    march = printed(agreed, OUT, period="2026-03")
    assert "decided later" not in march


def test_many_stretches_are_cut_short() -> None:
    """A few stretches stand for many; how many more there are is said, and where."""
    changes = {"2025-12-31T00:00": 1} | {
        f"01-{day:02d}T0{hour}:00": hour - 1 for day in range(1, 31) for hour in (1, 2)
    }
    text = printed(promising(UPTIME), {"up": changes})
    assert "not available 2026-01-06 01:00 to 02:00" in text
    assert "not available 2026-01-07" not in text
    assert "and 24 more, all in statement.json" in text


@pytest.mark.parametrize(
    ("duty", "said"),
    [
        ("minimum_use: {meter: pages, per: period, at_least: 100}", "at least 100 page 40 page not kept 60 page short"),
        ("minimum_use: {meter: pages, per: year, at_least: 365}", "at least 365 page 40 page decided later"),
        ("use_limit: {meter: pages, per: busy, at_most: 0.5}", "at most 0.5 1.667 not kept 1.167 over"),
        ("use_limit: {meter: pages, per: busy, at_most: 2}", "at most 2 1.67 kept 0.33 to spare"),
        ("limit: {channel: load, is: 0}, tolerance: 5", "at most 5 % out 3.2258 % out kept 1.7742 % to spare"),
        ("limit: {channel: load, is: 0}", "at most 0 % out 3.2258 % out not kept 3.2258 % over"),
        ("service: {event: serviced, or_days: 20, by: customer}", "on time late not kept 264 h"),
        ("service: {event: serviced, or_days: 20, by: provider}", "access given given kept"),
    ],
)
def test_every_obligation_says_promised_measured_and_difference(duty: str, said: str) -> None:
    """The same words for each kind, in its own unit."""
    agreed = promising(f"obligations: [{{id: duty, {duty}}}]")
    changes = {
        "pages": {"2025-12-31T00:00": 100, "01-20T00:00": 140},
        "load": {"2025-12-31T00:00": 0, "01-20T00:00": 1, "01-21T00:00": 0},
    }
    rows = section(text_of(agreed, lived(agreed, changes)), "WHAT BOTH SIDES PROMISED")
    first = next(row for row in rows if row.startswith("customer"))
    device = "all together" if "minimum" in duty else "m1"
    assert " ".join(first.split()) == f"customer duty {device} {said}"


# --- events ---------------------------------------------------------------------------------------------------------

FORCE = "{type: force_majeure, id: flood, device: m1, start: @01-12T07:00, end: @01-12T19:00, by: Bob, "
FORCE += "side: provider, reason: The river rose}"


def test_a_claim_is_marked_as_its_authors() -> None:
    """Downtime excused by what the provider says names the provider, both as an excuse and as an event."""
    text = printed(promising(UPTIME), OUT, f"[{FORCE}]")
    assert "11 h: force majeure “The river rose”, claimed by the provider (Bob)" in text
    assert "force majeure, m1: The river rose claimed by the provider (Bob)" in text


def test_planned_work_beyond_what_is_agreed_says_so() -> None:
    """Within its allowance planned work is excused; what is beyond it is not, and the reader sees why."""
    agreed = promising(UPTIME.replace("target", "planned: {allowance: 5h, notice: 48h}\n    target"))
    plan = "{type: planned, device: m1, start: @01-12T08:00, end: @01-12T19:00, by: Bob, side: provider, "
    text = printed(agreed, OUT, f"[{plan}reason: Workshop, entered: @01-09T08:00}}]")
    assert "excused 2026-01-12 08:00 to 13:00, 5 h: planned work “Workshop”, claimed by the provider (Bob)" in text
    beyond = "planned work beyond what is agreed: 5 h a period, announced 48 h ahead"
    assert f"not available 2026-01-12 13:00 to 20:30, 7 h 30 min: {beyond}" in text
    assert "claimed by the provider (Bob), entered 2026-01-09 08:00" in text


def test_a_contested_event_is_plainly_marked() -> None:
    """It stands on the statement, does not count, and the answer says so."""
    contest = "{type: contested, of: flood, time: @01-13T09:00, by: Ann, side: customer, reason: It was dry}"
    text = printed(promising(UPTIME), OUT, f"[{FORCE}, {contest}]")
    assert "Customer owes Provider 90.00 EUR" in text
    assert "1 event is contested and does not count." in text
    assert "claimed by the provider (Bob), CONTESTED: does not count until both sides decide" in text
    assert "contested by the customer (Ann), 2026-01-13 09:00: It was dry" in text
    assert "12 h 30 min: force majeure “The river rose”, claimed by the provider (Bob), CONTESTED" in text
    assert "excused" not in text


def test_an_event_that_both_accept_counts() -> None:
    """A dispute that both sides decided is shown with each side's decision."""
    decided = ", ".join(
        f"{{type: decision, of: flood, verdict: accept, time: @01-14T09:00, by: {by}, side: {side}, reason: Agreed}}"
        for by, side in (("Ann", "customer"), ("Bob", "provider"))
    )
    contest = "{type: contested, of: flood, time: @01-13T09:00, by: Ann, side: customer}"
    text = printed(promising(UPTIME), OUT, f"[{FORCE}, {contest}, {decided}]")
    assert "stated by the provider (Bob), accepted by both" in text
    assert "decision of the customer (Ann), 2026-01-14 09:00: Agreed" in text
    assert "contested and" not in text


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
    rows = adjustments(stated({**before, "number": 3}, []), after, "120 readings arrived later")
    document = adjusted(agreed.terms, lived(agreed, {}, period="2026-02"), rows, [])
    text = " ".join(text_of(agreed, document).split())
    assert "period 2026-01 (statement 3): Rent · m1 −1.50 EUR" in text
    assert "was 100.00 EUR, now 98.50 EUR, because 120 readings arrived later" in text
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
