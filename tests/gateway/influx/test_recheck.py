"""A final statement comes out of InfluxDB a second time, and what was changed there is named."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.units import DAY_MS, HOUR_MS
from gateway.close import NotDue
from gateway.influx.columns import ReadBackFault
from gateway.influx.cursor import Cursor
from gateway.influx.feeding import fill_again
from gateway.influx.points import Point, line
from gateway.influx.readback import ReadBack
from gateway.influx.recheck import Second, second_computation
from gateway.influx.rechecks import Rechecks
from gateway.influx.sending import Sender
from gateway.influx.series import ContractSeries
from gateway.influx.server import Influx
from gateway.settings import InfluxSettings
from gateway.stores import Stores
from tests.end_to_end.installation import fairmeter
from tests.gateway.history import DAYS, START_MS, TERMS, random_messages
from tests.gateway.influx.filled import gateway_files, project, receive
from tests.servers.influxd import Influxd

CONTRACT = "HIS-1"


@contextmanager
def lived(folder: Path, influx: InfluxSettings, seed: int) -> Iterator[Stores]:
    """A contract lived through and closed day by day, its late readings and events received, and all of it sent."""
    messages = random_messages(seed)
    with gateway_files(folder, influx, his=TERMS) as stores:
        for day in range(1, DAYS + 1):
            now = START_MS + day * DAY_MS + 3 * HOUR_MS
            receive(stores, *(each for each in messages if now - DAY_MS < each.arrival_ms <= now))
            project(stores)
            _close(stores, now)
        receive(stores, *(each for each in messages if each.arrival_ms > START_MS + DAYS * DAY_MS + 3 * HOUR_MS))
        project(stores)
        fill_again(stores, lambda _: None)
        yield stores


def _close(stores: Stores, now_ms: int) -> None:
    while True:
        try:
            stores.closer.close(CONTRACT, now_ms)
        except NotDue:
            return


def _second(stores: Stores, number: int) -> Second:
    issued = stores.ledger.find(CONTRACT, number)
    assert issued is not None
    with Influx.open(stores.settings.influx) as server:
        return second_computation(stores, ReadBack(server), issued)


def _write(influx: InfluxSettings, *points: Point) -> None:
    with Influx.open(influx) as server:
        server.write("\n".join(map(line, points)).encode())


def _asked(influx: InfluxSettings, measurement: str, field: str) -> list[dict[str, Any]]:
    flux = f"""from(bucket: "{influx.bucket}") |> range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)
        |> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "{field}")"""
    with Influx.open(influx) as server:
        return server.tables(flux)


@pytest.mark.parametrize("seed", range(2))
def test_every_final_statement_comes_out_of_influxdb_again(tmp_path: Path, influx: InfluxSettings, seed: int) -> None:
    """With resets, late readings, events, credits and corrections, every figure and the closing state agree."""
    with lived(tmp_path, influx, seed) as stores:
        count = len(stores.ledger.all(CONTRACT))
        assert count == DAYS
        seconds = [_second(stores, number + 1) for number in range(count)]
        assert [(each.hours, each.figures) for each in seconds] == [((), ())] * count
        assert [row["_value"] for row in _asked(influx, "statement", "agrees")] == [1] * count
        assert _asked(influx, "alarm", "text") == []


def test_a_reading_changed_in_influxdb_is_named_by_device_channel_and_hour(
    tmp_path: Path, influx: InfluxSettings
) -> None:
    """Another value, and a reading that nobody sent, are each found; the figures that change by them are named, too."""
    with lived(tmp_path, influx, 1) as stores:
        known = stores.blocks.read("m1", "heat", START_MS, START_MS + DAY_MS)
        moment = int(known.times[0])
        altered = Point("telemetry", {"device": "m1"}, {"heat": 99.0}, moment)
        _write(influx, altered, Point("telemetry", {"device": "m2"}, {"count": 1e6}, START_MS + DAY_MS + 7))
        first, second = _second(stores, 1), _second(stores, 2)
        assert [(each.device, each.channel, each.readings) for each in first.hours] == [("m1", "heat", 1)]
        assert first.hours[0].start_ms == moment // HOUR_MS * HOUR_MS
        assert [(each.device, each.channel) for each in second.hours] == [("m2", "count")]
        assert any("pages" in each.where for each in second.figures)


def test_the_command_computes_from_influxdb_and_must_agree(tmp_path: Path, influx: InfluxSettings) -> None:
    """`statement show --from influx` prints the statement, and ends with 1 where it differs, naming the hour."""
    with lived(tmp_path, influx, 1) as stores:
        file = tmp_path / "fairmeter.toml"
        data, agreed = stores.settings.data, stores.settings.contracts
        reached = {"url": influx.url, "org": influx.org, "bucket": influx.bucket, "token_file": str(influx.token_file)}
        lines = [f"{name} = {json.dumps(value)}" for name, value in reached.items()]
        file.write_text("\n".join([f'data = "{data}"', f'contracts = "{agreed}"', "[influx]", *lines]))
        words = ("statement", "show", CONTRACT, "1", "--from", "influx", "--settings", file)
        agrees = fairmeter(*words)
        assert (agrees.code, "InfluxDB agrees" in agrees.said) == (0, True)
        assert agrees.out.startswith("STATEMENT")
        moment = int(stores.blocks.read("m1", "heat", START_MS, START_MS + DAY_MS).times[0])
        _write(influx, Point("telemetry", {"device": "m1"}, {"heat": 99.0}, moment))
        differs = fairmeter(*words, "--json")
        assert (differs.code, differs.json()["agrees"]) == (1, False)
        assert [(each["device"], each["channel"]) for each in differs.json()["hours"]] == [("m1", "heat")]


def test_the_gateway_writes_an_alarm_for_each_hour_that_differs(
    tmp_path: Path, influx: InfluxSettings, influx_server: Influxd
) -> None:
    """A difference stands in InfluxDB with its hour, and the statement is marked, until it agrees again."""
    with lived(tmp_path, influx, 2) as stores:
        moment = int(stores.blocks.read("m1", "count", START_MS, START_MS + DAY_MS).times[0])
        _write(influx, Point("telemetry", {"device": "m1"}, {"count": -5.0}, moment + 1))
        fill_again(stores, lambda _: None)
        alarms = _asked(influx, "alarm", "readings")
        assert [(row["device"], row["channel"], row["_value"]) for row in alarms] == [("m1", "count", 1)]
        assert sorted(row["_value"] for row in _asked(influx, "statement", "agrees")) == [0] + [1] * (DAYS - 1)
        influx_server.remove(influx.bucket, "telemetry")
        fill_again(stores, lambda _: None)
        assert [row["_value"] for row in _asked(influx, "alarm", "readings")] == [0]
        assert [row["_value"] for row in _asked(influx, "statement", "agrees")] == [1] * DAYS


def test_terms_changed_in_influxdb_are_refused(tmp_path: Path, influx: InfluxSettings) -> None:
    """A text that is not the one agreed is never computed with."""
    with lived(tmp_path, influx, 3) as stores:
        version = {"contract": CONTRACT, "version": "1"}
        _write(influx, Point("terms", version, {"text_0": TERMS.replace("flat: 100", "flat: 1")}, START_MS))
        with pytest.raises(ReadBackFault, match="not what was written; `fairmeter rebuild --influx`"):
            _second(stores, 1)


def test_a_statement_waits_for_what_it_was_made_of(tmp_path: Path, influx: InfluxSettings) -> None:
    """After a start nothing is computed a second time before the contracts have sent what people said of them."""
    with lived(tmp_path, influx, 1) as stores:
        _write(influx, *(_disagreeing(each.document) for each in stores.ledger.all(CONTRACT)))
        with Influx.open(influx) as server, Cursor.open(stores.settings.data / "influx.sqlite") as cursor:
            rechecks = Rechecks(stores, cursor, ContractSeries(stores.closer))
            assert not rechecks.bring_up_to_date(Sender(server, cursor), START_MS)


def _disagreeing(document: dict[str, Any]) -> Point:
    start = int(datetime.fromisoformat(document["period"]["start"]).timestamp() * 1000)
    return Point("statement", {"contract": CONTRACT, "period": document["period"]["name"]}, {"agrees": 0}, start)


def test_restart_marks_that_are_not_ours_are_refused(tmp_path: Path, influx: InfluxSettings) -> None:
    """A mark that the gateway never wrote, as one of another gateway's, is named, and ends no other computation."""
    with lived(tmp_path, influx, 1) as stores:
        moment = int(stores.blocks.read("m1", "count", START_MS, START_MS + DAY_MS).times[0])
        _write(influx, Point("telemetry", {"device": "m1"}, {"boot#": 99}, moment))
        with pytest.raises(ReadBackFault, match=r"the restart marks of m1 .* `fairmeter rebuild --influx`"):
            _second(stores, 1)
        assert _second(stores, 3).agrees
