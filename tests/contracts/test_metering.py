"""Metering: the same totals however a period is cut, and nothing before it is settled or in force."""

from collections.abc import Mapping

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.judging import Key
from contracts.metering import DeviceState, advance, begin_period, opening_devices
from contracts.meters import Totals
from contracts.periods import period_named
from contracts.readings import NO_BOOT, Series
from contracts.told import Told
from tests.contracts.samples import HOUR, JANUARY, MINUTE, series, terms

AGREED = terms(
    """
channels:
  register: {max_hold: 2h}
  flow:     {resolution: 0.1, unit: m3/h, max_hold: 40m}
  fault:    {max_hold: 3h}
  door:     {max_hold: device}
conditions:
  flowing: {channel: flow, above: 0}
  steady:  {condition: flowing, for: 90m}
  sound:   {all: [{channel: fault, is: 0}, {not: {channel: door, is: 1}}], for: 45m}
meters:
  plain:    {counter: register}
  guarded:  {counter: register, max_rate: 60/h, reset_below: 5}
  limited:  {counter: register, max_rate: 60/h}
  gated:    {counter: register, max_rate: 60/h, only_when: sound}
  all:      {integral: flow, per: 1h}
  volume:   {integral: flow, per: 1h, only_when: steady}
  steady:   {duration: steady, only_when: sound}
  faults:   {count: {channel: fault, is: 1}, only_when: flowing}
  alarms:   {count: {channel: fault, is: 1, for: 50m}}
  long:     {duration: {any: [{condition: steady, for: 3h}, {channel: door, is: 1, for: 30m}]}}
""",
    period="day",
    timezone="Europe/Brussels",
    valid="{from: 2026-03-28}",
)
CHANNELS = ("register", "flow", "fault", "door")
PERIOD = period_named(AGREED, "2026-03-29")
SIZED = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def readings(draw: st.DrawFn) -> dict[Key, Series]:
    """Draw what a device sends around one period: gaps, faults that flicker, restarts, a register that resets."""
    found: dict[Key, Series] = {}
    for channel in CHANNELS:
        moments = st.integers(-300, 1700).map(lambda minute: PERIOD.span.start + minute * MINUTE)
        values = draw(st.dictionaries(moments, st.integers(0, 40 if channel == "register" else 1), max_size=25))
        each = series(values)
        if channel == "register":
            rising = np.cumsum(each.ticks).astype(np.int64)
            drop = draw(st.integers(0, max(0, len(rising) - 1)))
            rising[drop:] -= rising[drop] if draw(st.booleans()) and len(rising) else 0
            boots = np.where(np.arange(len(rising)) < drop, 0, draw(st.sampled_from([NO_BOOT, 0, 1]))).astype(np.int64)
            each = Series(each.times, rising, boots, ("a", "b"))
        found["m1", channel] = each
    return found


def opened(given_readings: Mapping[Key, Series]) -> DeviceState:
    """Where the device stands as the period begins."""
    return begin_period(opening_devices(AGREED, PERIOD, given_readings)["m1"])


def metered_in(
    cuts: list[int], given_readings: Mapping[Key, Series], meter_ids: tuple[int, ...]
) -> tuple[dict[str, Totals], DeviceState]:
    """The period in stretches that end at the cuts and, with everything settled, at its end."""
    state, totals = opened(given_readings), dict.fromkeys(AGREED.meters, Totals())
    for end in [*sorted(cuts), PERIOD.span.end]:
        closing = end == PERIOD.span.end
        seen = {key: each.between(state.at, end) for key, each in given_readings.items()}
        device = AGREED.devices[0]
        more, state = advance(AGREED, device, PERIOD, state, seen, end, closing=closing, told=Told(meter_ids))
        totals = {name: totals[name] + more.totals[name] for name in totals}
    return totals, state


@SIZED
@given(
    readings(),
    st.lists(st.integers(1, 23 * 60 - 1), max_size=12),
    st.lists(st.integers(0, 1400), max_size=1),
)
def test_any_cut_of_a_period_gives_the_same_totals(
    given_readings: dict[Key, Series], minutes: list[int], exchanged: list[int]
) -> None:
    """A late reading is metered again from its hour on, and the sum is that of metering the whole period at once."""
    meter_ids = tuple(PERIOD.span.start + minute * MINUTE for minute in exchanged)
    whole, after = metered_in([], given_readings, meter_ids)
    pieces, last = metered_in([PERIOD.span.start + m * MINUTE for m in minutes], given_readings, meter_ids)
    assert pieces == whole
    assert last == after


@SIZED
@given(readings(), st.integers(1, 23 * 60 - 1))
def test_metering_never_goes_beyond_what_is_settled(given_readings: dict[Key, Series], minute: int) -> None:
    """What is shown of a running period never shrinks because a young run turned out too short."""
    end = PERIOD.span.start + minute * MINUTE
    seen = {key: each.between(0, end) for key, each in given_readings.items()}
    state = opened(seen)
    stretch, after = advance(AGREED, AGREED.devices[0], PERIOD, state, seen, end, closing=False)
    assert PERIOD.span.start <= after.at <= end
    assert all(total.known_ms <= after.at - PERIOD.span.start for total in stretch.totals.values())
    final, _ = metered_in([], given_readings, ())
    for name in ("steady", "long", "faults", "alarms", "volume"):
        assert stretch.totals[name].on <= final[name].on


@SIZED
@given(readings())
def test_the_parts_of_a_meter_add_up(given_readings: dict[Key, Series]) -> None:
    """What held, what did not and what is unknown make the whole, with or without a condition."""
    totals, _ = metered_in([], given_readings, ())
    for divided, whole in (("gated", "limited"), ("volume", "all")):
        parts = [totals[divided].on, totals[divided].off, totals[divided].unknown]
        assert min(parts) >= 0
        assert sum(parts) == totals[whole].on
        assert totals[divided].known_ms == totals[whole].known_ms
    assert totals["plain"].known_ms <= PERIOD.span.length_ms == 23 * HOUR


def test_nothing_is_metered_before_the_contract_begins() -> None:
    """Readings from before are looked at for what still holds, and bill nothing."""
    agreed = terms()
    january = period_named(agreed, "2026-01")
    state = opening_devices(agreed, january, {("m1", "pages"): series({JANUARY - 3 * HOUR: 5})})["m1"]
    assert state.at == JANUARY
    assert not state.entered
    assert state.meters == {}
