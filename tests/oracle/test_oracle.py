"""The judge is judged: the oracle on cases small enough to work out by hand."""

from typing import Any

import pytest

from tests.oracle import Row, read_terms, statement

MIDNIGHT = 1_767_225_600_000
"""2026-01-01T00:00Z, where the day of these cases begins."""
MINUTE, HOUR = 60_000, 3_600_000

PLAN = """
terms: 1
id: CASE-1
title: A small case
provider: {name: Provider}
customer: {name: Customer}
currency: EUR
timezone: UTC
valid: {from: 2026-01-01}
period: day
devices: [{id: m-1}, {id: m-2, since: 2026-02-01}]
channels:
  pages: {unit: page, max_hold: 1d}
  flow: {unit: m3/h, resolution: 0.1, max_hold: 10m}
  state: {unit: one, max_hold: 10m}
  door: {unit: one, max_hold: device}
conditions: {running: {channel: state, is: 1}}
"""


def reading(channel: str, minute: float, value: object, boot: str | None = None, arrival: int | None = None) -> Row:
    """Make a row of the first device, some minutes into the day."""
    return Row("m-1", channel, MIDNIGHT + round(minute * MINUTE), str(value), boot, arrival)


def billed(meter: str, charge: str, rows: list[Row], plan: str = PLAN, period: str = "2026-01-01") -> dict[str, Any]:
    """Return the statement of one meter `m` and one charge `c`."""
    text = f"{plan}meters: {{m: {{{meter}}}}}\ncharges: [{{id: c, {charge}}}]\n"
    return statement(read_terms(text), rows, period)


def used(meter: str, rows: list[Row], **where: str) -> dict[str, Any]:
    """Return the first usage row of one meter."""
    row: dict[str, Any] = billed(meter, "meter: m, price: {per_unit: 1}", rows, **where)["usage"][0]
    return row


@pytest.mark.parametrize(
    ("pages", "amount"),
    [(250, "0.00"), (300, "0.00"), (301, "1.00"), (315, "1.00"), (316, "2.00"), (362, "5.00")],
)
def test_the_printer_plan_sells_overage_in_packages(pages: int, amount: str) -> None:
    """Of the design's printer plan, without rollover: 300 pages included, 15 more for each 1.00 begun."""
    rows = [reading("pages", 0, 1000), reading("pages", 60, 1000 + pages)]
    charge = "meter: m, allowance: {included: 300}, price: {package: {size: 15, price: 1.00}}"
    result = billed("counter: pages", charge, rows)
    assert result["usage"][0]["quantity"] == str(pages)
    assert (result["lines"][0]["amount"], result["total"]) == (amount, amount)


COUNTER = "counter: pages, max_rate: 1000/h, reset_below: 20, width: 100000"
RISING = [(0, 990), (60, 1000)]


@pytest.mark.parametrize(
    ("values", "quantity", "quarantined"),
    [
        ([(120, 1500)], "510", 0),
        ([(120, 2001)], "1011", 0),
        ([(120, 2002)], "10", 1),
        ([(120, 0), (121, 1003)], "13", 1),
        ([(120, 5), (180, 30)], "40", 0),
        ([(120, 5), (121, 5), (180, 30)], "40", 0),
        ([(120, 5), (121, 5)], "10", 2),
        ([(120, 5), (121, 3), (180, 30)], "40", 1),
        ([(120, 5), (121, 900), (180, 30)], "40", 1),
        ([(120, 500)], "10", 1),
        ([(120, 5000), (121, 1004)], "14", 1),
    ],
)
def test_each_rule_of_a_counter_bills_what_it_says(
    values: list[tuple[float, int]], quantity: str, quarantined: int
) -> None:
    """Semantics §3: steps, the limit of plausibility, a bad zero, a real reset, equal lows, lower lows, spikes."""
    row = used(COUNTER, [reading("pages", minute, value) for minute, value in RISING + values])
    assert (row["quantity"], row["counts"]["quarantined"]) == (quantity, quarantined)
    assert row["counts"]["accepted"] + row["counts"]["quarantined"] == len(RISING) + len(values)


def test_a_register_that_wraps_goes_on() -> None:
    """Semantics §3 rule 4: 99 990 to 15 is 25 on a register of 100 000, where no reset is to be expected."""
    row = used(
        "counter: pages, max_rate: 1000/h, width: 100000", [reading("pages", 0, 99990), reading("pages", 60, 15)]
    )
    assert (row["quantity"], row["opening"], row["closing"]) == ("25", "99990", "15")


@pytest.mark.parametrize(("boot", "value", "quantity"), [("b", 15, "15"), ("b", 25, "0"), ("a", 15, "0")])
def test_a_restart_permits_a_reset_and_proves_none(boot: str, value: int, quantity: str) -> None:
    """Semantics §3 rule 2: a lower value counts from zero after a restart, but only below `reset_below`."""
    rows = [reading("pages", 0, 1000, "a"), reading("pages", 60, value, boot)]
    assert used("counter: pages, max_rate: 1000/h, reset_below: 20", rows)["quantity"] == quantity


def test_a_step_belongs_to_the_later_reading() -> None:
    """Semantics §3: a step over midnight is the second day's, and its opening is the first day's closing value."""
    rows = [
        reading("pages", 60, 10),
        reading("pages", 1430, 20),
        reading("pages", 1440, 23),
        reading("pages", 1500, 30),
    ]
    first, second = (used("counter: pages", rows, period=day) for day in ("2026-01-01", "2026-01-02"))
    assert (first["quantity"], first["opening"], first["closing"]) == ("10", "10", "20")
    assert (second["quantity"], second["opening"], second["closing"]) == ("10", "20", "30")


def test_a_value_from_before_the_start_is_the_baseline_while_it_holds() -> None:
    """Semantics §3: pages printed since a reading that still held at `since` are billed; an older one is forgotten."""
    assert used("counter: pages", [reading("pages", -60, 10), reading("pages", 60, 25)])["quantity"] == "15"
    assert used("counter: pages", [reading("pages", -1441, 10), reading("pages", 60, 25)])["quantity"] == "0"


def test_a_flow_counts_while_it_is_known() -> None:
    """Semantics §3: 6.0 m³/h for 5 minutes, then 12.0 until the hold of 10 minutes is over, is 2.5 m³."""
    row = used("integral: flow, per: 1h, unit: m3", [reading("flow", 10, 6), reading("flow", 15, 12)])
    assert (row["quantity"], row["known_ms"], row["counts"]["gaps"]) == ("2.5", 15 * MINUTE, 2)
    assert row["coverage"] == "1.0416"


@pytest.mark.parametrize(
    ("unknown", "quantity", "off_quality"),
    [("off_quality", "1.0", "2.0"), ("full", "2.0", "1.0"), ("nothing", "1.0", "1.0")],
)
def test_unknown_quality_goes_where_the_terms_say(unknown: str, quantity: str, off_quality: str) -> None:
    """Semantics §3: 10 minutes running, 10 stopped and 10 unknown at 6.0 m³/h are a cubic metre each."""
    rows = [reading("flow", minute, 6) for minute in (0, 10, 20)] + [reading("state", 0, 1), reading("state", 10, 0)]
    row = used(f"integral: flow, per: 1h, unit: m3, only_when: running, unknown: {unknown}", rows)
    assert (row["quantity"], row["off_quality"]) == (quantity, off_quality)


def test_a_counter_step_is_shared_by_the_time_its_condition_held() -> None:
    """Semantics §3: 5 pages over 20 minutes, running half of them: 2 in full (half to even), 3 off-quality."""
    rows = [reading("pages", 0, 0), reading("pages", 20, 5), reading("state", 0, 1), reading("state", 10, 0)]
    row = used("counter: pages, only_when: running", rows)
    assert (row["quantity"], row["off_quality"]) == ("2", "3")


def test_an_event_counts_once_across_silence() -> None:
    """Semantics §3: false, unknown, true is one event; unknown, true is none; true, unknown, true is none more."""
    values = [(0, 1), (5, 0), (30, 1), (60, 1), (65, 0), (70, 1)]
    row = used("count: {condition: running}", [reading("state", minute, value) for minute, value in values])
    assert row["quantity"] == "2"


def test_counting_looks_back_seven_days() -> None:
    """Semantics §3: the state before may lie in an earlier period, if less than 7 days ago."""
    before = reading("state", 0, 0)
    in_time = reading("state", 7 * 1440 + 9, 1)
    too_late = reading("state", 7 * 1440 + 10, 1)
    assert used("count: {condition: running}", [before, in_time], period="2026-01-08")["quantity"] == "1"
    assert used("count: {condition: running}", [before, too_late], period="2026-01-08")["quantity"] == "0"


def test_a_short_run_of_true_is_false_and_midnight_ends_a_run() -> None:
    """Semantics §4: `for: 6m` drops 5 minutes, and judges the parts of a run over midnight each alone."""
    rows = [
        reading("state", minute, value)
        for minute, value in [(0, 0), (10, 1), (15, 0), (20, 1), (27, 0), (1435, 1), (1443, 0)]
    ]
    row = used("duration: {condition: running, for: 6m}, unit: min, resolution: 1", rows)
    assert row["quantity"] == "7"


def test_three_valued_logic() -> None:
    """Semantics §4: unknown and false is false, unknown or true is true, not unknown is unknown."""
    rows = [reading("state", 0, 0), reading("pages", 0, 1)]
    both = "{all: [{condition: running}, {channel: flow, above: 1}]}"
    assert used(f"duration: {both}", rows)["known_ms"] == 10 * MINUTE
    assert used(f"duration: {{not: {both}}}, unit: min", rows)["quantity"] == "10.000"
    either = "{any: [{channel: pages, between: [1, 2]}, {channel: flow, above: 1}]}"
    assert used(f"duration: {either}", rows)["quantity"] == "24.000"


def test_a_value_sent_on_change_holds_while_its_device_is_heard() -> None:
    """Semantics §3: a door open since minute 1 is known to be open whenever another channel is known."""
    rows = [reading("door", 1, 1), *(reading("flow", minute, 0) for minute in (0, 10, 20, 50))]
    assert used("duration: {channel: door, is: 1}, unit: min", rows)["quantity"] == "39.000"


def test_the_first_reading_of_a_moment_stands() -> None:
    """Semantics §1: a repetition is a duplicate, another value a conflict, and late is what comes after a newer one."""
    arrival = MIDNIGHT + HOUR
    values = [(0, 10), (20, 30), (10, 20), (10, 20), (10, 21)]
    rows = [reading("pages", m, v, arrival=arrival + n) for n, (m, v) in enumerate(values)]
    counts = used("counter: pages", rows)["counts"]
    assert (counts["accepted"], counts["duplicate"], counts["conflicting"], counts["late"]) == (3, 1, 1, 3)


def test_a_clock_too_far_ahead_is_quarantined() -> None:
    """Semantics §1: 5 minutes ahead of arrival is accepted, a millisecond more is kept and not billed."""
    start = reading("pages", 0, 10, arrival=MIDNIGHT)
    ahead = [reading("pages", 10, 20, arrival=MIDNIGHT + 5 * MINUTE - late) for late in (0, 1)]
    assert [used("counter: pages", [start, row])["quantity"] for row in ahead] == ["10", "0"]


def test_tiers_include_their_upper_bound() -> None:
    """Semantics §5: graduated prices each unit in its tier (lower, upper], with the flat of each tier entered."""
    price = "price: {graduated: [{up_to: 100, unit: 0.10, flat: 1}, {unit: 0.05, flat: 2}]}"
    amounts = {}
    for pages in (0, 100, 101):
        rows = [reading("pages", 0, 0), reading("pages", 60, pages)]
        amounts[pages] = billed("counter: pages", f"meter: m, {price}", rows)["total"]
    assert amounts == {0: "0.00", 100: "11.00", 101: "13.05"}
    assert billed("counter: pages", f"meter: m, {price}, flat_at_zero: true", [])["total"] == "1.00"


@pytest.mark.parametrize(("rounding", "amount"), [("half_up", "0.13"), ("half_even", "0.12")])
def test_money_is_rounded_once(rounding: str, amount: str) -> None:
    """Semantics §5: an eighth of a euro rounds away from zero, or to even where the terms say so."""
    rows = [reading("pages", 0, 0), reading("pages", 60, 1)]
    plan = PLAN + f"rounding: {rounding}\n"
    assert billed("counter: pages", "meter: m, price: {per_unit: 0.125}", rows, plan=plan)["total"] == amount


def test_flats_shrink_with_days_in_force() -> None:
    """Semantics §2: a device that joins on the 16th of a 31-day month pays 16 days of it."""
    plan = PLAN.replace("period: day", "period: month").replace("2026-02-01", "2026-01-16")
    lines = billed("counter: pages", "price: {flat: 31.00, per: device}", [], plan=plan, period="2026-01")["lines"]
    assert [(line["device"], line["amount"]) for line in lines] == [("m-1", "31.00"), ("m-2", "16.00")]


@pytest.mark.parametrize(
    ("period", "anchor", "name", "start", "end"),
    [
        ("month", 1, "2026-03", "2026-02-28T23:00:00.000Z", "2026-03-31T22:00:00.000Z"),
        ("month", 31, "2026-02", "2026-02-27T23:00:00.000Z", "2026-03-30T22:00:00.000Z"),
        ("month", 15, "2026-12", "2026-12-14T23:00:00.000Z", "2027-01-14T23:00:00.000Z"),
        ("week", 1, "2026-W13", "2026-03-22T23:00:00.000Z", "2026-03-29T22:00:00.000Z"),
        ("day", 1, "2026-10-25", "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"),
        ("quarter", 1, "2026-Q4", "2026-09-30T22:00:00.000Z", "2026-12-31T23:00:00.000Z"),
        ("year", 1, "2026", "2025-12-31T23:00:00.000Z", "2026-12-31T23:00:00.000Z"),
    ],
)
def test_periods_are_local(period: str, anchor: int, name: str, start: str, end: str) -> None:
    """Semantics §2: a period begins at a local midnight, whatever the clocks do inside it."""
    plan = PLAN.replace("period: day", f"period: {period}\nanchor: {anchor}").replace("UTC", "Europe/Brussels")
    found = billed("counter: pages", "price: {flat: 1}", [], plan=plan, period=name)["period"]
    assert (found["start"], found["end"]) == (start, end)
