"""A compressor that sells air by the cubic metre at 7 bar: it follows a plant's day, and sags under its peaks.

Flow, pressure and temperature are looked up minute by minute. The registers (energy, run hours) are sums of day totals,
which follow from the date alone, plus the part of the day gone by, so that any moment costs the same.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from device_sim.chance import Flags, Ints, draw, draws, wander
from device_sim.days import MINUTE_MS, Day
from device_sim.telemetry import Channel, Columns, Kind

CHANNELS = (
    Channel("air_flow", Kind.GAUGE, "m3/h", per_unit=100),
    Channel("pressure", Kind.GAUGE, "bar", per_unit=100),
    Channel("energy", Kind.REGISTER, "kWh", per_unit=10),
    Channel("run_hours", Kind.REGISTER, "h", per_unit=100),
    Channel("fault", Kind.FLAG, "1"),
    Channel("inlet_temp", Kind.GAUGE, "°C", per_unit=10),
)

BUILT = date(2024, 1, 1)
STARTS, STOPS = 5, 23
WORKING_MINUTES = (STOPS - STARTS) * 60
RUN_TICK_MS = 36_000  # 0.01 h

# How much of the range between 20 and 90 m3/h the plant asks for, in percent, at minutes after the start of work.
_LOAD_AT_MINUTE = (0, 120, 300, 420, 540, 720, 900, WORKING_MINUTES)
_LOAD_PERCENT = (15, 40, 62, 40, 60, 48, 30, 12)
_INLET_BY_MONTH = (190, 195, 215, 235, 260, 285, 300, 295, 270, 240, 210, 195)  # tenths of a degree


@dataclass(frozen=True, slots=True)
class _Shift:
    """One day's work: minutes [starts, stops) of the day, and in them the breakdown [broken, mended), mostly empty."""

    starts: int
    stops: int
    broken: int
    mended: int


def observe(seed: int, day: Day, times: Ints) -> Columns:
    """The compressor's channels, in ticks, at moments of one local day."""
    shift = _shift(seed, day)
    clock = np.arange(day.minutes, dtype=np.int64)
    stamps = day.start_ms // MINUTE_MS + clock  # minutes since the epoch: what chance is asked about
    broken = (clock >= shift.broken) & (clock < shift.mended)
    running = (clock >= shift.starts) & (clock < shift.stops) & ~broken
    peak = _peaks(seed, day, shift)
    flow = np.where(running, _flow(seed, day, stamps, clock - shift.starts, peak), 0)
    minutes, within_ms = np.divmod(times - day.start_ms, MINUTE_MS)
    return {
        "air_flow": flow[minutes],
        "pressure": _pressure(seed, day.date.weekday() != 0, stamps, flow, running, peak)[minutes],
        "energy": _energy(seed, day.date, flow, minutes, within_ms),
        "run_hours": _run_hours(seed, day.date, running, minutes, within_ms),
        "fault": broken[minutes].astype(np.int64),
        "inlet_temp": _inlet(seed, day, stamps, flow)[minutes],
    }


def _works(ordinals: Ints) -> Ints:
    """1 for Monday to Saturday, 0 for Sunday, by the ordinals of dates."""
    return ((ordinals - 1) % 7 < 6).astype(np.int64)


def _broken_minutes(seed: int, ordinals: Ints) -> Ints:
    """How long the machine is broken on each day: one working day in twelve, for 15 to 74 minutes."""
    breaks = (draws(seed, "breaks", ordinals, 12) == 0) * _works(ordinals)
    lasts: Ints = breaks * (15 + draws(seed, "broken for", ordinals, 60))
    return lasts


def _shift(seed: int, day: Day) -> _Shift:
    ordinal = day.date.toordinal()
    if day.date.weekday() == 6:
        return _Shift(0, 0, 0, 0)
    starts, stops = day.minute_at(STARTS), day.minute_at(STOPS)
    # The registers count on a full shift every working day; no zone changes its clocks between 05:00 and 23:00.
    assert stops - starts == WORKING_MINUTES
    lasts = int(_broken_minutes(seed, np.array([ordinal]))[0])
    broken = starts + draw(seed, "breaks at", ordinal, WORKING_MINUTES - lasts)
    return _Shift(starts, stops, broken, broken + lasts)


def _peaks(seed: int, day: Day, shift: _Shift) -> Ints:
    """1 in the minutes of peak load: two to four times a working day, for 2 to 6 minutes."""
    peak = np.zeros(day.minutes, dtype=np.int64)
    if shift.stops > shift.starts:
        ordinal = day.date.toordinal()
        for index in range(2 + draw(seed, "peaks", ordinal, 3)):
            begins = shift.starts + 60 + draw(seed, "peak begins", ordinal * 4 + index, WORKING_MINUTES - 120)
            peak[begins : begins + 2 + draw(seed, "peak lasts", ordinal * 4 + index, 5)] = 1
    return peak


def _flow(seed: int, day: Day, stamps: Ints, worked: Ints, peak: Ints) -> Ints:
    """Delivered air in 0.01 m3/h for each minute: the plant's day, a slow drift, a small unrest, and the peaks."""
    plan = np.zeros_like(worked)
    bounds = zip(_LOAD_AT_MINUTE, _LOAD_AT_MINUTE[1:], _LOAD_PERCENT, _LOAD_PERCENT[1:], strict=False)
    for begins, ends, low, high in bounds:
        inside = (worked >= begins) & (worked < ends)
        plan[inside] = 70 * (low + (high - low) * (worked[inside] - begins) // (ends - begins))
    if day.date.weekday() == 5:
        plan = plan * 8 // 10
    drift = wander(seed, "demand", stamps, 25, 1_601) - 800
    unrest = draws(seed, "unrest", stamps, 121) - 60
    peaking = 8_200 + draws(seed, "peak load", stamps, 801)
    return np.where(peak == 1, peaking, np.clip(2_000 + plan + drift + unrest, 2_000, 8_200))


def _pressure(seed: int, worked_yesterday: bool, stamps: Ints, flow: Ints, running: Flags, peak: Ints) -> Ints:
    """Line pressure in 0.01 bar: lower the more air is drawn, below 7 bar in a peak, leaking away when nothing runs."""
    steady = np.clip(778 - (flow - 2_000) // 66 + draws(seed, "ripple", stamps, 7) - 3, 700, 780)
    sagging = 655 + draws(seed, "sag", stamps, 45)
    minute = np.arange(len(stamps), dtype=np.int64)
    # At midnight it has stood still for an hour, or since the day before yesterday.
    last_run = -60 if worked_yesterday else -1_500
    since_stop = minute - np.maximum.accumulate(np.where(running, minute, last_run))
    leaking = np.maximum(690 - since_stop, 420)
    return np.where(running, np.where(peak == 1, sagging, steady), leaking)


def _day_energy(seed: int, ordinals: Ints) -> Ints:
    """Energy of each day in 0.1 kWh: about 0.12 kWh for a cubic metre, a little more or less from day to day."""
    saturday = (ordinals - 1) % 7 == 5
    efficiency = draws(seed, "efficiency", ordinals, 81) - 40
    used: Ints = _works(ordinals) * (1_050 - 150 * saturday + efficiency)
    return used


def _ordinals_until(on: date) -> Ints:
    """The ordinals of every date from the machine's first day up to, not including, this one."""
    if on < BUILT:
        raise ValueError(f"this compressor was built on {BUILT}; it can say nothing about {on}")
    return np.arange(BUILT.toordinal(), on.toordinal(), dtype=np.int64)


def _energy(seed: int, on: date, flow: Ints, minutes: Ints, within_ms: Ints) -> Ints:
    """The energy register in 0.1 kWh: the day's energy is used as its air is delivered."""
    today = int(_day_energy(seed, np.array([on.toordinal()]))[0])
    before = np.concatenate(([0], np.cumsum(flow)))
    delivered_ms = before[minutes] * MINUTE_MS + flow[minutes] * within_ms
    used: Ints = today * delivered_ms // (max(int(before[-1]), 1) * MINUTE_MS)
    at_dawn = 40_000 + draw(seed, "energy at start", 0, 20_000) + int(_day_energy(seed, _ordinals_until(on)).sum())
    return at_dawn + used


def _run_hours(seed: int, on: date, running: Flags, minutes: Ints, within_ms: Ints) -> Ints:
    """The hour meter in 0.01 h."""
    past = _ordinals_until(on)
    earlier = int((_works(past) * WORKING_MINUTES - _broken_minutes(seed, past)).sum())
    before = np.concatenate(([0], np.cumsum(running)))
    today_ms = before[minutes] * MINUTE_MS + running[minutes] * within_ms
    return 100 * draw(seed, "hours at start", 0, 800) + (earlier * MINUTE_MS + today_ms) // RUN_TICK_MS


def _inlet(seed: int, day: Day, stamps: Ints, flow: Ints) -> Ints:
    """Inlet air in 0.1 °C: the season, the machine's own heat, and a slow drift."""
    return _INLET_BY_MONTH[day.date.month - 1] + flow // 200 + wander(seed, "inlet", stamps, 90, 41) - 20
