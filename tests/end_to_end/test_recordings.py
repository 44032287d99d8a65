"""Machines that were recorded, replayed through a real broker into a real gateway, and billed to the cent.

Every figure of the statement is computed a second time by `independent`, which reads the recording itself.
"""

from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from device_sim.recording import RowClock, TimeColumn
from gateway.broker import EmbeddedBroker
from tests.end_to_end import agreements, independent
from tests.end_to_end.agreements import agreed
from tests.end_to_end.independent import Day, Reading
from tests.end_to_end.installation import Installation, fairmeter
from tests.end_to_end.replayed import Played, amounts, billed, check_files, costs, figures, told, usage

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"

pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="the recordings are not at ../shared/recordings, seen from the project's root"
)

DRIVES = (1, 2, 4, 10, 12, 13)
EVERY_MS = 500  # the car's recordings have about two rows a second, and no clock
RIGS = {"rig-a": "pump-valve1-0", "rig-b": "pump-valve1-3", "rig-c": "pump-other-1"}


# --- the compressor of a metro train ----------------------------------------------------------------------------------

METRO = RECORDINGS / "compressor-metropt.csv"
METRO_COLUMNS = {"DV_eletric": "loaded", "Motor_current": "current", "Reservoirs": "reservoir"}


def check_compressor(document: dict[str, Any], day: Day, shift_ms: int) -> None:
    """Every figure of the compressor's statement, computed again from its recording."""
    rows = independent.rows_of(METRO)
    moments = [independent.utc_ms(row["timestamp"]) + shift_ms for row in rows]
    channels = [("DV_eletric", "1"), ("Motor_current", "0.0001"), ("Reservoirs", "0.001")]
    loaded, current, reservoir = (
        independent.known(independent.readings(moments, [row[name] for row in rows], step), 15_000, day)
        for name, step in channels
    )
    on_ms = independent.time_true_ms(loaded, lambda ticks: ticks == 1)
    long_ms = independent.time_true_ms(loaded, lambda ticks: ticks == 1, at_least_ms=105_000)
    off_ms = independent.time_true_ms(loaded, lambda ticks: ticks != 1)
    starts = independent.times_begun(loaded, lambda ticks: ticks == 1)
    good, poor, unknown = independent.parted(current, reservoir, lambda ticks: ticks >= 8_500)
    assert 0 < long_ms < on_ms, "one run under load is longer than the others, so that `for` has something to do"
    assert unknown == 0
    assert on_ms + off_ms == independent.known_ms(loaded)
    ticks_per_ah = 10_000 * 3_600_000
    minutes = independent.rounded(Fraction(on_ms, 60_000), "0.01")
    seconds = independent.rounded(Fraction(long_ms, 1_000), "1")
    hours = independent.rounded(Fraction(off_ms, 3_600_000), "0.0001")
    charge = independent.rounded(good / ticks_per_ah, "0.001")
    poor = independent.rounded(poor / ticks_per_ah, "0.001")
    quantities = {"loaded": minutes, "long": seconds, "idle": hours, "starts": Fraction(starts), "charge": charge}
    for meter, quantity in quantities.items():
        row = usage(document, meter)
        assert (meter, Fraction(row["quantity"])) == (meter, quantity)
        assert row["known_ms"] == independent.known_ms(loaded)
        assert row["coverage"] == independent.percent(independent.known_ms(loaded), day.length_ms)
        assert told(row) == figures(len(rows), independent.gaps(loaded))
    assert Fraction(usage(document, "charge")["off_quality"]) == poor
    assert costs(document) == amounts(
        hire__metro_7=Fraction(40),
        loaded__metro_7=independent.graduated(
            minutes, [("2.5", "1.99", "3"), ("5", "0.995", "0"), (None, "0.333", "0")]
        ),
        idle__metro_7=independent.graduated(hours, [("1", "6.10", "0"), (None, "4.05", "0")]),
        starts__metro_7=starts * Fraction("0.125"),
        charge__metro_7=charge * Fraction("0.0123"),
        poor__metro_7=poor * Fraction("-0.0011"),
    )


async def test_a_compressor_is_billed_for_its_time_under_load_and_idle(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Uneven ten-second signals of a metro train's compressor give hours, starts and money to the cent."""
    zone = "Europe/Lisbon"
    day = independent.local_day(independent.days_ago(1, zone), zone)
    shift_ms = day.start + 3_600_000 - independent.utc_ms("2020-02-01 00:00:00")
    text = agreed(agreements.COMPRESSOR, contract="METRO-1", begins=day.name, zone=zone)
    site = Installation.make(tmp_path / "site", broker.port, metro=text)
    played = Played(METRO, "metro-7", METRO_COLUMNS, TimeColumn("timestamp", shift_ms=shift_ms))
    document = await billed(site, "METRO-1", [played], {"metro-7": 1_000})
    assert document["period"]["name"] == day.name
    check_compressor(document, day, shift_ms)
    check_files(site, "METRO-1")


def test_a_compressor_is_computed_from_a_bare_csv_with_its_own_times(tmp_path: Path) -> None:
    """The same recording as a file of 2020, where no arrival is known, gives its day without a gateway."""
    begins = independent.local_day(date(2020, 2, 1), "UTC")
    terms, table = tmp_path / "metro.yaml", tmp_path / "metro.csv"
    terms.write_text(agreed(agreements.COMPRESSOR, contract="METRO-1", begins=begins.name))
    lines = [
        f"metro-7,{channel},{row['timestamp'].replace(' ', 'T')}Z,{row[column]}\n"
        for row in independent.rows_of(METRO)
        for column, channel in METRO_COLUMNS.items()
    ]
    table.write_text("device,channel,time,value\n" + "".join(reversed(lines)))
    done = fairmeter("compute", "--terms", terms, "--readings", table, "--period", begins.name, "--json")
    document = done.json()
    check_compressor(document, begins, 0)
    assert (document["status"], document["number"], document["signature"]) == ("computed", None, None)
    assert {row["counts"]["duplicate"] for row in document["usage"]} == {0}


# --- the water rig ----------------------------------------------------------------------------------------------------


async def test_water_counts_only_while_its_pressure_is_in_band(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Litres of three runs of a rig: in band, off quality, and unknown where seconds are missing, priced together."""
    day = independent.local_day(independent.days_ago(1), "UTC")
    site = Installation.make(
        tmp_path / "site", broker.port, water=agreed(agreements.WATER, contract="WATER-1", begins=day.name)
    )
    played, expected = [], {}
    for device, name in RIGS.items():
        recording = RECORDINGS / f"{name}.csv"
        rows = independent.rows_of(recording, ";")
        shift_ms = day.start + 5 * 3_600_000 - independent.utc_ms(rows[0]["datetime"])
        moments = [independent.utc_ms(row["datetime"]) + shift_ms for row in rows]
        mapping = {"Volume Flow RateRMS": "flow", "Pressure": "pressure"}
        played.append(Played(recording, device, mapping, TimeColumn("datetime", shift_ms=shift_ms)))
        flow = independent.readings(moments, [row["Volume Flow RateRMS"] for row in rows], "0.0001")
        pressure = independent.readings(moments, [row["Pressure"] for row in rows], "0.000001")
        expected[device] = (flow, pressure)
    document = await billed(site, "WATER-1", played, {device: len(flow) for device, (flow, _) in expected.items()})
    sums = {device: check_rig(document, device, *given, day) for device, given in expected.items()}
    water = sum((litres for litres, _, _ in sums.values()), Fraction(0))
    surely_off = sum((sure for _, _, sure in sums.values()), Fraction(0))
    poor = {f"poor__{device.replace('-', '_')}": off * Fraction("0.0035") for device, (_, off, _) in sums.items()}
    over = max(Fraction(0), water - 250)
    assert costs(document) == amounts(
        water=independent.graduated(over, [("500", "0.0123", "0"), (None, "0.0101", "0")]),
        **poor,
        sure=surely_off * Fraction("0.0002"),
    )
    check_files(site, "WATER-1")


def check_rig(
    document: dict[str, Any], device: str, flow: list[Reading], pressure: list[Reading], day: Day
) -> tuple[Fraction, Fraction, Fraction]:
    """One rig's usage, computed again; gives its litres in band, off quality, and surely out of band."""
    values, gates = independent.known(flow, 1_500, day), independent.known(pressure, 1_000, day)
    parts = independent.parted(values, gates, lambda ticks: 54_711 <= ticks <= 382_638)
    good, bad, unknown = (part / (10_000 * 60_000) for part in parts)
    assert min(good, bad, unknown) > 0, "each part has something in it, or this test would show little"
    litres, off, sure = (independent.rounded(each, "0.001") for each in (good, bad + unknown, bad))
    for meter, off_quality in (("water", off), ("sure", sure)):
        row = usage(document, meter, device)
        assert (Fraction(row["quantity"]), Fraction(row["off_quality"])) == (litres, off_quality)
        assert row["known_ms"] == independent.known_ms(values)
        assert row["coverage"] == independent.percent(independent.known_ms(values), day.length_ms)
        assert told(row) == figures(len(flow), independent.gaps(values))
    return litres, off, sure


# --- the car ----------------------------------------------------------------------------------------------------------


async def test_a_car_pays_for_kilometres_and_for_engine_time(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Six drives: speed becomes kilometres, and a counter that restarts with each engine start becomes seconds."""
    day = independent.local_day(independent.days_ago(1), "UTC")
    site = Installation.make(
        tmp_path / "site", broker.port, car=agreed(agreements.CAR, contract="CAR-1", begins=day.name)
    )
    mapping = {"engine_run_time_s": "engine", "vehicle_speed_kmh": "speed", "engine_rpm": "rpm"}
    start, seconds, drives, played = day.start + 3_600_000, 0, [], []
    for number in DRIVES:
        recording = RECORDINGS / f"car-drive{number}.csv"
        rows = independent.rows_of(recording)
        drives += [(start + place * EVERY_MS, row) for place, row in enumerate(rows)]
        played.append(Played(recording, "car-1", mapping, RowClock(start, EVERY_MS), boot=f"drive-{number}"))
        seconds += int(rows[-1]["engine_run_time_s"])
        start += len(rows) * EVERY_MS + 1_800_000
    document = await billed(site, "CAR-1", played, {"car-1": len(drives)})
    moments = [at for at, _ in drives]
    speed = independent.known([(at, int(row["vehicle_speed_kmh"])) for at, row in drives], 2_000, day)
    turning = independent.known([(at, Fraction(row["engine_rpm"]) > 0) for at, row in drives], 2_000, day)
    still = independent.known([(at, int(row["vehicle_speed_kmh"]) == 0) for at, row in drives], 2_000, day)
    driven, _, _ = independent.parted(speed, speed, lambda _: True)
    stood, _, _ = independent.parted(still, turning, bool)
    kilometres = independent.rounded(driven / 3_600_000, "0.001")
    minutes = independent.rounded(stood / 60_000, "0.01")
    quantities = {"distance": kilometres, "engine": Fraction(seconds), "standing": minutes}
    readings = {"distance": len(moments), "engine": len(moments), "standing": 2 * len(moments)}
    for meter, quantity in quantities.items():
        row = usage(document, meter)
        assert (meter, Fraction(row["quantity"])) == (meter, quantity)
        assert row["known_ms"] == independent.known_ms(speed)
        assert told(row) == figures(readings[meter], gaps=len(DRIVES) + 1)
    assert (usage(document, "engine")["opening"], usage(document, "engine")["closing"]) == ("0", "2011")
    assert costs(document) == amounts(
        distance__car_1=max(Fraction(0), kilometres - 25) * Fraction("0.2895"),
        engine__car_1=independent.packages(Fraction(seconds), "600", "0.85"),
        standing__car_1=minutes * Fraction("0.05"),
    )
    check_files(site, "CAR-1")


# --- the machine whose clock stepped back -----------------------------------------------------------------------------

FURNACE = RECORDINGS / "machine-temperature.csv"
TWICE_ON = "2014-01-07"


def check_furnace(document: dict[str, Any], day: Day, shift_ms: int, conflicts: int) -> None:
    """The figures of a stretch of the furnace, computed again, with the second of two values kept for review."""
    rows = independent.rows_of(FURNACE)
    moments = [independent.utc_ms(row["timestamp"]) + shift_ms for row in rows]
    given = independent.readings(moments, [row["value"] for row in rows], "0.01")
    inside = [each for each in given if day.start <= each[0] < day.end]
    heat = independent.known(given, 600_000, day)
    hot = independent.rounded(Fraction(independent.time_true_ms(heat, lambda ticks: ticks >= 9_425), 60_000), "1")
    dose = independent.rounded(independent.parted(heat, heat, lambda _: True)[0] / (100 * 3_600_000), "0.01")
    for meter, quantity in (("hot", hot), ("dose", dose)):
        row = usage(document, meter)
        assert (meter, Fraction(row["quantity"])) == (meter, quantity)
        assert row["known_ms"] == independent.known_ms(heat)
        assert told(row) == figures(len(inside) - conflicts, independent.gaps(heat), conflicts)
    seen: dict[int, int] = {}
    second = [(at, ticks) for at, ticks in inside if seen.setdefault(at, ticks) != ticks]
    listed = [row for row in document["review"] if row["disposition"] == "conflicting"]
    assert [(independent.utc_ms(row["first"].rstrip("Z")), row["value"]) for row in listed] == [
        (at, f"{ticks / 100:.2f}") for at, ticks in second
    ]
    assert (len(listed), costs(document)) == (
        conflicts,
        amounts(hot__furnace_1=hot * Fraction("0.21"), dose__furnace_1=dose * Fraction("0.0049")),
    )


async def test_of_two_values_for_one_moment_the_first_stands(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """A clock that stepped back an hour gives twelve conflicts: listed with their values, and not billed."""
    last = independent.utc_ms("2014-02-19 15:25:00")
    days = (independent.local_day(independent.days_ago(1), "UTC").end - 1 - last) // 86_400_000
    twice_on = date.fromisoformat(TWICE_ON) + timedelta(days)
    day = independent.local_day(twice_on, "UTC")
    text = agreed(agreements.FURNACE, contract="HEAT-1", begins=day.name)
    text = text.replace(f"from: {day.name}", f"from: {day.name}, until: {twice_on + timedelta(1)}")
    site = Installation.make(tmp_path / "site", broker.port, furnace=text)
    shift_ms = days * 86_400_000
    played = Played(FURNACE, "furnace-1", {"value": "heat"}, TimeColumn("timestamp", shift_ms=shift_ms))
    document = await billed(site, "HEAT-1", [played], {"furnace-1": 22_695})
    check_furnace(document, day, shift_ms, conflicts=12)
    check_files(site, "HEAT-1")


def test_a_month_with_a_clock_step_is_computed_from_a_bare_csv(tmp_path: Path) -> None:
    """January 2014 of the same recording, with its own times: the conflicts, and not one reading late or lost."""
    terms, table = tmp_path / "furnace.yaml", tmp_path / "furnace.csv"
    terms.write_text(agreed(agreements.FURNACE, contract="HEAT-1", begins="2013-12-01", period="month"))
    lines = [
        f"furnace-1,heat,{row['timestamp'].replace(' ', 'T')}Z,{row['value']}" for row in independent.rows_of(FURNACE)
    ]
    table.write_text("\n".join(["device,channel,time,value", *lines, ""]))
    done = fairmeter("compute", "--terms", terms, "--readings", table, "--period", "2014-01", "--json")
    first, after = independent.utc_ms("2014-01-01 00:00:00"), independent.utc_ms("2014-02-01 00:00:00")
    check_furnace(done.json(), Day("2014-01", first, after), 0, conflicts=12)
    assert usage(done.json(), "dose")["counts"]["late"] == 0
    assert usage(done.json(), "dose")["counts"]["duplicate"] == 0
