"""What follows in money from what became of each promise: surcharges, credits, bonus, earn-back (semantics §6, §7).

Each line names the guarantee it is of and every obligation that changed it, with the intervals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from contracts.explain.layout import moment
from contracts.figures import grouped, lasting, money, percent_down
from contracts.language.promises import EarnBack
from contracts.periods import Span, contract_window, earlier_periods, midnight_ms, rfc3339, zone
from contracts.pricing import Step
from contracts.sides.carried import Carried, Claim, Past, Promised, Window
from contracts.sides.credits import (
    Basis,
    Credit,
    Line,
    basis_of,
    choose_largest,
    credit_line,
    from_tiers,
    limit_rolling,
    promise_line,
    round_within,
)
from contracts.sides.obligations import Duty
from contracts.sides.outcome import MONTHS, WHOLE, Facts, Promise, Sides
from contracts.sides.stretches import length_ms
from contracts.units import HOUR_MS, round_money


@dataclass(frozen=True, slots=True)
class Settled:
    """The lines that follow from promises, in their order, and all that is carried into the next period."""

    lines: list[Line]
    carried: Carried


def settle(facts: Facts, sides: Sides, charges: list[Line]) -> Settled:
    """Put what became of both sides' promises into money, on the period's charge lines."""
    bases = {_place(each): _basis(facts, each, charges) for each in sides.promises}
    owed = [credit for each in sides.promises for credit in _credit(facts, each, bases[_place(each)])]
    for credit in owed:
        _take_away(sides.duties, credit)
    choose_largest(owed)
    round_within(facts.terms, owed, charges)
    given = {(credit.promise.id, credit.device or WHOLE): credit.amount for credit in owed}
    lines = [
        *_surcharges(facts, sides.duties),
        *(credit_line(facts.terms, each, _coverage_of(sides, each)) for each in owed),
        *(line for each in sides.promises for line in _bonus(facts, sides, each, bases[_place(each)])),
    ]
    claims = dict(facts.carried.claims)
    for each in sides.promises:
        lines += _earn_back(facts, each, claims, given.get(_place(each), Decimal(0)))
    carried = replace(
        sides.carried,
        history=_history(facts, sides, bases, given),
        claims={place: claim for place, claim in claims.items() if claim.until > facts.period.span.end},
        windows=_windows(sides, bases),
    )
    return Settled(lines, carried)


@dataclass(frozen=True, slots=True)
class _Basis:
    """What a guarantee's credits and its bonus are of: the period's lines, and the sums over its quarter or year."""

    credit: Basis
    credit_whole: Fraction
    bonus: Basis
    bonus_whole: Fraction


def _place(promise: Promise) -> Promised:
    return promise.promise.id, promise.device or WHOLE


def _basis(facts: Facts, each: Promise, charges: list[Line]) -> _Basis:
    whole_days = sum(view.days for view in facts.views)
    days = next((view.days for view in facts.views if view.device == each.device), whole_days)
    share = Fraction(days, whole_days) if whole_days else Fraction(1)
    agreed, bonus = each.promise.credits, each.promise.bonus
    one = basis_of(charges, agreed.of if agreed else (), each.device, share)
    other = basis_of(charges, bonus.of if bonus else (), each.device, share)
    before = facts.carried.windows.get(_place(each), Window()) if each.promise.over else Window()
    return _Basis(one, before.credit_base + one.total, other, before.bonus_base + other.total)


def _credit(facts: Facts, each: Promise, bases: _Basis) -> Iterator[Credit]:
    """The credit that a promise missed brings, before anything takes it away."""
    agreed = each.promise.credits
    if agreed is None:
        return
    if agreed.per_hour is not None:
        credit = _by_the_hour(facts, each)
    else:
        share = each.figures.share
        if share is None or not each.decided:
            return
        credit = from_tiers(facts.terms, each.promise, each.device, share, bases.credit, bases.credit_whole)
        if credit is not None and agreed.rolling_cap_percent is not None:
            past = facts.carried.history.get(_place(each), ())
            earlier = earlier_periods(facts.terms, facts.period)
            kept = past[len(past) - min(len(past), len(earlier)) :]
            limit_rolling(credit, kept, bases.credit.total, len(earlier) - len(kept))
    if credit is not None:
        credit.because += _excusing(each)
        yield credit


def _by_the_hour(facts: Facts, each: Promise) -> Credit | None:
    """What incidents beyond their time cost, one step for each."""
    agreed = each.promise.credits
    assert agreed is not None, "called where credits are agreed"
    late = [incident for incident in each.incidents if incident.beyond_ms]
    if not late:
        return None
    credit = Credit(each.promise, each.device, sum((one.credit for one in late), Fraction(0)), Basis({}), Fraction(0))
    for incident in late:
        text = f"incident of {moment(rfc3339(incident.opened), zone(facts.terms.timezone))}"
        text += f", at most {money(agreed.cap, facts.terms.currency)}" if agreed.cap is not None else ""
        text += f": {lasting(incident.beyond_ms)} beyond the agreed time"
        text += ", begun hours in full," if agreed.started else ""
        text += f" × {grouped(agreed.per_hour or 0)} {facts.terms.currency} an hour"
        credit.steps.append(Step(text, -incident.owed))
        if incident.credit != incident.owed:
            earlier = f", of which {money(incident.earlier, facts.terms.currency)} before" if incident.earlier else ""
            text = (
                f"no more than {money(agreed.cap or Decimal(0), facts.terms.currency)} for the whole incident{earlier}"
            )
            credit.steps.append(Step(text, incident.owed - incident.credit))
    return credit


def _excusing(each: Promise) -> list[dict[str, Any]]:
    """The obligations whose breach excused downtime, with what of it they excused."""
    found: dict[str, list[Span]] = {}
    for interval in each.intervals:
        for reason in (interval.reason or "").split(", ") if interval.state == "excused" else ():
            if reason.startswith("obligation:"):
                found.setdefault(reason.removeprefix("obligation:"), []).append(interval.span)
    return [_named(duty, each.device, spans) for duty, spans in found.items()]


def _named(duty: str, device: str | None, spans: Iterable[Span]) -> dict[str, Any]:
    shown = [{"start": rfc3339(span.start), "end": rfc3339(span.end)} for span in spans]
    return {"obligation": duty, "device": device, "intervals": shown}


def _take_away(duties: list[Duty], credit: Credit) -> None:
    """Broken obligations that void the credits of the guarantee; those of any device void a contract-wide one."""
    for duty in duties:
        same = credit.device is None or duty.device in (None, credit.device)
        if duty.broken and same and credit.promise.id in duty.duty.consequence.void_credits:
            credit.limit(Fraction(0), f"taken away, because {duty.duty.title or duty.duty.id} was not kept")
            credit.because.append(_named(duty.duty.id, duty.device, duty.stretches))


def _coverage_of(sides: Sides, credit: Credit) -> str | None:
    own = [each for each in sides.promises if each.promise.id == credit.promise.id and each.device == credit.device]
    return coverage(own[0])


def coverage(each: Promise) -> str | None:
    """How much of the agreed hours is known, as a statement shows it; None where there were none, or for a response."""
    part, whole = each.figures.known
    return percent_down(part, whole) if whole and each.promise.response is None else None


def _surcharges(facts: Facts, duties: list[Duty]) -> Iterator[Line]:
    terms = facts.terms
    for duty in duties:
        agreed = duty.duty.consequence.surcharge
        if agreed is None or not duty.broken:
            continue
        steps = []
        if agreed.flat is not None:
            steps.append(Step(f"{grouped(agreed.flat)} {terms.currency}", Fraction(agreed.flat)))
        if agreed.per_hour is not None:
            ms = length_ms(duty.stretches)
            text = f"{lasting(ms)} × {grouped(agreed.per_hour)} {terms.currency} an hour"
            steps.append(Step(text, Fraction(ms, HOUR_MS) * Fraction(agreed.per_hour)))
        if duty.note is not None:
            steps.append(Step(duty.note))
        if agreed.per_unit_short is not None:
            text = f"{grouped(duty.short)} {duty.unit} short × {grouped(agreed.per_unit_short)} {terms.currency}"
            steps.append(Step(text, duty.short * Fraction(agreed.per_unit_short)))
        exact = sum((step.amount for step in steps if step.amount is not None), Fraction(0))
        amount = round_money(exact, terms.currency, terms.rounding)
        because = [_named(duty.duty.id, duty.device, duty.stretches)]
        if duty.duty.minimum_use is not None:
            because += [{"guarantee": name} for name in duty.duty.minimum_use.relief]
        yield promise_line(terms, duty.duty, duty.device, "surcharge", amount, steps, None, because)


def _bonus(facts: Facts, sides: Sides, each: Promise, bases: _Basis) -> Iterator[Line]:
    """A bonus, only where nearly all is known and the provider missed nothing else on that device."""
    agreed, share = each.promise.bonus, each.figures.share
    if agreed is None or share is None or not each.decided or share * 100 < Fraction(agreed.at_least):
        return
    others = [one for one in sides.promises if one.promise.id != each.promise.id]
    missed = [one for one in others if one.met is False and (each.device is None or one.device in (None, each.device))]
    if missed or not each.figures.well_known:
        return
    whole = bases.bonus_whole
    exact = Fraction(agreed.percent) / 100 * whole
    names = " + ".join(agreed.of)
    text = (
        f"{grouped(agreed.at_least)} % or better: {grouped(agreed.percent)} % of {money(whole, facts.terms.currency)}"
    )
    step = Step(f"{text} ({names})", exact)
    amount = round_money(exact, facts.terms.currency, facts.terms.rounding)
    because = [{"guarantee": each.promise.id}, *_excusing(each)]
    yield promise_line(facts.terms, each.promise, each.device, "bonus", amount, [step], coverage(each), because)


def _earn_back(facts: Facts, each: Promise, claims: dict[Promised, Claim], credit: Decimal) -> Iterator[Line]:
    """Part of an earlier credit that the provider has earned back; keeps the claims up to date."""
    agreed, place, terms = each.promise.earn_back, _place(each), facts.terms
    if agreed is None:
        return
    claim = claims.pop(place, None)
    if claim is not None and facts.period.span.start >= claim.until:
        claim = None
    if claim is not None and each.decided:
        claim = _further(each, claim)
    if claim is not None and claim.kept == agreed.periods:
        yield _earned(facts, each, agreed, claim)
        claim = None
    if credit > 0:
        _, after = contract_window(terms, facts.period, MONTHS["year"])
        claim = Claim(credit, 0, midnight_ms(after, terms.timezone))
    if claim is not None:
        claims[place] = claim


def _further(each: Promise, claim: Claim) -> Claim | None:
    """The claim after one more period: a promise kept counts one, a miss ends it, anything else begins the row anew."""
    if each.met is False:
        return None
    return replace(claim, kept=claim.kept + 1 if each.met and each.figures.well_known else 0)


def _earned(facts: Facts, each: Promise, agreed: EarnBack, claim: Claim) -> Line:
    terms = facts.terms
    exact = Fraction(agreed.percent) / 100 * Fraction(claim.amount)
    periods = "period" if agreed.periods == 1 else "periods"
    text = f"kept for {agreed.periods} {periods} in a row: {grouped(agreed.percent)} % of the credit of "
    step = Step(f"{text}{grouped(claim.amount)} {terms.currency}", exact)
    amount = round_money(exact, terms.currency, terms.rounding)
    because = [{"guarantee": each.promise.id}]
    return promise_line(terms, each.promise, each.device, "earn_back", amount, [step], coverage(each), because)


def _history(
    facts: Facts, sides: Sides, bases: Mapping[Promised, _Basis], given: Mapping[Promised, Decimal]
) -> dict[Promised, tuple[Past, ...]]:
    """Bases and credits of the last twelve months, of the guarantees whose credits have a rolling cap."""
    capped = [
        _place(each)
        for each in sides.promises
        if each.promise.credits is not None and each.promise.credits.rolling_cap_percent is not None
    ]
    if not capped:
        return {}
    limit = len(earlier_periods(facts.terms, facts.period)) + 1
    found = {}
    for place in capped:
        now = Past(facts.period.span.end, bases[place].credit.total, given.get(place, Decimal(0)))
        found[place] = (*facts.carried.history.get(place, ()), now)[-limit:]
    return found


def _windows(sides: Sides, bases: Mapping[Promised, _Basis]) -> dict[Promised, Window]:
    """Quarters and years that go on, as far as they have come."""
    found = {}
    for each in sides.promises:
        if each.promise.over is not None and not each.decided:
            mine = bases[_place(each)]
            found[_place(each)] = Window(each.figures, mine.credit_whole, mine.bonus_whole)
    return found
