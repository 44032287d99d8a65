"""The rules of semantics §1, §3, §4 and §5 once more, in plain Python and fractions, for judging the product.

Nothing of `contracts` is imported here. A recording's column becomes readings (ms, ticks); readings become stretches
of time on which a value is known; stretches become quantities, and quantities money.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

Reading = tuple[int, int]  # ms since the epoch, ticks
Know = tuple[int, int, int | None]  # from, to, ticks; None where nothing is known


@dataclass(frozen=True, slots=True)
class Day:
    """A local day [start, end), in ms since the epoch."""

    name: str
    start: int
    end: int

    @property
    def length_ms(self) -> int:
        """23, 24 or 25 hours."""
        return self.end - self.start


def local_day(day: date, zone: str) -> Day:
    """The local day of that date."""
    edges = [datetime(each.year, each.month, each.day, tzinfo=ZoneInfo(zone)) for each in (day, day + timedelta(1))]
    start, end = (round(edge.timestamp()) * 1000 for edge in edges)
    return Day(day.isoformat(), start, end)


def days_ago(days: int, zone: str = "UTC") -> date:
    """The local date so many days ago."""
    return datetime.now(ZoneInfo(zone)).date() - timedelta(days)


def utc_ms(text: str) -> int:
    """A recording's time, read as UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def rows_of(recording: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """The rows of a recording by column."""
    with recording.open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter=delimiter))


def readings(moments: Iterable[int], cells: Iterable[str], resolution: str) -> list[Reading]:
    """Readings in ticks, half-even, in the order of the recording."""
    step = Fraction(resolution)
    return [(at, round(Fraction(cell) / step)) for at, cell in zip(moments, cells, strict=True)]


def standing(given: Sequence[Reading]) -> list[Reading]:
    """One reading a moment, by time: the first that came (semantics §1)."""
    first: dict[int, int] = {}
    for at, ticks in given:
        first.setdefault(at, ticks)
    return sorted(first.items())


def known(given: Sequence[Reading], hold_ms: int, day: Day) -> list[Know]:
    """The day cut into stretches, each with the ticks that hold on it: until the next reading, at most `hold_ms`."""
    found: list[Know] = []
    reached = day.start
    for (at, ticks), (after, _) in pairwise([*standing(given), (2**60, 0)]):
        start, end = max(at, day.start), min(after, at + hold_ms, day.end)
        if start < end:
            if reached < start:
                found.append((reached, start, None))
            found.append((start, end, ticks))
            reached = end
    if reached < day.end:
        found.append((reached, day.end, None))
    return found


def known_ms(stretches: Iterable[Know]) -> int:
    """How much of the time is known."""
    return sum(end - start for start, end, ticks in stretches if ticks is not None)


def gaps(stretches: Sequence[Know]) -> int:
    """How many stretches are unknown; two that touch are one."""
    unknown = [ticks is None for _, _, ticks in stretches]
    return sum(now and not before for before, now in pairwise([False, *unknown]))


def runs(stretches: Iterable[Know], holds: Callable[[int], bool]) -> list[tuple[int, int, bool | None]]:
    """Maximal runs of a condition on these stretches: true, false, or None where it is unknown."""
    merged: list[tuple[int, int, bool | None]] = []
    for start, end, ticks in stretches:
        state = None if ticks is None else holds(ticks)
        goes_on = bool(merged) and merged[-1][1:] == (start, state)
        merged.append((merged.pop()[0] if goes_on else start, end, state))
    return merged


def time_true_ms(stretches: Iterable[Know], holds: Callable[[int], bool], at_least_ms: int = 0) -> int:
    """The time in runs of true that last at least so long (semantics §4, `for`)."""
    lengths = [end - start for start, end, state in runs(stretches, holds) if state]
    return sum(length for length in lengths if length >= at_least_ms)


def times_begun(stretches: Iterable[Know], holds: Callable[[int], bool]) -> int:
    """How often a condition became true: from the last known false to known true (semantics §3, `count`)."""
    states = [state for _, _, state in runs(stretches, holds) if state is not None]
    return sum(now and not before for before, now in pairwise(states))


def parted(
    values: Sequence[Know], gates: Sequence[Know], holds: Callable[[int], bool]
) -> tuple[Fraction, Fraction, Fraction]:
    """Σ ticks × ms while the gate's condition holds, while it does not, and while it is unknown."""
    sums = {True: Fraction(0), False: Fraction(0), None: Fraction(0)}
    edges = sorted({edge for start, end, _ in (*values, *gates) for edge in (start, end)})
    place = gate = 0
    for start, end in pairwise(edges):
        while values[place][1] <= start:
            place += 1
        while gates[gate][1] <= start:
            gate += 1
        ticks, judged = values[place][2], gates[gate][2]
        if ticks is not None:
            sums[None if judged is None else holds(judged)] += ticks * (end - start)
    return sums[True], sums[False], sums[None]


def rounded(quantity: Fraction, resolution: str) -> Fraction:
    """To the meter's resolution, half-even (semantics §3)."""
    return round(quantity / Fraction(resolution)) * Fraction(resolution)


def percent(part: int, whole: int) -> str:
    """A percentage with four decimals, rounded down (semantics §8)."""
    units = part * 1_000_000 // whole
    return f"{units // 10_000}.{units % 10_000:04d}"


def cents(amount: Fraction) -> Decimal:
    """Money, half up, away from zero (semantics §5)."""
    whole = int(abs(amount) * 100 + Fraction(1, 2))
    return Decimal(whole if amount >= 0 else -whole).scaleb(-2)


def graduated(quantity: Fraction, tiers: Sequence[tuple[str | None, str, str]]) -> Fraction:
    """The price of a quantity by tiers (up to and including, price of a unit, flat of the tier), each at its own."""
    amount, below = Fraction(0), Fraction(0)
    for up_to, unit, flat in tiers:
        inside = (quantity if up_to is None else min(quantity, Fraction(up_to))) - below
        if inside <= 0:
            break
        amount += inside * Fraction(unit) + Fraction(flat)
        below += inside
    return amount


def packages(quantity: Fraction, size: str, price: str) -> Fraction:
    """⌈quantity / size⌉ packages."""
    return -(-quantity // Fraction(size)) * Fraction(price)
