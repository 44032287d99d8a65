"""The dashboards as an account manager sees them over the demo's fleet; its figures came through the gateway itself."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from contracts.periods import Period
from device_sim.scenario import shipped
from gateway.clock import now_ms
from gateway.influx.server import Influx
from tests.dashboards.buckets import HOUR_MS, Looked, bucket
from tests.dashboards.fleet import fill
from tests.dashboards.queries import Query, all_queries
from tests.dashboards.test_queries import MAY_BE_ABSENT, named, rows, well_formed
from tests.servers.influxd import Influxd

AIR, TRUCK = "AIR-2026-004", "TRK-2026-002"
COMPRESSORS = ("comp-01", "comp-02")
# What the demo has no case of: the sample has.
NOT_SO = {
    "portfolio: 10 Silent devices, longest first A",  # all report
    "device: 9 What the machine announced A",  # devices announce themselves by MQTT only
}
NOT_SAID = {"customer_phone", "link"}  # the demo's contracts name no phone of a customer, its settings no address


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo's bucket as somebody looks at it, and the month that was billed."""

    looked: Looked
    month: Period

    def table(self, board: str, place: str, contract: str = TRUCK) -> list[dict[str, Any]]:
        """The rows of a table, of one contract."""
        return rows(self.looked.answer(named(board, place), **self.looked.contracts[contract]))


@pytest.fixture(scope="module")
def demo(influx_server: Influxd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The month that was billed, and the month that runs, looked at from the beginning of the first."""
    now, folder = now_ms(), tmp_path_factory.mktemp("fleet")
    with bucket(influx_server, folder, "fleet") as settings, Influx.open(settings) as influx:
        month = fill(settings, folder / "demo", now)
        this = {"period": (month.name,)}
        channels = {"channel": ("pressure", "air_flow")}, {"channel": ("odometer", "speed")}
        contracts = {
            AIR: {"contract": (AIR,), "device": COMPRESSORS[:1], "charge": ("volume",), **channels[0], **this},
            TRUCK: {"contract": (TRUCK,), "device": ("truck-01",), "charge": ("km",), **channels[1], **this},
        }
        everything = {
            "customer": ("Brouwerij Zuid", "Transport Devos"),
            "contract": (AIR, TRUCK),
            "device": (*COMPRESSORS, "truck-01"),
            "charge": ("volume", "km"),
            "channel": ("pressure", "speed"),
            "currency": ("EUR",),
            "gateway": ("demo",),
            **this,
        }
        yield Demo(Looked(influx, month.span.start, now_ms() + 1_000, everything, contracts), month)


@pytest.mark.parametrize("query", [each for each in all_queries() if str(each) not in NOT_SO], ids=str)
def test_every_query_answers_over_the_demo(query: Query, demo: Demo) -> None:
    """Each panel, list, mark and rule gets its columns from what the gateway wrote."""
    answers = demo.looked.answers(query)
    for answer in answers:
        well_formed(query, answer)
    columns = {name for answer in answers for frame in answer for name in frame.columns}
    assert columns, "nothing came back"
    assert query.columns - MAY_BE_ABSENT - NOT_SAID <= columns


def test_the_truck_used_more_downtime_than_it_may(demo: Demo) -> None:
    """The portfolio puts it first, with the credit that is due and what the customer let lapse."""
    first = rows(demo.looked.answer(named("portfolio", "7 Contracts")))[0]
    assert (first["contract"], first["risk"], first["breached"]) == (TRUCK, 365.0, 1.0)
    assert first["used"] > 100
    assert (first["start_ms"], first["end_ms"]) == (demo.month.span.start, demo.month.span.end)
    by_title = {row["title"]: row for row in demo.table("contract", "12 Guarantees in this period")}
    uptime = by_title["The truck can drive when freight is moved"]
    assert (uptime["budget_left_ms"], uptime["met"]) == (0, 0)


def test_the_bill_on_the_dashboard_is_the_statement(demo: Demo) -> None:
    """The cost of the month, the sum of its lines and the statement in the list are the same money."""
    (cost,) = demo.looked.answer(named("contract", "1 Cost so far"), **demo.looked.contracts[TRUCK])
    lines = demo.table("contract", "10 What the cost is made of")
    statements = demo.table("contract", "18 Periods and their statements")
    (final,) = [row for row in statements if row["period"] == demo.month.name]
    assert sum(row["amount"] for row in lines) == pytest.approx(cost.rows[-1]["_value"])
    assert final["total_text"] == f"{cost.rows[-1]['_value']:.2f} EUR"
    assert (final["status"], final["agrees"]) == ("final", "agrees")


def test_the_timeline_shows_what_broke(demo: Demo) -> None:
    """Down, excused and unknown time of the truck is in the picture, and its breakdowns are the marks in it."""
    picture = demo.looked.answer(named("contract", "11 Guarantees"), **demo.looked.contracts[TRUCK])
    by_name = {frame.labels["name"]: {row["_value"] for row in frame.rows} for frame in picture}
    assert {"up", "down", "excused", "unknown", "off"} <= by_name["uptime · truck-01"]
    marks = demo.table("contract", "Events")
    broken = shipped("demo").machine("truck-01", demo.month.span.start).broken
    starts = {mark["time"] for mark in marks if mark["tags"] == "breakdown"}
    assert starts
    assert all(any(abs(at - start) < 2 * HOUR_MS for start, _ in broken) for at in starts)


def test_a_limit_of_the_contract_is_drawn_beside_the_pressure(demo: Demo) -> None:
    """Seven bar, all along, on the compressor's pressure, and also where somebody looks at five minutes only."""
    query = named("device", "10 ${channel} B")
    chosen = {**demo.looked.contracts[AIR], "channel": ("pressure",)}
    (limit,) = demo.looked.answer(query, **chosen)
    assert {row["_value"] for row in limit.rows} == {7.0}
    assert limit.labels["name"] == "At least (in_spec)"
    middle = (demo.month.span.start + demo.month.span.end) // 2
    close = replace(demo.looked, start_ms=middle, stop_ms=middle + 300_000, step="500ms")
    (limit,) = close.answer(query, **chosen)
    assert limit.rows[0]["_time"] <= middle, "a line needs a point on either side"
    assert limit.rows[-1]["_time"] >= middle + 300_000
