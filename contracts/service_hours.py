"""Service hours: the local hours in which a promise is measured, as stretches of time (semantics §2).

A window belongs to the day it starts, also where it runs past midnight. A bound inside a skipped hour is the moment of
the change; of a repeated hour, `from` is the first and `to` the second occurrence. Holidays have no window.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

import holidays

from contracts.periods import Span, local_date, midnight_ms, zone
from contracts.promises import DAY_MINUTES, ServiceHours
from contracts.stretches import Stretches, common, united
from contracts.units import UNIT_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def country_fault(code: str) -> str | None:
    """Why the holidays of a country, or of a part of one, are not known; None if they are."""
    country, _, part = code.partition("-")
    known = holidays.list_supported_countries()
    if country not in known:
        return f"{country!r} is not a country whose public holidays are known"
    if part and part not in known[country]:
        return f"{part!r} is not a part of {country} that is known; use one of {', '.join(known[country]) or 'none'}"
    return None


@cache
def _public(code: str, year: int) -> frozenset[date]:
    country, _, part = code.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))


def holidays_in(hours: ServiceHours | None, first: date, after: date) -> tuple[date, ...]:
    """The days in [first, after) that are holidays of the agreement, in order."""
    if hours is None:
        return ()
    days: set[date] = {each for each in hours.holidays if isinstance(each, date)}
    for code in hours.holidays:
        if isinstance(code, str):
            days.update(*(_public(code, year) for year in range(first.year, after.year + 1)))
    return tuple(sorted(day for day in days if first <= day < after))


def service_stretches(hours: ServiceHours | None, span: Span, timezone: str, closed: Collection[date]) -> Stretches:
    """The service hours inside a span; all of it where none are agreed. `closed` are its holidays."""
    if hours is None or not span.length_ms:
        return (span,) if span.length_ms else ()
    day = local_date(span.start, timezone) - timedelta(days=1)  # its window may run past midnight into the span
    windows = []
    while midnight_ms(day, timezone) < span.end:
        if day.weekday() in hours.days and day not in closed:
            windows.append(_window(hours, day, timezone))
        day += timedelta(days=1)
    return common(united(windows), (span,))


def _window(hours: ServiceHours, day: date, timezone: str) -> Span:
    last = day + timedelta(days=1) if hours.to <= hours.from_ else day
    return Span(_moment(day, hours.from_, timezone, fold=0), _moment(last, hours.to, timezone, fold=1))


@cache
def _moment(day: date, minutes: int, timezone: str, fold: int) -> int:
    """A local time of day as UTC ms; where the clock skips it, the moment of the change."""
    if minutes == DAY_MINUTES:
        return midnight_ms(day + timedelta(days=1), timezone)
    if minutes == 0 and fold == 0:
        return midnight_ms(day, timezone)
    wanted = datetime.combine(day, time(minutes // 60, minutes % 60))
    found = wanted.replace(tzinfo=zone(timezone), fold=fold).astimezone(UTC)
    ms = (found - _EPOCH) // timedelta(milliseconds=1)
    if found.astimezone(zone(timezone)).replace(tzinfo=None) == wanted:
        return ms
    return _change(wanted, timezone, ms)


def _change(wanted: datetime, timezone: str, near: int) -> int:
    """The moment at which the clock jumps over a local time, found by halving a day around it to the minute."""
    minute = UNIT_MS["min"]
    before, after = near // minute - DAY_MINUTES, near // minute + DAY_MINUTES
    while after - before > 1:
        middle = (before + after) // 2
        local = (_EPOCH + timedelta(minutes=middle)).astimezone(zone(timezone)).replace(tzinfo=None)
        before, after = (middle, after) if local < wanted else (before, middle)
    return after * minute


def same_time_later(ms: int, days: int, timezone: str) -> int:
    """The same local time of day, so many calendar days later."""
    local = (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone(timezone)).replace(tzinfo=None)
    later = (local + timedelta(days=days)).replace(tzinfo=zone(timezone))
    return (later.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)
