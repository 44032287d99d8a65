"""Machines say the same whenever and however they are asked, and behave like what they are."""

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from device_sim.days import DAY_MS
from device_sim.machines import Machine, channels, observe, reports, speak
from device_sim.telemetry import Kind

from .conftest import BRUSSELS, local_ms

PRINTERS = [Machine("printer", seed, BRUSSELS, 60_000) for seed in range(1, 6)]
COMPRESSORS = [Machine("compressor", seed, BRUSSELS, 60_000) for seed in range(1, 6)]
VANS = [Machine("van", seed, BRUSSELS, 60_000) for seed in range(1, 6)]
TRUCKS = [Machine("truck", seed, BRUSSELS, 60_000) for seed in range(1, 6)]
MONTH = (local_ms(2026, 3, 1), local_ms(2026, 4, 1))


def _columns(machine: Machine, start_ms: int, end_ms: int) -> dict[str, np.ndarray]:
    pieces = [columns for _, columns in reports(machine, start_ms, end_ms)]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


@pytest.mark.parametrize("machine", [PRINTERS[0], COMPRESSORS[0], VANS[0], TRUCKS[0]])
def test_a_moment_looks_the_same_alone_and_in_its_month(machine: Machine) -> None:
    """A machine has no memory: one moment asked for by itself equals the same moment in a month of reports."""
    columns = _columns(machine, *MONTH)
    for index in range(0, len(columns[next(iter(columns))]), 1_237):
        alone = observe(machine, MONTH[0] + index * machine.interval_ms)
        assert alone == {name: int(ticks[index]) for name, ticks in columns.items()}


@pytest.mark.parametrize("machine", [*PRINTERS, *COMPRESSORS, *VANS, *TRUCKS])
def test_a_register_never_goes_down(machine: Machine) -> None:
    """Over two months, across days, months and a clock change, no register loses a tick."""
    registers = [name for name, channel in channels(machine.model).items() if channel.kind is Kind.REGISTER]
    columns = _columns(machine, MONTH[0], local_ms(2026, 5, 1))
    assert registers
    assert all(np.diff(columns[name]).min() >= 0 for name in registers)


@pytest.mark.parametrize("machine", PRINTERS)
def test_a_printer_prints_in_office_hours_as_much_as_an_office_does(machine: Machine) -> None:
    """Between 1,150 and 1,350 pages a month, at most 30 a minute, none at night or at the weekend."""
    pages = _columns(machine, *MONTH)["pages"]
    steps = np.diff(pages)
    assert 1_150 <= pages[-1] - pages[0] <= 1_350
    assert 2 <= steps.max() <= 30
    saturday, monday = (int((local_ms(2026, 3, day) - MONTH[0]) // 60_000) for day in (7, 9))
    assert pages[saturday] == pages[monday + 7 * 60]
    assert 0 <= _columns(machine, *MONTH)["ink_level"].min() <= 1_000


@pytest.mark.parametrize("machine", COMPRESSORS)
def test_a_compressor_delivers_a_months_air_mostly_in_spec(machine: Machine) -> None:
    """Flow of 20 to 90 m3/h, 20,000 to 25,000 m3 a month, and some minutes below 7 bar on most working days."""
    columns = _columns(machine, *MONTH)
    flow, pressure = columns["air_flow"], columns["pressure"]
    running = flow > 0
    assert 20_000 <= flow.sum() / 6_000 <= 25_000
    assert flow[running].min() >= 2_000
    assert flow.max() <= 9_000
    assert pressure[running].max() <= 780
    assert 100 < int((running & (pressure < 700)).sum()) < 1_000
    assert columns["run_hours"][-1] - columns["run_hours"][0] == pytest.approx(running.sum() / 0.6, abs=2)
    assert not flow[columns["fault"] == 1].any()


@pytest.mark.parametrize("machine", VANS)
def test_a_van_delivers_on_working_days_and_its_wheels_and_odometer_agree(machine: Machine) -> None:
    """5,500 to 6,500 km a month, none at night, at lunch or at the weekend, and as far as its speed says to 100 m."""
    columns = _columns(machine, *MONTH)
    km, speed, brakes = columns["odometer"], columns["speed"], columns["harsh_brakes"]
    assert 55_000 <= km[-1] - km[0] <= 65_000
    assert km[-1] - km[0] == pytest.approx(speed[:-1].sum() / 6, abs=1)
    assert 22 <= speed[speed > 0].min() <= speed.max() <= 132
    assert 0 < brakes[-1] - brakes[0] < 500
    friday, monday = (int((local_ms(2026, 3, day, 17) - MONTH[0]) // 60_000) for day in (6, 9))
    assert km[friday] == km[monday - 10 * 60]
    assert not speed[monday - 5 * 60 : monday - 5 * 60 + 40].any()


@pytest.mark.parametrize("machine", TRUCKS)
def test_a_truck_drives_long_days_with_their_rests(machine: Machine) -> None:
    """Up to 16,000 km a month, never more than four and a half hours without a rest, and none on a Sunday."""
    columns = _columns(machine, *MONTH)
    km, engine, speed = columns["odometer"], columns["engine_hours"], columns["speed"]
    assert 12_000 <= km[-1] - km[0] <= 16_000
    assert km[-1] - km[0] == pytest.approx(speed[:-1].sum() / 60, abs=1)
    assert 190 <= (engine[-1] - engine[0]) / 20 <= 230
    still = np.flatnonzero(speed == 0)
    assert np.diff(still).max() <= 270
    assert not speed[: 24 * 60].any()  # 1 March 2026 is a Sunday
    assert not columns["fault"].any()


def test_a_machine_that_breaks_down_stands_still_and_makes_up_for_nothing() -> None:
    """Its flag is up, its wheels and registers stand; afterwards it goes on as before, the lost kilometres missing."""
    truck = TRUCKS[0]
    begins, ends = local_ms(2026, 3, 3, 9, 0), local_ms(2026, 3, 3, 12, 0)
    broken = replace(truck, broken=((begins, ends), (ends + 3_600_000, ends + 7_200_000)))
    whole, lame = _columns(truck, *MONTH), _columns(broken, *MONTH)
    first, last = ((each - MONTH[0]) // 60_000 for each in (begins, ends))
    assert set(lame["fault"][first:last]) == {1}
    assert not lame["speed"][first:last].any()
    assert set(lame["odometer"][first:last]) == {whole["odometer"][first]}
    lost = whole["odometer"][last] - whole["odometer"][first]
    assert lost > 100
    assert set((whole["odometer"] - lame["odometer"])[last : last + 60]) == {lost}
    after = whole["odometer"][last + 120 :] - lame["odometer"][last + 120 :]
    assert len(set(after)) == 1
    assert after[0] > lost
    assert (lame["speed"] == whole["speed"])[last + 120 :].all()
    assert lame["fault"].sum() == 240


def test_pressure_leaks_away_over_midnight_without_a_jump() -> None:
    """A stopped compressor never builds up pressure by itself, in any night or weekend of a month."""
    columns = _columns(COMPRESSORS[0], *MONTH)
    stopped = (columns["air_flow"][1:] == 0) & (columns["air_flow"][:-1] == 0)
    assert np.diff(columns["pressure"])[stopped].max() <= 0


def test_reports_stand_on_whole_multiples_of_the_interval() -> None:
    """A device that reports every 7 seconds does so in step with the epoch, over midnight and the clock change."""
    machine = Machine("compressor", 1, BRUSSELS, 7_000)
    start = local_ms(2026, 3, 28, 22)
    sets = list(speak(machine, "a", start, start, start + DAY_MS))
    assert all(one.t_ms % 7_000 == 0 for one in sets)
    assert {later.t_ms - one.t_ms for one, later in pairwise(sets)} == {7_000}
    assert [one.seq for one in sets] == list(range(len(sets)))


def test_values_are_sent_as_the_decimals_they_mean() -> None:
    """A pressure of 702 ticks leaves as 7.02, whose text reads back to the same ticks; a flag leaves as a boolean."""
    known = channels("compressor")
    for one in speak(COMPRESSORS[0], "a", 0, local_ms(2026, 3, 2, 7), local_ms(2026, 3, 2, 8)):
        assert repr(one.values["pressure"]) == f"{known['pressure'].ticks(one.values['pressure']) / 100}"
        assert isinstance(one.values["fault"], bool)
        assert len(repr(one.values["air_flow"]).split(".")[1]) <= 2


@pytest.mark.parametrize("machine", [COMPRESSORS[0], VANS[0], replace(TRUCKS[0], broken=((MONTH[0], MONTH[0] + 1),))])
def test_a_month_of_minutes_takes_less_than_a_second(machine: Machine) -> None:
    """Random access stays cheap enough that a month of one device is there in well under a second."""
    began = time.process_time()
    count = sum(1 for _ in speak(machine, "a", MONTH[0], *MONTH))
    assert count == 31 * 1_440 - 60
    assert time.process_time() - began < 1.0


def test_a_machine_knows_nothing_from_before_it_was_built() -> None:
    """A year in which the machine did not exist is an error that says so, not an invented reading."""
    with pytest.raises(ValueError, match="was built on 2024-01-01"):
        observe(PRINTERS[0], local_ms(2023, 5, 1))
