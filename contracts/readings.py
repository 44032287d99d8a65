"""Readings as columns: exact ticks, identity, and what became of each (semantics §1).

A reading is (device, channel, time, value). Columns hold the readings of one device and channel, in the order in
which they arrived or sorted by time; `judge` sorts them and says which one of each moment stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from contracts.language.terms import Terms
from contracts.units import decimal_of, decimals_of, round_half_even

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]

MAX_TICKS = 2**53
ARRIVAL_UNKNOWN = -1
NO_BOOT = -1

# A double differs from its decimal text by at most 2⁻⁵³ of itself, and scaling adds as much: four times that is safe.
_DOUBLE_ERROR = 2.0**-51


class Disposition(IntEnum):
    """What became of a reading; the names are those of the evidence files."""

    ACCEPTED = 0
    DUPLICATE = 1
    CONFLICTING = 2
    QUARANTINED = 3


@dataclass(frozen=True, slots=True)
class Columns:
    """The readings of one device and channel. Times in ms UTC; values in ticks of the channel's resolution.

    `arrivals` is -1 where the arrival is not known; `boots` holds places in `boot_names`, -1 for none; `late` marks
    what was earlier than the newest reading seen before it. Readings of equal time stand in order of arrival.
    """

    times: Ints
    ticks: Ints
    arrivals: Ints
    boots: Ints
    late: Flags
    boot_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.times)

    def between(self, start: int, end: int) -> Columns:
        """The readings in [start, end); the columns must be sorted by time."""
        low, high = np.searchsorted(self.times, [start, end])
        return self.at(slice(int(low), int(high)))

    def at(self, where: slice | Ints | Flags) -> Columns:
        """The readings at these places."""
        return Columns(
            self.times[where], self.ticks[where], self.arrivals[where], self.boots[where], self.late[where],
            self.boot_names,
        )  # fmt: skip


_NONE = np.empty(0, np.int64)
EMPTY = Columns(_NONE, _NONE, _NONE, _NONE, np.empty(0, np.bool_))


@dataclass(frozen=True, slots=True)
class Series:
    """The readings of one channel that stand: sorted, one per moment. This is what meters and conditions see."""

    times: Ints
    ticks: Ints
    boots: Ints
    boot_names: tuple[str, ...] = ()

    def between(self, start: int, end: int) -> Series:
        """The readings in [start, end)."""
        low, high = np.searchsorted(self.times, [start, end])
        return Series(self.times[low:high], self.ticks[low:high], self.boots[low:high], self.boot_names)

    def at(self, where: Flags) -> Series:
        """The readings at these places."""
        return Series(self.times[where], self.ticks[where], self.boots[where], self.boot_names)

    def last_before(self, moment: int) -> tuple[int, int] | None:
        """Time and ticks of the last reading before a moment."""
        place = int(np.searchsorted(self.times, moment)) - 1
        return None if place < 0 else (int(self.times[place]), int(self.ticks[place]))


NOTHING = Series(_NONE, _NONE, _NONE)


@dataclass(frozen=True, slots=True)
class Clock:
    """Which readings a contract's clock terms quarantine: too far ahead of their arrival, or too old."""

    ahead_ms: int
    behind_ms: int

    @staticmethod
    def of(terms: Terms) -> Clock:
        """The clock terms of a contract: `data.clock_ahead` and `corrections`."""
        return Clock(terms.data.clock_ahead, terms.corrections)

    def refuses(self, times: Ints, arrivals: Ints) -> Flags:
        """Which readings are quarantined for their time; none whose arrival is not known."""
        lead = times - arrivals
        refused: Flags = (arrivals != ARRIVAL_UNKNOWN) & ((lead > self.ahead_ms) | (lead < -self.behind_ms))
        return refused


@dataclass(frozen=True, slots=True)
class Counts:
    """Readings of a channel by what became of them; `late` is counted across them (semantics §8)."""

    accepted: int = 0
    duplicate: int = 0
    conflicting: int = 0
    late: int = 0
    quarantined: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided of a reading kept aside: its time, accepted or not, and its ticks where one is named."""

    time: int
    accepted: bool
    ticks: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """Sorted columns with the disposition of each reading."""

    columns: Columns
    dispositions: Bytes

    def series(self) -> Series:
        """The readings that stand."""
        kept = self.dispositions == Disposition.ACCEPTED
        columns = self.columns
        return Series(columns.times[kept], columns.ticks[kept], columns.boots[kept], columns.boot_names)

    def counts(self, start: int, end: int) -> Counts:
        """How many of the readings in [start, end) became what."""
        low, high = (int(place) for place in np.searchsorted(self.columns.times, [start, end]))
        by_kind = np.bincount(self.dispositions[low:high], minlength=len(Disposition))
        late = int(np.count_nonzero(self.columns.late[low:high]))
        return Counts(int(by_kind[0]), int(by_kind[1]), int(by_kind[2]), late, int(by_kind[3]))


def judge(columns: Columns, clock: Clock, decisions: Sequence[Decision] = ()) -> Judged:
    """Sort readings by time and decide which one of each moment stands.

    The first to arrive stands; the same ticks again are a duplicate, other ticks a conflict. Where the clock terms
    refuse the one that stands it is quarantined, and stays so however often it is sent again. A person's decision to
    accept puts a conflict's second value in place of the first, and lets a reading stand whose clock was refused.
    """
    times = columns.times
    if len(times) and np.any(times[1:] < times[:-1]):
        columns = columns.at(np.argsort(times, kind="stable"))
        times = columns.times
    dispositions = np.zeros(len(times), np.int8)
    dispositions[clock.refuses(times, columns.arrivals)] = Disposition.QUARANTINED
    again = np.concatenate([[False], times[1:] == times[:-1]])[: len(times)]
    if again.any():
        first = np.maximum.accumulate(np.where(again, 0, np.arange(len(times))))
        equal = columns.ticks == columns.ticks[first]
        dispositions[again & equal] = Disposition.DUPLICATE
        dispositions[again & ~equal] = Disposition.CONFLICTING
    for decision in decisions:
        if decision.accepted:
            _accept(columns, dispositions, decision)
    return Judged(columns, dispositions)


def _accept(columns: Columns, dispositions: Bytes, decision: Decision) -> None:
    """Let the reading stand that a person accepted: a conflict's other value, or one refused for its clock."""
    low, high = (int(place) for place in np.searchsorted(columns.times, [decision.time, decision.time + 1]))
    if low == high:
        return
    ticks, kinds = columns.ticks[low:high], dispositions[low:high]
    named = np.ones(len(ticks), np.bool_) if decision.ticks is None else ticks == decision.ticks
    others = np.flatnonzero((kinds == Disposition.CONFLICTING) & named)
    if len(others):
        chosen = ticks[others[0]]
        kinds[:] = np.where(ticks == chosen, Disposition.DUPLICATE, Disposition.CONFLICTING)
        kinds[others[0]] = Disposition.ACCEPTED
    elif kinds[0] == Disposition.QUARANTINED and decision.ticks in (None, int(ticks[0])):
        kinds[0] = Disposition.ACCEPTED


def lateness(times: Ints, arrivals: Ints, clock: Clock, newest: int = 0) -> Flags:
    """Which readings, given in order of arrival, are earlier than the newest seen before them (semantics §8).

    `newest` is the newest already seen. What the clock terms refuse is not seen, so that one device clock in the far
    future does not make every later reading late.
    """
    trusted = np.where(clock.refuses(times, arrivals), 0, times)
    seen = np.maximum.accumulate(np.concatenate([[newest], trusted]))[:-1]
    late: Flags = (times < seen) & (arrivals != ARRIVAL_UNKNOWN)
    return late


def to_ticks(values: Sequence[Any] | npt.NDArray[np.float64], resolution: Decimal) -> tuple[Ints, Flags]:
    """Values as whole multiples of the resolution, half-even, and which of them are too large to be kept.

    Numbers and decimal texts may be mixed. The arithmetic of doubles is used only where it provably gives what the
    decimal text of the value gives; the rest, near a half or very large, is computed as decimals.
    """
    doubles = _doubles(values)
    scale = _inverse(resolution)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = doubles * scale if isinstance(scale, int) else doubles / float(resolution)
        whole = np.rint(scaled)
        margin = np.abs(scaled) * _DOUBLE_ERROR + 1e-300
        sure = (np.abs(scaled - whole) <= 0.5 - margin) & (np.abs(scaled) < 2.0**50)
    ticks = np.where(sure, whole, 0).astype(np.int64)
    refused = np.zeros(len(doubles), np.bool_)
    for place in np.flatnonzero(~sure).tolist():
        exact = exact_ticks(values[place], resolution)
        if exact is None:
            refused[place] = True
        else:
            ticks[place] = exact
    return ticks, refused


def _doubles(values: Sequence[Any] | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Values as doubles; an integer too large for one is infinite here, and refused by the exact rule."""
    try:
        return np.asarray(values, dtype=np.float64)
    except OverflowError:
        huge = 10**300
        return np.array([np.inf if isinstance(value, int) and abs(value) > huge else float(value) for value in values])


def exact_ticks(value: Any, resolution: Decimal) -> int | None:
    """The decimal rule itself: round-half-even(value / resolution), or None beyond ±2⁵³ and for NaN and infinity."""
    try:
        decimal = Decimal(value) if isinstance(value, str) else Decimal(repr(float(value)))
        if isinstance(value, int | np.integer):
            decimal = Decimal(int(value))
        if not decimal.is_finite() or decimal.adjusted() > 60:
            return None
        ticks = round_half_even(Fraction(decimal) / Fraction(resolution)) if decimal.adjusted() > -60 else 0
    except (ArithmeticError, ValueError):
        return None
    return ticks if abs(ticks) <= MAX_TICKS else None


def _inverse(resolution: Decimal) -> int | None:
    """n for a resolution of 1/n, else None for a whole number above 1."""
    inverse = 1 / Fraction(resolution)
    return int(inverse) if inverse.denominator == 1 else None


def decimal_texts(ticks: Ints, resolution: Decimal) -> list[str]:
    """Ticks as the decimal numbers they stand for, with the resolution's decimals."""
    digits = decimals_of(resolution)
    units = int(resolution * 10**digits)
    if digits == 0:
        return [str(tick * units) for tick in ticks.tolist()]
    if digits > 3 or int(np.abs(ticks).max(initial=0)) * units >= 2**62:
        return [f"{decimal_of(tick * units, digits):f}" for tick in ticks.tolist()]
    tails = [f".{rest:0{digits}d}" for rest in range(10**digits)]
    whole, rest = np.divmod(np.abs(ticks) * units, 10**digits)
    texts = [str(number) + tails[place] for number, place in zip(whole.tolist(), rest.tolist(), strict=True)]
    for place in np.flatnonzero(ticks < 0).tolist():
        texts[place] = f"-{texts[place]}"
    return texts
