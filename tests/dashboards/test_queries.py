"""Every query of every panel, variable, annotation and rule, asked of a real InfluxDB with a small fleet in it."""

import re
from typing import Any

import pytest

from gateway.influx.server import Influx
from gateway.settings import InfluxSettings
from tests.dashboards.buckets import Looked
from tests.dashboards.grafana import Frame
from tests.dashboards.queries import Query, all_queries
from tests.dashboards.sample import AIR, BREWERY, HAULIER, TRUCK, Months

QUERIES = list(all_queries())
MAY_BE_ABSENT = {"device"}  # of what a contract promises as a whole


def named(board: str, place: str) -> Query:
    """One query, by its dashboard and a part of its place."""
    (found,) = [query for query in QUERIES if query.board == board and place in query.place]
    return found


def rows(answer: list[Frame]) -> list[dict[str, Any]]:
    """The rows of an answer that is one table."""
    (frame,) = answer
    return [dict(row) for row in frame.rows]


def well_formed(query: Query, answer: list[Frame]) -> None:
    """An answer that this kind of panel can show."""
    for frame in answer:
        if query.kind in ("series", "rule"):
            assert frame.is_series, query
        if query.kind in ("table", "annotation"):
            assert len(answer) == 1 and not frame.is_series, "a table that Grafana shows whole"
        if query.kind == "number":
            assert frame.is_series or len(frame.columns) == 1
            assert all(value is not None for row in frame.rows for value in row.values()), "a sum of nothing"
        if query.kind == "variable":
            assert frame.columns == {"_value"} and len(answer) == 1, "Grafana lists the first text of the first frame"
            assert all(isinstance(row["_value"], str) for row in frame.rows)


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_every_query_answers_with_its_columns(query: Query, sampled: Looked) -> None:
    """The fleet has something of everything, so no query comes back empty, and each has all columns it is to have."""
    answers = sampled.answers(query)
    for answer in answers:
        well_formed(query, answer)
    columns = {name for answer in answers for frame in answer for name in frame.columns}
    assert columns, "nothing came back"
    assert query.columns - MAY_BE_ABSENT <= columns
    if query.kind == "table":
        assert columns <= query.columns


def test_no_column_that_follows_from_a_condition_stands_alone() -> None:
    """InfluxDB 2.7 makes an empty table of such rows where all come out the same; with another column it does not."""
    assert not [query for query in QUERIES if re.search(r"=> \(\{\w+: if [^,{}]*\}\)\)", query.flux)]


def test_an_empty_bucket_is_no_error(influx: InfluxSettings, sampled: Looked) -> None:
    """Before anything was received every query answers, with nothing."""
    with Influx.open(influx) as empty:
        nothing = Looked(empty, sampled.start_ms, sampled.stop_ms, sampled.everything, sampled.contracts)
        for query in QUERIES:
            assert nothing.answer(query) == [], query


def test_variables_are_chained(sampled: Looked) -> None:
    """A customer has its contracts, a contract its machines, channels and charges, and the newest period is first."""
    months = Months(sampled.stop_ms)
    of_air = {"customer": (BREWERY,), **sampled.contracts[AIR]}

    def listed(board: str, name: str) -> list[str]:
        return [row["_value"] for row in rows(sampled.answer(named(board, f"${name}"), **of_air))]

    assert listed("portfolio", "customer") == [BREWERY, HAULIER]
    assert listed("portfolio", "contract") == [AIR]
    assert listed("portfolio", "period") == [months.name, months.name_before]
    assert listed("device", "device") == ["comp-01", "comp-02"]
    assert listed("device", "channel") == ["air_flow", "pressure"]
    assert listed("contract", "charge") == ["volume"]
    assert listed("contract", "currency") == ["EUR"]


def test_the_portfolio_says_where_to_act(sampled: Looked) -> None:
    """One guarantee near its limit, one duty breached, one device silent; the contract with most at risk is first."""

    def number(place: str) -> float:
        (row,) = rows(sampled.answer(named("portfolio", place)))
        return float(next(iter(row.values())))

    assert number("1 Guarantees missed") == 0
    assert number("2 Guarantees near") == 1
    assert number("4 Obligations breached") == 1
    assert number("5 Silent devices") == 1
    at_risk = sampled.answer(named("portfolio", "3 Margin at risk"))
    assert {frame.labels["currency"]: frame.rows[0]["_value"] for frame in at_risk} == {"GBP": 245.0}
    contracts = rows(sampled.answer(named("portfolio", "7 Contracts")))
    assert [each["contract"] for each in contracts] == [TRUCK, AIR]
    assert (contracts[0]["risk"], contracts[0]["used"], contracts[0]["breached"]) == (245.0, 87.5, 1.0)
    assert contracts[0]["period"] == Months(sampled.stop_ms).name
    guarantees = rows(sampled.answer(named("portfolio", "8 Guarantees")))
    used = [(each["title"], each["budget_used"]) for each in guarantees]
    assert used == [("The truck can drive", 87.5), ("Mended within six hours", 0.0)]
    silent = rows(sampled.answer(named("portfolio", "10 Silent")))
    assert [(each["device"], each["silent_ms"]) for each in silent] == [("comp-02", 7_200_000.0)]
    told = rows(sampled.answer(named("portfolio", "12 What happened")))
    assert {each["state"] for each in told} == {"opened", "warning", "alarm"}


def test_a_past_period_shows_the_past(sampled: Looked) -> None:
    """Who chooses last month sees the figures at its end, and not those of today."""
    months = Months(sampled.stop_ms)
    (then,) = sampled.answer(
        named("contract", "1 Cost so far"), **{**sampled.contracts[TRUCK], "period": (months.name_before,)}
    )
    days = (months.start_ms - months.before_ms) / 86_400_000
    assert then.rows[0]["_value"] == pytest.approx(2_205 + days)


def test_a_timeline_begins_and_ends_where_somebody_looks(sampled: Looked) -> None:
    """The state at the beginning is drawn from the beginning, and what is to come is not drawn as if it were known."""
    query = named("contract", "11 Guarantees")
    view_ends = Looked(
        sampled.influx, sampled.start_ms, sampled.stop_ms + 3_600_000, sampled.everything, sampled.contracts
    )
    (frame,) = view_ends.answer(query, **sampled.contracts[TRUCK])
    assert frame.labels["name"] == "uptime · truck-01"
    states = [row["_value"] for row in frame.rows]
    assert {"up", "down", "excused", "unknown", "off"} <= set(states)
    assert states[-1] == "to come"
    assert frame.rows[0]["_time"] >= sampled.start_ms


def test_rules_fire_for_what_is_wrong_and_nothing_else(sampled: Looked) -> None:
    """Each rule is 1 for exactly the contract, promise or device that somebody must know of."""
    firing = {
        query.place: [frame.labels for frame in sampled.answer(query) if frame.rows[-1]["_value"] == 1]
        for query in QUERIES
        if query.kind == "rule"
    }
    month = Months(sampled.stop_ms).name
    truck = {"contract": TRUCK, "device": "truck-01", "period": month}
    assert firing == {
        "Guarantee at risk": [{**truck, "guarantee": "uptime"}],
        "Obligation breached": [{**truck, "obligation": "inspection"}],
        "Device silent": [{"contract": AIR, "device": "comp-02"}],
        "Projection lag": [],
    }
