"""The InfluxDB that other tests stand on: it keeps what it holds over a restart, and loses it when wiped."""

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from tests.servers.influxd import BUCKET, Influxd


def _count(server: Influxd) -> int:
    flux = f'from(bucket: "{BUCKET}") |> range(start: 0) |> count()'
    with InfluxDBClient(server.url, server.token, org=server.org) as client:
        return sum(int(record.get_value()) for table in client.query_api().query(flux) for record in table.records)


def test_what_was_written_outlives_a_kill_and_not_a_wipe(own_influxd: Influxd) -> None:
    """Points acknowledged by InfluxDB are there after it was killed, and gone after its bucket was dropped."""
    with InfluxDBClient(own_influxd.url, own_influxd.token, org=own_influxd.org) as client:
        client.write_api(SYNCHRONOUS).write(BUCKET, own_influxd.org, b"telemetry,device=a x=1.5 1767225600000", "ms")
    assert _count(own_influxd) == 1
    own_influxd.stop(kill=True)
    own_influxd.start()
    assert _count(own_influxd) == 1
    own_influxd.wipe()
    assert _count(own_influxd) == 0
