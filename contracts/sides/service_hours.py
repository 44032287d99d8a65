"""Service hours: the local hours in which a promise is measured, as stretches of time (semantics §2).

A window belongs to the day it starts, also where it runs past midnight. A bound inside a skipped hour is the moment of
the change; of a repeated hour, `from` is the first and `to` the second occurrence. Holidays have no window.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache

from contracts.language.promises import ServiceHours
from contracts.language.values import COUNTRY, DAY_MINUTES
from contracts.periods import Span, local_date, midnight_ms, zone
from contracts.sides.stretches import Stretches, overlap, united
from contracts.units import DAY_MS, UNIT_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = UNIT_MS["min"]

# A window may last until the end of the day after its own, and a clock that goes back over midnight brings that again.
_REACH = timedelta(days=2)


def country_fault(code: str) -> tuple[str, str] | None:
    """Why the public holidays of a country, or of a part of one, are not known, and the remedy; None if they are."""
    from holidays import country_holidays  # noqa: PLC0415 - it takes a while to load, and few contracts need it

    country, _, part = code.partition("-")
    try:
        parts = country_holidays(country).subdivisions
    except NotImplementedError:
        return f"the public holidays of `{country}` are not known", "Use an ISO 3166 code such as BE, or list the dates"
    if not part or part in parts:
        return None
    known = [f"{country}-{each}" for each in parts if COUNTRY.fullmatch(f"{country}-{each}")]
    remedy = f"Use one of: {', '.join([country, *known])}; or list the dates"
    return f"the public holidays of `{code}` are not known apart from those of {country}", remedy


@cache
def _public(code: str, year: int) -> frozenset[date]:
    from holidays import country_holidays  # noqa: PLC0415 - it takes a while to load, and few contracts need it

    country, _, part = code.partition("-")
    days = country_holidays(country, subdiv=part or None, years=year)
    return frozenset(day for day in days if day.year == year)


def holidays_in(hours: ServiceHours | None, first: date, after: date) -> tuple[date, ...]:
    """The days in [first, after) that are holidays of the agreement, in order."""
    if hours is None:
        return ()
    days = {each for each in hours.holidays if isinstance(each, date)}
    for code in hours.holidays:
        if isinstance(code, str):
            days.update(*(_public(code, year) for year in range(first.year, after.year + 1)))
    return tuple(sorted(day for day in days if first <= day < after))


@lru_cache(maxsize=1024)
def service_stretches(hours: ServiceHours | None, span: Span, timezone: str, closed: tuple[date, ...]) -> Stretches:
    """The service hours inside a span; all of it where none are agreed.

    `closed` are the holidays of its days, and of the day before, whose hours may run past midnight into it.
    """
    if not span.length_ms:
        return ()
    if hours is None:
        return (span,)
    day = local_date(span.start, timezone) - _REACH
    windows = []
    while midnight_ms(day, timezone) < span.end:
        if day.weekday() in hours.days and day not in closed:
            windows.append(_window(hours, day, timezone))
        day += timedelta(days=1)
    return overlap(united(windows), (span,))


def _window(hours: ServiceHours, day: date, timezone: str) -> Span:
    last = day + timedelta(days=1) if hours.to <= hours.from_ else day
    return Span(_moment(day, hours.from_, timezone, fold=0), _moment(last, hours.to, timezone, fold=1))


@cache
def _moment(day: date, minutes: int, timezone: str, fold: int) -> int:
    """A local time of day as UTC ms."""
    if minutes == DAY_MINUTES:
        return midnight_ms(day + timedelta(days=1), timezone)
    return _utc_ms(datetime.combine(day, time(minutes // 60, minutes % 60, fold=fold)), timezone)


def _utc_ms(local: datetime, timezone: str) -> int:
    """A local time as UTC ms; where the clock skips it, the moment of the change."""
    found = local.replace(tzinfo=zone(timezone)).astimezone(UTC)
    ms = (found - _EPOCH) // timedelta(milliseconds=1)
    return ms if _local(ms, timezone) == local else _change(local, timezone, ms)


def _change(skipped: datetime, timezone: str, near: int) -> int:
    """The moment at which the clock jumps over a local time, found by halving the days around it to the minute."""
    before, after = (near - 2 * DAY_MS) // _MINUTE, (near + 2 * DAY_MS) // _MINUTE
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if _local(middle * _MINUTE, timezone) < skipped else (before, middle)
    return after * _MINUTE


def _local(ms: int, timezone: str) -> datetime:
    return (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone(timezone)).replace(tzinfo=None)


def same_time_later(ms: int, days: int, timezone: str) -> int:
    """The same local time of day, so many calendar days later: of a repeated hour the first, of a skipped its end."""
    return _utc_ms(_local(ms, timezone) + timedelta(days=days), timezone)
