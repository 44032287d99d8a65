"""Response: how long an incident ran beyond what was promised, what it costs, and who may say that it began."""

from typing import Any

import pytest

from contracts.contract import Contract
from tests.contracts.samples import HOUR, MINUTE
from tests.contracts.sides.promised import Changes, amounts, at, figures, lived, promising, row, texts

EVENTS = "from: {event: breakdown}, to: {event: repaired}"
FAULT = "from: {channel: up, is: 0}, to: {channel: up, is: 1}"


def repair(within: str = "8h", price: str = "{per_hour: 25.00}", course: str = EVENTS, more: str = "") -> Contract:
    """A promise to repair."""
    response = f"response: {{{course}, within: {within}}}"
    return promising(f"guarantees: [{{id: repair, {response}, credits: {price}{more}}}]")


def said(*moments: tuple[str, str], more: str = "") -> str:
    """Breakdowns, reported by the customer, and repairs, by the provider."""
    records = ""
    for kind, moment in moments:
        side = "customer" if kind == "breakdown" else "provider"
        records += f"- {{ id: {kind[0]}{moment}, type: {kind}, device: m1, time: @{moment}, by: A, side: {side} }}\n"
    return records + more


def outcome(statement: dict[str, Any]) -> tuple[bool | None, list[float], list[tuple[str, str | None, str]]]:
    """Met or not, hours agreed, excused and beyond, and the credits."""
    found = row(statement, "repair")
    return found["met"], figures(found, ("agreed", "excused", "down")), amounts(statement, "credit")


def test_a_repair_in_time_costs_nothing() -> None:
    """Eight hours are not more than eight hours."""
    statement = lived(repair(), {}, said(("breakdown", "01-10T08:00"), ("repaired", "01-10T16:00")))
    assert outcome(statement) == (True, [8, 0, 0], [])
    (incident,) = row(statement, "repair")["incidents"]
    assert (incident["elapsed_ms"], incident["beyond_ms"]) == (8 * HOUR, 0)


def test_each_hour_beyond_is_credited_to_the_millisecond() -> None:
    """Four hours and 36 seconds beyond: 4.01 hours of 25."""
    statement = lived(repair(), {}, said(("breakdown", "01-10T08:00"), ("repaired", "01-10T20:00:36")))
    assert outcome(statement)[0] is False
    assert amounts(statement, "credit") == [("repair", "m1", "-100.25")]
    found = row(statement, "repair")
    assert found["down_ms"] == 4 * HOUR + 36_000
    assert [(each["start"], each["state"]) for each in found["intervals"]] == [("2026-01-10T16:00:00.000Z", "down")]
    assert (found["percent"], found["target"], found["coverage"]) == (None, None, None)


@pytest.mark.parametrize(("end", "amount"), [("16:00:00.001", "-25.00"), ("17:00", "-25.00"), ("17:00:01", "-50.00")])
def test_begun_hours_in_full_where_the_terms_say_so(end: str, amount: str) -> None:
    """`started: true`: one millisecond beyond is an hour."""
    agreed = repair(price="{per_hour: 25.00, started: true}")
    statement = lived(agreed, {}, said(("breakdown", "01-10T08:00"), ("repaired", f"01-10T{end}")))
    assert amounts(statement, "credit") == [("repair", "m1", amount)]


def over_the_edge(agreed: Contract, changes: Changes, events: str) -> list[list[tuple[str, str | None, str]]]:
    """The credits of January, February and March."""
    return [amounts(lived(agreed, changes, events, f"2026-0{month}"), "credit") for month in (1, 2, 3)]


def test_an_incident_goes_on_over_the_edge_of_a_period() -> None:
    """Down on 31 January at 20:00, in time until 4:00 of February, repaired at 7:30: all of it February's."""
    events = said(("breakdown", "01-31T20:00"), ("repaired", "02-01T07:30"))
    assert over_the_edge(repair(), {}, events) == [[], [("repair", "m1", "-87.50")], []]
    february = row(lived(repair(), {}, events, "2026-02"), "repair")["incidents"]
    assert [(each["opened"], each["elapsed_ms"]) for each in february] == [
        ("2026-01-31T20:00:00.000Z", 11 * HOUR + 30 * MINUTE),
    ]  # fmt: skip


def test_a_begun_hour_is_billed_once_though_a_period_ends_in_it() -> None:
    """Beyond from 21:30 on: the two and a half hours of January are three begun ones; the third ends later."""
    agreed = repair("30m", "{per_hour: 10.00, started: true}")
    events = said(("breakdown", "01-31T21:00"), ("repaired", "02-01T00:30"))
    january, february = (lived(agreed, {}, events, month) for month in ("2026-01", "2026-02"))
    assert amounts(january, "credit") == [("repair", "m1", "-30.00")]
    # Half an hour more is beyond in February, and a credit line says that it costs nothing further.
    assert (row(february, "repair")["down_ms"], amounts(february, "credit")) == (
        30 * MINUTE, [("repair", "m1", "0.00")],
    )  # fmt: skip


def test_the_cap_is_of_an_incident_over_all_its_periods() -> None:
    """Ten days beyond at 1 an hour, at most 150: 124 in January, the rest of it in February, nothing in March."""
    agreed = repair("0s", "{per_hour: 1.00, cap: 150.00}")
    events = said(("breakdown", "01-26T20:00"), ("repaired", "03-02T00:00"))
    assert over_the_edge(agreed, {}, events) == [
        [("repair", "m1", "-124.00")], [("repair", "m1", "-26.00")], [("repair", "m1", "0.00")],
    ]  # fmt: skip


def test_each_incident_has_a_cap_of_its_own() -> None:
    """Two incidents beyond, each capped at 60: one line for both, rounded once."""
    agreed = repair("1h", "{per_hour: 25.00, cap: 60.00}")
    events = said(
        ("breakdown", "01-10T08:00"), ("repaired", "01-10T19:00"), ("breakdown", "01-20T08:00"),
        ("repaired", "01-20T11:00"),
    )  # fmt: skip
    statement = lived(agreed, {}, events)
    assert amounts(statement, "credit") == [("repair", "m1", "-110.00")]
    assert [text.split(":")[0][:21] for text in texts(statement, "repair")] == [
        "incident of 2026-01-1", "no more than 60.00 EU", "incident of 2026-01-2",
    ]  # fmt: skip


def test_while_an_incident_is_open_nothing_opens_another() -> None:
    """Two calls for one breakdown are one incident, from the first call on."""
    events = said(("breakdown", "01-10T08:00"), ("breakdown", "01-10T10:00"), ("repaired", "01-10T17:00"))
    statement = lived(repair(), {}, events)
    assert outcome(statement) == (False, [9, 0, 1], [("repair", "m1", "-25.00")])


def test_a_repair_before_the_breakdown_ends_nothing() -> None:
    """An incident closes at the first later moment; this one is open at the end of the month."""
    events = said(("repaired", "01-31T08:00"), ("breakdown", "01-31T08:00"))
    (incident,) = row(lived(repair(), {}, events), "repair")["incidents"]
    assert (incident["closed"], incident["elapsed_ms"], incident["beyond_ms"]) == (None, 16 * HOUR, 8 * HOUR)


def test_time_runs_in_service_hours_only() -> None:
    """A breakdown on Friday at 16:00, repaired on Monday at 15:00: 2 h and 6 h of Friday's and Monday's 9 to 18."""
    hours = ", service_hours: {days: mon-fri, from: '09:00', to: '18:00'}"
    events = said(("breakdown", "01-09T16:00"), ("repaired", "01-12T15:00"))
    assert outcome(lived(repair(more=hours), {}, events)) == (True, [8, 0, 0], [])
    assert outcome(lived(repair("7h", more=hours), {}, events))[1] == [8, 0, 1]


def test_excused_time_does_not_run() -> None:
    """Three hours of flood in an incident of ten: seven have run."""
    flood = "- { id: f, type: force_majeure, start: @01-10T09:00, end: @01-10T12:00, by: A, side: provider }\n"
    events = said(("breakdown", "01-10T08:00"), ("repaired", "01-10T18:00"), more=flood)
    statement = lived(repair(), {}, events)
    assert outcome(statement) == (True, [10, 3, 0], [])
    assert [(each["state"], each["reason"]) for each in row(statement, "repair")["intervals"]] == [
        ("excused", "force_majeure:f"),
    ]  # fmt: skip


def test_a_condition_opens_and_closes_as_the_machine_says() -> None:
    """Out at 8:00, back at 18:00: opened where it became known false, closed where it was known true again."""
    changes = {"up": {"01-01T00:00": 1, "01-10T08:00": 0, "01-10T18:00": 1}}
    statement = lived(repair(course=FAULT), changes)
    assert outcome(statement) == (False, [10, 0, 2], [("repair", "m1", "-50.00")])


def test_a_fault_that_was_there_at_the_start_opens_no_incident() -> None:
    """As in a count: only from known-false to known-true does something begin."""
    assert outcome(lived(repair(course=FAULT), {"up": {"01-01T00:00": 0}})) == (True, [0, 0, 0], [])


def test_a_fault_at_the_first_moment_of_a_period_is_known_from_the_one_before() -> None:
    """The state before is looked back at over the edge, as for counts."""
    changes = {"up": {"01-01T00:00": 1, "02-01T00:00": 0, "02-01T10:00": 1}}
    assert over_the_edge(repair(course=FAULT), changes, "[]") == [[], [("repair", "m1", "-50.00")], []]


def test_what_ends_an_incident_ends_it_at_a_later_moment_only() -> None:
    """Where what ends it holds all along, an incident lasts a millisecond, not nothing."""
    course = "from: {channel: load, is: 1}, to: {channel: up, is: 1}"
    changes = {"up": {"01-01T00:00": 1}, "load": {"01-01T00:00": 0, "01-10T08:00": 1}}
    (incident,) = row(lived(repair(course=course), changes), "repair")["incidents"]
    assert (incident["elapsed_ms"], at(incident["closed"][:-1]) - at("01-10T08:00")) == (1, 1)


def test_a_contested_claim_neither_opens_nor_closes() -> None:
    """The provider says it was repaired, the customer contests it: the time runs until both agree on something."""
    contest = "- { type: contested, of: r01-10T12:00, time: @01-10T13:00, by: B, side: customer, reason: not so }\n"
    events = said(("breakdown", "01-10T08:00"), ("repaired", "01-10T12:00"), ("repaired", "01-11T00:00"), more=contest)
    assert outcome(lived(repair(), {}, events)) == (False, [16, 0, 8], [("repair", "m1", "-200.00")])
