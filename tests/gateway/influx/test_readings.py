"""Readings in InfluxDB are those that stand, however often and in whatever pieces they were sent."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from contracts.readings import Clock, judge
from contracts.units import DAY_MS, HOUR_MS
from gateway.influx import readings
from gateway.message import Message
from gateway.settings import InfluxSettings
from gateway.stores import Stores
from tests.gateway.influx.filled import Row, fill, filled, gateway_files, receive, telemetry_in
from tests.gateway.site import FOR_EVER, MINUTE_MS, START_MS, a_busy_day, event, flow, telemetry, terms

CLOCK = Clock(300_000, 90 * DAY_MS)


def standing(stores: Stores, device: str = "dev-1") -> list[Row]:
    """What should be in InfluxDB: read channel by channel, judged, with decimal values."""
    found: list[Row] = []
    for channel, per in (("flow", 100), ("pages", 1)):
        series = judge(stores.blocks.read(device, channel, 0, FOR_EVER), CLOCK).series()
        times, ticks, boots = series.times.tolist(), series.ticks.tolist(), series.boots.tolist()
        found += [(device, channel, time, tick / per) for time, tick in zip(times, ticks, strict=True)]
        found += [(device, "boot#", time, boot) for time, boot in zip(times, boots, strict=True) if boot >= 0]
    return sorted(set(found))


def test_exactly_the_readings_that_stand_are_there(tmp_path: Path, influx: InfluxSettings) -> None:
    """Of a day with repetitions, conflicts, disorder and nonsense, InfluxDB has each accepted reading and no other."""
    with gateway_files(tmp_path, influx, air=terms()) as stores:
        receive(stores, *a_busy_day(1))
        fill(stores)
        assert telemetry_in(influx) == standing(stores)
        assert len(standing(stores)) > 100


@pytest.mark.parametrize("seed", range(3))
def test_how_it_was_cut_into_pieces_changes_nothing(
    tmp_path: Path, influx: InfluxSettings, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent bit by bit while readings arrive, and in rounds of one hour, it is what it would be sent at once."""
    monkeypatch.setattr(readings, "HOURS_A_STEP", 1 + seed)
    chance = random.Random(seed)
    messages = a_busy_day(seed)
    with gateway_files(tmp_path, influx, air=terms()) as stores:
        while messages:
            count = chance.choice([1, 10, 80])
            receive(stores, *messages[:count])
            del messages[:count]
            fill(stores)
        assert telemetry_in(influx) == standing(stores)
        assert filled(stores).tip == stores.journal.tip()


def test_sending_again_changes_nothing(tmp_path: Path, influx: InfluxSettings) -> None:
    """A gateway that lost its cursor sends everything again, and InfluxDB is what it was."""
    with gateway_files(tmp_path, influx, air=terms()) as stores:
        receive(stores, *a_busy_day(5))
        fill(stores)
        before = telemetry_in(influx)
        (stores.settings.data / "influx.sqlite").unlink()
        fill(stores)
        assert telemetry_in(influx) == before


def test_a_clock_that_is_wrong_is_not_drawn(tmp_path: Path, influx: InfluxSettings) -> None:
    """A reading from the far future is kept aside, in InfluxDB as on the statement."""
    with gateway_files(tmp_path, influx, air=terms()) as stores:
        receive(stores, flow(1, 1.5), flow(90, 2.5, arrival_ms=START_MS))
        fill(stores)
        assert telemetry_in(influx) == [("dev-1", "flow", START_MS + MINUTE_MS, 1.5)]


def decision(verdict: str, minute: int, arrival_ms: int, number: int = 1) -> Message:
    """What a person decides of the reading of a minute."""
    said: dict[str, Any] = {"type": "decision", "id": f"d{number}", "by": "Ann", "verdict": verdict, "reason": "looked"}
    return event(arrival_ms, "dev-1", channel="flow", t=START_MS + minute * MINUTE_MS, **said)


def test_a_decision_puts_another_value_in_place(tmp_path: Path, influx: InfluxSettings) -> None:
    """Where a person accepts the second value of a conflict, or a reading with a wrong clock, InfluxDB follows."""
    with gateway_files(tmp_path, influx, air=terms()) as stores:
        receive(stores, flow(1, 1.0), flow(2, 5.0), flow(1, 2.0, START_MS + HOUR_MS), flow(240, 9.0, START_MS))
        fill(stores)
        assert [row[3] for row in telemetry_in(influx)] == [1.0, 5.0]
        later = START_MS + 5 * HOUR_MS
        receive(stores, decision("accept", 1, later, number=1), decision("accept", 240, later, number=2))
        fill(stores)
        assert [row[3] for row in telemetry_in(influx)] == [2.0, 5.0, 9.0]
        receive(stores, decision("discard", 1, later + HOUR_MS, number=3))
        fill(stores)
        assert [row[3] for row in telemetry_in(influx)] == [1.0, 5.0, 9.0]


def test_values_are_the_doubles_nearest_to_the_readings(tmp_path: Path, influx: InfluxSettings) -> None:
    """Fine, coarse, large and negative values arrive as the numbers that were reported."""
    for resolution, values in (("0.0001", [0.1, -7.0213, 123456789.0001]), ("25", [75.0, -1e15]), ("0.05", [0.15])):
        folder = tmp_path / resolution
        with gateway_files(folder, influx, air=terms(devices=f"d{resolution}", resolution=resolution)) as stores:
            receive(stores, *(flow(minute, value, device=f"d{resolution}") for minute, value in enumerate(values)))
            fill(stores)
            assert [row[3] for row in telemetry_in(influx) if row[0] == f"d{resolution}"] == values


def test_new_channels_bring_what_the_journal_has_of_them(tmp_path: Path, influx: InfluxSettings) -> None:
    """A contract that begins to name a device makes its earlier readings appear."""
    with gateway_files(tmp_path, influx, air=terms()) as stores:
        receive(stores, flow(1, 1.0), flow(1, 2.0, device="dev-2"))
        fill(stores)
    with gateway_files(tmp_path, influx, air=terms(devices="dev-1, dev-2")) as stores:
        fill(stores)
        assert [row[0] for row in telemetry_in(influx)] == ["dev-1", "dev-2"]


def test_a_block_store_made_again_sends_nothing_wrong(tmp_path: Path, influx: InfluxSettings) -> None:
    """After `fairmeter rebuild` the cursor still holds, and what comes then is sent."""
    with gateway_files(tmp_path, influx, air=terms()) as stores:
        receive(stores, *a_busy_day(6))
        fill(stores)
        stores.projector().rebuild()
        receive(stores, flow(2_000, 3.25))
        fill(stores)
        assert telemetry_in(influx) == standing(stores)


def test_a_journal_restored_from_a_backup_fills_again(tmp_path: Path, influx: InfluxSettings) -> None:
    """Positions of another journal say nothing of this one: everything is sent, so that nothing is missing."""
    with gateway_files(tmp_path / "lost", influx, air=terms()) as stores:
        receive(stores, flow(1, 1.0))
        receive(stores, flow(2, 2.0))
        receive(stores, flow(3, 3.0))
        fill(stores)
    with gateway_files(tmp_path / "restored", influx, air=terms()) as stores:
        receive(stores, flow(1, 1.0))
        receive(stores, flow(4, 4.0))
        (tmp_path / "lost/data/influx.sqlite").rename(stores.settings.data / "influx.sqlite")
        fill(stores)
        assert [row[3] for row in telemetry_in(influx)] == [1.0, 2.0, 3.0, 4.0]


def test_restart_marks_and_other_channels_stand_beside_the_values(tmp_path: Path, influx: InfluxSettings) -> None:
    """Moments with one channel or two, with a restart mark or without, are one line each with what there is."""
    with gateway_files(tmp_path, influx, air=terms()) as stores:
        moments = [
            {"t": START_MS, "v": {"flow": 1, "pages": 5}},
            {"t": START_MS + 1, "v": {"flow": 2}, "boot": "a"},
            {"t": START_MS + 2, "v": {"pages": 6}, "boot": "b"},
        ]
        receive(stores, *(telemetry(json.loads(json.dumps(each)), START_MS + 9) for each in moments))
        fill(stores)
        assert telemetry_in(influx) == [
            ("dev-1", "boot#", START_MS + 1, 0),
            ("dev-1", "boot#", START_MS + 2, 1),
            ("dev-1", "flow", START_MS, 1.0),
            ("dev-1", "flow", START_MS + 1, 2.0),
            ("dev-1", "pages", START_MS, 5.0),
            ("dev-1", "pages", START_MS + 2, 6.0),
        ]
