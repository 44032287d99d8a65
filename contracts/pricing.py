"""From quantities to money: one charge, one exact amount, one line with its derivation (semantics §5).

The order is always: quantity, allowance and what rolled over, tiers or packages, rounding of the line. Amounts are
exact fractions until the line is rounded once; the total is the sum of rounded lines, so that a reader's own addition
comes out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from contracts.balances import Balance, balance_after, capped, held
from contracts.figures import grouped, plain
from contracts.language.charges import Allowance, Charge, GainShare, Package, Tier
from contracts.language.terms import Terms
from contracts.sides.carried import Lot
from contracts.units import round_to

# More digits than any sum of a contract's numbers and quantities has, so that none is ever rounded on the way.
EXACT_DIGITS = 100


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a derivation in words and figures, and the exact money it brings, if any."""

    text: str
    amount: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """How much of the period counts: whole local days in force, of the days in the period (semantics §2)."""

    days: int
    of: int

    @property
    def fraction(self) -> Fraction:
        """The share as a number."""
        return Fraction(self.days, self.of)


@dataclass(frozen=True, slots=True)
class Priced:
    """What a charge comes to before rounding, how, and what became of its balance where units roll over."""

    exact: Fraction
    steps: tuple[Step, ...]
    balance: Balance | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    """A running sum of priced steps."""

    steps: list[Step] = field(default_factory=list)

    def add(self, text: str, amount: Fraction) -> None:
        """Add one step's money."""
        self.steps.append(Step(text, amount))

    def priced(self) -> Priced:
        """The sum so far."""
        return Priced(
            sum((step.amount for step in self.steps if step.amount is not None), Fraction(0)), tuple(self.steps)
        )


def price_flat(charge: Charge, share: Share, currency: str) -> Priced:
    """A flat amount, in proportion to the days in force."""
    assert charge.price.flat is not None, "called for flat charges only"
    exact = Fraction(charge.price.flat) * share.fraction
    text = f"{grouped(charge.price.flat)} {currency}"
    if share.days != share.of:
        text += f"{_days(share)} = {grouped(exact)} {currency}"
    return Priced(exact, (Step(text, exact),))


def _days(share: Share) -> str:
    return "" if share.days == share.of else f" × {share.days} of {share.of} days"


def price_quantity(
    terms: Terms, charge: Charge, quantity: Decimal, share: Share, lots: tuple[Lot, ...] = (), *, leaves: bool = False
) -> Priced:
    """What a quantity costs: first the allowance and what earlier periods left, then the charge's price.

    `leaves` says that the device leaves the contract with this period, and its balance with it.
    """
    assert charge.meter is not None, "a charge that is not flat has a meter"
    unit, allowance = terms.meter_unit(charge.meter), charge.allowance
    if allowance is None:
        return _price(charge, quantity, share, unit, terms.currency)
    rollover, none = allowance.rollover, Decimal(0)
    with localcontext(prec=EXACT_DIGITS):
        included = round_to(Fraction(allowance.included) * share.fraction, terms.meter_resolution(charge.meter))
        rest = max(none, quantity - included)
        usable = held(capped(lots, rollover.cap)) if rollover else none
        rolled = min(rest, usable)
        priced = _price(charge, rest - rolled, share, unit, terms.currency)
        steps = (_allowance_step(allowance, quantity, included, rolled, usable, unit, share), *priced.steps)
        if rollover is None:
            return Priced(priced.exact, steps)
        kept = _package_rest(charge.price.package, rest - rolled) if allowance.keep_package_rest else none
        if kept:
            steps += (Step(f"{grouped(kept)} {unit} paid for and not used: kept"),)
        unused = included - min(included, max(none, quantity))
        return Priced(priced.exact, steps, balance_after(lots, rollover, rolled, unused + kept, leaves=leaves))


def _allowance_step(
    allowance: Allowance,
    quantity: Decimal,
    included: Decimal,
    rolled: Decimal,
    usable: Decimal,
    unit: str,
    share: Share,
) -> Step:
    text = f"{grouped(quantity)} {unit} − {grouped(included)} included"
    if share.days != share.of:
        text += f" ({grouped(allowance.included)}{_days(share)})"
    if quantity < included:
        return Step(f"{text}: {grouped(included - quantity)} {unit} not used, nothing above the allowance")
    if rolled:
        of = "" if rolled == usable else f" of {grouped(usable)}"
        text += f" − {grouped(rolled)}{of} rolled over"
    return Step(f"{text} = {grouped(quantity - included - rolled)} {unit}")


def _price(charge: Charge, quantity: Decimal, share: Share, unit: str, currency: str) -> Priced:
    price = charge.price
    if price.per_unit is not None:
        exact = Fraction(quantity) * Fraction(price.per_unit)
        return Priced(exact, (Step(f"{grouped(quantity)} {unit} × {grouped(price.per_unit)} {currency}", exact),))
    if price.package is not None:
        return _packages(price.package, quantity, unit, currency)
    assert price.graduated is not None, "a price has exactly one model"
    return _graduated(charge, price.graduated, quantity, share, unit, currency)


def price_gain(terms: Terms, gain: GainShare, used: Decimal, per: Decimal, *, measured: bool) -> Priced:
    """What was saved against a baseline, and the provider's share of it; negative where it owes for a shortfall."""
    unit, of, currency = terms.meter_unit(gain.meter), terms.meter_unit(gain.per), terms.currency
    if not measured:
        text = f"not measured: less than {grouped(gain.min_coverage)} % of the time is known"
        return Priced(Fraction(0), (Step(text, Fraction(0)),))
    expected = Fraction(gain.baseline) * Fraction(per)
    saving = (expected - Fraction(used)) * Fraction(gain.price)
    text = f"{grouped(gain.baseline)} {unit} × {grouped(per)} {of} − {grouped(used)} {unit} = "
    text += f"{grouped(expected - Fraction(used))} {unit} saved × {grouped(gain.price)} {currency}"
    share = 1 - Fraction(gain.customer_surplus if saving > 0 else gain.customer_shortfall)
    exact = share * saving
    split = Step(f"the provider's share: {grouped(share)} × {grouped(saving)} {currency}", exact)
    return Priced(exact, (Step(text), split))


def _begun(package: Package, quantity: Decimal) -> int:
    over = Fraction(quantity) - Fraction(package.free)
    return max(0, -(-over // Fraction(package.size)))


def _package_rest(package: Package | None, quantity: Decimal) -> Decimal:
    """The units of paid packages that are not used."""
    assert package is not None, "only packages have a rest"
    return _begun(package, quantity) * package.size - max(Decimal(0), quantity - package.free)


def _packages(package: Package, quantity: Decimal, unit: str, currency: str) -> Priced:
    """Packages begun: ⌈(quantity − free) / size⌉; none for nothing."""
    count = _begun(package, quantity)
    free = f" − {grouped(package.free)} free" if package.free else ""
    exact = count * Fraction(package.price)
    noun = "package" if count == 1 else "packages"
    text = f"{grouped(quantity)} {unit}{free}: {grouped(count)} {noun} of {grouped(package.size)} {unit}"
    return Priced(exact, (Step(f"{text} × {grouped(package.price)} {currency}", exact),))


def _graduated(
    charge: Charge, tiers: tuple[Tier, ...], quantity: Decimal, share: Share, unit: str, currency: str
) -> Priced:
    """Each unit at the price of its tier (lower, upper], and the flat of each tier entered, by days in force."""
    total, lower = Sum(), Decimal(0)
    for place, tier in enumerate(tiers):
        entered = quantity > lower
        if not entered and not (place == 0 and charge.flat_at_zero):
            break
        upper = quantity if tier.up_to is None else min(quantity, tier.up_to)
        reach = f"above {grouped(lower)}" if tier.up_to is None else f"{grouped(lower)} to {grouped(tier.up_to)}"
        if entered:
            units = upper - lower
            text = f"tier {reach} {unit}: {grouped(units)} {unit} × {grouped(tier.unit)} {currency}"
            total.add(text, Fraction(units) * Fraction(tier.unit))
        if tier.flat:
            flat, days = Fraction(tier.flat) * share.fraction, _days(share)
            total.add(f"tier {reach} {unit}: flat {grouped(tier.flat)} {currency}{days}", flat)
        lower = tier.up_to or lower
    if not total.steps:
        total.add(f"{grouped(quantity)} {unit}: no tier entered", Fraction(0))
    return total.priced()


def derivation_of(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """The steps of a derivation as a line shows them."""
    return [{"text": step.text, "amount": None if step.amount is None else plain(step.amount)} for step in steps]


def statement_line(
    terms: Terms,
    name: str,
    device: str | None,
    kind: str,
    title: str,
    amount: str,
    derivation: list[dict[str, Any]],
    *,
    because: list[dict[str, Any]],
    quantity: str | None = None,
    unit: str | None = None,
    coverage: str | None = None,
) -> dict[str, Any]:
    """A line of a statement: what it is of, by which clause, its amount, and how and why it came about."""
    return {
        "id": name,
        "device": device,
        "kind": kind,
        "title": title,
        "clause": f"{terms.clause_prefix}, {name}" if terms.clause_prefix else name,
        "quantity": quantity,
        "unit": unit,
        "amount": amount,
        "derivation": derivation,
        "coverage": coverage,
        "because": because,
    }
