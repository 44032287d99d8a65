"""An office printer on a subscription: it prints in bursts while people are at work.

A month's pages are drawn first and then dealt out to its working days, jobs and minutes by whole-number shares, so that
the page register at any moment is a sum over months, never a replay of every minute since the printer was built.
"""

from datetime import date, timedelta

import numpy as np

from device_sim.chance import Ints, draw, draws
from device_sim.days import MINUTE_MS, Day
from device_sim.telemetry import Channel, Columns, Kind

CHANNELS = (
    Channel("pages", Kind.REGISTER, "pages"),
    Channel("ink_level", Kind.GAUGE, "%", per_unit=10),
    Channel("error", Kind.FLAG, "1"),
)

BUILT = date(2024, 1, 1)
OPENS, CLOSES = 8, 18
PAGES_PER_CARTRIDGE = 1_500
JOBS_PER_DAY = 20


def observe(seed: int, day: Day, times: Ints) -> Columns:
    """The printer's channels, in ticks, at moments of one local day."""
    minutes, within_ms = np.divmod(times - day.start_ms, MINUTE_MS)
    jam_from, jam_until = _jam(seed, day)
    shares = _job_shares(seed, day, jam_from, jam_until)
    dealt = np.concatenate(([0], np.cumsum(shares)))
    pages_today = _pages_on(seed, day.date)
    # `dealt` holds whole shares before each minute; within its minute a job prints evenly.
    share_ms = dealt[minutes] * MINUTE_MS + shares[minutes] * within_ms
    so_far = pages_today * share_ms // (int(dealt[-1]) * MINUTE_MS)
    pages = _register_at_dawn(seed, day.date) + so_far
    ink = 1_000 - (pages % PAGES_PER_CARTRIDGE) * 1_000 // PAGES_PER_CARTRIDGE
    jammed = (minutes >= jam_from) & (minutes < jam_until)
    return {"pages": pages, "ink_level": ink, "error": jammed.astype(np.int64)}


def _pages_in_month(seed: int, month: Ints) -> Ints:
    """Pages of months counted from January 0."""
    return 1_150 + draws(seed, "pages of the month", month, 201)


def _month(on: date) -> int:
    return on.year * 12 + on.month - 1


def _day_shares(seed: int, on: date) -> Ints:
    """How busy each day of the month is: nothing at the weekend, between 60 and 140 on a working day."""
    first = on.replace(day=1)
    length = ((first + timedelta(days=32)).replace(day=1) - first).days
    ordinals = first.toordinal() + np.arange(length, dtype=np.int64)
    at_work = (ordinals - 1) % 7 < 5  # the ordinal of a date is 1 on a Monday
    return np.where(at_work, 60 + draws(seed, "busy day", ordinals, 81), 0)


def _pages_before(seed: int, on: date) -> int:
    """Pages printed in this month before the day begins."""
    shares = _day_shares(seed, on)
    month_total = int(_pages_in_month(seed, np.array([_month(on)]))[0])
    return month_total * int(shares[: on.day - 1].sum()) // int(shares.sum())


def _register_at_dawn(seed: int, on: date) -> int:
    """The page register when the day begins; a printer leaves the factory's test with some thousand pages on it."""
    if on < BUILT:
        raise ValueError(f"this printer was built on {BUILT}; it can say nothing about {on}")
    factory_test = 3_000 + draw(seed, "factory test", 0, 4_000)
    months = np.arange(_month(BUILT), _month(on), dtype=np.int64)
    return factory_test + int(_pages_in_month(seed, months).sum()) + _pages_before(seed, on)


def _pages_on(seed: int, on: date) -> int:
    tomorrow = on + timedelta(days=1)
    if tomorrow.month == on.month:
        return _pages_before(seed, tomorrow) - _pages_before(seed, on)
    return int(_pages_in_month(seed, np.array([_month(on)]))[0]) - _pages_before(seed, on)


def _jam(seed: int, day: Day) -> tuple[int, int]:
    """The minutes [from, until) in which paper is stuck: on one day in six, for 3 to 20 minutes."""
    ordinal = day.date.toordinal()
    if day.date.weekday() >= 5 or draw(seed, "jam", ordinal, 6):
        return 0, 0
    opens, closes = day.minute_at(OPENS), day.minute_at(CLOSES)
    lasts = 3 + draw(seed, "jam lasts", ordinal, 18)
    begins = opens + draw(seed, "jam begins", ordinal, closes - opens - lasts)
    return begins, begins + lasts


def _job_shares(seed: int, day: Day, jam_from: int, jam_until: int) -> Ints:
    """Each minute's share of the day's pages: one job of 1 to 3 shares in every half hour, none while jammed.

    Twenty jobs, of which a jam takes two at most, keep the largest below the 30 pages a minute the printer can do.
    """
    shares = np.zeros(day.minutes, dtype=np.int64)
    opens, closes = day.minute_at(OPENS), day.minute_at(CLOSES)
    slot = (closes - opens) // JOBS_PER_DAY
    jobs = day.date.toordinal() * JOBS_PER_DAY + np.arange(JOBS_PER_DAY, dtype=np.int64)
    begins = opens + slot * np.arange(JOBS_PER_DAY) + draws(seed, "job begins", jobs, slot)
    shares[begins] = 1 + draws(seed, "job size", jobs, 3)
    shares[jam_from:jam_until] = 0
    return shares
