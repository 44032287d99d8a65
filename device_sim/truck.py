"""A long-haul truck that is rented with guaranteed uptime: loaded in the morning, then on the road with its rests.

A working day is cut into quarters of an hour. The truck never breaks down by itself: a scenario says when it does,
because people then have something to say too.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from device_sim.chance import Ints, draw, draws
from device_sim.days import MINUTE_MS, Day
from device_sim.telemetry import Channel, Columns, Kind

CHANNELS = (
    Channel("odometer", Kind.REGISTER, "km"),
    Channel("engine_hours", Kind.REGISTER, "h", per_unit=20),
    Channel("speed", Kind.GAUGE, "km/h"),
    Channel("fault", Kind.FLAG, "1"),
)
STANDING = {"speed": 0, "fault": 1}

BUILT = date(2024, 1, 1)
STARTS = 6
SLOT_MINUTES = 15
SLOTS, SATURDAY_SLOTS = 44, 24
ENGINE_TICK = 3  # 0.05 h, in minutes

_LOADING = (0, 1, 18, 19)  # the engine runs, the wheels do not
_RESTS = (15, 16, 17, 31, 32, 33)  # three quarters of an hour after at most four and a half at the wheel


@dataclass(frozen=True, slots=True)
class _Slots:
    """The slots of some days, one row a day: 1 where the engine runs, and km/h."""

    engine: Ints
    speed: Ints


def observe(seed: int, day: Day, times: Ints) -> Columns:
    """The truck's channels, in ticks, at moments of one local day."""
    slots = _slots(seed, np.array([day.date.toordinal()], dtype=np.int64))
    slot = (np.arange(day.minutes, dtype=np.int64) - day.minute_at(STARTS)) // SLOT_MINUTES
    at_work = (slot >= 0) & (slot < SLOTS)
    slot = np.clip(slot, 0, SLOTS - 1)
    engine, speed = (np.where(at_work, each[0, slot], 0) for each in (slots.engine, slots.speed))
    minutes, within_ms = np.divmod(times - day.start_ms, MINUTE_MS)
    driven_at_dawn, run_at_dawn = _at_dawn(seed, day.date)

    def so_far_ms(rate: Ints, at_dawn: int) -> Ints:
        before = np.concatenate(([0], np.cumsum(rate)))
        so_far: Ints = (at_dawn + before[minutes]) * MINUTE_MS + rate[minutes] * within_ms
        return so_far

    return {
        "odometer": so_far_ms(speed, driven_at_dawn) // (60 * MINUTE_MS),
        "engine_hours": so_far_ms(engine, run_at_dawn) // (ENGINE_TICK * MINUTE_MS),
        "speed": speed[minutes],
        "fault": np.zeros_like(minutes),
    }


@lru_cache(maxsize=1_024)
def _at_dawn(seed: int, on: date) -> tuple[int, int]:
    """Distance, in km/h times minutes, and minutes of engine before a day."""
    if on < BUILT:
        raise ValueError(f"this truck was built on {BUILT}; it can say nothing about {on}")
    if on == BUILT:
        delivery_km = 100 + draw(seed, "delivery", 0, 900)
        return delivery_km * 60, delivery_km  # at 60 km/h
    since = max(BUILT, (on - timedelta(days=1)).replace(day=1))
    driven, run = _at_dawn(seed, since)
    past = _slots(seed, np.arange(since.toordinal(), on.toordinal(), dtype=np.int64))
    return driven + SLOT_MINUTES * int(past.speed.sum()), run + SLOT_MINUTES * int(past.engine.sum())


def _slots(seed: int, ordinals: Ints) -> _Slots:
    """The slots of days, by their ordinals: until Saturday noon, and nothing on Sunday."""
    place = np.arange(SLOTS, dtype=np.int64)
    weekday = (ordinals - 1) % 7
    last = np.where(weekday < 5, SLOTS, np.where(weekday == 5, SATURDAY_SLOTS, 0))
    engine = (place < last[:, np.newaxis]) & ~np.isin(place, _RESTS)
    cruise = 64 + draws(seed, "cruise", ordinals[:, np.newaxis] * SLOTS + place, 24)
    return _Slots(engine.astype(np.int64), np.where(engine & ~np.isin(place, _LOADING), cruise, 0))
