"""What a contract carries from one period into the next, beside where its meters stand (semantics §6 to §8).

All of it enters the opening and closing state of a statement, so that nothing outside is needed to compute a period.
Keys are (promise or charge id, device), the device "" where a promise is the contract's as a whole or a charge pooled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from contracts.metering import DeviceState

Promised = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a guarantee's time came to, in ms; the figures of several periods add up.

    `hidden_ms` is unknown time while the customer broke its promise to keep the device connected.
    """

    service_ms: int = 0
    agreed_ms: int = 0
    excused_ms: int = 0
    down_ms: int = 0
    unknown_ms: int = 0
    hidden_ms: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    @property
    def share(self) -> Fraction | None:
        """The part of the agreed time that was up; None where nothing was agreed."""
        return Fraction(self.agreed_ms - self.down_ms, self.agreed_ms) if self.agreed_ms else None

    @property
    def known(self) -> tuple[int, int]:
        """Known time, and the time it is the coverage of."""
        return self.service_ms - self.unknown_ms, self.service_ms - self.hidden_ms

    @property
    def well_known(self) -> bool:
        """Is at least 99 % of it known, as bonus and earn-back ask?"""
        part, whole = self.known
        return bool(whole) and part * 100 >= whole * 99


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident still open: since when, how long its time has run, and what it has been credited with."""

    opened: int
    elapsed_ms: int
    credited: Fraction


@dataclass(frozen=True, slots=True)
class Past:
    """What a guarantee's credits of one period were a share of, and what was credited."""

    end: int
    base: Fraction
    credit: Decimal


@dataclass(frozen=True, slots=True)
class Claim:
    """A credit that the provider may earn back: its amount, periods kept in a row since, and until when (ms)."""

    amount: Decimal
    kept: int
    until: int


@dataclass(frozen=True, slots=True)
class Window:
    """A quarter or year of a guarantee so far: its figures, and the sums of what its credits and bonus are of."""

    figures: Figures = Figures()
    credit_base: Fraction = Fraction(0)
    bonus_base: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Use:
    """A contract year of a minimum use so far: the quantity, and downtime and agreed time of each relief."""

    quantity: Decimal = Decimal(0)
    relief: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lot:
    """Rolled-over units of one period's earning, and in how many more periods they can be used; None for ever."""

    units: Decimal
    periods: int | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """Everything that charges and promises carry over; `balances` are the oldest units first."""

    balances: Mapping[Promised, tuple[Lot, ...]] = field(default_factory=dict)
    excused_until: Mapping[Promised, int] = field(default_factory=dict)
    before: Mapping[Promised, tuple[int, int]] = field(default_factory=dict)
    incidents: Mapping[Promised, Incident] = field(default_factory=dict)
    history: Mapping[Promised, tuple[Past, ...]] = field(default_factory=dict)
    claims: Mapping[Promised, Claim] = field(default_factory=dict)
    windows: Mapping[Promised, Window] = field(default_factory=dict)
    use: Mapping[str, Use] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """Where a contract stands at the edge of a period."""

    at: int
    devices: Mapping[str, DeviceState] = field(default_factory=dict)
    carried: Carried = Carried()
