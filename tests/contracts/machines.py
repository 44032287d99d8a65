"""A contract that uses every kind of meter, and what its two machines might send: for tests of the whole core."""

import numpy as np
from hypothesis import strategies as st

from contracts.judging import Key
from contracts.readings import Clock, Columns, Judged, judge
from tests.contracts.samples import DAY, HOUR, JANUARY, MINUTE, contract

CONTRACT = contract(
    """
channels:
  register: {unit: kWh, resolution: 0.5, max_hold: 3h}
  flow:     {unit: m3/h, resolution: 0.1, max_hold: 2h}
  fault:    {max_hold: 6h}
  door:     {max_hold: device}
conditions:
  sound: {all: [{channel: fault, is: 0}, {not: {channel: door, is: 1}}], for: 45m}
meters:
  energy: {counter: register, max_rate: 20/h, reset_below: 5, width: 1000}
  gated:  {counter: register, max_rate: 20/h, only_when: sound}
  volume: {integral: flow, per: 1h, only_when: sound, unknown: nothing}
  steady: {duration: {channel: flow, above: 0, for: 90m}}
  faults: {count: {channel: fault, is: 1, device: m2}}
charges:
  - {id: base, price: {flat: 10.00, per: device}}
  - {id: energy, meter: energy, pool: true, price: {graduated: [{up_to: 10, unit: 0.25, flat: 1}, {unit: 0.20}]}}
  - {id: volume, meter: volume, allowance: {included: 3}, price: {package: {size: 2, price: 1.50}}}
  - {id: off, meter: gated, part: off_quality, price: {per_unit: 0.05}}
""",
    devices="[{id: m1}, {id: m2, since: 2026-01-02, until: 2026-01-04}]",
    period="day",
)
"""Periods are days from 2026-01-01, in UTC."""

DAYS = ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]


def ticks_of(channel: str, changes: list[int]) -> list[int]:
    """Values of a channel: a register rises, and now and then falls to a little above zero; the rest flicker."""
    if channel != "register":
        return [change % 2 for change in changes] if channel != "flow" else changes
    values, value = [], 1000
    for change in changes:
        value = change if change > 27 else value + change
        values.append(value)
    return values


@st.composite
def columns(draw: st.DrawFn, channel: str) -> Columns:
    """Draw one channel as it arrived: disorder, duplicates, conflicts, late and wrong clocks, restarts."""
    minutes = draw(st.lists(st.integers(-200, 4 * 24 * 60), max_size=30))
    times = [JANUARY + minute * MINUTE for minute in minutes]
    changes = draw(st.lists(st.integers(0, 30), min_size=len(times), max_size=len(times)))
    delays = draw(st.lists(st.sampled_from([0, 0, HOUR, -HOUR, 2 * DAY]), min_size=len(times), max_size=len(times)))
    count = len(times)
    boots = draw(st.lists(st.sampled_from([-1, 0, 0, 1]), min_size=count, max_size=count))
    arrivals = [time + delay for time, delay in zip(times, delays, strict=True)]
    if draw(st.booleans()):
        arrivals = [-1] * count
    order = np.argsort(times, kind="stable") if draw(st.booleans()) else np.arange(count)
    return Columns(
        np.array(times, np.int64)[order],
        np.array(ticks_of(channel, changes), np.int64),
        np.array(arrivals, np.int64)[order],
        np.array(boots, np.int64),
        np.zeros(count, np.bool_),
        ("first, boot", 'second "boot"'),
    )


@st.composite
def readings(draw: st.DrawFn) -> dict[Key, Judged]:
    """Draw everything both machines sent, judged as a gateway would."""
    clock = Clock.of(CONTRACT.terms)
    keys = [(device.id, channel) for device in CONTRACT.terms.devices for channel in CONTRACT.terms.channels]
    return {key: judge(draw(columns(key[1])), clock) for key in keys}
