"""Periods and days: local dates of a contract, as UTC milliseconds [start, end) (semantics §2).

Zones come from the tzdata wheel alone, so that a statement computed on any machine uses the same rules.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.language.terms import Device, Terms

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch of time [start, end) in milliseconds since the epoch, UTC."""

    start: int
    end: int

    @property
    def length_ms(self) -> int:
        """Its length; nothing is shorter than nothing."""
        return max(0, self.end - self.start)

    def within(self, other: Span) -> Span:
        """The part of this stretch inside another; empty where they do not meet."""
        start = max(self.start, other.start)
        return Span(start, max(start, min(self.end, other.end)))


@dataclass(frozen=True, slots=True)
class Period:
    """One billing period: its name, its local dates [first, after) and its UTC bounds."""

    name: str
    first: date
    after: date
    span: Span
    timezone: str

    @property
    def days(self) -> int:
        """Whole local days in the period."""
        return (self.after - self.first).days


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of that name from the tzdata wheel; raises ZoneInfoNotFoundError or ValueError if there is none."""
    if not re.fullmatch(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*", name):
        raise ValueError(f"{name!r} is not the name of a time zone")
    *folders, leaf = name.split("/")
    file = resources.files("tzdata.zoneinfo").joinpath(*folders, leaf)
    try:
        with file.open("rb") as data:
            return ZoneInfo.from_file(data, key=name)
    except (OSError, ValueError) as error:
        raise ZoneInfoNotFoundError(f"no time zone named {name}") from error


@cache
def midnight_ms(day: date, timezone: str) -> int:
    """The moment a local day begins; where the clock skips midnight, the moment of the change."""
    local = datetime.combine(day, time(), tzinfo=zone(timezone))
    moment = local.astimezone(UTC)
    if moment.astimezone(zone(timezone)).replace(tzinfo=None) != datetime.combine(day, time()):
        moment = _first_moment_of(day, timezone, moment)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _first_moment_of(day: date, timezone: str, near: datetime) -> datetime:
    """Midnight does not exist that day: halve the time around it until the first moment of the day is found."""
    before, after = near - timedelta(days=1), near + timedelta(days=1)
    while after - before > timedelta(milliseconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone(timezone)).date() < day:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def local_date(ms: int, timezone: str) -> date:
    """The local day in which a moment falls."""
    return (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone(timezone)).date()


def period_of(terms: Terms, day: date) -> Period:
    """The period that contains a local day."""
    first = _first_day(terms, day)
    after = _next_first(terms, first)
    span = Span(midnight_ms(first, terms.timezone), midnight_ms(after, terms.timezone))
    return Period(_name(terms, first), first, after, span, terms.timezone)


def period_at(terms: Terms, ms: int) -> Period:
    """The period that contains a moment."""
    return period_of(terms, local_date(ms, terms.timezone))


def next_period(terms: Terms, period: Period) -> Period:
    """The period right after."""
    return period_of(terms, period.after)


def periods_until(terms: Terms, last: Period) -> list[Period]:
    """Every period from the contract's first to `last`, in order; empty if `last` is before the contract."""
    periods = []
    period = period_of(terms, terms.valid.from_)
    while period.first <= last.first:
        periods.append(period)
        period = next_period(terms, period)
    return periods


def period_named(terms: Terms, name: str) -> Period:
    """The period with that name; raises ValueError, saying what the contract's periods look like."""
    example = period_of(terms, terms.valid.from_).name
    day = _day_in(terms, name)
    period = period_of(terms, day) if day else None
    if period is None or period.name != name:
        raise ValueError(f"{name!r} is not a period of {terms.id}; its periods are named like {example}")
    if period.after <= terms.valid.from_ or (terms.valid.until is not None and period.first >= terms.valid.until):
        until = f" until {terms.valid.until}" if terms.valid.until else ""
        raise ValueError(f"{terms.id} is not in force in {name}; it is valid from {terms.valid.from_}{until}")
    return period


def force_days(terms: Terms, device: Device | None, period: Period) -> tuple[date, date]:
    """The local days [first, after) on which the contract, or one device of it, is in force in the period."""
    first = max(period.first, terms.valid.from_, (device.since if device and device.since else date.min))
    after = min(period.after, terms.valid.until or date.max, (device.until if device and device.until else date.max))
    return first, max(first, after)


def in_force(terms: Terms, device: Device | None, period: Period) -> Span:
    """The same as UTC milliseconds."""
    first, after = force_days(terms, device, period)
    return Span(midnight_ms(first, terms.timezone), midnight_ms(after, terms.timezone))


def contract_window(terms: Terms, period: Period, months: int) -> tuple[date, date]:
    """The contract's quarter (3 months) or year (12) to which a period belongs: that in which it starts.

    They are counted from `valid.from`.
    """
    begin, day = terms.valid.from_, max(period.first, terms.valid.from_)
    count = ((day.year - begin.year) * 12 + day.month - begin.month) // months
    if _shifted(begin, count * months, begin.day) > day:
        count -= 1
    return _shifted(begin, count * months, begin.day), _shifted(begin, (count + 1) * months, begin.day)


def ends_window(terms: Terms, period: Period, months: int) -> bool:
    """Is it the last period of its contract quarter or year, or of the contract?"""
    _, after = contract_window(terms, period, months)
    return period.after >= after or (terms.valid.until is not None and period.after >= terms.valid.until)


def earlier_periods(terms: Terms, period: Period) -> list[Period]:
    """The periods before this one that end in the twelve months to its end, the newest first."""
    anchor = terms.anchor if terms.period in _MONTHS else period.after.day
    limit, found = _shifted(period.after, -12, anchor), []
    before = period_of(terms, period.first - timedelta(days=1))
    while before.after > limit:
        found.append(before)
        before = period_of(terms, before.first - timedelta(days=1))
    return found


def rfc3339(ms: int) -> str:
    """A moment as a statement writes it: UTC with milliseconds."""
    seconds, rest = divmod(ms, 1000)
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]}.{rest:03d}Z"


def _anchored(year: int, month: int, anchor: int) -> date:
    return date(year, month, min(anchor, calendar.monthrange(year, month)[1]))


def _first_day(terms: Terms, day: date) -> date:
    if terms.period == "day":
        return day
    if terms.period == "week":
        return day - timedelta(days=day.weekday())
    size = _MONTHS[terms.period]
    month = (day.month - 1) // size * size + 1
    first = _anchored(day.year, month, terms.anchor)
    return first if first <= day else _shifted(first, -size, terms.anchor)


def _shifted(first: date, months: int, anchor: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return _anchored(year, month + 1, anchor)


def _next_first(terms: Terms, first: date) -> date:
    if terms.period in ("day", "week"):
        return first + timedelta(days=1 if terms.period == "day" else 7)
    return _shifted(first, _MONTHS[terms.period], terms.anchor)


def _name(terms: Terms, first: date) -> str:
    if terms.period == "day":
        return first.isoformat()
    if terms.period == "week":
        year, week, _ = first.isocalendar()
        return f"{year}-W{week:02d}"
    if terms.period == "quarter":
        return f"{first.year}-Q{(first.month - 1) // 3 + 1}"
    return f"{first.year}" if terms.period == "year" else f"{first.year}-{first.month:02d}"


def _day_in(terms: Terms, name: str) -> date | None:
    """The first day of a period by its name, or None where the name has another form."""
    patterns = {
        "day": r"(\d{4})-(\d{2})-(\d{2})",
        "week": r"(\d{4})-W(\d{2})",
        "month": r"(\d{4})-(\d{2})",
        "quarter": r"(\d{4})-Q([1-4])",
        "year": r"(\d{4})",
    }
    match = re.fullmatch(patterns[terms.period], name)
    if match is None:
        return None
    numbers = [int(part) for part in match.groups()]
    if not 1990 <= numbers[0] <= 2100:  # the years of which readings can be
        return None
    try:
        if terms.period == "week":
            return date.fromisocalendar(numbers[0], numbers[1], 1)
        if terms.period == "day":
            return date(*numbers)
        month = {"month": numbers[-1], "quarter": numbers[-1] * 3 - 2, "year": 1}[terms.period]
        return _anchored(numbers[0], month, terms.anchor)
    except ValueError:
        return None
