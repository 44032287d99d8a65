"""Service hours: local days and clocks turned into stretches of UTC milliseconds (semantics §2)."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import holidays

from tests.oracle.dates import Span as Days
from tests.oracle.spans import Spans, joined, shared
from tests.oracle.terms import Terms

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def utc_ms(local: datetime) -> int:
    """Return a local time, with its zone and fold, in UTC milliseconds."""
    return (local.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)


def offset_at(moment_ms: int, zone: str) -> timedelta | None:
    """Return how far the clocks of a zone are ahead of UTC at a moment."""
    return (EPOCH + timedelta(milliseconds=moment_ms)).astimezone(ZoneInfo(zone)).utcoffset()


def moment_of(day: date, clock: time, zone: str, *, last: bool) -> int:
    """Return when a clock shows a time: the change where it is skipped, the first or last time where it is repeated."""
    local = datetime.combine(day, clock, tzinfo=ZoneInfo(zone))
    first, second = utc_ms(local.replace(fold=0)), utc_ms(local.replace(fold=1))
    if first <= second:
        return second if last else first
    before, after = second, first  # skipped: the change lies between the two readings of that clock
    while after - before > 1:
        middle = (before + after) // 2
        if offset_at(middle, zone) == offset_at(before, zone):
            before = middle
        else:
            after = middle
    return after


def clock_moment(day: date, text: str, zone: str, *, last: bool) -> int:
    """Return when a clock shows `05:00` on a day; `24:00` is the next midnight."""
    if text == "24:00":
        return moment_of(day + timedelta(days=1), time(), zone, last=False)
    return moment_of(day, time.fromisoformat(text), zone, last=last)


def weekdays(text: Any) -> set[int]:
    """Return the days of `daily`, `mon-sat`, `mon,wed,fri` or a list, Monday as 0."""
    names = text if isinstance(text, list) else str(text).split(",")
    chosen: set[int] = set()
    for name in (part.strip() for part in names):
        first, _, last = ("mon-sun" if name == "daily" else name).partition("-")
        day = WEEKDAYS.index(first)
        chosen.add(day)
        while last and WEEKDAYS[day] != last:
            day = (day + 1) % 7
            chosen.add(day)
    return chosen


def is_holiday(hours: Terms, day: date) -> bool:
    """Tell whether a day is one of the holidays the terms name, each as a date or as a country."""
    named = hours.get("holidays", [])
    for text in named if isinstance(named, list) else [named]:
        if text[0].isdigit():
            if text == day.isoformat():
                return True
        else:
            country, _, subdivision = text.partition("-")
            if day in holidays.country_holidays(country, subdiv=subdivision or None, years=day.year):
                return True
    return False


def service_time(terms: Terms, promise: Terms, start: int, end: int) -> Spans:
    """Return the service hours of a guarantee or obligation inside [start, end), touching windows as one."""
    if "service_hours" not in promise:
        return joined([(start, end)])
    hours, zone = promise["service_hours"], terms["timezone"]
    opens, closes = hours.get("from", "00:00"), hours.get("to", "24:00")
    chosen = weekdays(hours.get("days", "daily"))
    first, after = ((EPOCH + timedelta(milliseconds=edge)).astimezone(ZoneInfo(zone)).date() for edge in (start, end))
    days = Days(first - timedelta(days=2), after + timedelta(days=2))
    windows = []
    for day in (days.first + timedelta(days=n) for n in range(days.days)):
        if day.weekday() in chosen and not is_holiday(hours, day):
            closing_day = day + timedelta(days=1) if opens >= closes else day
            windows.append(
                (clock_moment(day, opens, zone, last=False), clock_moment(closing_day, closes, zone, last=True))
            )
    return shared(joined(windows), [(start, end)])
