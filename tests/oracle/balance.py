"""Units that roll over (semantics §5), as a ledger: what each period earned, until when it is good, and its rest."""

import math
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.oracle.terms import Terms

FOR_EVER = 10**9


@dataclass(slots=True)
class Earning:
    """What one period earned and has left, and the number of the last period in which it can be used."""

    left: Fraction
    last: int


@dataclass(slots=True)
class Ledger:
    """The earnings of every charge, of a device or pooled, oldest first; and the rows of each period so far."""

    earnings: dict[tuple[str, str | None], list[Earning]] = field(default_factory=dict)
    rows: list[list[dict[str, Any]]] = field(default_factory=list)


def total(earnings: list[Earning]) -> Fraction:
    """Add up what is left."""
    return sum((each.left for each in earnings), Fraction(0))


def take(earnings: list[Earning], units: Fraction) -> None:
    """Take units away in the order given; there are as many."""
    for each in earnings:
        part = min(each.left, units)
        each.left -= part
        units -= part
    assert units == 0, "more was taken than there is"


def cut_to(earnings: list[Earning], cap: Fraction) -> None:
    """Take away what is above the cap: those that expire first go first."""
    take(sorted(earnings, key=lambda each: each.last), max(Fraction(0), total(earnings) - cap))


def rolled_over(ledger: Ledger, charge: Terms, device: str | None, wanted: Fraction) -> Fraction:
    """Return how many of the units wanted above the allowance the balance of earlier periods gives."""
    rule = charge["allowance"].get("rollover")
    before = ledger.earnings.get((charge["id"], device), [])
    return min(wanted, total(before), Fraction(rule["cap"])) if rule else Fraction(0)


def close(ledger: Ledger, charge: Terms, device: str | None, used: Fraction, earned: Fraction, *, leaves: bool) -> None:
    """Enter a period: the cap holds from its first day, the oldest units are used first, what is left may expire."""
    rule = charge["allowance"].get("rollover")
    if rule is None:
        return
    earnings = ledger.earnings.setdefault((charge["id"], device), [])
    number, cap = len(ledger.rows) - 1, Fraction(rule["cap"])
    opening = total(earnings)
    cut_to(earnings, cap)
    take(earnings, used)
    life = rule.get("expires_after")
    earnings.append(Earning(earned, FOR_EVER if life is None else number + int(life)))
    for each in earnings:
        if each.last <= number or leaves:
            each.left = Fraction(0)
    cut_to(earnings, cap)
    closing = total(earnings)
    figures = {"opening": opening, "used": used, "earned": earned, "closing": closing}
    figures["expired"] = opening - used + earned - closing
    row = {name: as_decimal(units) for name, units in figures.items()}
    ledger.rows[-1].append({"id": charge["id"], "device": device, **row})


def package_rest(charge: Terms, over: Fraction) -> Fraction:
    """Return the unused part of the packages that were paid for, where it is kept."""
    if charge["allowance"].get("keep_package_rest") != "true":
        return Fraction(0)
    package = charge["price"]["package"]
    needed = max(Fraction(0), over - Fraction(package.get("free", "0"))) / Fraction(package["size"])
    return (math.ceil(needed) - needed) * Fraction(package["size"])


def as_decimal(units: Fraction) -> str:
    """Write units as a decimal; no figure here needs more than twelve decimals."""
    assert (units * 10**12).denominator == 1, "more decimals than the contracts drawn here have"
    return f"{Decimal(int(units * 10**12)).scaleb(-12):f}"
