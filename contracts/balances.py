"""Units not used, kept for later periods: what a balance opens with, gives, earns, loses and closes with.

Included units come first, then the rolled-over ones, oldest first. What is left closes the period, no more than the
cap. Units earned in a period can be used in the next `expires_after` periods; when the cap cuts, those that expire
first go first (semantics §5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from contracts.language.charges import Rollover
from contracts.sides.carried import Lot
from contracts.units import decimals_of

NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Balance:
    """What became of the rolled-over units of a charge in a period: opening − used + earned − expired = closing."""

    opening: Decimal
    used: Decimal
    earned: Decimal
    expired: Decimal
    closing: Decimal
    lots: tuple[Lot, ...]

    def row(self, charge: str, device: str | None, step: Decimal) -> dict[str, Any]:
        """The balance as a statement shows it, with the decimals of the meter's `step`, or more where it has more.

        `device` is None where the charge is pooled.
        """
        figures = ("opening", "used", "earned", "expired", "closing")
        return {"id": charge, "device": device, **{name: _shown(getattr(self, name), step) for name in figures}}


def _shown(units: Decimal, step: Decimal) -> str:
    return f"{units:.{max(decimals_of(units), decimals_of(step))}f}"


def held(lots: tuple[Lot, ...]) -> Decimal:
    """How many units there are in all."""
    return sum((lot.units for lot in lots), NONE)


def balance_after(
    lots: tuple[Lot, ...], rollover: Rollover, used: Decimal, earned: Decimal, *, leaves: bool
) -> Balance:
    """The balance once `used` units are gone and `earned` ones come in; nothing stays where the device leaves.

    The cap holds from the first day on, since a new version may have lowered it.
    """
    opening = held(lots)
    left = _age(_without(capped(lots, rollover.cap), used))
    kept = () if leaves else capped((*left, *_earn(earned, rollover)), rollover.cap)
    closing = held(kept)
    return Balance(opening, used, earned, opening - used + earned - closing, closing, kept)


def capped(lots: tuple[Lot, ...], cap: Decimal) -> tuple[Lot, ...]:
    """At most `cap` units: those that expire first go first, the oldest of them before others."""
    over = held(lots) - cap
    kept = list(lots)
    for place in sorted(range(len(lots)), key=lambda place: _order(lots[place])):
        taken = max(NONE, min(over, lots[place].units))
        kept[place] = replace(lots[place], units=lots[place].units - taken)
        over -= taken
    return tuple(lot for lot in kept if lot.units)


def _order(lot: Lot) -> tuple[bool, int]:
    return lot.periods is None, lot.periods or 0


def _without(lots: tuple[Lot, ...], used: Decimal) -> tuple[Lot, ...]:
    """What is left once units are used, the oldest first."""
    left = []
    for lot in lots:
        taken = min(used, lot.units)
        used -= taken
        left.append(replace(lot, units=lot.units - taken))
    assert not used, "no more is used than there is"
    return tuple(lot for lot in left if lot.units)


def _age(lots: tuple[Lot, ...]) -> tuple[Lot, ...]:
    """The same a period later, without those whose last period it was."""
    aged = (lot if lot.periods is None else replace(lot, periods=lot.periods - 1) for lot in lots)
    return tuple(lot for lot in aged if lot.periods != 0)


def _earn(units: Decimal, rollover: Rollover) -> tuple[Lot, ...]:
    return (Lot(units, rollover.expires_after),) if units else ()
