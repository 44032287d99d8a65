"""A delivery van whose tyres are paid by the kilometre: out to the town, from door to door, and home again.

A working day is cut into slots of ten minutes. How long the van drives in a slot, how fast, and whether it brakes hard
at the end of it is looked up; so the kilometres before any day are one sum over slots. The seed is also the driver.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from device_sim.chance import Ints, draw, draws
from device_sim.days import MINUTE_MS, Day
from device_sim.telemetry import Channel, Columns, Kind

CHANNELS = (
    Channel("odometer", Kind.REGISTER, "km", per_unit=10),
    Channel("speed", Kind.GAUGE, "km/h"),
    Channel("harsh_brakes", Kind.REGISTER, "1"),
)
STANDING = {"speed": 0}

BUILT = date(2024, 1, 1)
STARTS, STOPS = 7, 17
SLOT_MINUTES = 10
SLOTS = (STOPS - STARTS) * 60 // SLOT_MINUTES
KM_TICK = 6  # a tenth of a kilometre, in km/h times minutes

_ROAD_SLOTS = 4  # out in the morning, and home in the evening
_LUNCH = range(30, 34)
_HURRIES_PERCENT = (4, 9, 45)  # of the slots on the open road, by driver
_BRAKES_ONCE_IN = (16, 13, 3)  # slots in town, by driver


@dataclass(frozen=True, slots=True)
class _Slots:
    """The slots of some days, one row a day: minutes driven, km/h in them, and 1 where they end in a harsh brake."""

    minutes: Ints
    speed: Ints
    brakes: Ints


def observe(seed: int, day: Day, times: Ints) -> Columns:
    """The van's channels, in ticks, at moments of one local day."""
    slots = _slots(seed, np.array([day.date.toordinal()], dtype=np.int64))
    slot, into = np.divmod(np.arange(day.minutes, dtype=np.int64) - day.minute_at(STARTS), SLOT_MINUTES)
    at_work = (slot >= 0) & (slot < SLOTS)
    slot = np.clip(slot, 0, SLOTS - 1)
    speed = np.where(at_work & (into < slots.minutes[0, slot]), slots.speed[0, slot], 0)
    braked = np.cumsum(np.where(at_work & (into == slots.minutes[0, slot]), slots.brakes[0, slot], 0))
    minutes, within_ms = np.divmod(times - day.start_ms, MINUTE_MS)
    driven = np.concatenate(([0], np.cumsum(speed)))
    driven_ms = driven[minutes] * MINUTE_MS + speed[minutes] * within_ms
    driven_at_dawn, brakes_at_dawn = _at_dawn(seed, day.date)
    return {
        "odometer": (driven_at_dawn * MINUTE_MS + driven_ms) // (KM_TICK * MINUTE_MS),
        "speed": speed[minutes],
        "harsh_brakes": brakes_at_dawn + braked[minutes],
    }


@lru_cache(maxsize=1_024)
def _at_dawn(seed: int, on: date) -> tuple[int, int]:
    """Distance, in km/h times minutes, and harsh brakes before a day; a new van has been driven to its owner."""
    if on < BUILT:
        raise ValueError(f"this van was built on {BUILT}; it can say nothing about {on}")
    if on == BUILT:
        return 60 * (20 + draw(seed, "delivery", 0, 400)), 0
    since = max(BUILT, (on - timedelta(days=1)).replace(day=1))
    driven, brakes = _at_dawn(seed, since)
    past = _slots(seed, np.arange(since.toordinal(), on.toordinal(), dtype=np.int64))
    return driven + int((past.minutes * past.speed).sum()), brakes + int(past.brakes.sum())


def _slots(seed: int, ordinals: Ints) -> _Slots:
    """The slots of days, by their ordinals: nothing at the weekend and at lunch."""
    hurries = _HURRIES_PERCENT[draw(seed, "driver hurries", 0, len(_HURRIES_PERCENT))]
    brakes_once_in = _BRAKES_ONCE_IN[draw(seed, "driver brakes", 0, len(_BRAKES_ONCE_IN))]
    place = np.arange(SLOTS, dtype=np.int64)
    index = ordinals[:, np.newaxis] * SLOTS + place
    road = (place < _ROAD_SLOTS) | (place >= SLOTS - _ROAD_SLOTS)
    works = ((ordinals - 1) % 7 < 5)[:, np.newaxis] & ~np.isin(place, _LUNCH)
    on_the_road = np.where(
        draws(seed, "hurries", index, 100) < hurries,
        114 + draws(seed, "hurry", index, 19),
        84 + draws(seed, "cruise", index, 25),
    )
    minutes = np.where(road, SLOT_MINUTES, 3 + draws(seed, "round", index, 5))
    brakes = ~road & (draws(seed, "brakes", index, brakes_once_in) == 0)
    return _Slots(
        np.where(works, minutes, 0),
        np.where(road, on_the_road, 22 + draws(seed, "town", index, 29)),
        np.where(works & brakes, 1, 0),
    )
