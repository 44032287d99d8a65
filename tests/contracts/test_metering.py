"""Metering: the same totals however a period is cut, and nothing before it is settled or in force."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.judging import Key
from contracts.metering import DeviceState, Stretch, advance, begin_period, opening_devices
from contracts.meters import Totals
from contracts.periods import period_named
from contracts.readings import NO_BOOT, Decision, Series
from contracts.sides.stretches import Stretches, united
from contracts.sides.told import NOTHING_TOLD, Exchange, Told
from contracts.sides.watch import Watch, joined
from contracts.timeline import Timeline
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
guarantees:
  - {id: uptime, available_when: sound, target: 99, unknown: excluded}
  - {id: pressure, level: {condition: flowing, for: 20m}, while: {not: {channel: door, is: 1}}, target: 99}
obligations:
  - {id: shut, limit: {channel: door, is: 0}}
  - {id: online, connected: 95}
  - {id: by-use, service: {every: 40, of: guarded, by: customer}}
  - {id: by-good-use, service: {every: 15, of: gated, or_days: 1, by: customer}}
  - {id: by-hours, service: {every: 2, of: steady, by: customer}}
  - {id: by-volume, service: {every: 0.2, of: volume, by: customer}}
  - {id: by-faults, service: {every: 2, of: faults, by: customer}}
  - {id: by-us, service: {every: 9, of: plain, by: provider}}
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


def by_watch(parts: Iterable[Mapping[Watch, Timeline]]) -> dict[Watch, Timeline]:
    """The timelines of stretches in order, joined by what they watch."""
    found: dict[Watch, list[Timeline]] = {}
    for part in parts:
        for watch, timeline in part.items():
            found.setdefault(watch, []).append(timeline)
    return {watch: joined(timelines) for watch, timelines in found.items()}


def opened(given_readings: Mapping[Key, Series]) -> DeviceState:
    """Where the device stands as the period begins."""
    return begin_period(opening_devices(AGREED, PERIOD, given_readings)["m1"])


@dataclass(frozen=True, slots=True)
class Whole:
    """What a period came to: meters' totals, what promises saw, when services were overdue, and where all stands."""

    totals: dict[str, Totals]
    watched: dict[Watch, tuple[list[int], list[int]]]
    overdue: dict[str, Stretches]
    state: DeviceState


def metered_in(cuts: list[int], given_readings: Mapping[Key, Series], told: Told = NOTHING_TOLD) -> Whole:
    """The period in stretches that end at the cuts and, with everything settled, at its end."""
    state, found = opened(given_readings), list[Stretch]()
    for end in [*sorted(cuts), PERIOD.span.end]:
        closing = end == PERIOD.span.end
        seen = {key: each.between(state.at, end) for key, each in given_readings.items()}
        more, state = advance(AGREED, AGREED.devices[0], PERIOD, state, seen, end, closing=closing, told=told)
        found.append(more)
    totals = {name: sum((each.totals[name] for each in found), Totals()) for name in AGREED.meters}
    watched = by_watch(each.watched for each in found)
    services = dict.fromkeys(duty for each in found for duty in each.overdue)
    overdue = {duty: united(span for each in found for span in each.overdue.get(duty, ())) for duty in services}
    seen_by = {watch: (line.starts.tolist(), line.states.tolist()) for watch, line in watched.items()}
    return Whole(totals, seen_by, overdue, state)


MOMENTS = st.integers(0, 1379).map(lambda minute: PERIOD.span.start + minute * MINUTE)


@st.composite
def tellings(draw: st.DrawFn) -> Told:
    """Draw what was said: a new meter, one read out, services, refusals, and decisions on the register's readings."""
    exchanges = draw(
        st.lists(st.builds(Exchange, MOMENTS, st.just("register"), st.integers(0, 99), st.integers(0, 9)), max_size=1)
    )
    serviced, refused = (tuple(sorted(draw(st.lists(MOMENTS, max_size=2)))) for _ in range(2))
    decisions = draw(st.lists(st.builds(Decision, MOMENTS, st.booleans()), max_size=3))
    return Told(
        tuple(draw(st.lists(MOMENTS, max_size=1))), tuple(exchanges), serviced, refused, {"register": tuple(decisions)}
    )


@SIZED
@given(readings(), st.lists(st.integers(1, 23 * 60 - 1), max_size=12), tellings())
def test_any_cut_of_a_period_gives_the_same(given_readings: dict[Key, Series], minutes: list[int], told: Told) -> None:
    """A late reading is metered again from its hour on, and the sum is that of metering the whole period at once."""
    whole = metered_in([], given_readings, told)
    pieces = metered_in([PERIOD.span.start + m * MINUTE for m in minutes], given_readings, told)
    assert pieces == whole


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
    final = metered_in([], given_readings).totals
    for name in ("steady", "long", "faults", "alarms", "volume"):
        assert stretch.totals[name].on <= final[name].on


@SIZED
@given(readings())
def test_the_parts_of_a_meter_add_up(given_readings: dict[Key, Series]) -> None:
    """What held, what did not and what is unknown make the whole, with or without a condition."""
    totals = metered_in([], given_readings).totals
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
