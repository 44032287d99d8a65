"""Local days: machines keep the hours of the people who use them, not those of UTC."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Day:
    """One local day [start_ms, end_ms) in UTC milliseconds; 23 or 25 hours long when the clocks change."""

    date: date
    start_ms: int
    end_ms: int
    zone: ZoneInfo

    def minute_at(self, hour: int) -> int:
        """Minutes from the start of the day to this hour on the wall."""
        wall = datetime(self.date.year, self.date.month, self.date.day, hour)
        return (utc_ms(wall, self.zone) - self.start_ms) // MINUTE_MS

    @property
    def minutes(self) -> int:
        """How many minutes the day has."""
        return (self.end_ms - self.start_ms) // MINUTE_MS


def utc_ms(moment: datetime, zone: ZoneInfo) -> int:
    """Milliseconds since the epoch; a moment that names no zone of its own is read from the wall clock in `zone`."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return (aware.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


def wall_clock(t_ms: int, zone: ZoneInfo) -> datetime:
    """What the clock on the wall shows at a UTC moment, without its zone."""
    return (_EPOCH + timedelta(milliseconds=t_ms)).astimezone(zone).replace(tzinfo=None)


def placed_ms(period_start_ms: int, at_ms: int, workday: bool, zone: ZoneInfo) -> int:
    """The moment so many days and hours into a period, by the wall clock, so that 10:00 stays 10:00 when clocks change.

    On a `workday` one that falls on a weekend is moved to the same hour of the next Monday.
    """
    wall = wall_clock(period_start_ms, zone) + timedelta(milliseconds=at_ms)
    if workday and wall.weekday() >= 5:
        wall += timedelta(days=7 - wall.weekday())
    return utc_ms(wall, zone)


def local_day(on: date, zone: ZoneInfo) -> Day:
    """The local day of a date."""
    midnight = datetime(on.year, on.month, on.day)
    return Day(on, utc_ms(midnight, zone), utc_ms(midnight + timedelta(days=1), zone), zone)


def local_days(start_ms: int, end_ms: int, zone: ZoneInfo) -> Iterator[Day]:
    """Every local day that touches [start_ms, end_ms), in order."""
    day = local_day(wall_clock(start_ms, zone).date(), zone)
    while day.start_ms < end_ms:
        yield day
        day = local_day(day.date + timedelta(days=1), zone)
