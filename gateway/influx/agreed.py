"""What was agreed, as lines to draw measurements against: allowances, tiers, prices, targets, limits of channels.

Each is one number over a whole period, so it stands at the period's start, at every hour and just before its end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from contracts.language.charges import Charge
from contracts.language.conditions import Condition
from contracts.language.promises import Guarantee, Obligation
from contracts.language.terms import Terms
from contracts.periods import Period, force_days, in_force
from contracts.units import HOUR_MS, round_to
from gateway.influx.points import Point


@dataclass(frozen=True, slots=True)
class Agreed:
    """One agreed number: of a charge, guarantee, obligation or condition; `step` is the place of a tier."""

    subject: str
    kind: str
    value: Decimal | Fraction
    unit: str
    step: str = ""
    device: str = ""
    channel: str = ""


def agreed_points(terms: Terms, period: Period) -> Iterator[Point]:
    """Everything agreed for a period, at each moment at which a panel may look."""
    agreed = list(agreed_in(terms, period))
    for moment in moments(period):
        for each in agreed:
            tags = {"contract": terms.id, "subject": each.subject, "kind": each.kind, "step": each.step}
            tags |= {"device": each.device, "channel": each.channel}
            yield Point("agreed", tags, {"value": float(each.value), "unit": each.unit}, moment)


def moments(period: Period) -> list[int]:
    """The period's start, every UTC hour in it, and its last millisecond."""
    start, end = period.span.start, period.span.end
    return [start, *range((start // HOUR_MS + 1) * HOUR_MS, end, HOUR_MS), end - 1]


def agreed_in(terms: Terms, period: Period) -> Iterator[Agreed]:
    """Everything agreed for a period that is a number."""
    for charge in terms.charges:
        yield from _charge(terms, charge, period)
    for guarantee in terms.guarantees:
        yield from _guarantee(terms, guarantee)
    for obligation in terms.obligations:
        yield from _obligation(terms, obligation)
    for name in terms.conditions:
        yield from _limits(terms, name, Condition(condition=name), period)
    for guarantee in terms.guarantees:
        for condition in (guarantee.available_when, guarantee.level):
            yield from _limits(terms, guarantee.id, condition, period)
    for obligation in terms.obligations:
        yield from _limits(terms, obligation.id, obligation.limit, period)


def _charge(terms: Terms, charge: Charge, period: Period) -> Iterator[Agreed]:
    price, currency = charge.price, terms.currency
    unit = terms.meter_unit(charge.meter) if charge.meter else ""
    each = f"{currency}/{unit}"
    shared = charge.pool or charge.meter is None
    included = {} if charge.allowance is None else _included(terms, charge, period, shared)
    for device, units in included.items():
        yield Agreed(charge.id, "allowance", units, unit, device=device)
    if price.flat is not None:
        yield Agreed(charge.id, "flat", price.flat, currency)
    if price.per_unit is not None:
        yield Agreed(charge.id, "price", price.per_unit, each)
    if price.package is not None:
        yield Agreed(charge.id, "price", price.package.price, f"{currency}/{price.package.size:f} {unit}")
    if price.gain_share is not None:
        yield Agreed(charge.id, "price", price.gain_share.price, currency)
    for place, tier in enumerate(price.graduated or (), 1):
        yield Agreed(charge.id, "price", tier.unit, each, str(place))
        if tier.flat:
            yield Agreed(charge.id, "flat", tier.flat, currency, str(place))
        if tier.up_to is not None:
            for device, units in (included or {"": Decimal(0)}).items():
                yield Agreed(charge.id, "tier", tier.up_to + units, unit, str(place), device)


def _included(terms: Terms, charge: Charge, period: Period, shared: bool) -> dict[str, Decimal]:
    """The units included in the period by device, or under "" for all together: less where in force for fewer days."""
    assert charge.allowance is not None, "called for charges with an allowance"
    assert charge.meter is not None, "an allowance is of a meter"
    found = {}
    for device in [None] if shared else terms.devices:
        first, after = force_days(terms, device, period)
        if after > first:
            exact = Fraction(charge.allowance.included) * Fraction((after - first).days, period.days)
            found["" if device is None else device.id] = round_to(exact, terms.meter_resolution(charge.meter))
    return found


def _guarantee(terms: Terms, promise: Guarantee) -> Iterator[Agreed]:
    if promise.target is not None:
        yield Agreed(promise.id, "target", promise.target, "%")
    if promise.response is not None:
        yield Agreed(promise.id, "maximum", Fraction(promise.response.within, HOUR_MS), "h")
    credits_ = promise.credits
    if credits_ is None:
        return
    tiers = sorted(credits_.tiers or (), key=lambda tier: -tier.below)
    for place, tier in enumerate(tiers, 1):
        yield Agreed(promise.id, "credit_tier", tier.below, "%", str(place))
    if credits_.per_hour is not None:
        yield Agreed(promise.id, "price", credits_.per_hour, f"{terms.currency}/h")


def _obligation(terms: Terms, duty: Obligation) -> Iterator[Agreed]:
    if duty.limit is not None:
        yield Agreed(duty.id, "maximum", duty.tolerance, "%")
    if duty.connected is not None:
        yield Agreed(duty.id, "target", duty.connected, "%")
    if duty.minimum_use is not None:
        unit = terms.meter_unit(duty.minimum_use.meter)
        yield Agreed(duty.id, "minimum", duty.minimum_use.at_least, f"{unit}/{duty.minimum_use.per}")
    if duty.use_limit is not None:
        meter, per = terms.meter_unit(duty.use_limit.meter), terms.meter_unit(duty.use_limit.per)
        yield Agreed(duty.id, "maximum", duty.use_limit.at_most, f"{meter}/{per}")
    if duty.service is not None and duty.service.every is not None and duty.service.of is not None:
        yield Agreed(duty.id, "maximum", duty.service.every, terms.meter_unit(duty.service.of))


def _limits(terms: Terms, subject: str, condition: Condition | None, period: Period) -> Iterator[Agreed]:
    """The bounds of channels inside a condition that is to hold, for each device in force."""
    if condition is None:
        return
    seen = set[Agreed]()
    for device, channel, kind, value in _bounds(terms, condition, holds=True):
        unit = terms.channels[channel].unit
        for each in terms.devices:
            if device in (None, each.id) and in_force(terms, each, period).length_ms:
                found = Agreed(subject, kind, value, unit, device=each.id, channel=channel)
                if found not in seen:
                    seen.add(found)
                    yield found


def _bounds(terms: Terms, said: Condition, *, holds: bool) -> Iterator[tuple[str | None, str, str, Decimal]]:
    """(device, channel, kind, value) of each bound; inside a `not`, what was the lower bound is the upper one."""
    if said.condition is not None:
        yield from _bounds(terms, terms.conditions[said.condition], holds=holds)
    if said.channel is not None:
        low = said.at_least if said.at_least is not None else said.above
        high = said.at_most if said.at_most is not None else said.below
        if said.between is not None and holds:  # outside of a range there is no one bound
            low, high = said.between
        for value, kind in ((low, "limit_below"), (high, "limit_above")):
            turned = kind if holds else {"limit_below": "limit_above", "limit_above": "limit_below"}[kind]
            if value is not None:
                yield said.device, said.channel, turned, value
    for part in said.parts():
        yield from _bounds(terms, part, holds=holds != (part is said.not_))
