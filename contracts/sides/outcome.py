"""Both sides of a contract over a period: what each promised, what became of it, and what follows (semantics §6, §7).

The customer's obligations come first, since a broken one may excuse the provider; then the provider's guarantees; then
what needs both. Consequences in money stand in `settling`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from contracts.events import Docket
from contracts.figures import grouped, lasting
from contracts.language.promises import Guarantee, Obligation
from contracts.language.terms import Terms
from contracts.periods import Period, Span, contract_window, ends_window, force_days, in_force
from contracts.sides.carried import Carried, Figures, Use, Window
from contracts.sides.excuses import Interval, excuses_of, with_window
from contracts.sides.guarantees import measure, together, truth_of
from contracts.sides.obligations import (
    Duty,
    View,
    keep_connected,
    keep_minimum,
    keep_serviced,
    keep_use_limit,
    keep_within,
    owed,
)
from contracts.sides.response import Answered, Responded, respond
from contracts.sides.service_hours import service_stretches
from contracts.sides.stretches import Stretches, united

MONTHS = {"quarter": 3, "year": 12}
WHOLE = ""  # the place of a device where a promise is the contract's as a whole


@dataclass(frozen=True, slots=True)
class Facts:
    """What a period's promises are judged by; `until` is how far it has come, `quantities` are rounded, by meter."""

    terms: Terms
    period: Period
    until: int
    views: list[View]
    quantities: Mapping[tuple[str, str], Decimal]
    docket: Docket
    holidays: Mapping[str, tuple[date, ...]]
    carried: Carried

    @property
    def over(self) -> bool:
        """Is the period over?"""
        return self.until >= self.period.span.end

    @property
    def contract_force(self) -> Span:
        """The contract's time in force in the period so far."""
        return in_force(self.terms, None, self.period).within(Span(self.period.span.start, self.until))


@dataclass(frozen=True, slots=True)
class Promise:
    """What became of a guarantee, on a device or (None) the contract as a whole.

    `figures` are those of its quarter or year so far, where it is measured over one; it is `decided` when that is over.
    `now` are the period's own.
    """

    promise: Guarantee
    device: str | None
    figures: Figures
    now: Figures
    intervals: list[Interval]
    decided: bool = True
    incidents: tuple[Answered, ...] = ()

    @property
    def met(self) -> bool | None:
        """Was it kept? None where it was not measured, or is not decided yet."""
        if self.promise.response is not None:
            return not self.figures.down_ms
        share = self.figures.share
        if share is None or not self.decided:
            return None
        assert self.promise.target is not None, "a share of time has a target"
        return share * 100 >= Fraction(self.promise.target)


@dataclass(frozen=True, slots=True)
class Sides:
    """What became of every promise, and what the promises themselves carry into the next period."""

    promises: list[Promise]
    duties: list[Duty]
    carried: Carried


def judge_sides(facts: Facts) -> Sides:
    """Measure every obligation and guarantee of a period."""
    duties = [duty for each in facts.terms.obligations for duty in _keep(facts, each)]
    excused = _excusing(facts, duties)
    promises, responses = [], dict[tuple[str, str], Responded]()
    for guarantee in facts.terms.guarantees:
        for view in [None] if guarantee.scope == "contract" else facts.views:
            if guarantee.response is not None:
                assert view is not None, "an incident is a device's"
                responses[guarantee.id, view.device] = answer = _respond(facts, guarantee, view, excused)
                figures, incidents = answer.figures, tuple(answer.incidents)
                promises.append(
                    Promise(guarantee, view.device, figures, figures, answer.intervals, incidents=incidents)
                )
            elif view is not None or facts.contract_force.length_ms:
                promises.append(_promise(facts, guarantee, view, excused, duties))
    use = {each.id: _used(facts, each, promises) for each in facts.terms.obligations if each.minimum_use is not None}
    minimums = [_minimum(facts, each, use[each.id]) for each in facts.terms.obligations if each.minimum_use is not None]
    order = [duty.id for duty in facts.terms.obligations]
    duties = sorted([*duties, *minimums], key=lambda duty: order.index(duty.duty.id))
    return Sides(promises, duties, _carry(facts, duties, responses, use))


def _keep(facts: Facts, duty: Obligation) -> list[Duty]:
    """An obligation on every device in force; a minimum use is the contract's, and comes later."""
    if duty.limit is not None:
        return [keep_within(duty, view) for view in facts.views]
    if duty.connected is not None:
        closed = facts.holidays.get(duty.id, ())
        return [keep_connected(duty, view, facts.terms.timezone, closed) for view in facts.views]
    if duty.service is not None:
        return [keep_serviced(duty, view) for view in facts.views]
    if duty.use_limit is None:
        return []
    meter, per = duty.use_limit.meter, duty.use_limit.per
    return [
        keep_use_limit(duty, view.device, facts.quantities[meter, view.device], facts.quantities[per, view.device])
        for view in facts.views
    ]


def _excusing(facts: Facts, duties: list[Duty]) -> dict[str, dict[str, Stretches]]:
    """By device, when each broken obligation excuses, the windows after it and from the last period included."""
    found: dict[str, dict[str, Stretches]] = {view.device: {} for view in facts.views}
    for duty in duties:
        if duty.duty.consequence.excuse and duty.device is not None:
            left = facts.carried.excused_until.get((duty.duty.id, duty.device))
            found[duty.device][duty.duty.id] = with_window(duty.duty, duty.stretches, left)
    return found


def _of_contract(by_device: Mapping[str, Mapping[str, Stretches]]) -> dict[str, Stretches]:
    """Stretches of any device, by obligation."""
    ids = dict.fromkeys(duty for each in by_device.values() for duty in each)
    return {duty: united(span for each in by_device.values() for span in each.get(duty, ())) for duty in ids}


def _promise(
    facts: Facts,
    guarantee: Guarantee,
    view: View | None,
    excused: dict[str, dict[str, Stretches]],
    duties: list[Duty],
) -> Promise:
    """A promise of a share of time, on one device or (None) on the contract as a whole."""
    span = facts.contract_force if view is None else view.force
    closed = facts.holidays.get(guarantee.id, ())
    agreed = service_stretches(guarantee.service_hours, span, facts.terms.timezone, closed)
    views = facts.views if view is None else [view]
    if view is None:
        truths = [truth_of(guarantee, each.watched, agreed)[0] for each in views]
        truth = together(truths, span, guarantee.at_least_devices or 1)
        breaches = _of_contract(excused)
    else:
        truth, agreed = truth_of(guarantee, view.watched, agreed)
        breaches = excused[view.device]
    devices = [each.device for each in views]
    excuses = excuses_of(facts.terms, guarantee, breaches, facts.docket, devices, span)
    kept = measure(guarantee, truth, agreed, excuses, _dark(duties, devices))
    device = None if view is None else view.device
    if guarantee.over is None:
        return Promise(guarantee, device, kept.figures, kept.figures, kept.intervals)
    before = facts.carried.windows.get((guarantee.id, device or WHOLE), Window())
    last = ends_window(facts.terms, facts.period, MONTHS[guarantee.over]) or _leaves(facts, device)
    decided = facts.over and last
    return Promise(guarantee, device, before.figures + kept.figures, kept.figures, kept.intervals, decided)


def _leaves(facts: Facts, device: str | None) -> bool:
    """Is the period the last of the device?"""
    untils = [each.until for each in facts.terms.devices if each.id == device]
    return any(until is not None and until <= facts.period.after for until in untils)


def _dark(duties: list[Duty], devices: Collection[str]) -> dict[str, Stretches]:
    """When a customer broke its promise to keep one of the devices connected, by obligation."""
    found: dict[str, Stretches] = {}
    for duty in duties:
        if duty.duty.connected is not None and duty.device in devices:
            found[duty.duty.id] = united([*found.get(duty.duty.id, ()), *duty.stretches])
    return found


def _respond(facts: Facts, guarantee: Guarantee, view: View, excused: dict[str, dict[str, Stretches]]) -> Responded:
    closed = facts.holidays.get(guarantee.id, ())
    agreed = service_stretches(guarantee.service_hours, view.force, facts.terms.timezone, closed)
    excuses = excuses_of(facts.terms, guarantee, excused[view.device], facts.docket, [view.device], view.force)
    place = (guarantee.id, view.device)
    return respond(
        guarantee,
        view.device,
        view.force,
        view.watched,
        agreed,
        excuses,
        facts.docket,
        facts.carried.incidents.get(place),
        facts.carried.before.get(place),
    )


def _used(facts: Facts, duty: Obligation, promises: list[Promise]) -> Use:
    """What counts towards a minimum use so far: the quantity, and downtime and agreed time of each relief."""
    assert duty.minimum_use is not None, "called for a minimum use"
    before = facts.carried.use.get(duty.id, Use()) if duty.minimum_use.per == "year" else Use()
    quantities = [facts.quantities[duty.minimum_use.meter, view.device] for view in facts.views]
    relief = {}
    for name in duty.minimum_use.relief:
        own = [each.now for each in promises if each.promise.id == name]
        down, agreed = before.relief.get(name, (0, 0))
        relief[name] = down + sum(each.down_ms for each in own), agreed + sum(each.agreed_ms for each in own)
    return Use(sum(quantities, before.quantity), relief)


def _minimum(facts: Facts, duty: Obligation, use: Use) -> Duty:
    assert duty.minimum_use is not None, "called for a minimum use"
    terms, period = facts.terms, facts.period
    if duty.minimum_use.per == "year":
        first, after = contract_window(terms, period, MONTHS["year"])
        days, of = (min(after, terms.valid.until or after) - first).days, (after - first).days
        decided = facts.over and ends_window(terms, period, MONTHS["year"])
    else:
        first, after = force_days(terms, None, period)
        days, of, decided = (after - first).days, period.days, facts.over
    share = Fraction(days, of)
    limit = owed(duty.minimum_use.at_least, share, use.relief)
    unit = terms.meter_unit(duty.minimum_use.meter)
    text = f"{grouped(duty.minimum_use.at_least)} {unit} promised"
    text += "" if share == 1 else f" × {days} of {of} days"
    for name, (down, whole) in use.relief.items():
        if down:
            text += f", less {lasting(down)} of {lasting(whole)} in which “{name}” was not kept"
    note = None if limit == duty.minimum_use.at_least else f"{text} = {grouped(limit)} {unit}"
    return keep_minimum(duty, use.quantity, limit, unit, decided=decided, note=note)


def _carry(
    facts: Facts,
    duties: list[Duty],
    responses: Mapping[tuple[str, str], Responded],
    use: Mapping[str, Use],
) -> Carried:
    """What goes on: windows of excuses, open incidents, years of use. Money carries on in `settling`."""
    excused_until = {}
    for duty in duties:
        if duty.duty.consequence.excuse and duty.device is not None:
            ends = [each.end + duty.duty.consequence.window for each in duty.stretches[-1:]]
            last = max([facts.carried.excused_until.get((duty.duty.id, duty.device), 0), *ends])
            if last > facts.period.span.end:
                excused_until[duty.duty.id, duty.device] = last
    ended = ends_window(facts.terms, facts.period, MONTHS["year"])
    yearly = {duty.id for duty in facts.terms.obligations if duty.minimum_use and duty.minimum_use.per == "year"}
    return Carried(
        excused_until=excused_until,
        before={place: each.before for place, each in responses.items() if each.before is not None},
        incidents={place: each.open for place, each in responses.items() if each.open is not None},
        use={} if ended else {name: each for name, each in use.items() if name in yearly},
    )
