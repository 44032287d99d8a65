"""The InfluxDB that other tests stand on: it keeps what it holds over a restart, and loses it when wiped."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from tests.servers.influxd import BUCKET, TOKEN, Influxd


@pytest.fixture
def influxd(tmp_path: Path) -> Iterator[Influxd]:
    """A running InfluxDB of one test's own."""
    server = Influxd(tmp_path / "influxd")
    server.start()
    yield server
    server.stop()


def _count(server: Influxd) -> int:
    flux = f'from(bucket: "{BUCKET}") |> range(start: 0) |> count()'
    with InfluxDBClient(server.url, TOKEN, org="-") as client:
        return sum(int(record.get_value()) for table in client.query_api().query(flux) for record in table.records)


def test_what_was_written_outlives_a_kill_and_not_a_wipe(influxd: Influxd) -> None:
    """Points acknowledged by InfluxDB are there after it was killed, and gone after its database was dropped."""
    with InfluxDBClient(influxd.url, TOKEN, org="-") as client:
        client.write_api(SYNCHRONOUS).write(BUCKET, "-", b"telemetry,device=a x=1.5 1767225600000", "ms")
    assert _count(influxd) == 1
    influxd.stop(kill=True)
    influxd.start()
    assert _count(influxd) == 1
    influxd.wipe()
    assert _count(influxd) == 0
