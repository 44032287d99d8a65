"""What missed and kept promises cost: credits within their caps, bonus and earn-back (semantics §6).

Amounts stay exact until a line is rounded once. The order is: tier, `cap_percent`, rolling cap, credits taken away by a
broken obligation, `instead_of`, and last that credits on a charge together never exceed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from contracts.figures import grouped, money, plain
from contracts.language.promises import Credits, Guarantee
from contracts.language.terms import Terms
from contracts.pricing import Step, derivation_of, statement_line
from contracts.sides.carried import Past
from contracts.units import decimal_of, minor_digits, round_money

Line = dict[str, Any]
LineKey = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Basis:
    """The part of each charge line that a percentage is of, exactly."""

    parts: Mapping[LineKey, Fraction]

    @property
    def total(self) -> Fraction:
        """The base; never below nothing."""
        return max(Fraction(0), sum(self.parts.values(), Fraction(0)))


def basis_of(lines: Iterable[Line], charges: Sequence[str], device: str | None, share: Fraction) -> Basis:
    """The rounded lines of the named charges: a device's own, and its share, by days in force, of those of all.

    For the contract as a whole (None), all of them.
    """
    parts = {}
    for line in lines:
        if line["id"] in charges and (device is None or line["device"] in (None, device)):
            part = share if device is not None and line["device"] is None else Fraction(1)
            parts[line["id"], line["device"]] = Fraction(line["amount"]) * part
    return Basis(parts)


@dataclass(slots=True)
class Credit:
    """A credit on its way to its line: exact amount, the steps so far, and what changed it.

    `base` are the period's lines it is of, `whole` the sum over the time it is measured.
    """

    promise: Guarantee
    device: str | None
    exact: Fraction
    base: Basis
    whole: Fraction
    steps: list[Step] = field(default_factory=list)
    because: list[dict[str, Any]] = field(default_factory=list)
    amount: Decimal = Decimal(0)

    def limit(self, most: Fraction, text: str) -> None:
        """Let it be no more than that, and say so where it was."""
        if self.exact > most:
            self.exact = max(Fraction(0), most)
            self.steps.append(Step(text, -self.exact))


def tier_met(agreed: Credits, share: Fraction) -> Decimal | None:
    """The percentage of the lowest tier met; a tier is met strictly below its bound."""
    met = [tier for tier in agreed.tiers or () if share * 100 < Fraction(tier.below)]
    return min(met, key=lambda tier: tier.below).percent if met else None


def from_tiers(
    terms: Terms, promise: Guarantee, device: str | None, share: Fraction, base: Basis, whole: Fraction
) -> Credit | None:
    """The credit of a percentage missed; `whole` is the base over the time it is measured, mostly the period."""
    assert promise.credits is not None, "called where credits are agreed"
    percent = tier_met(promise.credits, share)
    if percent is None:
        return None
    credit = Credit(promise, device, Fraction(percent) / 100 * whole, base, whole)
    names = " + ".join(promise.credits.of)
    below = min(tier.below for tier in promise.credits.tiers or () if share * 100 < Fraction(tier.below))
    text = f"below {grouped(below)} %: {grouped(percent)} % of {money(whole, terms.currency)} ({names})"
    credit.steps.append(Step(text, -credit.exact))
    cap = promise.credits.cap_percent
    if cap is not None:
        credit.limit(Fraction(cap) / 100 * whole, f"at most {grouped(cap)} % of {money(whole, terms.currency)}")
    return credit


def limit_rolling(credit: Credit, past: Sequence[Past], base: Fraction, earlier: int) -> None:
    """The rolling cap: credits of the twelve months to the period's end are at most a share of their bases.

    `past` are the periods of these months in which the device was in force, `earlier` how many were before it joined:
    they count with this period's base.
    """
    assert credit.promise.credits is not None, "called for credits"
    cap = credit.promise.credits.rolling_cap_percent
    if cap is None:
        return
    bases = sum((each.base for each in past), base * (1 + earlier))
    given = sum((Fraction(each.credit) for each in past), Fraction(0))
    text = f"at most {grouped(cap)} % of {grouped(bases)} over twelve months, of which {grouped(given)} is given"
    credit.limit(Fraction(cap) / 100 * bases - given, text)


def choose_largest(owed: list[Credit]) -> None:
    """Of guarantees that stand instead of each other, only the largest credit of a device stands."""
    for chooser in owed:
        group = [
            credit
            for credit in owed
            if credit.device == chooser.device
            and (credit is chooser or credit.promise.id in chooser.promise.instead_of)
        ]
        if not chooser.promise.instead_of or len(group) < 2:
            continue
        largest = max(group, key=lambda credit: credit.exact)  # the first of equals
        for credit in group:
            if credit is not largest and credit.exact:
                text = f"not beside the larger credit of {largest.promise.id}: one stands instead of the other"
                credit.limit(Fraction(0), text)
                credit.because.append({"guarantee": largest.promise.id})


def round_within(terms: Terms, owed: list[Credit], lines: Iterable[Line]) -> None:
    """Round each credit once; together those on a charge never exceed it, the later in the file gives way.

    A credit draws on each line by its part, exactly; what rounding adds or takes goes where a line has room. One that
    is measured over several periods draws on this period's lines by their share of what it is of.
    """
    left = {(line["id"], line["device"]): Fraction(line["amount"]) for line in lines}
    for credit in owed:
        taken = {key: part for key, part in credit.base.parts.items() if part > 0}
        if not taken or not credit.exact:
            credit.amount = round_money(credit.exact, terms.currency, terms.rounding)
            continue
        scale = credit.exact / max(credit.whole, sum(taken.values()))
        wanted = {key: part * scale for key, part in taken.items()}
        drawn = {key: max(Fraction(0), min(part, left[key])) for key, part in wanted.items()}
        lacking = sum(wanted.values()) - sum(drawn.values())
        if lacking:
            credit.limit(credit.exact - lacking, "credits on a charge together never exceed it")
        elsewhere = credit.exact - sum(drawn.values())
        credit.amount = round_money(credit.exact, terms.currency, terms.rounding)
        reached = _fit(drawn, left, Fraction(credit.amount) - elsewhere)
        if reached + elsewhere < credit.amount:
            credit.amount = _down(reached + elsewhere, terms.currency)
            _fit(drawn, left, Fraction(credit.amount) - elsewhere)
        for key, part in drawn.items():
            left[key] -= part


def _fit(drawn: dict[LineKey, Fraction], left: Mapping[LineKey, Fraction], target: Fraction) -> Fraction:
    """Draw so much in all, more where a line has room, or less from the last on; gives how much it came to."""
    for key, part in list(drawn.items()):
        drawn[key] = part + max(Fraction(0), min(target - sum(drawn.values()), left[key] - part))
    for key, part in reversed(list(drawn.items())):
        drawn[key] = part - max(Fraction(0), min(sum(drawn.values()) - target, part))
    return sum(drawn.values(), Fraction(0))


def _down(amount: Fraction, currency: str) -> Decimal:
    """An amount in the currency's minor unit, rounded down."""
    digits = minor_digits(currency)
    return decimal_of(amount * 10**digits // 1, digits)


def credit_line(terms: Terms, credit: Credit, coverage: str | None) -> Line:
    """A credit as the statement shows it, negative."""
    because = [{"guarantee": credit.promise.id}, *credit.because]
    return promise_line(terms, credit.promise, credit.device, "credit", -credit.amount, credit.steps, coverage, because)


def promise_line(
    terms: Terms,
    promise: Any,
    device: str | None,
    kind: str,
    amount: Decimal,
    steps: Iterable[Step],
    coverage: str | None,
    because: list[dict[str, Any]],
) -> Line:
    """A line that follows from a promise: a credit, bonus, earn-back or surcharge."""
    title, shown = promise.title or promise.id, plain(amount if amount else abs(amount))
    derivation = derivation_of(steps)
    return statement_line(terms, promise.id, device, kind, title, shown, derivation, because=because, coverage=coverage)
