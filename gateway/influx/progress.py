"""How a period goes, hour by hour, as series: use, cost, total, allowances, guarantees and obligations to date.

Each point stands at the end of its hour and says what a statement of the period up to then would: the points of a
period's last hour are the figures of its statement.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from contracts.contract import Contract
from contracts.language.promises import Guarantee
from contracts.language.terms import Terms
from gateway.influx.points import Point, Value
from gateway.outlook import Budget, Outlook, moment_ms

Row = Mapping[str, Any]
Place = tuple[str, ...]
ADJUSTMENTS: Final = "adjustments"  # the line of all corrections of earlier periods together


@dataclass(frozen=True, slots=True)
class Figures:
    """The sums of a statement to date that the next hour's are compared with."""

    usage: Mapping[Place, Decimal] = field(default_factory=dict)
    cost: Mapping[Place, Decimal] = field(default_factory=dict)
    total: Decimal = Decimal(0)


NO_FIGURES: Final = Figures()


def figures_of(document: Row) -> Figures:
    """Quantities by (meter, device), amounts by (line, device, kind), and the total."""
    usage: dict[Place, Decimal] = {(row["meter"], row["device"]): Decimal(row["quantity"]) for row in document["usage"]}
    cost: dict[Place, Decimal] = {}
    for line in document["lines"]:
        place = _place(line)
        cost[place] = cost.get(place, Decimal(0)) + Decimal(line["amount"])
    return Figures(usage, cost, Decimal(document["total"]))


@dataclass(frozen=True, slots=True)
class Hour:
    """The statement to date at the end of an hour, the sums at its beginning, and the readings accepted by then."""

    end_ms: int
    document: Row
    before: Figures
    outlook: Outlook
    readings: int


def progress_points(contract: Contract, hour: Hour) -> Iterator[Point]:
    """Everything that is said of a contract at the end of an hour."""
    terms, document = contract.terms, hour.document
    period = {"contract": terms.id, "period": document["period"]["name"]}
    for measurement, tags, fields in (
        *_usage(hour),
        *_cost(terms, hour),
        _total(hour),
        *_allowances(hour),
        *_guarantees(terms, hour),
        *_obligations(document),
    ):
        yield Point(measurement, {**period, **tags}, fields, hour.end_ms)


Said = tuple[str, dict[str, str], dict[str, Value]]


def _usage(hour: Hour) -> Iterator[Said]:
    for row in hour.document["usage"]:
        quantity = Decimal(row["quantity"])
        before = hour.before.usage.get((row["meter"], row["device"]), Decimal(0))
        yield (
            "usage",
            {"meter": row["meter"], "device": row["device"]},
            {
                "quantity": float(quantity),
                "hour": float(quantity - before),
                "off_quality": float(row["off_quality"]),
                "coverage": float(row["coverage"]),
                "known_ms": row["known_ms"],
                "accepted": row["counts"]["accepted"],
            },
        )


def _cost(terms: Terms, hour: Hour) -> Iterator[Said]:
    """What each line comes to; a credit, bonus or surcharge that may come stands at nothing until it does."""
    now = figures_of(hour.document).cost
    quantities = {_place(line): line["quantity"] for line in hour.document["lines"]}
    places = dict.fromkeys([*now, *possible_lines(terms, hour.document), *hour.before.cost])
    for place in places:
        amount, before = now.get(place, Decimal(0)), hour.before.cost.get(place, Decimal(0))
        line, device, kind = place
        fields: dict[str, Value] = {
            "amount": float(amount),
            "hour": float(amount - before),
            "quantity": _number(quantities.get(place)),
        }
        yield "cost", {"line": line, "device": device, "kind": kind}, fields


def possible_lines(terms: Terms, document: Row) -> Iterator[Place]:
    """The lines that promises can bring in a period, whether they do by now or not."""
    devices = list(dict.fromkeys(row["device"] for row in document["usage"]))
    yield ADJUSTMENTS, "", "adjustment"
    for charge in terms.charges:
        if charge.price.gain_share is not None:
            for device in [""] if charge.pool else devices:
                yield from ((charge.id, device, kind) for kind in ("charge", "credit"))
    promises = {promise.id: promise for promise in terms.guarantees}
    for row in document["guarantees"]:
        promise = promises[row["id"]]
        agreed = {"credit": promise.credits, "bonus": promise.bonus, "earn_back": promise.earn_back}
        yield from ((row["id"], row["device"] or "", kind) for kind, each in agreed.items() if each is not None)
    duties = {duty.id: duty for duty in terms.obligations}
    for row in document["obligations"]:
        if duties[row["id"]].consequence.surcharge is not None:
            yield row["id"], row["device"] or "", "surcharge"


def _place(line: Row) -> Place:
    if line["kind"] == "adjustment":
        return ADJUSTMENTS, "", "adjustment"
    return line["id"], line["device"] or "", line["kind"]


def _total(hour: Hour) -> Said:
    total = Decimal(hour.document["total"])
    coverage = min((Decimal(row["coverage"]) for row in hour.document["usage"]), default=None)
    fields: dict[str, Value] = {
        "amount": float(total),
        "hour": float(total - hour.before.total),
        "forecast": _number(hour.outlook.forecast),
        "coverage": _number(coverage),
        "readings": hour.readings,
    }
    return "total", {}, fields


def _allowances(hour: Hour) -> Iterator[Said]:
    for each in hour.outlook.allowances:
        fields: dict[str, Value] = {
            "included": float(each.included),
            "used": float(each.used),
            "left": float(each.left),
            "percent": float(each.percent),
            "runs_out_ms": each.runs_out_ms or 0,
        }
        yield "allowance", {"charge": each.charge, "device": each.device or ""}, fields


def _guarantees(terms: Terms, hour: Hour) -> Iterator[Said]:
    promises = {promise.id: promise for promise in terms.guarantees}
    budgets = {(each.guarantee, each.device): each for each in hour.outlook.budgets}
    for row in hour.document["guarantees"]:
        fields: dict[str, Value] = {
            "percent": _number(row["percent"]),
            "target": _number(row["target"]),
            "met": _flag(row["met"]),
            **{name: row[name] for name in ("agreed_ms", "down_ms", "excused_ms", "unknown_ms")},
            "coverage": _number(row["coverage"]),
            **_budget(promises[row["id"]], budgets[row["id"], row["device"]]),
        }
        yield "guarantee", {"guarantee": row["id"], "device": row["device"] or ""}, fields


def _budget(promise: Guarantee, budget: Budget) -> dict[str, float | int | None]:
    """The downtime left; of a promise to respond, with no incident open, the whole time that the next one would have.

    So a figure that once was there is replaced, and not left standing.
    """
    whole, left, used = budget.budget_ms, budget.left_ms, budget.used
    if promise.response is not None and whole is None:
        whole, left, used = promise.response.within, promise.response.within, Fraction(0)
    return {
        "budget_ms": whole,
        "budget_left_ms": left,
        "budget_used": None if used is None else float(used),
        "margin_at_risk": _number(budget.margin_at_risk),
    }


def _obligations(document: Row) -> Iterator[Said]:
    for row in document["obligations"]:
        fields: dict[str, Value] = {
            "met": _flag(row["met"]),
            "measured": _number(row["measured"]),
            "limit": _number(row["limit"]),
            "breached_ms": breached_ms(row["intervals"]),
        }
        yield "obligation", {"obligation": row["id"], "device": row["device"] or ""}, fields


def breached_ms(intervals: Iterable[Row]) -> int:
    """How long the intervals last together."""
    return sum(moment_ms(each["end"]) - moment_ms(each["start"]) for each in intervals)


def _number(value: Decimal | str | None) -> float | None:
    return None if value is None else float(value)


def _flag(met: bool | None) -> int | None:
    return None if met is None else int(met)
