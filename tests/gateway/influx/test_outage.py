"""InfluxDB stopped, started, emptied, or the gateway killed: nothing waits for it, and nothing is missing after it."""

import asyncio
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts.units import HOUR_MS
from gateway.broker import EmbeddedBroker
from gateway.clock import now_ms
from gateway.influx import feed, feeding
from gateway.influx.cursor import Cursor
from gateway.influx.feed import Feed
from gateway.message import Message
from gateway.service import Gateway, running
from gateway.settings import BrokerSettings, InfluxSettings, Settings
from gateway.stores import Stores
from tests.gateway.conftest import Publish
from tests.gateway.influx.filled import fill, filled, gateway_files, lively, points_in, project, receive, telemetry_in
from tests.gateway.site import START_MS, a_busy_day, flow, telemetry, terms
from tests.servers.fixtures import settings_of
from tests.servers.influxd import Influxd

WITHIN_S = 60.0


def hours_of(device: str, hours: int, channels: str, every_s: int = 1) -> Iterator[Message]:
    """A device that reports every second or so, a minute in a message."""
    for start in range(START_MS, START_MS + hours * HOUR_MS, 60_000):
        sets = [
            {"t": start + second * 1_000, "v": dict.fromkeys(channels.split(), (start // 1_000 + second) % 977)}
            for second in range(0, 60, every_s)
        ]
        yield telemetry(sets, start + 60_000, device)


def a_minute_ago() -> list[Message]:
    """Readings of twenty hours up to now, some of them repeated, in conflict or out of order."""
    start = now_ms() - 20 * HOUR_MS
    moments = [start + 300_000 * (number - 3 * (number % 7 == 0)) for number in range(240)]
    return [
        telemetry({"t": each, "v": {"flow": number * 7 % 90, "pages": number, "fault": number % 11 == 0}}, each)
        for number, each in enumerate(moments)
    ]


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(WITHIN_S):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.1)


async def test_ingest_goes_on_without_influxdb_and_nothing_is_missing_after(
    tmp_path: Path, own_influxd: Influxd, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages are acknowledged while InfluxDB is away; back again, or emptied, it gets exactly what it would have."""
    monkeypatch.setattr(feed, "MARKER_EVERY_S", 1.0)
    monkeypatch.setattr(feed, "AGAIN_AT_MOST_S", 1.0)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "live.yaml").write_text(lively(2))
    messages = [(each.topic, each.payload) for each in a_minute_ago()]
    async with EmbeddedBroker(tmp_path / "broker") as broker:
        at = BrokerSettings(host=broker.host, port=broker.port)
        influx = settings_of(own_influxd, tmp_path)
        settings = Settings(data=tmp_path / "data", contracts=tmp_path / "contracts", broker=at, influx=influx)
        with Stores.open(settings) as stores:

            def taken() -> int:
                return sum(counts.received for counts in stores.blocks.counts().values())

            def sent() -> bool:
                return filled(stores).tip == stores.journal.tip()

            async with running(Gateway(stores, closing=False)) as gateway:
                await gateway.source.subscribed()
                await publish(broker.port, messages[:80])
                await until(lambda: taken() == 80 and sent())
                own_influxd.stop(kill=True)
                await publish(broker.port, messages[80:160])
                await until(lambda: taken() == 160)
                assert not sent()
                await asyncio.to_thread(own_influxd.start)
                await publish(broker.port, messages[160:])
                await until(lambda: taken() == 240 and sent())
                before = await asyncio.to_thread(telemetry_in, influx)
                marker = filled(stores).marker
                await asyncio.to_thread(own_influxd.wipe)
                await until(lambda: filled(stores).marker != marker and sent())
                assert telemetry_in(influx) == before
                hour_ms = now_ms() // HOUR_MS * HOUR_MS
                expected = undisturbed(stores, own_influxd, tmp_path, hour_ms)
                await until(lambda: points_in(influx, hour_ms) >= expected)
    assert len(before) > 600
    assert points_in(influx, hour_ms) == expected
    assert len({dict(each)["_measurement"] for each in expected}) > 12


def undisturbed(stores: Stores, server: Influxd, folder: Path, before_ms: int) -> set[tuple[tuple[str, Any], ...]]:
    """What another bucket of the server holds that was filled from the same journal, in one go."""
    server.make("undisturbed/autogen")
    influx = settings_of(server, folder, "undisturbed/autogen")
    with gateway_files(folder / "undisturbed", influx, live=lively(2)) as fresh:
        for batch in stores.journal.read():
            receive(fresh, *batch.messages)
        project(fresh)
        feeding.fill_again(fresh, lambda _: None)
    return points_in(influx, before_ms)


def test_a_missing_bucket_and_a_wrong_token_end_when_they_are_mended(
    tmp_path: Path, influx: InfluxSettings, influx_server: Influxd
) -> None:
    """The log says once what is wrong and how to mend it, and once that it is over; the gateway does not end."""
    assert influx.token_file is not None
    influx.token_file.write_text("fairmeter:wrong")
    influx_server.drop(influx.bucket)

    async def lived(stores: Stores, said: list[MutableMapping[str, Any]]) -> None:
        def has_said(text: str) -> bool:
            return any(text in str(each) for each in said)

        with Feed.open(stores, lambda _, __: []) as opened:
            task = asyncio.create_task(opened.run())
            await until(lambda: has_said("influx.token_file"))
            settings_of(influx_server, tmp_path)  # writes the right token
            await until(lambda: has_said("fairmeter influx init"))
            influx_server.make(influx.bucket)
            await until(lambda: has_said("InfluxDB goes on"))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    with gateway_files(tmp_path, influx, air=terms()) as stores, capture_logs() as said:
        receive(stores, flow(1, 1.0))
        project(stores)
        asyncio.run(lived(stores, said))
    events = ["InfluxDB waits; everything is sent later"] * 2
    assert [each["event"] for each in said] == [*events, "InfluxDB is filled from the beginning", "InfluxDB goes on"]
    assert [row[3] for row in telemetry_in(influx)] == [1.0]


_FILL_AND_DIE = """
import os
import signal
import sys
from pathlib import Path
from gateway.influx import readings
from gateway.influx.server import Influx
from gateway.settings import InfluxSettings
from tests.gateway.influx.filled import fill, gateway_files
readings.HOURS_A_STEP = 1
left, write = int(sys.argv[6]), Influx.write
def write_and_die(*given):
    global left
    write(*given)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
Influx.write = write_and_die
influx = InfluxSettings(url=sys.argv[2], bucket=sys.argv[3], token_file=Path(sys.argv[4]), org=sys.argv[5])
with gateway_files(Path(sys.argv[1]), influx) as stores:
    fill(stores)
"""


def test_killed_in_the_middle_it_goes_on(tmp_path: Path, influx: InfluxSettings) -> None:
    """A gateway killed outright while it fills InfluxDB goes on after that, and leaves no gap."""
    with gateway_files(tmp_path, influx, air=terms()) as stores:
        for message in hours_of("dev-1", 8, "flow"):
            receive(stores, message)
        project(stores)
    given = [str(each) for each in (tmp_path, influx.url, influx.bucket, influx.token_file, influx.org)]
    places = [-1]
    for writes in (1, 3, 2):
        process = subprocess.run([sys.executable, "-c", _FILL_AND_DIE, *given, str(writes)], check=False)
        assert process.returncode == -signal.SIGKILL
        with gateway_files(tmp_path, influx) as stores:
            places.append(filled(stores).place[0])
    with gateway_files(tmp_path, influx) as stores:
        assert not filled(stores).tip.position
        fill(stores)
    assert places[2] < places[3], "it went on where it was"
    assert len(telemetry_in(influx)) == 8 * 3_600


def test_it_catches_up_faster_than_time_goes(tmp_path: Path, influx: InfluxSettings) -> None:
    """After an outage everything that waited is sent; how many times faster than it came is printed."""
    devices = [f"dev-{number}" for number in range(10)]
    with gateway_files(tmp_path, influx, air=terms(devices=", ".join(devices))) as stores:
        for device in devices:
            receive(stores, *hours_of(device, 2, "flow"))
        project(stores)
        began, processor = time.perf_counter(), time.process_time()
        fill(stores)
        took, spent = time.perf_counter() - began, time.process_time() - processor
        count = 10 * 2 * 3_600
        print(f"{2 * 3_600 / took:,.0f} times as fast as {len(devices)} devices report; {count / took:,.0f} readings/s,"
              f" {spent / count * 1e6:.2f} µs of processor each")  # fmt: skip
        assert filled(stores).tip == stores.journal.tip()
    assert len(telemetry_in(influx)) == count


def test_memory_does_not_grow_with_what_is_to_be_sent(tmp_path: Path, influx: InfluxSettings) -> None:
    """Filling InfluxDB with three days holds no more in memory than filling it with one."""
    peaks = []
    for hours in (24, 72):
        with gateway_files(tmp_path / str(hours), influx, air=terms()) as stores:
            for message in hours_of("dev-1", hours, "flow", every_s=3):
                receive(stores, message)
            project(stores)
            tracemalloc.start()
            fill(stores)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0], peaks


def test_everything_is_sent_again_when_asked(tmp_path: Path, influx: InfluxSettings) -> None:
    """`fairmeter rebuild --influx` puts back what somebody removed, and forgets what was refused."""
    with gateway_files(tmp_path, influx, air=terms()) as stores:
        receive(stores, *a_busy_day(12))
        fill(stores)
        before = telemetry_in(influx)
        with Cursor.open(stores.settings.data / "influx.sqlite") as cursor:
            marker = cursor.filled().marker
        feeding.fill_again_later(stores)
        fill(stores)
        assert filled(stores).marker not in ("", marker)
    assert telemetry_in(influx) == before
