"""Where and when a random two-sided contract plays: a zone, some short periods in a row, its devices, its outages."""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from tests.oracle.dates import Span as Days
from tests.oracle.dates import midnight_ms, period_name, period_named
from tests.oracle.spans import Spans, joined
from tests.oracle.terms import UNIT_MS, Terms

MINUTE, HOUR, DAY = UNIT_MS["min"], UNIT_MS["h"], UNIT_MS["d"]
ZONES = {
    "Europe/Brussels": ["2026-03-29", "2026-10-25", "2025-12-25", "2026-05-01"],
    "America/New_York": ["2026-03-08", "2026-11-01", "2026-07-04"],
    "Australia/Lord_Howe": ["2026-04-05", "2026-10-04"],
    "Asia/Kathmandu": ["2026-01-01", "2028-02-29"],
}
LENGTHS = [59_999, 60_000, 60_001, 5 * MINUTE, HOUR, HOUR, 3 * HOUR, 7 * HOUR, 26 * HOUR]
NUDGES = [0, 0, 0, 0, 1, -1, MINUTE, -MINUTE, HOUR, -HOUR]


@dataclass(frozen=True, slots=True)
class Stage:
    """A zone, the periods in a row, the days in force of contract and devices, and the moments that matter."""

    zone: str
    kind: str
    anchor: int
    periods: list[str]
    contract: Days
    devices: dict[str, Days]
    start: int
    end: int
    edges: list[int]

    def moment(self, luck: Random) -> int:
        """Draw a moment: often an edge of something, or a quarter of an hour, sometimes beside it."""
        if luck.random() < 0.4:
            return luck.choice(self.edges) + luck.choice(NUDGES)
        quarters = (self.end - self.start) // (15 * MINUTE)
        return self.start + luck.randrange(quarters) * 15 * MINUTE + luck.choice(NUDGES)

    def stretches(self, luck: Random, most: int) -> Spans:
        """Draw some stretches of time that begin, end or lie around the moments that matter."""
        found = []
        for _ in range(luck.randint(0, most)):
            start = self.moment(luck)
            length = luck.choice(LENGTHS) * (luck.choice([1, 1, 2, 10]) if self.kind != "day" else 1)
            found.append((start - (length // 2 if luck.random() < 0.4 else 0), start + length))
        return joined(found)


def stage_of(luck: Random) -> Stage:
    """Draw a stage."""
    zone = luck.choice(sorted(ZONES))
    kind = luck.choice(["day"] * 6 + ["week"] * 3 + ["month"] * 2)
    anchor = luck.choice([1, 1, 15, 31]) if kind == "month" else 1
    named: Terms = {"period": kind, "anchor": str(anchor)}
    middle = date.fromisoformat(luck.choice(ZONES[zone])) + timedelta(luck.choice([-1, 0, 0, 1]))
    before, after = {"day": (4, 4), "week": (2, 2), "month": (3, 2)}[kind]
    periods = [period_name(named, middle)]
    past_a_year = 12 if kind == "month" and luck.random() < 0.15 else 0
    for _ in range(luck.randint(0, before) + past_a_year):
        periods.insert(0, period_name(named, period_named(named, periods[0]).first - timedelta(days=1)))
    for _ in range(luck.randint(1, after)):
        periods.append(period_name(named, period_named(named, periods[-1]).after))
    first, last = period_named(named, periods[0]), period_named(named, periods[-1])
    begins = first.first + timedelta(luck.choice([0, 0, 0, luck.randrange(first.days)]))
    ends = luck.choice(
        [last.after, last.after, last.first + timedelta(luck.randint(1, last.days)), last.after + timedelta(400)]
    )
    contract = Days(begins, ends)
    inside = min(ends, last.after)
    devices = {"m-1": contract}
    for name in ("m-2", "m-3")[: luck.choice([0, 1, 1, 2])]:
        since = begins + timedelta(luck.choice([0, 0, luck.randrange((inside - begins).days)]))
        until = luck.choice([ends, ends, since + timedelta(luck.randint(1, (inside - since).days))])
        devices[name] = Days(since, until)
    edges = {midnight_ms(period_named(named, name).first, zone) for name in periods}
    edges |= {midnight_ms(day, zone) for days in devices.values() for day in (days.first, min(days.after, last.after))}
    edges |= {midnight_ms(middle, zone) + n * 30 * MINUTE for n in (3, 4, 5, 6, 7, 10, 44)}
    start, end = midnight_ms(begins, zone), midnight_ms(inside, zone)
    edges = {edge for edge in edges if start - DAY <= edge <= end}
    return Stage(zone, kind, anchor, periods, contract, devices, start, end, sorted(edges))
