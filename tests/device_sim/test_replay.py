"""A recording replayed is the recording: every cell under its channel, at its time, and every fault in it named."""

import csv
import time
from pathlib import Path

import pytest

from device_sim.link import Broker
from device_sim.recording import Clock, RecordingError, Row, RowClock, RowProblem, TimeColumn, opened, read_rows
from device_sim.replay import replay

from .conftest import listening

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "recordings"
recorded = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside the project")

ROWS = "at,flow,open\n2026-01-01 00:00:00,1.50,true\n2026-01-01 00:00:10,,false\n2026-01-01 00:00:10,7,\n"


def _read(text: str, mapping: dict[str, str], clock: Clock) -> list[Row | RowProblem]:
    with opened(text) as lines:
        return list(read_rows(lines, mapping, clock))


def test_rows_keep_their_order_their_times_and_their_gaps() -> None:
    """Numbers, flags and empty cells come out as they are; a repeated time is not improved away."""
    rows = _read(ROWS, {"flow": "air_flow", "open": "valve"}, TimeColumn("at"))
    assert rows == [
        Row(1, 1767225600000, {"air_flow": 1.5, "valve": True}),
        Row(2, 1767225610000, {"valve": False}),
        Row(3, 1767225610000, {"air_flow": 7}),
    ]


@pytest.mark.parametrize(
    ("cell", "clock", "expected"),
    [
        ("2026-01-01T00:00:00.250Z", TimeColumn("at"), 1767225600250),
        ("2026-01-01T01:00:00+01:00", TimeColumn("at"), 1767225600000),
        ("2026-07-01 02:00:00", TimeColumn("at", zone="Europe/Brussels"), 1782864000000),
        ("1767225600.5", TimeColumn("at", style="epoch_s"), 1767225600500),
        ("1767225600123", TimeColumn("at", style="epoch_ms"), 1767225600123),
        ("12", TimeColumn("at", style="epoch_s", shift_ms=1767225600000), 1767225612000),
        ("anything", RowClock(1767225600000, 500), 1767225600000),
    ],
)
def test_time_is_read_as_it_is_said_to_be_written(cell: str, clock: Clock, expected: int) -> None:
    """ISO with and without an offset, seconds, milliseconds, shifted, or counted by rows."""
    (row,) = _read(f"at;v\r\n{cell};1\r\n", {"v": "x"}, clock)
    assert isinstance(row, Row)
    assert row.t_ms == expected


def test_what_cannot_be_read_is_named_by_its_row_and_the_rest_goes_on() -> None:
    """Bad cells cost the cell, bad times and torn rows cost the row, and each is reported."""
    text = "at,v,w\n2026-01-01,NaN,1\n2026-01-02,1e999,\nyesterday,1,2\n2026-01-04,1\n2026-01-05,3,4\n9999-12-31,x,9\n"
    clock = TimeColumn("at", shift_ms=86_400_000)
    rows = _read(text, {"v": "v", "w": "w"}, clock)
    problems = [(one.row, one.column) for one in rows if isinstance(one, RowProblem)]
    assert problems == [(1, "v"), (2, "v"), (3, "at"), (4, None), (6, "at")]
    assert [(one.number, one.values) for one in rows if isinstance(one, Row)] == [(1, {"w": 1}), (5, {"v": 3, "w": 4})]


@pytest.mark.parametrize(
    ("text", "mapping", "expected"),
    [
        ("", {"v": "v"}, "no column is called 'v'; the columns are (none)"),
        ("at,w\n", {"v": "v"}, "no column is called 'v'; the columns are at, w"),
        ("at,v,v\n", {"v": "v"}, "more than one column is called 'v'"),
        ("v\n", {"v": "v"}, "no column is called 'at'"),
        ("at,v\n", {}, "no column is mapped"),
        ("at,v,w\n", {"v": "x", "w": "x"}, "two columns are mapped to one channel"),
    ],
)
def test_a_recording_without_the_columns_is_refused(text: str, mapping: dict[str, str], expected: str) -> None:
    """What is missing is said before anything is sent, with what there is."""
    with pytest.raises(RecordingError) as refusal:
        _read(text, mapping, TimeColumn("at"))
    assert expected in str(refusal.value)


async def test_a_file_that_is_no_text_is_refused(broker: Broker, tmp_path: Path) -> None:
    """A binary file, and one that is not there, end in a sentence."""
    binary = tmp_path / "photo.csv"
    binary.write_bytes(b"\xff\xd8\xff\xe0" * 100)
    for path, expected in ((binary, "is not UTF-8 text"), (tmp_path / "none.csv", "cannot be read: No such file")):
        with pytest.raises(RecordingError, match=expected):
            await replay(path, broker, "d", {"v": "v"}, TimeColumn("at"))


async def test_speed_keeps_the_recordings_pace(broker: Broker) -> None:
    """Three rows ten seconds apart, at twenty times the speed, take a second and arrive one by one."""
    text = "at,v\n" + "".join(f"2026-01-01 00:00:{second:02},{second}\n" for second in (0, 10, 20))
    async with listening(broker, "telemetry/paced") as heard:
        began = time.monotonic()
        done = await replay(
            text, broker, "paced", {"v": "v"}, TimeColumn("at"), speed=20, sets_per_message=1, boot="r1"
        )
        assert 0.9 < time.monotonic() - began < 5
        await heard.until(lambda heard: len(heard.sets("paced")) == 3)
    assert (done.rows, done.messages, done.readings, done.problem_count) == (3, 3, 3, 0)
    assert heard.sets("paced")[2] == {"t": 1767225620000, "v": {"v": 20}, "boot": "r1"}


DRIVE = {"engine_run_time_s": "engine_s", "engine_rpm": "rpm", "vehicle_speed_kmh": "speed"}
RIG = {"Pressure": "pressure", "Volume Flow RateRMS": "flow", "anomaly": "anomaly"}


@recorded
@pytest.mark.parametrize(
    ("name", "mapping", "clock"),
    [
        ("compressor-metropt.csv", {"COMP": "idle", "TP2": "pressure"}, TimeColumn("timestamp")),
        ("pump-valve1-0.csv", RIG, TimeColumn("datetime", zone="Europe/Moscow")),
        ("pump-other-1.csv", RIG, TimeColumn("datetime")),
        ("car-drive1.csv", DRIVE, RowClock(1767225600000, 491)),
        ("car-drive2.csv", DRIVE, TimeColumn("engine_run_time_s", "epoch_s", shift_ms=1767225600000)),
        ("machine-temperature.csv", {"value": "temperature"}, TimeColumn("timestamp")),
    ],
)
async def test_a_real_recording_arrives_cell_by_cell(
    broker: Broker, name: str, mapping: dict[str, str], clock: Clock
) -> None:
    """Every row of a real machine's recording arrives in order, each value equal to the text of its cell."""
    with (RECORDINGS / name).open(newline="") as lines:
        dialect = ";" if name.startswith("pump") else ","
        wanted = [
            {channel: float(row[column]) for column, channel in mapping.items() if row[column] != ""}
            for row in csv.DictReader(lines, delimiter=dialect)
        ]
    device = name.removesuffix(".csv")
    async with listening(broker, f"telemetry/{device}") as heard:
        done = await replay(RECORDINGS / name, broker, device, mapping, clock)
        await heard.until(lambda heard: len(heard.sets(device)) == len(wanted))
    assert [one["v"] for one in heard.sets(device)] == wanted
    assert (done.rows, done.problem_count) == (len(wanted), 0)
    assert done.readings == sum(len(row) for row in wanted)
