"""Service hours: local windows as moments, whatever a zone does to its clocks and a country to its calendar."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.language.promises import ServiceHours
from contracts.language.values import DAYS
from contracts.periods import Span, local_date, midnight_ms
from contracts.sides.service_hours import country_fault, holidays_in, same_time_later, service_stretches
from contracts.sides.stretches import Stretches, length_ms, united
from tests.contracts.samples import DAY, HOUR, MINUTE, ms

ZONES = [
    "UTC", "Europe/Brussels", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo",
    "America/Havana", "Africa/Casablanca",
]  # fmt: skip


def hours(**said: Any) -> ServiceHours:
    """Service hours as a contract writes them; `begins` and `ends` are its `from` and `to`."""
    names = {"begins": "from", "ends": "to"}
    return ServiceHours.model_validate({names.get(key, key): value for key, value in said.items()})


def whole_days(first: str, after: str, timezone: str) -> Span:
    """The days [first, after) of a zone."""
    return Span(midnight_ms(date.fromisoformat(first), timezone), midnight_ms(date.fromisoformat(after), timezone))


def served(agreed: ServiceHours, span: Span, timezone: str) -> Stretches:
    """The service hours in a span, with the holidays of its days and of the day before."""
    one = timedelta(days=1)
    first, after = local_date(span.start, timezone) - one, local_date(span.end, timezone) + one
    return service_stretches(agreed, span, timezone, holidays_in(agreed, first, after))


def on(agreed: ServiceHours, day: str, timezone: str, days: int = 1) -> list[tuple[int, int]]:
    """The service hours of some days, as start and end in minutes since the first began."""
    first = date.fromisoformat(day)
    span = whole_days(day, (first + timedelta(days=days)).isoformat(), timezone)
    found = served(agreed, span, timezone)
    return [((each.start - span.start) // MINUTE, (each.end - span.start) // MINUTE) for each in found]


@pytest.mark.parametrize(
    ("timezone", "day", "length"),
    [
        ("Europe/Brussels", "2026-03-29", 23),
        ("Europe/Brussels", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Asia/Kathmandu", "2026-03-29", 24),
        ("Asia/Beirut", "2026-03-29", 23),
    ],
)
@pytest.mark.parametrize("bounds", [{}, {"begins": "00:00", "ends": "24:00"}])
def test_a_whole_day_is_as_long_as_the_zone_makes_it(
    timezone: str, day: str, length: float, bounds: dict[str, str]
) -> None:
    """At a clock change a day of service has 23 or 25 hours, half an hour less or more on Lord Howe."""
    assert on(hours(**bounds), day, timezone) == [(0, length * 60)]


@pytest.mark.parametrize(
    ("timezone", "day", "begins", "ends", "expected"),
    [
        # 02:00 to 03:00 is skipped
        ("Europe/Brussels", "2026-03-29", "01:00", "05:00", [(60, 240)]),
        ("Europe/Brussels", "2026-03-29", "02:30", "05:00", [(120, 240)]),
        ("Europe/Brussels", "2026-03-29", "01:00", "02:30", [(60, 120)]),
        ("Europe/Brussels", "2026-03-29", "02:10", "02:50", []),
        # 02:00 to 03:00 comes twice
        ("Europe/Brussels", "2026-10-25", "02:30", "05:00", [(150, 360)]),
        ("Europe/Brussels", "2026-10-25", "01:00", "02:30", [(60, 210)]),
        ("Europe/Brussels", "2026-10-25", "02:10", "02:50", [(130, 230)]),
        ("Europe/Brussels", "2026-10-25", "03:00", "05:00", [(240, 360)]),
        # on Lord Howe 02:00 to 02:30 is skipped in October, 01:30 to 02:00 comes twice in April
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "03:00", [(120, 150)]),
        ("Australia/Lord_Howe", "2026-10-04", "01:00", "02:15", [(60, 120)]),
        ("Australia/Lord_Howe", "2026-04-05", "01:45", "03:00", [(105, 210)]),
        ("Australia/Lord_Howe", "2026-04-05", "01:00", "01:45", [(60, 135)]),
        ("Asia/Kathmandu", "2026-03-29", "05:00", "23:00", [(300, 1380)]),
        # midnight itself is skipped, and comes twice
        ("America/Sao_Paulo", "2018-11-04", "00:30", "02:00", [(0, 60)]),
        ("America/Havana", "2025-11-02", "00:30", "02:00", [(30, 180)]),
        ("America/Havana", "2025-11-02", "00:00", "00:30", [(0, 90)]),
        ("Pacific/Apia", "2011-12-29", "08:00", "18:00", [(480, 1080)]),
    ],
)
def test_a_bound_at_a_clock_change_is_where_the_rules_say(
    timezone: str, day: str, begins: str, ends: str, expected: list[tuple[int, int]]
) -> None:
    """A skipped bound is the moment of the change; of a repeated one, from is the first and to the second (§2)."""
    assert on(hours(begins=begins, ends=ends), day, timezone) == expected


def test_a_day_that_a_zone_left_out_has_no_service() -> None:
    """Samoa had no 2011-12-30: from the 29th to the 31st there are two windows, not three."""
    assert on(hours(begins="08:00", ends="18:00"), "2011-12-29", "Pacific/Apia", days=3) == [(480, 1080), (1920, 2520)]


def test_a_clock_that_goes_back_over_midnight_keeps_the_night_shift() -> None:
    """In St John's of 2010 one minute of Sunday came before the last hour of Saturday, and both were served."""
    night = hours(days="fri", begins="22:00", ends="23:30")
    over = hours(days="fri", begins="23:45", ends="23:30")
    assert on(night, "2010-11-05", "America/St_Johns") == [(22 * 60, 23 * 60 + 30)]
    assert on(over, "2010-11-07", "America/St_Johns") == [(0, 30)]


def test_a_window_past_midnight_belongs_to_the_day_it_starts() -> None:
    """The night shift of Friday runs into Saturday, which has none of its own."""
    night = hours(days="fri", begins="22:00", ends="06:00")
    assert on(night, "2026-01-02", "Europe/Brussels") == [(22 * 60, 24 * 60)]  # a Friday
    assert on(night, "2026-01-03", "Europe/Brussels") == [(0, 6 * 60)]
    assert on(night, "2026-01-02", "Europe/Brussels", days=2) == [(22 * 60, 30 * 60)]


def test_the_same_bound_twice_is_a_whole_day() -> None:
    """From six to six is a day and a night; day after day it is one stretch."""
    agreed = hours(days="mon,tue", begins="06:00", ends="06:00")
    assert on(agreed, "2026-01-05", "UTC", days=7) == [(6 * 60, 54 * 60)]
    assert on(hours(days="sun", begins="06:00", ends="06:00"), "2026-01-05", "UTC") == [(0, 6 * 60)]


def test_windows_that_touch_are_one_stretch() -> None:
    """An outage over midnight of a round-the-clock service is one outage."""
    assert on(hours(days="mon-fri"), "2026-01-05", "UTC", days=7) == [(0, 5 * 24 * 60)]


def test_a_promise_without_service_hours_always_holds() -> None:
    """Nothing agreed means all the time in force, and no time gives no hours."""
    span = Span(5, 9)
    assert service_stretches(None, span, "UTC", ()) == (span,)
    assert service_stretches(None, Span(5, 5), "UTC", ()) == service_stretches(hours(), Span(5, 5), "UTC", ()) == ()
    assert holidays_in(None, date(2026, 1, 1), date(2027, 1, 1)) == ()


def test_holidays_have_no_service_hours() -> None:
    """A day named, and the public holidays of a country named, are no days of service."""
    listed = hours(begins="08:00", ends="18:00", holidays=["2026-12-24", "BE"])
    assert on(listed, "2026-12-24", "Europe/Brussels", days=3) == [(48 * 60 + 480, 48 * 60 + 1080)]
    assert on(hours(holidays="2026-12-24"), "2026-12-24", "Europe/Brussels") == []


def test_a_holiday_has_no_night_shift_either() -> None:
    """A window that would begin on a holiday is none, also not the part of it after midnight or in the next period."""
    night = hours(begins="22:00", ends="06:00", holidays="2025-12-31")
    assert on(night, "2025-12-31", "Europe/Brussels") == [(0, 6 * 60)]
    assert on(night, "2026-01-01", "Europe/Brussels") == [(22 * 60, 24 * 60)]


def test_a_country_and_a_part_of_it_have_their_own_holidays() -> None:
    """Epiphany is a holiday in Bavaria and not in Berlin; both keep Labour Day."""
    year = (date(2026, 1, 1), date(2027, 1, 1))
    bavaria, berlin = (holidays_in(hours(holidays=code), *year) for code in ("DE-BY", "DE-BE"))
    assert [date(2026, 1, 6) in each for each in (bavaria, berlin)] == [True, False]
    assert [date(2026, 5, 1) in each for each in (bavaria, berlin)] == [True, True]
    assert list(bavaria) == sorted(bavaria)


@pytest.mark.parametrize(
    ("code", "said"),
    [("BE", None), ("DE-BY", None), ("US-NY", None), ("XX", "`XX` are not known"), ("DE-XX", "apart from those of DE")],
)
def test_a_country_that_is_unknown_is_named(code: str, said: str | None) -> None:
    """A contract never quietly has no holidays: its author learns which codes there are."""
    fault = country_fault(code)
    assert (fault is None) == (said is None)
    assert fault is None or (said is not None and said in fault[0] and fault[1])


AGREED = st.builds(
    lambda days, begins, ends, closed: hours(
        days=[DAYS[day] for day in days], begins=begins, ends=ends, holidays=[day.isoformat() for day in closed]
    ),
    st.sets(st.integers(0, 6), min_size=1),
    st.sampled_from(["00:00", "00:30", "01:30", "02:00", "02:30", "05:00", "12:00", "23:30"]),
    st.sampled_from(["00:00", "00:30", "01:45", "02:00", "02:30", "05:00", "13:00", "23:00", "24:00"]),
    st.lists(st.dates(date(2018, 1, 1), date(2018, 12, 31)), max_size=5),
)
CHANGES = ["2018-02-17", "2018-03-10", "2018-03-24", "2018-03-31", "2018-09-30", "2018-10-27", "2018-11-03"]


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Some days around a clock change, or any; cut anywhere."""
    around = st.sampled_from(CHANGES).map(date.fromisoformat) | st.dates(date(2018, 1, 3), date(2018, 12, 20))
    start = midnight_ms(draw(around), "UTC") + draw(st.integers(-2 * DAY, 2 * DAY))
    return Span(start, start + draw(st.integers(0, 6 * DAY)))


@given(AGREED, spans(), st.sampled_from(ZONES))
def test_service_hours_are_disjoint_in_order_and_inside(agreed: ServiceHours, span: Span, timezone: str) -> None:
    """No moment of a period is promised twice, and none outside it is."""
    found = served(agreed, span, timezone)
    assert all(span.start <= each.start < each.end <= span.end for each in found)
    assert all(one.end < other.start for one, other in pairwise(found))
    assert length_ms(found) <= span.length_ms


@given(AGREED, spans(), st.sampled_from(ZONES))
def test_service_hours_of_days_add_up(agreed: ServiceHours, span: Span, timezone: str) -> None:
    """Cut at local midnights, the parts have the same service hours as the whole."""
    first, last = local_date(span.start, timezone), local_date(span.end, timezone)
    midnights = [midnight_ms(first + timedelta(days=n), timezone) for n in range(1, (last - first).days + 1)]
    edges = sorted({span.start, span.end, *(edge for edge in midnights if span.start < edge < span.end)})
    parts = [each for start, end in pairwise(edges) for each in served(agreed, Span(start, end), timezone)]
    assert united(parts) == served(agreed, span, timezone)


@given(AGREED, spans())
def test_without_clock_changes_service_hours_are_plain(agreed: ServiceHours, span: Span) -> None:
    """Where clocks never change, each minute can be asked by itself: is its window open?"""
    found = served(agreed, span, "Asia/Kathmandu")

    def opened(day_ms: int, minute: int) -> bool:
        day = local_date(day_ms, "Asia/Kathmandu")
        inside = agreed.from_ <= minute < (agreed.to if agreed.to > agreed.from_ else agreed.to + 24 * 60)
        return inside and day.weekday() in agreed.days and day not in agreed.holidays

    for at in range(span.start, span.end, 15 * MINUTE):
        minute = (at + 345 * MINUTE) % DAY // MINUTE
        expected = opened(at, minute) or opened(at - DAY, minute + 24 * 60)
        assert any(each.start <= at < each.end for each in found) == expected


@pytest.mark.parametrize(
    ("timezone", "start", "days", "later"),
    [
        ("Europe/Brussels", "2026-03-28T09:30:00.250+01:00", 1, "2026-03-29T09:30:00.250+02:00"),
        ("Europe/Brussels", "2026-01-01T00:00+01:00", 180, "2026-06-30T00:00+02:00"),
        ("Europe/Brussels", "2026-03-28T02:30+01:00", 1, "2026-03-29T03:00+02:00"),
        ("Europe/Brussels", "2026-10-24T02:30+02:00", 1, "2026-10-25T02:30+02:00"),
        ("Australia/Lord_Howe", "2026-10-03T02:15+10:30", 1, "2026-10-04T02:30+11:00"),
        ("America/Sao_Paulo", "2018-11-03T00:00-03:00", 1, "2018-11-04T01:00-02:00"),
    ],
)
def test_a_term_of_days_ends_at_the_same_local_time(timezone: str, start: str, days: int, later: str) -> None:
    """A service due every 180 days is due at the clock time of the last, also after the clocks have changed."""
    assert same_time_later(ms(start), days, timezone) == ms(later)


def test_a_working_week_has_its_hours() -> None:
    """From five to eleven at night on six days is 108 hours a week."""
    agreed = hours(days="mon-sat", begins="05:00", ends="23:00")
    week = whole_days("2026-01-05", "2026-01-12", "Europe/Brussels")
    assert length_ms(served(agreed, week, "Europe/Brussels")) == 6 * 18 * HOUR
