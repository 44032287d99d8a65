"""Periods and days: local dates as moments, whatever a zone does to its clocks."""

from datetime import date, timedelta
from zoneinfo import ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.language.terms import Terms
from contracts.periods import (
    force_days,
    in_force,
    local_date,
    midnight_ms,
    next_period,
    period_at,
    period_named,
    period_of,
    periods_until,
    rfc3339,
    zone,
)
from tests.contracts.samples import HOUR, JANUARY, ms, terms

ZONES = [
    "UTC", "Europe/Brussels", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo",
    "Asia/Beirut", "Pacific/Apia", "Africa/Casablanca", "America/Havana",
]  # fmt: skip


def agreed(kind: str, anchor: int = 1, timezone: str = "UTC", valid: str = "{from: 2024-01-01}") -> Terms:
    """A contract with periods of a kind."""
    return terms(period=kind, timezone=timezone, valid=valid, more=f"anchor: {anchor}")


@pytest.mark.parametrize(
    ("kind", "anchor", "day", "name", "first", "after"),
    [
        ("day", 1, "2026-02-28", "2026-02-28", "2026-02-28", "2026-03-01"),
        ("week", 1, "2026-01-01", "2026-W01", "2025-12-29", "2026-01-05"),
        ("week", 1, "2027-01-03", "2026-W53", "2026-12-28", "2027-01-04"),
        ("month", 1, "2024-02-29", "2024-02", "2024-02-01", "2024-03-01"),
        ("month", 15, "2026-01-14", "2025-12", "2025-12-15", "2026-01-15"),
        ("month", 15, "2026-01-15", "2026-01", "2026-01-15", "2026-02-15"),
        ("month", 31, "2026-02-27", "2026-01", "2026-01-31", "2026-02-28"),
        ("month", 31, "2026-02-28", "2026-02", "2026-02-28", "2026-03-31"),
        ("month", 31, "2024-02-29", "2024-02", "2024-02-29", "2024-03-31"),
        ("month", 31, "2026-04-30", "2026-04", "2026-04-30", "2026-05-31"),
        ("quarter", 1, "2026-03-31", "2026-Q1", "2026-01-01", "2026-04-01"),
        ("quarter", 31, "2026-04-30", "2026-Q2", "2026-04-30", "2026-07-31"),
        ("quarter", 15, "2026-01-14", "2025-Q4", "2025-10-15", "2026-01-15"),
        ("year", 1, "2026-12-31", "2026", "2026-01-01", "2027-01-01"),
        ("year", 15, "2026-01-14", "2025", "2025-01-15", "2026-01-15"),
    ],
)
def test_a_day_belongs_to_one_period_with_a_name(
    kind: str, anchor: int, day: str, name: str, first: str, after: str
) -> None:
    """Both parties can say from a date alone on which statement it stands."""
    period = period_of(agreed(kind, anchor), date.fromisoformat(day))
    assert (period.name, period.first.isoformat(), period.after.isoformat()) == (name, first, after)
    assert period.days == (date.fromisoformat(after) - date.fromisoformat(first)).days


@given(
    st.sampled_from(["day", "week", "month", "quarter", "year"]),
    st.integers(1, 31),
    st.dates(date(2024, 1, 1), date(2031, 1, 1)),
    st.sampled_from(ZONES),
)
def test_periods_follow_each_other_without_gap_or_overlap(kind: str, anchor: int, day: date, timezone: str) -> None:
    """No moment is billed twice and none is forgotten, whatever the anchor and the zone."""
    contract = agreed(kind, 1 if kind in ("day", "week") else anchor, timezone)
    period = period_of(contract, day)
    following = next_period(contract, period)
    assert period.first <= day < period.after == following.first
    assert period.span.end == following.span.start > period.span.start
    assert period_of(contract, period.after - timedelta(days=1)) == period
    assert period_named(contract, period.name) == period


@given(st.sampled_from(ZONES), st.dates(date(2015, 1, 1), date(2035, 1, 1)))
def test_a_day_begins_at_its_first_moment(timezone: str, day: date) -> None:
    """The millisecond before a day's beginning is another day's, even where midnight is skipped or comes twice."""
    start = midnight_ms(day, timezone)
    skipped = timezone == "Pacific/Apia"  # Samoa has left out 2011-12-30 only, before the days tried here
    assert local_date(start, timezone) == day
    assert local_date(start - 1, timezone) < day or skipped


@pytest.mark.parametrize(
    ("timezone", "day", "hours"),
    [
        ("Europe/Brussels", "2026-03-29", 23),
        ("Europe/Brussels", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Asia/Kathmandu", "2026-03-29", 24),
        ("America/Sao_Paulo", "2018-11-04", 23),
        ("America/Sao_Paulo", "2018-02-17", 25),
        ("Asia/Beirut", "2026-03-29", 23),
        ("UTC", "2026-03-29", 24),
    ],
)
def test_a_day_lasts_as_long_as_the_zone_says(timezone: str, day: str, hours: float) -> None:
    """A day at a clock change has 23 or 25 hours, half an hour on Lord Howe, and is billed as one day."""
    first = date.fromisoformat(day)
    assert midnight_ms(first + timedelta(days=1), timezone) - midnight_ms(first, timezone) == hours * HOUR


@pytest.mark.parametrize(
    ("timezone", "day", "begins"),
    [
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00Z"),  # 00:00 does not exist; the day begins at 01:00 −02
        ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00Z"),  # likewise, at 01:00 +03
        ("Asia/Kathmandu", "2026-01-01", "2025-12-31T18:15Z"),
        ("America/Havana", "2025-11-02", "2025-11-02T04:00Z"),  # 00:00 comes twice; the day begins at the first
    ],
)
def test_a_skipped_or_repeated_midnight_is_the_first_moment_of_the_day(timezone: str, day: str, begins: str) -> None:
    """Where a day has no midnight, it begins at the moment of the change (semantics §2)."""
    assert midnight_ms(date.fromisoformat(day), timezone) == ms(begins)


def test_a_month_with_a_clock_change_is_an_hour_short_or_long() -> None:
    """March in Brussels has 743 hours and October 745."""
    contract = agreed("month", timezone="Europe/Brussels")
    hours = {m: period_named(contract, f"2026-{m:02d}").span.length_ms / HOUR for m in (3, 4, 10)}
    assert hours == {3: 743, 4: 720, 10: 745}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("month", "2026-13"),
        ("month", "2026-1"),
        ("month", "2026"),
        ("month", "0001-01"),
        ("month", "9999-12"),
        ("week", "2026-W54"),
        ("week", "2026-01"),
        ("quarter", "2026-Q5"),
        ("day", "2026-02-30"),
        ("year", "2026-01"),
        ("month", "١٢٣٤-01"),
    ],
)
def test_a_name_that_is_no_period_is_explained(kind: str, name: str) -> None:
    """Whoever asks for a period that does not exist learns what the contract's periods look like."""
    with pytest.raises(ValueError, match="is not a period of T-1; its periods are named like 202"):
        period_named(agreed(kind), name)


@pytest.mark.parametrize("name", ["2025-12", "2026-03"])
def test_a_period_outside_the_contract_is_refused(name: str) -> None:
    """No statement exists for a time in which the contract was not in force."""
    contract = agreed("month", valid="{from: 2026-01-10, until: 2026-03-01}")
    with pytest.raises(ValueError, match="valid from 2026-01-10 until 2026-03-01"):
        period_named(contract, name)


def test_every_period_since_the_beginning_is_listed_once() -> None:
    """Balances are carried through every period since the contract began."""
    contract = agreed("month", 15, valid="{from: 2026-01-01}")
    names = [period.name for period in periods_until(contract, period_named(contract, "2026-03"))]
    assert names == ["2025-12", "2026-01", "2026-02", "2026-03"]


def test_a_device_is_in_force_from_since_until_until() -> None:
    """Flats shrink with the days in force: from `since` on, and no longer on the day named `until`."""
    contract = terms(
        devices="[{id: m1, since: 2026-01-10, until: 2026-01-20}, {id: m2, since: 2026-03-01}]",
        valid="{from: 2026-01-05, until: 2026-01-31}",
    )
    january = period_named(contract, "2026-01")
    assert force_days(contract, None, january) == (date(2026, 1, 5), date(2026, 1, 31))
    assert force_days(contract, contract.devices[0], january) == (date(2026, 1, 10), date(2026, 1, 20))
    assert in_force(contract, contract.devices[0], january).length_ms == 10 * 24 * HOUR
    first, after = force_days(contract, contract.devices[1], january)
    assert first == after
    assert in_force(contract, contract.devices[1], january).length_ms == 0


def test_a_moment_belongs_to_the_period_that_starts_at_it() -> None:
    """A period is [start, end): midnight is the next month's."""
    contract = agreed("month", timezone="Europe/Brussels")
    january = period_named(contract, "2026-01")
    assert period_at(contract, january.span.end - 1).name == "2026-01"
    assert period_at(contract, january.span.end).name == "2026-02"


def test_moments_are_written_in_utc_with_milliseconds() -> None:
    """One spelling, so that two statements of the same moment are the same bytes."""
    assert rfc3339(JANUARY + 7) == "2026-01-01T00:00:00.007Z"
    assert rfc3339(JANUARY - 1) == "2025-12-31T23:59:59.999Z"


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "", "../UTC", "Europe", "/etc/passwd", "zone1970.tab", "Europe/__init__.py"]
)
def test_only_zones_of_the_wheel_are_zones(name: str) -> None:
    """A zone's name opens a table of clock changes and nothing else."""
    with pytest.raises((ZoneInfoNotFoundError, ValueError)):
        zone(name)
