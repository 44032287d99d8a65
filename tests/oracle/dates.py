"""Periods and days in force: local dates, and the UTC milliseconds they begin at (semantics §2)."""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tests.oracle.terms import Terms

MONTHS = {"month": 1, "quarter": 3, "year": 12}
FAR_PAST, FAR_FUTURE = date(1, 1, 1), date(9999, 1, 1)


@dataclass(frozen=True, slots=True)
class Span:
    """Local days from `first` up to, not including, `after`."""

    first: date
    after: date

    @property
    def days(self) -> int:
        """Return how many whole local days it has; never less than none."""
        return max(0, (self.after - self.first).days)

    def within(self, other: "Span") -> "Span":
        """Return the days both have."""
        return Span(max(self.first, other.first), min(self.after, other.after))


def midnight_ms(day: date, zone: str) -> int:
    """Return the moment a local day begins, in UTC milliseconds."""
    moment = datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def rfc3339(moment_ms: int) -> str:
    """Write a moment as machines read it: UTC, with milliseconds."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment_ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def anchored(year: int, month: int, anchor: int) -> date:
    """Return the day a month starts on: its anchor, or its last day; months may run past 12."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, min(anchor, calendar.monthrange(year, month)[1]))


def period_starting(terms: Terms, year: int, month: int) -> Span:
    """Return the months-long period whose name starts with this year and month."""
    anchor = int(terms.get("anchor", "1"))
    return Span(anchored(year, month, anchor), anchored(year, month + MONTHS[terms["period"]], anchor))


def period_named(terms: Terms, name: str) -> Span:
    """Return the days of `2026`, `2026-Q1`, `2026-01`, `2026-W05` or `2026-01-15` under these terms."""
    year = int(name[:4])
    if terms["period"] == "day":
        return Span(date.fromisoformat(name), date.fromisoformat(name) + timedelta(days=1))
    if terms["period"] == "week":
        monday = date.fromisocalendar(year, int(name[6:]), 1)
        return Span(monday, monday + timedelta(days=7))
    if terms["period"] == "month":
        return period_starting(terms, year, int(name[5:]))
    if terms["period"] == "quarter":
        return period_starting(terms, year, 3 * int(name[6:]) - 2)
    return period_starting(terms, year, 1)


def period_name(terms: Terms, day: date) -> str:
    """Return the name of the period a local day lies in, found by trying them."""
    if terms["period"] == "day":
        return day.isoformat()
    if terms["period"] == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    names = {
        "month": [f"{y}-{m:02d}" for y in (day.year - 1, day.year) for m in range(1, 13)],
        "quarter": [f"{y}-Q{q}" for y in (day.year - 1, day.year) for q in range(1, 5)],
        "year": [str(day.year - 1), str(day.year)],
    }[terms["period"]]
    spans = {name: period_named(terms, name) for name in names}
    return next(name for name, span in spans.items() if span.first <= day < span.after)


def contract_days(terms: Terms) -> Span:
    """Return the days the contract is in force."""
    valid = terms["valid"]
    until = date.fromisoformat(valid["until"]) if "until" in valid else FAR_FUTURE
    return Span(date.fromisoformat(valid["from"]), until)


def device_days(terms: Terms, declared: Terms) -> Span:
    """Return the days a device is in force: its own dates within the contract's."""
    since = date.fromisoformat(declared["since"]) if "since" in declared else FAR_PAST
    until = date.fromisoformat(declared["until"]) if "until" in declared else FAR_FUTURE
    return Span(since, until).within(contract_days(terms))
