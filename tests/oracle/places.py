"""Where and when random cases play: mostly days and weeks in which local clocks change."""

from dataclasses import dataclass
from datetime import date, timedelta

from hypothesis import strategies as st

from tests.oracle.dates import Span, midnight_ms, period_name, period_named
from tests.oracle.terms import Terms

CLOCK_CHANGES = {
    "UTC": ["2026-01-01", "2028-02-29"],
    "Europe/Brussels": ["2026-03-29", "2026-10-25"],
    "America/New_York": ["2026-03-08", "2026-11-01"],
    "Australia/Lord_Howe": ["2026-04-05", "2026-10-04"],
}
PERIODS = ["day", "day", "day", "week", "week", "month", "quarter", "year"]


@dataclass(frozen=True, slots=True)
class Place:
    """A zone, the kind of period, the period judged, and the days the contract and its second device are in force."""

    zone: str
    kind: str
    anchor: int
    period: str
    days: Span
    contract: Span
    second: Span

    def marks(self) -> list[int]:
        """Return the moments at which something happens to the contract or the local clock, in UTC milliseconds."""
        change = self.days.first + (self.days.after - self.days.first) / 2
        edges = [self.days.first, self.days.after, self.contract.first, self.second.first, self.second.after, change]
        days = {min(max(day, self.contract.first), self.days.after) for day in edges}
        return sorted({midnight_ms(day, self.zone) for day in days})


@st.composite
def places(draw: st.DrawFn) -> Place:
    """Draw a place; the contract may begin before or inside the period, and end inside it."""
    zone = draw(st.sampled_from(sorted(CLOCK_CHANGES)))
    kind = draw(st.sampled_from(PERIODS))
    anchor = draw(st.sampled_from([1, 15, 29, 31])) if kind == "month" else 1
    middle = date.fromisoformat(draw(st.sampled_from(CLOCK_CHANGES[zone]))) + timedelta(
        draw(st.sampled_from([0, -1, 1]))
    )
    named: Terms = {"period": kind, "anchor": str(anchor)}
    period = period_name(named, middle)
    days = period_named(named, period)
    starts = [days.first, *(days.first - timedelta(n) for n in (1, 2, 8, 15)), middle]
    first = draw(st.sampled_from(starts))
    after = draw(st.sampled_from([days.after + timedelta(400), days.after, max(middle, first) + timedelta(1)]))
    second = Span(
        max(first, draw(st.sampled_from([first, days.first, middle, middle + timedelta(1)]))),
        draw(st.sampled_from([after, days.after, middle + timedelta(1), middle])),
    )
    if second.days < 1:
        second = Span(second.first, second.first + timedelta(1))
    return Place(zone, kind, anchor, period, days, Span(first, after), second)
