"""Durations, rates and exact decimals as a contract writes them.

A duration is `500ms`, `90s`, `5m` or `5min`, `8h`, `3d`; a rate is an amount per unit of time, `130/h`.
Money and prices are decimals from their text on; no float stands between a contract and a cent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
HOUR_MS = UNIT_MS["h"]
DAY_MS = UNIT_MS["d"]

# Longer than any promise; a limit keeps times, and sums of them, within 64 bits.
MAX_DURATION_MS = 100 * 366 * DAY_MS

Rounding = Literal["half_up", "half_even"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)")
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(ms|s|min|m|h|d)")

# ISO 4217 currencies whose minor unit is not a hundredth.
_MINOR_DIGITS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}


@dataclass(frozen=True, slots=True)
class Rate:
    """The most a register can move: an amount in the channel's unit per millisecond, exactly."""

    per_ms: Fraction


def parse_duration_ms(text: str) -> int:
    """Whole milliseconds of a duration such as `90s`; raises ValueError with the spelling expected."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write it as 500ms, 90s, 5m, 8h or 3d")
    ms = Decimal(match[1]) * UNIT_MS[match[2]]
    if ms > MAX_DURATION_MS:
        raise ValueError(f"{text[:40]!r} is longer than a hundred years")
    if ms != int(ms):
        raise ValueError(f"{text!r} is not a whole number of milliseconds")
    return int(ms)


def duration_text(ms: int) -> str:
    """A duration as a contract writes it, in the largest unit that it is whole in: `3d`, `90s`."""
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if ms % UNIT_MS[unit] == 0)
    return f"{ms // UNIT_MS[unit]}{unit}"


def parse_rate(text: str) -> Rate:
    """The rate written as `130/h`; raises ValueError with the spelling expected."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a rate; write it as an amount per time, such as 130/h")
    return Rate(Fraction(match[1]) / UNIT_MS[match[2]])


def moderate(number: Decimal) -> Decimal:
    """The number itself; raises ValueError where it has more digits than any price or measure, and could stop us."""
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and (number.adjusted() > 18 or exponent < -18):
        raise ValueError(f"{str(number)[:40]} has more digits than 18 before or after the point")
    return number


def round_half_even(value: Fraction) -> int:
    """The nearest integer; halves go to the even one (`round` of a Fraction is exact)."""
    return round(value)


def round_to(value: Fraction, step: Decimal) -> Decimal:
    """`value` as a multiple of `step`, rounded once, half-even, with the step's decimals (semantics §3)."""
    exact_step = Fraction(step)
    return scaled(round_half_even(value / exact_step), step)


def scaled(ticks: int, step: Decimal) -> Decimal:
    """`ticks × step` as a decimal with the step's decimals, exactly at any size."""
    digits = decimals_of(step)
    return decimal_of(ticks * int(step * 10**digits), digits)


def decimal_of(whole: int, digits: int) -> Decimal:
    """`whole / 10**digits` with that many decimals; built from text, so that no context rounds it."""
    return Decimal(f"{whole}E-{digits}")


def decimals_of(step: Decimal) -> int:
    """How many decimals a multiple of `step` can have: 2 for 0.01, 1 for 0.5, 0 for 10."""
    exponent = step.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "a resolution is a finite number"
    return max(0, -exponent)


def minor_digits(currency: str) -> int:
    """Decimals of the currency's smallest unit (ISO 4217)."""
    return _MINOR_DIGITS.get(currency, 2)


def round_money(amount: Fraction, currency: str, rounding: Rounding) -> Decimal:
    """An exact amount in the currency's minor unit: half-up means away from zero (semantics §5)."""
    digits = minor_digits(currency)
    minor = amount * 10**digits
    if rounding == "half_even":
        whole = round_half_even(minor)
    else:
        whole = int(abs(minor) + Fraction(1, 2)) * (1 if minor >= 0 else -1)
    return decimal_of(whole, digits)


def terminating(value: Fraction, digits: int = 12) -> Decimal:
    """`value` in full where it ends within `digits` decimals, else rounded half-even there; for people to read."""
    whole = round_half_even(value * 10**digits)
    while digits and whole % 10 == 0:
        whole, digits = whole // 10, digits - 1
    return decimal_of(whole, digits)
