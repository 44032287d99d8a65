"""The truth is what adding up every report by hand gives, and what was hidden accounts for every difference."""

from fractions import Fraction

import pytest

from device_sim.faults import told
from device_sim.machines import Machine, speak
from device_sim.scenario import shipped
from device_sim.telemetry import Fate, Value
from device_sim.truth import (
    Air,
    air_delivered,
    energy_used_kwh,
    engine_hours_run,
    harsh_brakes,
    hidden,
    hours_run,
    km_driven,
    pages_printed,
    time_above_ms,
    time_true_ms,
    times_begun,
)

from .conftest import BRUSSELS, local_ms

START, END = local_ms(2026, 10, 1), local_ms(2026, 11, 1)
DEMO = shipped("demo")
COMPRESSOR = Machine("compressor", 11, BRUSSELS, 60_000)


def _exact(value: Value) -> Fraction:
    return Fraction(repr(value))


def _delivered(flow: Value, held_ms: int) -> Fraction:
    return _exact(flow) * held_ms / 3_600_000


def test_air_is_the_sum_of_every_report_held_until_the_next() -> None:
    """Three days added up one reading at a time, in fractions of the sent decimals, give the same cubic metres."""
    end = local_ms(2026, 10, 4)
    in_spec = off_spec = Fraction(0)
    for one in speak(COMPRESSOR, "a", START, START, end):
        if float(one.values["pressure"]) >= 7.0:
            in_spec += _delivered(one.values["air_flow"], 60_000)
        else:
            off_spec += _delivered(one.values["air_flow"], 60_000)
    assert air_delivered(COMPRESSOR, START, end) == Air(in_spec, off_spec)
    assert off_spec > 0


def test_seven_bar_exactly_is_in_spec() -> None:
    """Air at 7.00 bar, which every month has, counts as delivered at 7 bar and above."""
    edge = next(one for one in speak(COMPRESSOR, "a", START, START, END) if one.values["pressure"] == 7.0)
    assert float(edge.values["air_flow"]) > 0
    assert air_delivered(COMPRESSOR, edge.t_ms, edge.t_ms + 60_000) == Air(
        _delivered(edge.values["air_flow"], 60_000), Fraction(0)
    )


def test_truth_is_additive_wherever_it_is_cut() -> None:
    """A cut between two reports loses nothing: the parts add up to the whole."""
    cut = local_ms(2026, 10, 2, 12) + 12_345
    whole, first, second = (air_delivered(COMPRESSOR, *span) for span in ((START, END), (START, cut), (cut, END)))
    assert whole.in_spec_m3 == first.in_spec_m3 + second.in_spec_m3
    assert whole.off_spec_m3 == first.off_spec_m3 + second.off_spec_m3
    for quantity in (hours_run, energy_used_kwh):
        assert quantity(COMPRESSOR, START, END) == quantity(COMPRESSOR, START, cut) + quantity(COMPRESSOR, cut, END)


def test_hours_run_are_the_time_with_air_flowing() -> None:
    """The hour meter and the flow sensor tell of the same hours, to the meter's last digit."""
    flowing = sum(60_000 for one in speak(COMPRESSOR, "a", START, START, END) if one.values["air_flow"])
    assert abs(hours_run(COMPRESSOR, START, END) - Fraction(flowing, 3_600_000)) <= Fraction(1, 100)


def test_breakdowns_are_counted_as_they_begin() -> None:
    """The flag's rises and its time, found one reading at a time, are the truth's."""
    flags = [bool(one.values["fault"]) for one in speak(COMPRESSOR, "a", START, START, END)]
    assert times_begun(COMPRESSOR, "fault", START, END) == sum(
        flag and not before for before, flag in zip([False, *flags], flags, strict=False)
    )
    assert time_true_ms(COMPRESSOR, "fault", START, END) == 60_000 * sum(flags) > 0


def test_kilometres_are_those_of_the_odometer_as_it_is_sent() -> None:
    """Through two breakdowns a truck's and a van's kilometres are the last register sent, less the first."""
    for device, first in (("truck-01", "engine_hours"), ("van-03", "harsh_brakes")):
        sent = [one.values for one in told(DEMO, device, START, END + 120_000, START)]
        machine = DEMO.machine(device, START)
        assert km_driven(machine, START, END) == _exact(sent[-1]["odometer"]) - _exact(sent[0]["odometer"])
        counted = {"engine_hours": engine_hours_run, "harsh_brakes": harsh_brakes}[first]
        assert counted(machine, START, END) == _exact(sent[-1][first]) - _exact(sent[0][first])
        assert km_driven(machine, START, END) < km_driven(DEMO.machine(device), START, END)


def test_speeding_is_the_time_above_the_limit() -> None:
    """Reports of more than 110 km/h, each for its two minutes; 110 exactly is within the limit."""
    above = [one for one in told(DEMO, "van-03", START, END, START) if one.values["speed"] > 110]
    machine = DEMO.machine("van-03", START)
    assert time_above_ms(machine, "speed", 110, START, END) == 120_000 * len(above) > 0
    top = max(int(one.values["speed"]) for one in above)
    assert time_above_ms(machine, "speed", top, START, END) == 0


@pytest.mark.parametrize("device", ["comp-01", "comp-02"])
def test_what_was_told_and_what_was_hidden_make_up_the_truth(device: str) -> None:
    """Readings that arrived, first value for each moment, plus the truth of the hidden time, give the month exactly."""
    first_told = {
        one.t_ms: one.values for one in reversed(list(told(DEMO, device, START, END, START))) if one.fate is Fate.SENT
    }
    arrived = sum(
        (_delivered(v["air_flow"], 60_000) for v in first_told.values() if float(v["pressure"]) >= 7), Fraction(0)
    )
    machine = DEMO.machine(device)
    hiding = hidden(DEMO, device, START)
    unseen = sum((air_delivered(machine, one.start_ms, one.end_ms).in_spec_m3 for one in hiding), Fraction(0))
    assert len(hiding) == 1
    assert unseen > 0
    assert arrived + unseen == air_delivered(machine, START, END).in_spec_m3


def test_pages_survive_reset_and_bad_zero() -> None:
    """Steps between readings, with zero read as an error and the reset as announced, add up to the pages printed."""
    pages, before = 0, None
    for one in told(DEMO, "printer-01", START, END, START):
        shown = int(one.values["pages"])
        if "bad_zero" in one.faults:
            continue
        if before is not None:
            pages += shown if one.boot != before[0] else shown - before[1]
        before = (one.boot, shown)
    assert pages == pages_printed(DEMO.machine("printer-01"), START, END)
