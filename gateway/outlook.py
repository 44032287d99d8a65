"""What a statement so far says of the rest of its period: downtime left, allowances left, the total to expect.

Nothing here is billed: an outlook is for people to look at, and for warnings before a promise is missed. It is worked
out from the terms and the statement to date alone, so whoever has both gets the same figures.

- Downtime left: what the guarantee allows in its whole time, before the first credit or else before its target is
  missed, less the downtime so far. Service hours to come count as agreed; of a level with `while`, that part of them
  which was agreed so far.
- An allowance lasts as its pace so far says: what is used, over the time in force that has gone by.
- The total: charges by use with the quantity grown in that same pace and priced as the contract prices it; flats,
  credits, surcharges and corrections as they stand.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from contracts.adjusting import period_called
from contracts.contract import Contract
from contracts.language.charges import Charge
from contracts.language.promises import Credits, Guarantee
from contracts.language.terms import Device, Terms
from contracts.periods import Period, Span, contract_window, force_days, in_force
from contracts.pricing import Share, price_quantity
from contracts.sides.carried import Lot
from contracts.sides.credits import basis_of, tier_met
from contracts.sides.outcome import MONTHS
from contracts.sides.service_hours import holidays_in, service_stretches
from contracts.sides.stretches import length_ms, overlap
from contracts.units import round_money, round_to

Row = Mapping[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ALL: Final = Fraction(100)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much downtime a guarantee still allows, on a device or (None) the contract as a whole.

    `used` is percent and may exceed 100. Of a promise to respond it is the time of the incident that is open since
    `opened`; where none is, there is no budget. `margin_at_risk` is the credit that comes next, or the one that is due.
    """

    guarantee: str
    device: str | None
    budget_ms: int | None
    left_ms: int | None
    used: Fraction | None
    margin_at_risk: Decimal | None
    opened: int | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a charge's included units, those rolled over counted in; device None where all share them.

    `runs_out_ms` is when they are used up at the pace so far; None where they last, or are used up already.
    """

    charge: str
    device: str | None
    included: Decimal
    used: Decimal
    left: Decimal
    percent: Fraction
    runs_out_ms: int | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be expected of a period; `forecast` is its total, None before any of its time has gone by."""

    budgets: tuple[Budget, ...]
    allowances: tuple[Allowance, ...]
    forecast: Decimal | None


@dataclass(frozen=True, slots=True)
class _Course:
    """A period and how far it has come."""

    terms: Terms
    period: Period
    document: Row
    until: int

    def device(self, name: str | None) -> Device | None:
        return next((device for device in self.terms.devices if device.id == name), None)

    def force(self, device: str | None) -> Span:
        return in_force(self.terms, self.device(device), self.period)

    def share(self, device: str | None) -> Share:
        first, after = force_days(self.terms, self.device(device), self.period)
        return Share((after - first).days, self.period.days)

    def growth(self, device: str | None) -> Fraction | None:
        """By how much a quantity grows until the end at the pace so far; None before there is any."""
        force = self.force(device)
        gone = min(self.until, force.end) - force.start
        return Fraction(force.length_ms, gone) if gone > 0 else None


def outlook(contract: Contract, document: Row, now_ms: int) -> Outlook:
    """What the statement so far of a period says of the rest of it; `now_ms` is when that statement was asked for."""
    period = period_called(contract.terms, document["period"]["name"])
    if not period.days:
        return Outlook((), (), Decimal(document["total"]))
    course = _Course(contract.terms, period, document, min(now_ms, period.span.end))
    promises = {promise.id: promise for promise in contract.terms.guarantees}
    budgets = tuple(_budget(course, promises[row["id"]], row) for row in document["guarantees"])
    return Outlook(budgets, tuple(_allowances(course)), _forecast(course))


def moment_ms(text: str) -> int:
    """A moment as a statement writes it, in ms UTC."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


# --- downtime left --------------------------------------------------------------------------------------------------


def _budget(course: _Course, promise: Guarantee, row: Row) -> Budget:
    at_risk = _at_risk(course, promise, row)
    if promise.response is not None:
        running = [incident for incident in row["incidents"] if incident["closed"] is None]
        if not running:
            return Budget(promise.id, row["device"], None, None, None, at_risk)
        budget, spent = promise.response.within, running[0]["elapsed_ms"]
        opened = moment_ms(running[0]["opened"])
    else:
        assert promise.target is not None, "a share of time has a target"
        tiers = promise.credits.tiers if promise.credits is not None else None
        bound = max(tier.below for tier in tiers) if tiers else promise.target
        agreed = row["agreed_ms"] + _agreed_to_come(course, promise, row)
        budget, spent, opened = int((1 - Fraction(bound) / 100) * agreed), row["down_ms"], None
    used = Fraction(100 * spent, budget) if budget else _ALL if spent else Fraction(0)
    return Budget(promise.id, row["device"], budget, max(0, budget - spent), used, at_risk, opened)


def _agreed_to_come(course: _Course, promise: Guarantee, row: Row) -> int:
    """The time still to come in which a promise is agreed, as far as can be known now."""
    span, days = _measured_over(course, promise, row["device"])
    closed = holidays_in(promise.service_hours, days[0] - timedelta(days=1), days[1])
    service = service_stretches(promise.service_hours, span, course.terms.timezone, closed)
    to_come = length_ms(overlap(service, (Span(course.until, max(course.until, span.end)),)))
    if promise.while_ is None:
        return to_come
    gone = length_ms(service) - to_come
    return int(Fraction(row["service_ms"], gone) * to_come) if gone else 0


def _measured_over(course: _Course, promise: Guarantee, device: str | None) -> tuple[Span, tuple[date, date]]:
    """The time a promise is measured over: its period, quarter or year, as far as it is in force; and its days."""
    whole = course.period
    if promise.over is not None:
        first, after = contract_window(course.terms, course.period, MONTHS[promise.over])
        whole = replace(whole, first=first, after=after)
    days = force_days(course.terms, course.device(device), whole)
    return in_force(course.terms, course.device(device), whole), days


def _at_risk(course: _Course, promise: Guarantee, row: Row) -> Decimal | None:
    """The credit of this period, or the one that the promise would cost next."""
    agreed = promise.credits
    if agreed is None:
        return None
    mine = (promise.id, row["device"], "credit")
    due = [line for line in course.document["lines"] if (line["id"], line["device"], line["kind"]) == mine]
    if due:
        return abs(Decimal(due[0]["amount"]))
    exact = _first_hour(agreed, row) if agreed.per_hour is not None else _tier(course, agreed, row)
    return round_money(exact, course.terms.currency, course.terms.rounding)


def _first_hour(agreed: Credits, row: Row) -> Fraction:
    """What the first hour beyond the time to respond costs, while an incident is open."""
    assert agreed.per_hour is not None, "called for credits by the hour"
    if all(incident["closed"] is not None for incident in row["incidents"]):
        return Fraction(0)
    return Fraction(agreed.per_hour if agreed.cap is None else min(agreed.per_hour, agreed.cap))


def _tier(course: _Course, agreed: Credits, row: Row) -> Fraction:
    """The credit of the tier that comes first, or that is met already and not decided, of the charges so far."""
    tiers = agreed.tiers or ()
    percent = max(tiers, key=lambda tier: tier.below).percent
    if row["agreed_ms"]:
        percent = tier_met(agreed, 1 - Fraction(row["down_ms"], row["agreed_ms"])) or percent
    if agreed.cap_percent is not None:
        percent = min(percent, agreed.cap_percent)
    days = {device.id: course.share(device.id).days for device in course.terms.devices}
    share = Fraction(days[row["device"]], sum(days.values())) if row["device"] else Fraction(1)
    charged = [line for line in course.document["lines"] if line["kind"] in ("charge", "credit")]
    return Fraction(percent) / 100 * basis_of(charged, agreed.of, row["device"], share).total


# --- allowances -----------------------------------------------------------------------------------------------------


def _allowances(course: _Course) -> Iterator[Allowance]:
    for charge in course.terms.charges:
        if charge.allowance is not None:
            for line in _lines_of(course, charge):
                yield _allowance(course, charge, line)


def _allowance(course: _Course, charge: Charge, line: Row) -> Allowance:
    assert charge.allowance is not None, "called for charges with an allowance"
    assert charge.meter is not None, "an allowance is of a meter"
    share, step = course.share(line["device"]), course.terms.meter_resolution(charge.meter)
    included = round_to(Fraction(charge.allowance.included) * share.fraction, step)
    if charge.allowance.rollover is not None:
        included += min(_opening(course, charge, line["device"]), charge.allowance.rollover.cap)
    used = Decimal(line["quantity"])
    percent = 100 * Fraction(used) / Fraction(included) if included else _ALL if used > 0 else Fraction(0)
    left = max(Decimal(0), included - used)
    return Allowance(
        charge.id, line["device"], included, used, left, percent, _runs_out(course, line["device"], included, used)
    )


def _runs_out(course: _Course, device: str | None, included: Decimal, used: Decimal) -> int | None:
    force = course.force(device)
    gone = min(course.until, force.end) - force.start
    if not 0 < used < included or gone <= 0:
        return None
    moment = force.start + int(gone * Fraction(included) / Fraction(used))
    return moment if moment < force.end else None


def _opening(course: _Course, charge: Charge, device: str | None) -> Decimal:
    """The units that the periods before have left."""
    rows = [row for row in course.document["balances"] if (row["id"], row["device"]) == (charge.id, device)]
    return Decimal(rows[0]["opening"]) if rows else Decimal(0)


def _lines_of(course: _Course, charge: Charge) -> list[Row]:
    """The lines of a charge for this period, without corrections of earlier ones."""
    return [
        line for line in course.document["lines"] if line["id"] == charge.id and line["kind"] in ("charge", "credit")
    ]


# --- the total to expect --------------------------------------------------------------------------------------------


def _forecast(course: _Course) -> Decimal | None:
    total = Fraction(course.document["total"])
    for charge in course.terms.charges:
        for line in _lines_of(course, charge) if charge.price.flat is None else ():
            expected = _expected(course, charge, line)
            if expected is None:
                return None
            total += Fraction(expected) - Fraction(line["amount"])
    return round_money(total, course.terms.currency, course.terms.rounding)


def _expected(course: _Course, charge: Charge, line: Row) -> Decimal | None:
    """What a charge by use comes to if the rest of the period is used like the part gone by."""
    terms, device = course.terms, line["device"]
    if charge.meter is None:  # a gain share, which is in proportion to what it measures
        growth = course.growth(device)
        exact = None if growth is None else Fraction(line["amount"]) * growth
    else:
        quantity = _quantity(course, charge, device)
        lots = (Lot(_opening(course, charge, device), None),)
        share = course.share(device)
        exact = None if quantity is None else price_quantity(terms, charge, quantity, share, lots).exact
    return None if exact is None else round_money(exact, terms.currency, terms.rounding)


def _quantity(course: _Course, charge: Charge, device: str | None) -> Decimal | None:
    """The quantity at the end of the period, each device grown at its own pace."""
    assert charge.meter is not None, "called for a metered charge"
    part = "off_quality" if charge.part == "off_quality" else "quantity"
    total = Fraction(0)
    for row in course.document["usage"]:
        if row["meter"] == charge.meter and device in (None, row["device"]):
            growth = course.growth(row["device"])
            if growth is None:
                return None
            total += Fraction(row[part]) * growth
    return round_to(total, course.terms.meter_resolution(charge.meter))
