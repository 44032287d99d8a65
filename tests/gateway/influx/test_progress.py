"""What a statement to date says, as points: its very figures, of every clause that the language has."""

import json
from decimal import Decimal
from typing import Any

import pytest

from contracts.contract import Contract, read_contract
from contracts.periods import period_named
from gateway.influx.points import Point, lines
from gateway.influx.progress import NO_FIGURES, Figures, Hour, figures_of, progress_points
from gateway.outlook import outlook
from tests.golden.cases import CASES, Case


def points_of(contract: Contract, document: dict[str, Any], before: Figures = NO_FIGURES) -> list[Point]:
    """The points of a statement at its period's end, after an hour that ended with these sums."""
    end = period_named(contract.terms, document["period"]["name"]).span.end
    hour = Hour(end, document, before, outlook(contract, document, end), 17)
    return list(progress_points(contract, hour))


def golden(case: Case) -> tuple[Contract, dict[str, Any]]:
    """The contract of a golden statement, and the statement."""
    return read_contract(case.text("terms.yaml"), "terms.yaml"), json.loads(case.expected.read_text("utf-8"))


def of(points: list[Point], measurement: str) -> list[Point]:
    """The points of one measurement."""
    return [point for point in points if point.measurement == measurement]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_figure_of_a_statement_is_a_point(case: Case) -> None:
    """Usage, lines, total, guarantees and obligations of a statement stand in its last hour as they stand in it."""
    contract, document = golden(case)
    points = points_of(contract, document)
    tags = {"contract": contract.terms.id, "period": document["period"]["name"]}
    assert all(tags.items() <= point.tags.items() for point in points)
    names = [(point.measurement, tuple(sorted(point.tags.items()))) for point in points]
    assert len(set(names)) == len(names)
    used = {(p.tags["meter"], p.tags["device"]): p.fields["quantity"] for p in of(points, "usage")}
    assert used == {(row["meter"], row["device"]): float(row["quantity"]) for row in document["usage"]}
    cost = {(p.tags["line"], p.tags["device"], p.tags["kind"]): p.fields["amount"] for p in of(points, "cost")}
    for line in document["lines"]:
        assert cost[line["id"], line["device"] or "", line["kind"]] == float(line["amount"])
    assert sum(Decimal(repr(amount)) for amount in cost.values()) == Decimal(document["total"])
    (total,) = of(points, "total")
    assert (total.fields["amount"], total.fields["hour"]) == (float(document["total"]), float(document["total"]))
    assert total.fields["readings"] == 17
    for point, row in zip(of(points, "guarantee"), document["guarantees"], strict=True):
        said = (point.tags["guarantee"], point.tags["device"] or None, point.fields["down_ms"])
        assert said == (row["id"], row["device"], row["down_ms"])
        assert point.fields["met"] == (None if row["met"] is None else int(row["met"]))
        assert point.fields["percent"] == (None if row["percent"] is None else float(row["percent"]))
    for point, row in zip(of(points, "obligation"), document["obligations"], strict=True):
        assert (point.tags["obligation"], point.tags["device"] or None) == (row["id"], row["device"])
        assert point.fields["measured"] == (None if row["measured"] is None else float(row["measured"]))
    assert lines(points).count(b"\n") == len(points)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_hour_in_which_nothing_came_brings_nothing(case: Case) -> None:
    """What the hour brings is the difference to the hour before: nothing, where that ended with the same sums."""
    contract, document = golden(case)
    points = points_of(contract, document, figures_of(document))
    assert {point.fields["hour"] for point in points if "hour" in point.fields} == {0.0}


def test_a_credit_that_may_come_stands_at_nothing_and_goes_back_to_it() -> None:
    """So that the last point of a line is what it is now: a credit that was due and no longer is does not stay."""
    contract, document = golden(next(case for case in CASES if case.name == "obligations"))
    credit = ("uptime", "m1", "credit")
    kept = {**document, "lines": [line for line in document["lines"] if line["kind"] == "charge"], "total": "200.00"}
    before = Figures(cost={credit: Decimal("-10.00")}, total=Decimal("190.00"))
    cost = {
        tuple(p.tags[name] for name in ("line", "device", "kind")): p for p in of(points_of(contract, kept), "cost")
    }
    assert cost[credit].fields == {"amount": 0.0, "hour": 0.0, "quantity": None}
    after = {
        tuple(p.tags[n] for n in ("line", "device", "kind")): p for p in of(points_of(contract, kept, before), "cost")
    }
    assert after[credit].fields["hour"] == 10.0
    assert after.keys() == cost.keys()


def test_corrections_of_earlier_periods_are_one_line() -> None:
    """Several adjustments of one line are one point, as points of the same name are one."""
    contract, document = golden(next(case for case in CASES if case.name == "pool"))
    rows = [{**document["lines"][0], "kind": "adjustment", "amount": amount} for amount in ("1.50", "-0.25")]
    total = str(Decimal(document["total"]) + Decimal("1.25"))
    points = points_of(contract, {**document, "lines": [*document["lines"], *rows], "total": total})
    (found,) = [p for p in of(points, "cost") if p.tags["kind"] == "adjustment"]
    assert (found.tags["line"], found.fields["amount"]) == ("adjustments", 1.25)
