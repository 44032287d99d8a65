"""What a statement so far says of the rest of its period, against figures worked out by hand."""

from decimal import Decimal
from fractions import Fraction

import pytest

from tests.contracts.samples import DAY, HOUR, MINUTE
from tests.gateway.living import at, living

RENT = "charges: [{id: rent, price: {flat: 1000.00, per: device}}]\n"
UPTIME = """
  - id: uptime
    available_when: {channel: up, is: 1}
    target: 99
    unknown: excluded
    credits: {tiers: [{below: 99, percent: 10}, {below: 95, percent: 30}], of: [rent]}
"""


def test_the_downtime_left_is_that_of_the_whole_period_less_what_was_down_so_far() -> None:
    """January's 744 hours at 99 % allow 7 h 26 min 24 s: after three hours down, 4 h 26 min 24 s are left."""
    with living(RENT + "guarantees:" + UPTIME) as one:
        one.report("01-01T00:00", up=1)
        one.report("01-05T09:00", up=0)
        one.report("01-05T12:00", up=1)
        (budget,) = one.outlook("01-10T00:00").budgets
    assert budget.budget_ms == 744 * HOUR // 100
    assert budget.left_ms == 744 * HOUR // 100 - 3 * HOUR
    assert budget.used == Fraction(300, Fraction(744, 100))
    assert budget.margin_at_risk == Decimal("100.00"), "the first tier's 10 % of the rent comes next"


def test_a_budget_overdrawn_says_so_and_names_the_credit_that_is_due() -> None:
    """Where the first credit is due already, nothing is left, more than all is used, and that credit is at risk."""
    with living(RENT + "guarantees:" + UPTIME) as one:
        one.report("01-01T00:00", up=1)
        one.report("01-05T00:00", up=0)
        one.report("01-06T00:00", up=1)
        (budget,) = one.outlook("01-10T00:00").budgets
    assert budget.left_ms == 0
    assert budget.used == Fraction(2400, Fraction(744, 100))
    assert budget.margin_at_risk == Decimal("300.00"), "a day of nine is below 95 % so far"


def test_service_hours_to_come_count_and_unknown_time_so_far_does_not() -> None:
    """Only agreed hours are in the budget: Mondays from eight to six, less the one in which nothing was known."""
    promise = UPTIME.replace("target: 99", 'target: 99\n    service_hours: {days: [mon], from: "08:00", to: "18:00"}')
    with living(RENT + "guarantees:" + promise) as one:
        one.report("01-06T00:00", up=1)
        (budget,) = one.outlook("01-10T00:00").budgets
    assert budget.budget_ms == 3 * 10 * HOUR // 100, "the 12th, 19th and 26th: on the 5th nothing was known yet"


def test_of_a_level_with_while_the_rest_is_agreed_as_the_part_gone_by_was() -> None:
    """A level agreed while loaded, half of the time so far, is taken to be agreed half of the rest."""
    level = "guarantees: [{id: good, level: {channel: up, is: 1}, while: {channel: load, is: 1}, target: 90}]\n"
    with living(level) as one:
        one.report("01-01T00:00", up=1, load=1)
        one.report("01-03T00:00", load=0)
        (budget,) = one.outlook("01-05T00:00").budgets
    assert budget.budget_ms == 31 * DAY // 2 // 10
    assert budget.margin_at_risk is None, "no credits are agreed"


def test_a_promise_over_a_quarter_has_the_quarters_budget() -> None:
    """Measured over a quarter, the 90 days of January to March allow their hundredth together."""
    with living(RENT + "guarantees:" + UPTIME + "    over: quarter\n") as one:
        one.report("01-01T00:00", up=1)
        (budget,) = one.outlook("01-10T00:00").budgets
    assert budget.budget_ms == 90 * DAY // 100
    assert budget.margin_at_risk == Decimal("100.00")


def test_an_open_incident_has_its_time_to_respond_as_budget() -> None:
    """Of a promise to respond, what is left is the time left of the incident that is open; without one, none."""
    text = "guarantees: [{id: fix, response: {from: {event: breakdown}, to: {event: repaired}, within: 4h}, "
    with living(text + "credits: {per_hour: 20.00, cap: 15.00}}]\n") as one:
        (calm,) = one.outlook("01-05T00:00").budgets
        one.say("01-05T09:00", type="breakdown", by="Ann", side="customer", id="b1")
        (running,) = one.outlook("01-05T10:00").budgets
    assert (calm.budget_ms, calm.left_ms, calm.used, calm.margin_at_risk) == (None, None, None, Decimal("0.00"))
    assert (running.budget_ms, running.left_ms, running.used) == (4 * HOUR, 3 * HOUR, Fraction(25))
    assert (running.opened, running.margin_at_risk) == (at("01-05T09:00"), Decimal("15.00"))


@pytest.mark.parametrize(("pages", "runs_out"), [(480, "01-21T20:00"), (310, None), (1200, None)])
def test_an_allowance_runs_out_at_its_pace_so_far(pages: int, runs_out: str | None) -> None:
    """1,000 pages last ten days divided by their use so far; no date where they last, or are gone already."""
    charge = "charges: [{id: p, meter: pages, allowance: {included: 1000}, price: {per_unit: 0.1}}]\n"
    with living(charge) as one:
        one.report("01-01T00:00", pages=0)
        one.report("01-10T09:00", pages=pages)
        (allowance,) = one.outlook("01-11T00:00").allowances
    assert (allowance.included, allowance.used) == (Decimal(1000), Decimal(pages))
    assert allowance.left == max(0, 1000 - pages)
    assert allowance.percent == Fraction(pages, 10)
    assert allowance.runs_out_ms == (at(runs_out) if runs_out else None)


def test_the_total_to_expect_is_priced_with_the_quantity_of_the_whole_period() -> None:
    """A third of the time gone, 100 pages become 310: the tiers are those that 310 pages will have reached."""
    charge = "charges:\n  - {id: rent, price: {flat: 50, per: device}}\n  - {id: p, meter: pages, "
    charge += "price: {graduated: [{up_to: 200, unit: 0.10}, {unit: 0.05}]}}\n"
    with living(charge) as one:
        one.report("01-01T00:00", pages=0)
        one.report("01-05T00:00", pages=100)
        assert one.outlook("01-11T00:00").forecast == Decimal("75.50")
        assert one.statement("01-11T00:00")["total"] == "60.00"


def test_at_the_end_of_a_period_the_outlook_is_the_statement() -> None:
    """Once a period is over, the total to expect is its total, and the budget that of its own agreed time."""
    charge = "charges:\n  - {id: rent, price: {flat: 1000, per: device}}\n  - {id: p, meter: pages, pool: true, "
    charge += "allowance: {included: 70}, price: {package: {size: 7, price: 3.10}}}\nguarantees:"
    with living(charge + UPTIME, devices="[{id: m1}, {id: m2, since: 2026-01-20}]") as one:
        for device, day in (("m1", 3), ("m2", 21)):
            one.report(f"01-{day:02}T00:00", device, pages=0, up=1)
            one.report(f"01-{day + 1:02}T00:00", device, pages=100 * day, up=0)
            one.report(f"01-{day + 1:02}T00:20", device, up=1)
        document, seen = one.statement("02-01T00:00"), one.outlook("02-01T00:00")
    assert seen.forecast == Decimal(document["total"])
    assert [budget.budget_ms for budget in seen.budgets] == [row["agreed_ms"] // 100 for row in document["guarantees"]]
    assert {row["down_ms"] for row in document["guarantees"]} == {20 * MINUTE}
    assert [each.runs_out_ms for each in seen.allowances] == [None]
