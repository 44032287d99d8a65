"""Numbers as people read them in a derivation or a table: grouped in threes, with the decimals they have."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from contracts.units import minor_digits, terminating


def grouped(number: Decimal | Fraction | int) -> str:
    """`20 411.37`: a space between thousands, a point before the decimals, a real minus sign."""
    decimal = terminating(number) if isinstance(number, Fraction) else Decimal(number)
    whole, _, decimals = f"{abs(decimal):f}".partition(".")
    spaced = f"{int(whole):,}".replace(",", " ")
    return f"{'−' if decimal < 0 else ''}{spaced}{'.' + decimals if decimals else ''}"


def money(amount: Decimal | Fraction, currency: str) -> str:
    """`2 450.00 EUR`: an amount with the currency's decimals, or more where it has more."""
    whole, _, decimals = grouped(amount).partition(".")
    shown = decimals.ljust(minor_digits(currency), "0")
    return f"{whole}{'.' + shown if shown else ''} {currency}"


def plain(number: Decimal | Fraction | int) -> str:
    """A decimal string for JSON: no exponent, no grouping, an exact value where it ends within twelve decimals."""
    decimal = terminating(number) if isinstance(number, Fraction) else Decimal(number)
    return f"{decimal:f}"


def percent_down(part: int, whole: int, digits: int = 4) -> str:
    """`part / whole` as a percentage, rounded down, so that 99.99999 never reads 100 (semantics §6, §8)."""
    scaled = part * 100 * 10**digits // whole
    return f"{scaled // 10**digits}.{scaled % 10**digits:0{digits}d}"


def lasting(ms: int) -> str:
    """A length of time as people read it: `3 h 42 min`, to the millisecond where it has some."""
    minutes, rest = divmod(ms, 60_000)
    parts = [f"{grouped(minutes // 60)} h"] if minutes >= 60 else []
    parts += [f"{minutes % 60} min"] if minutes % 60 else []
    parts += [f"{grouped(Decimal(rest) / 1000)} s"] if rest else []
    return " ".join(parts) or "0 min"
