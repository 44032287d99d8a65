"""What follows in money from kept and broken promises: bonus, earn-back, quarters, and what the customer owes."""

from typing import Any

import pytest

from contracts.contract import Contract
from tests.contracts.sides.promised import BASE, Changes, amounts, figures, lived, promising, row, texts

UP = "available_when: {channel: up, is: 1}, target: 99.5, unknown: excluded"
CREDITS = "credits: {tiers: [{below: 99.5, percent: 10}], of: [rent]}"

# --- earn-back ------------------------------------------------------------------------------------------------------

STEADY = BASE.replace("channels:", "channels:\n  flow: {max_hold: 27d}")
EARNING = f"""
guarantees:
  - {{id: flow, level: {{channel: flow, is: 1}}, while: {{channel: load, is: 1}}, target: 99.5, {CREDITS},
     earn_back: {{periods: 2, percent: 50}}}}
"""


def months(course: str) -> Changes:
    """A course of months: x missed by ten hours, k kept, u kept but for more than 1 % unknown, - not measured."""
    flow, load = dict[str, int](), dict[str, int]()
    for number, kind in enumerate(course):
        name = f"{2026 + number // 12}-{number % 12 + 1:02}"
        load[f"{name}-01T00:00"] = int(kind != "-")
        flow[f"{name}-01T00:00"] = 1
        if kind == "x":
            flow |= {f"{name}-10T12:00": 0, f"{name}-10T22:00": 1}
        if kind != "u":
            flow[f"{name}-15T00:00"] = 1
    return {"flow": flow, "load": load}


def earned(course: str, valid: str = "{from: 2026-01-01}") -> str:
    """For the last months of a course, five at most, what each brought: c a credit, e an earn-back, . nothing."""
    agreed, changes, found = promising(EARNING, STEADY, valid=valid), months(course), ""
    for number in range(len(course))[-5:]:
        statement = lived(agreed, changes, period=f"{2026 + number // 12}-{number % 12 + 1:02}")
        kinds = [line["kind"] for line in statement["lines"] if line["kind"] != "charge"]
        found += {(): ".", ("credit",): "c", ("earn_back",): "e"}[tuple(kinds)]
    return found


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ("xkkk", "c.e."),  # once, and the claim is over
        ("xkxkk", "c.c.e"),  # a miss ends the first claim and opens another
        ("xxkk", "cc.e"),  # a later credit takes the earlier one's place
        ("xkukk", "c...e"),  # a month of which too little is known begins the row anew
        ("xk-kk", "c...e"),  # and so does one that is not measured
        ("xuk", "c.."),
        ("kkk", "..."),
    ],
)
def test_a_credit_is_earned_back_by_periods_kept_in_a_row(course: str, expected: str) -> None:
    """Half of a credit, after two months in a row that keep the promise and are known for 99 %."""
    assert earned(course) == expected


def test_a_claim_ends_with_its_contract_year() -> None:
    """A contract from March on: what was missed in December is earned back in February, of January nothing in March."""
    valid = "{from: 2026-03-01}"
    assert earned("--kkkkkkkkkxkkk", valid) == ".c.e."
    assert earned("--kkkkkkkkkkxkkk", valid) == ".c..."


def test_an_earn_back_names_the_credit_it_gives_back() -> None:
    """Half of ten."""
    statement = lived(promising(EARNING, STEADY), months("xkk"), period="2026-03")
    assert amounts(statement, "earn_back") == [("flow", "m1", "5.00")]
    assert texts(statement, "flow") == ["kept for 2 periods in a row: 50 % of the credit of 10.00 EUR"]


# --- bonus ----------------------------------------------------------------------------------------------------------

BONUS = f"{{id: uptime, {UP}, bonus: {{at_least: 99.95, percent: 1, of: [rent]}}}}"
OTHER = "{id: other, level: {channel: load, is: 1}, target: 100}"


@pytest.mark.parametrize(
    ("minutes", "load", "expected"), [("22:19", 1, "1.00"), ("22:20", 1, None), ("22:10", 0, None)]
)
def test_a_bonus_is_for_what_is_better_and_nothing_else_missed(minutes: str, load: int, expected: str | None) -> None:
    """99.95 % of 744 h leaves 22 min 19.2 s down; and a provider that missed another promise gets none."""
    agreed = promising(f"guarantees: [{BONUS}, {OTHER}]")
    statement = lived(
        agreed, {"up": {"01-01T00:00": 1, "01-10T12:00": 0, f"01-10T12:{minutes}": 1}, "load": {"01-01T00:00": load}}
    )
    assert amounts(statement, "bonus") == ([("uptime", "m1", expected)] if expected else [])


@pytest.mark.parametrize(("known_days", "paid"), [(99, True), (98, False)])
def test_a_bonus_asks_for_99_percent_known(known_days: int, paid: bool) -> None:
    """Of a hundred days 99 must be known: silence earns nothing."""
    base = BASE.replace("channels:", "channels:\n  flow: {max_hold: 24h}")
    promise = BONUS.replace("channel: up", "channel: flow")
    agreed = promising(f"guarantees: [{promise}]", base, period="year", valid="{from: 2026-01-01, until: 2026-04-11}")
    days = [
        f"{month:02}-{day:02}" for month, last in ((1, 31), (2, 28), (3, 31), (4, 10)) for day in range(1, last + 1)
    ]
    statement = lived(agreed, {"flow": {f"{day}T00:00": 1 for day in days[:known_days]}}, period="2026")
    assert bool(amounts(statement, "bonus")) == paid


def test_a_contract_wide_miss_takes_the_bonus_of_every_machine() -> None:
    """One promise for both machines together, and the bonus of each: missed together, none gets it."""
    both = f"{{id: both, {UP}, scope: contract, at_least_devices: 2}}"
    agreed = promising(f"guarantees: [{BONUS}, {both}]", devices="[{id: m1}, {id: m2}]")
    changes = {"up": {"01-01T00:00": 1}, "m2/up": {"01-01T00:00": 1, "01-10T00:00": 0, "01-20T00:00": 1}}
    statement = lived(agreed, changes)
    assert figures(row(statement, "both", None)) == [744, 0, 240, 0]
    assert (row(statement, "uptime", "m1")["met"], amounts(statement, "bonus")) == (True, [])


# --- over a quarter -------------------------------------------------------------------------------------------------

QUARTER = f"guarantees: [{{id: uptime, {UP}, over: quarter, {CREDITS}}}]"


def test_a_quarter_is_decided_in_its_last_month_on_all_its_bases() -> None:
    """Eleven hours down in January are 99.49 % of 2160; only in March it is known that the quarter was missed."""
    agreed, changes = promising(QUARTER), {"up": {"01-01T00:00": 1, "01-10T12:00": 0, "01-10T23:00": 1}}
    rows = [row(lived(agreed, changes, period=f"2026-0{month}"), "uptime") for month in (1, 2, 3, 4)]
    assert [(each["met"], each["over"]["decided"]) for each in rows] == [
        (None, False), (None, False), (False, True), (None, False),
    ]  # fmt: skip
    assert [each["agreed_ms"] // 3_600_000 for each in rows] == [744, 1416, 2160, 720]
    assert [each["percent"] for each in rows] == ["98.5215", "99.2231", "99.4907", "100.0000"]
    assert [len(each["intervals"]) for each in rows] == [1, 0, 0, 0]
    assert rows[2]["over"] == {"start": "2026-01-01T00:00:00.000Z", "end": "2026-04-01T00:00:00.000Z", "decided": True}
    # 10 % of three rents of 100, though March alone has one.
    assert amounts(lived(agreed, changes, period="2026-03"), "credit") == [("uptime", "m1", "-30.00")]


def test_a_quarter_cut_short_is_decided_with_the_contract() -> None:
    """The contract ends in February: so does its quarter."""
    agreed = promising(QUARTER, valid="{from: 2026-01-01, until: 2026-02-15}")
    changes = {"up": {"01-01T00:00": 1, "01-10T12:00": 0, "01-10T23:00": 1}}
    statement = lived(agreed, changes, period="2026-02")
    # 11 of 45 × 24 = 1080 h are 98.98 %; the rent of February is 100 × 14/28 = 50.
    assert row(statement, "uptime")["percent"] == "98.9814"
    assert amounts(statement, "credit") == [("uptime", "m1", "-15.00")]


# --- what the customer owes and what it loses -----------------------------------------------------------------------


def owing(consequence: str, tolerance: str = "0") -> Contract:
    """A promise of uptime, and one of the customer to keep the load off."""
    limit = f"{{id: rest, title: Keep it at rest, limit: {{channel: load, is: 0}}, tolerance: {tolerance}, "
    return promising(
        f"guarantees: [{{id: uptime, {UP}, {CREDITS}}}]\nobligations: [{limit}consequence: {consequence}}}]"
    )


DOWN_AND_LOADED: Changes = {
    "up": {"01-01T00:00": 1, "01-10T00:00": 0, "01-11T00:00": 1},
    "load": {"01-01T00:00": 0, "01-10T12:00": 1, "01-10T15:00": 0},
}


def because(statement: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """What a line of that kind names as its cause."""
    return next(line["because"] for line in statement["lines"] if line["kind"] == kind)


def test_a_breach_excuses_its_intervals_and_the_window_after() -> None:
    """Three hours of load and two after are not held against the provider: 19 of 739 hours down are."""
    statement = lived(owing("{excuse: [uptime], window: 2h}"), DOWN_AND_LOADED)
    found = row(statement, "uptime")
    assert figures(found) == [739, 5, 19, 0]
    assert [(each["state"], each["reason"]) for each in found["intervals"]] == [
        ("down", None), ("excused", "obligation:rest"), ("down", None),
    ]  # fmt: skip
    (excused,) = because(statement, "credit")[1:]
    assert (excused["obligation"], excused["device"]) == ("rest", "m1")
    assert excused["intervals"] == [{"start": "2026-01-10T12:00:00.000Z", "end": "2026-01-10T17:00:00.000Z"}]


def test_a_window_reaches_into_the_next_period() -> None:
    """Loaded until the last hour of January, with a window of three: the first two of February are excused."""
    changes = {"up": {"01-01T00:00": 0}, "load": {"01-01T00:00": 0, "01-31T20:00": 1, "01-31T23:00": 0}}
    agreed = owing("{excuse: [uptime], window: 3h}")
    assert [row(lived(agreed, changes, period=f"2026-0{m}"), "uptime")["excused_ms"] for m in (1, 2, 3)] == [
        4 * 3_600_000, 2 * 3_600_000, 0,
    ]  # fmt: skip


def test_within_tolerance_nothing_follows() -> None:
    """Three of 744 hours are 0.4032 %: within 1 %, so not a breach, and no downtime is excused."""
    statement = lived(owing("{excuse: [uptime], surcharge: {flat: 5.00}}", "1"), DOWN_AND_LOADED)
    assert (row(statement, "rest")["met"], row(statement, "rest")["measured"]) == (True, "0.4032")
    assert row(statement, "uptime")["excused_ms"] == 0
    assert amounts(statement, "surcharge") == []


def test_a_broken_obligation_can_take_away_credits_and_says_so() -> None:
    """The credit stays as a line of nothing, which names the obligation and when it was not kept."""
    statement = lived(owing("{void_credits: [uptime]}"), DOWN_AND_LOADED)
    assert amounts(statement, "credit") == [("uptime", "m1", "0.00")]
    assert because(statement, "credit")[1]["obligation"] == "rest"
    assert texts(statement, "uptime")[-1] == "taken away, because Keep it at rest was not kept"


def test_a_surcharge_is_flat_and_by_the_hour_rounded_once() -> None:
    """5.00 and 3 h at 1.115: 8.345, half up to 8.35."""
    statement = lived(owing("{surcharge: {flat: 5.00, per_hour: 1.115}}"), DOWN_AND_LOADED)
    assert amounts(statement, "surcharge") == [("rest", "m1", "8.35")]
    assert because(statement, "surcharge")[0]["obligation"] == "rest"
    assert [line["kind"] for line in statement["lines"]] == ["charge", "surcharge", "credit"]
    assert statement["total"] == "98.35"


# --- gain share -----------------------------------------------------------------------------------------------------

GAIN = BASE.replace(
    "  - {id: rent",
    "  - {id: saved, price: {gain_share: {meter: pages, per: busy, baseline: 10, price: 0.50, customer_surplus: 0.6, "
    "customer_shortfall: 0.25}}}\n  - {id: rent",
)


@pytest.mark.parametrize(
    ("pages", "kind", "amount"),
    [(160, "charge", "8.00"), (200, "charge", "0.00"), (240, "credit", "-15.00")],
)
def test_a_saving_is_shared_and_so_is_a_shortfall(pages: int, kind: str, amount: str) -> None:
    """20 h at 10 pages are 200: 40 saved at 0.50 are 20, of which the provider has 40 %; 40 too many cost it 75 %."""
    changes = {
        "load": {"01-01T00:00": 0, "01-10T00:00": 1, "01-10T20:00": 0},
        "pages": {"01-01T00:00": 1000, "01-31T00:00": 1000 + pages},
    }
    (found,) = [line for line in lived(promising("", GAIN), changes)["lines"] if line["id"] == "saved"]
    assert (found["kind"], found["amount"], found["quantity"]) == (kind, amount, None)


def test_where_too_little_is_known_no_gain_is_shared() -> None:
    """The load is known from 9 January on alone: less than 99 % of the month, and it says so."""
    changes = {"load": {"01-09T00:00": 1}, "pages": {"01-01T00:00": 1000}}
    statement = lived(promising("", GAIN), changes)
    assert amounts(statement, "charge")[0] == ("saved", "m1", "0.00")
    assert texts(statement, "saved") == ["not measured: less than 99 % of the time is known"]
