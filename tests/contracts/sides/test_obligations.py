"""Obligations: what the customer promised, at exactly its tolerance, and when it was not kept."""

import pytest

from contracts.contract import Contract
from tests.contracts.sides.promised import BASE, Changes, amounts, figures, lived, promising, row, texts


def obliged(duty: str, more: str = "", **head: str) -> Contract:
    """The machine with one obligation."""
    return promising(f"{more}\nobligations: [{duty}]", **head)


# --- limit ----------------------------------------------------------------------------------------------------------

LIMIT = "{id: rest, limit: {channel: load, is: 0}, tolerance: 2}"


@pytest.mark.parametrize(("end", "met", "shown"), [("14:52:48.000", True, "2.0000"), ("14:52:48.001", False, "2.0000")])
def test_a_limit_is_kept_at_exactly_its_tolerance(end: str, met: bool, shown: str) -> None:
    """2 % of 744 h are 14 h 52 min 48 s; a millisecond more, and all of it is the breach."""
    changes = {"load": {"01-01T00:00": 0, "01-10T00:00": 1, f"01-10T{end}": 0}}
    found = row(lived(obliged(LIMIT), changes), "rest")
    assert (found["met"], found["measured"], found["limit"], found["unit"]) == (met, shown, "2", "%")
    assert found["intervals"] == ([] if met else [{
        "start": "2026-01-10T00:00:00.000Z", "end": f"2026-01-10T{end}Z", "state": "breach", "reason": None,
    }])  # fmt: skip


def test_only_known_time_is_measured_unless_silence_is_a_breach() -> None:
    """Known for 24 h of which 1 is out: 4.1666 %. Where silence is a breach, 721 of 744 h are."""
    base = BASE.replace("load:  {max_hold: 400d}", "load: {max_hold: 1h}")
    hours = {f"01-01T{hour:02}:00": int(hour == 5) for hour in range(24)}
    ignored = row(lived(promising(f"obligations: [{LIMIT}]", base), {"load": hours}), "rest")
    assert (ignored["measured"], len(ignored["intervals"])) == ("4.1666", 1)
    duty = LIMIT.replace("tolerance: 2", "tolerance: 2, unknown: breach")
    breach = row(lived(promising(f"obligations: [{duty}]", base), {"load": hours}), "rest")
    assert (breach["measured"], len(breach["intervals"])) == ("96.9086", 2)


def test_a_limit_with_while_is_measured_only_while_it_holds() -> None:
    """Loaded for 10 h, of which 5 while the machine was up for 100: 5 %, and nothing else is a breach."""
    changes = {
        "up": {"01-01T00:00": 0, "01-10T00:00": 1, "01-14T04:00": 0},
        "load": {"01-01T00:00": 0, "01-09T19:00": 1, "01-10T05:00": 0},
    }
    duty = LIMIT.replace("tolerance", "while: {channel: up, is: 1}, tolerance")
    found = row(lived(obliged(duty), changes), "rest")
    assert (found["met"], found["measured"]) == (False, "5.0000")
    assert [each["end"] for each in found["intervals"]] == ["2026-01-10T05:00:00.000Z"]


def test_where_nothing_is_known_a_limit_is_neither_kept_nor_broken() -> None:
    """Silence is shown as silence."""
    found = row(lived(obliged(LIMIT), {}), "rest")
    assert (found["met"], found["measured"], found["intervals"]) == (None, None, [])


# --- connected ------------------------------------------------------------------------------------------------------

ONLINE = BASE.replace("400d", "24h")
UPTIME = "{id: uptime, available_when: {channel: up, is: 1}, target: 99, unknown: excluded}"


def online(silent: int) -> Changes:
    """A machine heard once a day, but for so many days from 2 January on."""
    return {"up": {f"01-{day:02}T00:00": 1 for day in range(1, 32) if not 2 <= day < 2 + silent}}


@pytest.mark.parametrize(("silent", "met"), [(5, True), (6, False)])
def test_connected_is_a_share_of_the_time_in_force(silent: int, met: bool) -> None:
    """26 of 31 days are 83.87 %; exactly that many percent keeps the promise, a day less breaks it."""
    exact = "83.870967741935"  # a little below 2600/31
    agreed = promising(f"obligations: [{{id: online, connected: {exact}}}]", ONLINE)
    found = row(lived(agreed, online(silent)), "online")
    assert (found["met"], found["measured"]) == (met, "83.8709" if met else "80.6451")
    assert [(each["start"][:10], each["end"][:10]) for each in found["intervals"]] == (
        [] if met else [("2026-01-02", "2026-01-08")]
    )


def test_a_broken_connection_is_the_reason_of_what_it_hides() -> None:
    """Unknown time while the customer pulled the plug counts against nobody's coverage."""
    text = f"guarantees: [{UPTIME}]\nobligations: [{{id: online, connected: 95}}]"
    found = row(lived(promising(text, ONLINE), online(6)), "uptime")
    assert (found["coverage"], found["percent"]) == ("100.0000", "100.0000")
    assert [(each["state"], each["reason"]) for each in found["intervals"]] == [("unknown", "obligation:online")]
    kept = row(lived(promising(text, ONLINE), online(1)), "uptime")
    assert (kept["coverage"], [each["reason"] for each in kept["intervals"]]) == ("96.7741", [None])


def test_connected_can_be_asked_for_in_service_hours_alone() -> None:
    """Five days of silence of which two are a weekend: three of 22 working days."""
    hours = "service_hours: {days: mon-fri}"
    agreed = promising(f"obligations: [{{id: online, connected: 95, {hours}}}]", ONLINE)
    found = row(lived(agreed, online(5)), "online")  # Friday 2 to Tuesday 6 January
    assert (found["measured"], len(found["intervals"])) == ("86.3636", 2)


# --- use ------------------------------------------------------------------------------------------------------------

TAKE = "{id: take, minimum_use: {meter: pages, per: period, at_least: 1000}, "
TAKE += "consequence: {surcharge: {per_unit_short: 0.01}}}"


@pytest.mark.parametrize(("pages", "met", "lines"), [(1000, True, []), (999, False, ["0.01"]), (0, False, ["10.00"])])
def test_a_minimum_use_is_kept_at_exactly_what_is_owed(pages: int, met: bool, lines: list[str]) -> None:
    """A page short is a page short."""
    changes = {"pages": {"01-01T00:00": 5, "01-31T00:00": 5 + pages}}
    statement = lived(obliged(TAKE), changes)
    found = row(statement, "take", None)
    assert (found["met"], found["measured"], found["limit"], found["unit"]) == (met, str(pages), "1000", "page")
    assert [amount for _, _, amount in amounts(statement, "surcharge")] == lines


def test_a_minimum_use_shrinks_by_days_in_force() -> None:
    """A contract that begins on the 16th owes 16 of 31 days."""
    found = row(lived(obliged(TAKE, valid="{from: 2026-01-16}"), {}), "take", None)
    assert found["limit"] == "516.129032258065"


RELIEF = TAKE.replace("at_least: 1000", "at_least: 1000, relief: [uptime]")


def test_nobody_owes_use_of_what_the_other_side_failed_to_deliver() -> None:
    """Down for 74.4 of 744 h: a tenth of the minimum is not owed, and the line names the guarantee."""
    changes = {"up": {"01-01T00:00": 1, "01-10T00:00": 0, "01-13T02:24": 1}}
    statement = lived(obliged(RELIEF, f"guarantees: [{UPTIME}]"), changes)
    assert row(statement, "take", None)["limit"] == "900"
    assert amounts(statement, "surcharge") == [("take", None, "9.00")]
    assert {"guarantee": "uptime"} in statement["lines"][-1]["because"]


def test_a_yearly_minimum_is_decided_in_the_contract_years_last_period() -> None:
    """Until then it is neither kept nor missed; use and relief are carried from quarter to quarter."""
    duty = TAKE.replace("per: period", "per: year")
    agreed = obliged(duty, period="quarter", valid="{from: 2026-01-01, until: 2027-07-01}")
    changes = {"pages": {"01-01T00:00": 0, "03-01T00:00": 300, "06-01T00:00": 500, "12-01T00:00": 990}}
    rows = [row(lived(agreed, changes, period=f"2026-Q{quarter}"), "take", None) for quarter in (1, 2, 3, 4)]
    assert [(each["met"], each["measured"]) for each in rows] == [
        (None, "300"), (None, "500"), (None, "500"), (False, "990"),
    ]  # fmt: skip
    last = lived(agreed, changes, period="2027-Q2")
    # The contract ends with 181 of the 365 days of its second year.
    assert (row(last, "take", None)["met"], row(last, "take", None)["limit"]) == (False, "495.890410958904")
    assert amounts(last, "surcharge") == [("take", None, "4.96")]
    assert texts(last, "take") == [
        "1 000 page promised × 181 of 365 days = 495.890410958904 page",
        "495.890410958904 page short × 0.01 EUR",
    ]


@pytest.mark.parametrize(
    ("pages", "busy", "met", "measured"),
    [(20, 10, True, "2"), (21, 10, False, "2.1"), (0, 0, True, None), (1, 0, False, None)],
)
def test_a_use_limit_is_one_meter_per_another(pages: int, busy: int, met: bool, measured: str | None) -> None:
    """At most two pages for each hour of load; a use without any of the other is too much."""
    duty = "{id: gently, use_limit: {meter: pages, per: busy, at_most: 2}, consequence: {surcharge: {flat: 9.00}}}"
    changes: Changes = {"pages": {"01-01T00:00": 5, "01-31T00:00": 5 + pages}, "load": {"01-01T00:00": 0}}
    if busy:
        changes = {**changes, "load": {"01-01T00:00": 0, "01-10T00:00": 1, f"01-10T{busy}:00": 0}}
    statement = lived(obliged(duty), changes)
    found = row(statement, "gently")
    assert (found["met"], found["measured"], found["limit"]) == (met, measured, "2")
    assert amounts(statement, "surcharge") == ([] if met else [("gently", "m1", "9.00")])


def test_consequences_are_said_in_words() -> None:
    """Beside each obligation stands what follows where it is not kept."""
    duty = LIMIT.replace(
        "tolerance: 2",
        "consequence: {excuse: [uptime], void_credits: [uptime], surcharge: {flat: 1.00}, notify: true}",
    )
    statement = lived(obliged(duty, f"guarantees: [{UPTIME}]"), {"up": {"01-01T00:00": 1}})
    assert row(statement, "rest")["consequences"] == ["excuse uptime", "void credits of uptime", "surcharge", "notify"]
    assert figures(row(statement, "uptime")) == [744, 0, 0, 0]
