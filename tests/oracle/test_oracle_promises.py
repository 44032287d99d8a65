"""The judge of promises is judged: guarantees, obligations and events on cases small enough to work out by hand."""

from typing import Any

import pytest

from tests.oracle import Row, read_terms, statement
from tests.oracle.statement import statements

MIDNIGHT = 1_767_225_600_000
"""2026-01-01T00:00Z, where these cases begin."""
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000

PLAN = """
terms: 1
id: CASE-1
currency: EUR
timezone: UTC
valid: {from: 2026-01-01}
period: day
devices: [{id: m-1}]
channels:
  state: {unit: one, max_hold: 40d}
  heat: {unit: K, max_hold: 40d}
  pages: {unit: page, max_hold: 1h}
conditions: {up: {channel: state, is: 1}}
meters:
  running: {duration: up}
  printed: {counter: pages, max_rate: 1000/h, reset_below: 20}
charges:
  - {id: base, price: {flat: 100.00, per: device}}
"""
UPTIME = "{id: uptime, available_when: up, unknown: excluded, target: 99.5, planned: {allowance: 4h, notice: 48h}%s}"
CREDITS = ", credits: {tiers: [{below: 99.5, percent: 5}, {below: 50, percent: 60}], of: [base]%s}"


def down(*spans: tuple[int, int]) -> list[Row]:
    """Return readings of a machine that is up but for some stretches, each from its start in so many milliseconds."""
    rows = [Row("m-1", "state", MIDNIGHT - 1, "1")]
    for start, length in spans:
        rows += [Row("m-1", "state", MIDNIGHT + start, "0"), Row("m-1", "state", MIDNIGHT + start + length, "1")]
    return rows


def event(kind: str, start: int, end: int | None = None, *, side: str = "provider", **keys: Any) -> dict[str, Any]:
    """Return an event of the machine; a stretch of time where it has an end."""
    span = {"time": MIDNIGHT + start} if end is None else {"start": MIDNIGHT + start, "end": MIDNIGHT + end}
    return {"id": f"{kind}-{start}", "type": kind, "device": "m-1", "side": side, **span, **keys}


def promised(guarantees: str, obligations: str = "", plan: str = PLAN) -> Any:
    """Return the terms of a contract with these promises."""
    text = f"{plan}guarantees: [{guarantees}]\n"
    return read_terms(text + (f"obligations: [{obligations}]\n" if obligations else ""))


def moved(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the lines that promises caused: kind, id, amount."""
    return [(line["kind"], line["id"], line["amount"]) for line in found["lines"] if line["kind"] != "charge"]


@pytest.mark.parametrize(("more", "percent", "lines"), [(0, "99.5000", []), (1, "99.4999", ["-5.00"])])
def test_the_worked_example_of_the_contract_language(more: int, percent: str, lines: list[str]) -> None:
    """744 service hours less 4 planned, 3 h 42 min down: 99.5 % exactly, no credit; one millisecond more: 5 %."""
    plan = PLAN.replace("period: day", "period: month")
    outage = 3 * HOUR + 42 * MINUTE + more
    rows = down((100 * HOUR, 4 * HOUR), (200 * HOUR, outage))
    planned = event("planned", 100 * HOUR, 104 * HOUR, entered=MIDNIGHT + 52 * HOUR)
    found = statement(promised(UPTIME % CREDITS % "", plan=plan), rows, "2026-01", [planned])
    [row] = found["guarantees"]
    assert (row["service_ms"], row["agreed_ms"], row["excused_ms"]) == (744 * HOUR, 740 * HOUR, 4 * HOUR)
    assert (row["down_ms"], row["percent"], row["met"]) == (outage, percent, not more)
    assert [amount for _, _, amount in moved(found)] == lines


def test_an_outage_too_short_to_count_is_no_outage_and_a_longer_one_counts_in_full() -> None:
    """Semantics §6: below `ignore_below` counts as up; at it, every millisecond counts."""
    terms = promised(UPTIME % ", ignore_below: 60s")
    short, full = (statement(terms, down((HOUR, ms)), "2026-01-01")["guarantees"][0] for ms in (59_999, 60_000))
    assert (short["down_ms"], full["down_ms"]) == (0, 60_000)


def test_planned_work_excuses_in_order_of_time_until_its_allowance_is_used_up() -> None:
    """Of 3 + 3 hours of planned downtime, 4 are excused; work entered a millisecond late excuses nothing."""
    rows = down((50 * HOUR, 3 * HOUR), (60 * HOUR, 3 * HOUR))
    works = [event("planned", h * HOUR, (h + 5) * HOUR, entered=MIDNIGHT + (h - 48) * HOUR) for h in (49, 59)]
    on_time = statement(promised(UPTIME % ""), rows, "2026-01-03", works)["guarantees"][0]
    works[0]["entered"] += 1
    late = statement(promised(UPTIME % ""), rows, "2026-01-03", works)["guarantees"][0]
    assert (on_time["excused_ms"], late["excused_ms"]) == (4 * HOUR, 3 * HOUR)
    assert [(i["start"][11:16], i["state"]) for i in on_time["intervals"]] == [
        ("02:00", "excused"),
        ("12:00", "excused"),
        ("13:00", "down"),
    ]


@pytest.mark.parametrize(
    ("decisions", "excused"), [([], 0), (["customer"], 0), (["customer", "provider"], HOUR), (["provider"], 0)]
)
def test_a_contested_claim_counts_once_both_sides_accept_it(decisions: list[str], excused: int) -> None:
    """Semantics §6: the other side's contest takes a claim out until a decision of both puts it back."""
    claim = event("force_majeure", HOUR, 2 * HOUR)
    said = [event("contested", 3 * HOUR, side="customer", of=claim["id"])]
    said += [event("decision", 4 * HOUR, side=side, of=claim["id"], verdict="accept") for side in decisions]
    found = statement(promised(UPTIME % ""), down((HOUR, 2 * HOUR)), "2026-01-01", [claim, *said])
    assert found["guarantees"][0]["excused_ms"] == excused


@pytest.mark.parametrize(("more", "excused"), [(0, 0), (1, 3 * HOUR + 1)])
def test_a_limit_kept_within_its_tolerance_excuses_nothing(more: int, excused: int) -> None:
    """An hour too hot in 24 is 4.1666… %: at that tolerance nothing; beyond it, the breach and 2 hours after."""
    plan = PLAN.replace("period: day", "period: week").replace("valid: {from: 2026-01-01}", "valid: {from: 2026-01-05}")
    monday = 4 * 24 * HOUR
    hot = 168 * HOUR // 100
    rows = down((monday, 24 * HOUR))
    rows += [Row("m-1", "heat", MIDNIGHT + monday - 1, "20"), Row("m-1", "heat", MIDNIGHT + monday + HOUR, "50")]
    rows.append(Row("m-1", "heat", MIDNIGHT + monday + HOUR + hot + more, "20"))
    cool = "{id: cool, limit: {channel: heat, at_most: 40}, tolerance: 1, consequence: {excuse: [uptime], window: %s}}"
    window = 3 * HOUR + 1 - hot - more
    found = statement(promised(UPTIME % "", cool % f"{window}ms", plan), rows, "2026-W02")
    assert found["guarantees"][0]["excused_ms"] == excused
    assert found["obligations"][0]["met"] == (not more)


@pytest.mark.parametrize(
    ("zone", "day", "hours", "service"),
    [
        ("Europe/Brussels", "2026-03-29", '{from: "01:30", to: "02:30"}', 30 * MINUTE),
        ("Europe/Brussels", "2026-10-25", '{from: "02:30", to: "02:30"}', 25 * HOUR),
        ("Australia/Lord_Howe", "2026-04-05", '{from: "01:45", to: "01:50"}', 35 * MINUTE),
        ("Australia/Lord_Howe", "2026-10-04", '{from: "02:15", to: "03:00"}', 30 * MINUTE),
        ("UTC", "2026-01-05", '{days: sun, from: "22:00", to: "06:00"}', 6 * HOUR),
        ("UTC", "2026-01-06", '{days: sun, from: "22:00", to: "06:00"}', 0),
        ("UTC", "2026-12-25", "{holidays: BE}", 0),
        ("UTC", "2026-12-25", '{from: "22:00", to: "06:00", holidays: 2026-12-25}', 6 * HOUR),
    ],
)
def test_service_hours_are_those_of_local_clocks(zone: str, day: str, hours: str, service: int) -> None:
    """Semantics §2: a skipped bound is the change, a repeated one first or last; a night is its first day's."""
    plan = PLAN.replace("timezone: UTC", f"timezone: {zone}").replace("{from: 2026-01-01}", f"{{from: {day}}}")
    found = statement(promised(UPTIME % f", service_hours: {hours}", plan=plan), [], day)
    assert found["guarantees"][0]["service_ms"] == service


@pytest.mark.parametrize(
    ("price", "first", "second"),
    [
        ("per_hour: 25.00", "-362.50", "-37.50"),
        ("per_hour: 25.00, started: true", "-375.00", "-25.00"),
        ("per_hour: 25.00, cap: 380.00", "-362.50", "-17.50"),
    ],
)
def test_each_hour_beyond_the_response_promised_is_credited_in_its_period(price: str, first: str, second: str) -> None:
    """From 01:30 on, repaired at 01:30 next day: 16 hours beyond 8, of them 14.5 on the first day."""
    repair = f"{{id: repair, response: {{from: {{event: breakdown}}, to: {{event: repaired}}, within: 8h}}, {'%s'}}}"
    said = [event("breakdown", 90 * MINUTE, side="customer"), event("repaired", 25 * HOUR + 30 * MINUTE)]
    days = statements(promised(repair % f"credits: {{{price}}}"), [], "2026-01-02", said)
    assert [moved(day) for day in days] == [[("credit", "repair", first)], [("credit", "repair", second)]]


def test_credits_stay_under_their_rolling_cap() -> None:
    """5 % a day under 1 % of twelve months: the cap is 365 days of 100.00, so the first 73 such credits fit exactly."""
    terms = promised(UPTIME % CREDITS % ", rolling_cap_percent: 1")
    rows = down(*((day * 24 * HOUR, HOUR) for day in range(75)))
    days = statements(terms, rows, "2026-03-16")
    assert [moved(day) for day in days[71:]] == [
        [("credit", "uptime", "-5.00")],
        [("credit", "uptime", "-5.00")],
        [("credit", "uptime", "0.00")],
        [("credit", "uptime", "0.00")],
    ]


def test_a_credit_is_earned_back_by_good_periods_in_a_row() -> None:
    """Half of 5.00 after two good days; a day that fails ends the claim, and its own credit opens another."""
    terms = promised(UPTIME % (CREDITS % "" + ", earn_back: {periods: 2, percent: 50}"))
    rows = down((HOUR, HOUR), (49 * HOUR, HOUR))
    days = statements(terms, rows, "2026-01-06")
    assert [kind for day in days for kind, _, _ in moved(day)] == ["credit", "credit", "earn_back"]
    assert moved(days[4]) == [("earn_back", "uptime", "2.50")]


def test_credits_on_a_charge_together_never_exceed_it() -> None:
    """Two credits of 60 % on one charge of 100.00 are 60.00 and 40.00, the later in the file giving way."""
    other = UPTIME.replace("id: uptime", "id: second")
    terms = promised(f"{UPTIME % CREDITS % ''}, {other % CREDITS % ''}")
    found = statement(terms, down((0, 20 * HOUR)), "2026-01-01")
    assert moved(found) == [("credit", "uptime", "-60.00"), ("credit", "second", "-40.00")]


@pytest.mark.parametrize(("owed", "limit", "lines"), [(24, 18, []), (30, 22.5, ["13.50"])])
def test_nobody_pays_for_use_the_other_side_made_impossible(owed: int, limit: float, lines: list[str]) -> None:
    """6 hours of 24 down take a quarter off what is owed; of 22.5 hours, 18 used are 4.5 short, at 3.00 each."""
    take = f"{{id: take, minimum_use: {{meter: running, per: period, at_least: {owed}, relief: [uptime]}}, %s}}"
    take %= "consequence: {surcharge: {per_unit_short: 3.00}}"
    found = statement(promised(UPTIME % "", take), down((0, 6 * HOUR)), "2026-01-01")
    [row] = found["obligations"]
    assert (float(row["limit"]), float(row["measured"]), row["met"]) == (limit, 18, not lines)
    assert [amount for _, _, amount in moved(found)] == lines


@pytest.mark.parametrize(("by", "hours"), [("customer", "13.000"), ("provider", "9.000")])
def test_maintenance_is_overdue_or_refused(by: str, hours: str) -> None:
    """Due 10 running hours after a service at 01:00, or refused at 15:00; in both cases until the period ends."""
    rule = (
        f"{{id: care, service: {{event: serviced, every: 10, of: running, by: {by}}}, consequence: {{notify: true}}}}"
    )
    said = [event("serviced", HOUR), event("access_refused", 15 * HOUR)]
    [row] = statement(promised(UPTIME % "", rule), down(), "2026-01-01", said)["obligations"]
    assert (row["measured"], row["met"]) == (hours, False)


def test_silence_beyond_what_was_agreed_is_the_customers() -> None:
    """Heard for one hour of 24 where 50 % is owed: the other 23 are breach, and no one's coverage is the worse."""
    plan = PLAN.replace("40d", "1h")
    rule = "{id: online, connected: 50, consequence: {notify: true}}"
    found = statement(promised(UPTIME % "", rule, plan), [Row("m-1", "state", MIDNIGHT, "1")], "2026-01-01")
    assert (found["obligations"][0]["measured"], found["obligations"][0]["met"]) == ("4.1666", False)
    assert (found["guarantees"][0]["coverage"], found["guarantees"][0]["unknown_ms"]) == ("100.0000", 23 * HOUR)


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        ([], "20"),
        ([event("decision", HOUR, channel="pages", verdict="accept")], "5030"),
        ([event("decision", HOUR, channel="pages", verdict="discard")], "20"),
        ([event("meter_exchanged", 90 * MINUTE, channel="pages", old=40, new=0)], "60"),
    ],
)
def test_people_decide_what_a_register_set_aside(said: list[dict[str, Any]], printed: str) -> None:
    """10, then 5010 in an hour, then 5040 and 30: the leap is an error, unless it is accepted or the meter changed."""
    values = [(0, "10"), (HOUR, "5010"), (2 * HOUR, "5040" if printed == "5030" else "30")]
    rows = [Row("m-1", "pages", MIDNIGHT + time, value) for time, value in values]
    [_, row] = statement(promised(UPTIME % ""), rows, "2026-01-01", said)["usage"]
    assert row["quantity"] == printed
