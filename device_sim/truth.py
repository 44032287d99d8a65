"""What really happened, told by the machines alone: the figures a statement must reach when nothing was lost.

Each quantity is what perfect reporting gives: a report at every interval, each value holding until the next. A machine
with its breakdowns (`Scenario.machine` with a period) tells what it did and did not do in them. All is
added in whole ticks and milliseconds and divided once, so a truth is exact. Nothing here knows how metering is done.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from device_sim.chance import Flags, Ints
from device_sim.days import HOUR_MS
from device_sim.faults import place
from device_sim.machines import Machine, channels, next_report_ms, observe, reports
from device_sim.scenario import Scenario
from device_sim.telemetry import Columns

IN_SPEC_BAR = 7


@dataclass(frozen=True, slots=True)
class Air:
    """Cubic metres delivered at 7 bar and above, and below 7 bar."""

    in_spec_m3: Fraction
    off_spec_m3: Fraction


@dataclass(frozen=True, slots=True)
class Hidden:
    """Time [start_ms, end_ms) about which one device's readings say nothing, or nothing true, and the fault to blame.

    It runs from the first report touched to the first report after it. A late batch hides its time until it is sent.
    """

    kind: str
    start_ms: int
    end_ms: int


def pages_printed(machine: Machine, start_ms: int, end_ms: int) -> int:
    """Pages printed between the reports at or after the two moments."""
    return int(_register(machine, "pages", start_ms, end_ms))


def energy_used_kwh(machine: Machine, start_ms: int, end_ms: int) -> Fraction:
    """Energy the register went up by between the reports at or after the two moments."""
    return _register(machine, "energy", start_ms, end_ms)


def km_driven(machine: Machine, start_ms: int, end_ms: int) -> Fraction:
    """Kilometres the odometer went up by between the reports at or after the two moments."""
    return _register(machine, "odometer", start_ms, end_ms)


def harsh_brakes(machine: Machine, start_ms: int, end_ms: int) -> int:
    """How often a van was braked hard between the reports at or after the two moments."""
    return int(_register(machine, "harsh_brakes", start_ms, end_ms))


def engine_hours_run(machine: Machine, start_ms: int, end_ms: int) -> Fraction:
    """Hours the engine's meter went up by between the reports at or after the two moments."""
    return _register(machine, "engine_hours", start_ms, end_ms)


def hours_run(machine: Machine, start_ms: int, end_ms: int) -> Fraction:
    """Hours the hour meter went up by between the reports at or after the two moments."""
    return _register(machine, "run_hours", start_ms, end_ms)


def air_delivered(machine: Machine, start_ms: int, end_ms: int) -> Air:
    """Air delivered in [start_ms, end_ms), parted at 7 bar."""
    flow, pressure = (channels(machine.model)[name] for name in ("air_flow", "pressure"))
    in_spec = off_spec = 0
    for held_ms, columns in _held(machine, start_ms, end_ms):
        delivered = columns["air_flow"] * held_ms
        good = columns["pressure"] >= IN_SPEC_BAR * pressure.per_unit
        in_spec += int(delivered[good].sum())
        off_spec += int(delivered[~good].sum())
    ticks_per_m3 = flow.per_unit * HOUR_MS
    return Air(Fraction(in_spec, ticks_per_m3), Fraction(off_spec, ticks_per_m3))


def time_true_ms(machine: Machine, channel: str, start_ms: int, end_ms: int) -> int:
    """Milliseconds of [start_ms, end_ms) in which a flag was up."""
    return sum(int(held_ms[columns[channel] == 1].sum()) for held_ms, columns in _held(machine, start_ms, end_ms))


def time_above_ms(machine: Machine, channel: str, limit: int, start_ms: int, end_ms: int) -> int:
    """Milliseconds of [start_ms, end_ms) in which a gauge showed more than so many units."""
    above = limit * channels(machine.model)[channel].per_unit
    return sum(int(held_ms[columns[channel] > above].sum()) for held_ms, columns in _held(machine, start_ms, end_ms))


def times_begun(machine: Machine, channel: str, start_ms: int, end_ms: int) -> int:
    """How often a flag went up in [start_ms, end_ms), the state just before the start being known."""
    before = observe(machine, next_report_ms(machine, start_ms) - machine.interval_ms)[channel] == 1
    begun = 0
    for _, columns in reports(machine, start_ms, end_ms):
        up: Flags = columns[channel] == 1
        begun += int((up & ~np.concatenate(([before], up[:-1]))).sum())
        before = bool(up[-1])
    return begun


def hidden(scenario: Scenario, device_id: str, period_start_ms: int) -> tuple[Hidden, ...]:
    """What the faults of the period hid or distorted of one device, by time."""
    found = []
    for placed in place(scenario, device_id, period_start_ms):
        if placed.fault.kind in {"dropout", "late_batch", "stuck", "clock_skew"}:
            until_ms = next_report_ms(placed.machine, placed.end_ms)
            if until_ms > placed.first_report_ms:
                found.append(Hidden(placed.fault.kind, placed.first_report_ms, until_ms))
    return tuple(sorted(found, key=lambda one: (one.start_ms, one.end_ms)))


def _register(machine: Machine, channel: str, start_ms: int, end_ms: int) -> Fraction:
    """How far a register went up, in its unit."""
    first, last = (observe(machine, next_report_ms(machine, t_ms))[channel] for t_ms in (start_ms, end_ms))
    return Fraction(last - first, channels(machine.model)[channel].per_unit)


def _held(machine: Machine, start_ms: int, end_ms: int) -> Iterator[tuple[Ints, Columns]]:
    """The reports whose values hold in [start_ms, end_ms), and for how many of its milliseconds each does.

    The report before the start is among them where the start falls between two reports.
    """
    before_ms = next_report_ms(machine, start_ms + 1) - machine.interval_ms
    for times, columns in reports(machine, before_ms, end_ms):
        until = np.minimum(times + machine.interval_ms, end_ms)
        yield until - np.maximum(times, start_ms), columns
