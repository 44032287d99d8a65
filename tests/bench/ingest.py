"""From publish to InfluxDB: the whole gateway as it runs, beside clients that only receive and acknowledge.

`python -m tests.bench.ingest [messages]` prints messages a second from MQTT publish (QoS 1) until the last reading is
durable, in the block store and, where influxd is installed, queryable in InfluxDB; the processor time of the gateway
alone until it rests, with everything metered and drawn; and its memory. `python -m tests.bench.ingest memory
[messages]` prints the memory along the way of a million. Broker, publisher, client, gateway and InfluxDB are processes
of their own, one gateway after the other.
"""

import asyncio
import contextlib
import getpass
import json
import os
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.broker import EmbeddedBroker
from gateway.influx.server import Influx
from gateway.settings import InfluxSettings
from tests.bench.publisher import ARRAY, CHANNELS, DEVICES, arrays, first_minute, publisher, single
from tests.servers.fixtures import settings_of
from tests.servers.influxd_2 import given, influxd

_SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin:/opt/homebrew/sbin"
_TICKS = os.sysconf("SC_CLK_TCK")
_QUIET_S, _AT_REST = 3, 0.2  # so many seconds on end with less than this share of a core

_SETS = """from(bucket: "{bucket}") |> range(start: 0)
    |> filter(fn: (r) => r._measurement == "telemetry" and r._field == "pressure") |> count() |> group() |> sum()"""

TERMS = """
terms: 1
id: BENCH
provider: {name: A}
customer: {name: B}
currency: EUR
timezone: UTC
valid: {from: FROM}
period: month
corrections: 3650d
data: {max_hold: 120s}
devices: [DEVICES]
channels:
  air_flow: {unit: m3/h, resolution: 0.01}
  pressure: {unit: bar, resolution: 0.01}
  fault: {unit: "1"}
conditions: {in_spec: {channel: pressure, at_least: 7.0}}
meters:
  volume: {integral: air_flow, per: 1h, unit: m3, only_when: in_spec}
charges:
  - {id: volume, meter: volume, pool: true, price: {per_unit: 0.02}}
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What so many messages took: wall time from the first to the last, processor time of the receiving process."""

    name: str
    messages: int
    wall_s: float
    processor_s: float
    peak_mb: float = 0.0

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.wall_s

    @property
    def cost_us(self) -> float:
        """Processor time a message."""
        return self.processor_s / self.messages * 1e6

    def __str__(self) -> str:
        memory = f", {self.peak_mb:.0f} MB at most" if self.peak_mb else ""
        cost = f"{self.processor_s / self.messages * 1e5:5.1f} s of processor per 100,000"
        return f"{self.name:<46} {self.rate:>8,.0f} messages/s, {cost}{memory}"


@contextlib.asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[int]:
    """A Mosquitto set to lose nothing, or the embedded broker where there is none; its port."""
    program = shutil.which("mosquitto", path=_SYSTEM_FOLDERS)
    if program is None:
        async with EmbeddedBroker(folder / "broker") as embedded:
            yield embedded.port
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    lines = (
        *(f"listener {port} 127.0.0.1", "allow_anonymous true", f"user {getpass.getuser()}", "log_type none"),
        *("persistence true", f"persistence_location {folder}/"),
        *("max_inflight_messages 1000", "max_queued_messages 0", "max_queued_bytes 0"),
    )
    (folder / "mosquitto.conf").write_text("\n".join(lines))
    process = await asyncio.create_subprocess_exec(program, "-c", str(folder / "mosquitto.conf"), stderr=-3)
    try:
        await asyncio.sleep(0.5)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def client(kind: str, port: int, count: int) -> Figures:
    """A client that only receives and acknowledges."""
    receiver = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.client", kind, str(port), str(count)),
        stdout=asyncio.subprocess.PIPE,
        stderr=-3,
    )
    assert receiver.stdout is not None
    async for line in receiver.stdout:
        if line == b"ready\n":
            break
    async with publisher(port, count, single(first_minute(count, 1))) as begin:
        begin()
        async for line in receiver.stdout:
            if line.startswith(b"{"):
                took = json.loads(line)
                break
    await receiver.wait()
    return Figures(f"{kind} alone", count, took["wall_s"], took["processor_s"])


class Running:
    """A gateway that runs, watched from outside: what it has stored, what it took."""

    def __init__(self, data: Path, process_id: int, influx: InfluxSettings | None) -> None:
        self._blocks = data / "blocks.sqlite"
        self._influx = influx
        self._process = Path(f"/proc/{process_id}")

    def received(self) -> int:
        """Messages that are in the block store."""
        return self._asked("SELECT coalesce(sum(received), 0) FROM counts")

    def queryable(self) -> int:
        """Sets of readings that InfluxDB gives when it is asked."""
        assert self._influx is not None
        with Influx.open(self._influx) as influx:
            rows = influx.tables(_SETS.format(bucket=self._influx.bucket))
        return int(rows[0]["_value"]) if rows else 0

    async def has(self, messages: int, sets: int) -> None:
        """Wait until so many messages are stored, and their sets queryable where there is an InfluxDB."""
        while self.received() < messages:
            await asyncio.sleep(0.05)
        while self._influx is not None and self.queryable() < sets:
            await asyncio.sleep(0.1)

    async def rests(self) -> None:
        """Wait until it has nothing left to do."""
        quiet = 0
        while quiet < _QUIET_S:
            before = self.processor_s()
            await asyncio.sleep(1)
            quiet = quiet + 1 if self.processor_s() - before < _AT_REST else 0

    def processor_s(self) -> float:
        """Processor time of all its threads so far."""
        fields = (self._process / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory_mb(self, name: str = "VmRSS") -> float:
        """Memory it holds; `VmHWM` for the most it held."""
        lines = (self._process / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name + ":")) / 1024

    def _asked(self, query: str) -> int:
        if not self._blocks.exists():
            return 0
        with contextlib.closing(sqlite3.connect(f"{self._blocks.as_uri()}?mode=ro", uri=True)) as db:
            try:
                found: int = db.execute(query).fetchone()[0]
            except sqlite3.OperationalError:  # it is being made
                return 0
        return found


@contextlib.asynccontextmanager
async def gateway(port: int, folder: Path, first_ms: int, influx: InfluxSettings | None) -> AsyncIterator[Running]:
    """`fairmeter run` on an empty data folder, with a contract since that day, when it has metered a first message."""
    ids = ", ".join(f"{{id: comp-{place:02}}}" for place in range(DEVICES))
    (folder / "contracts").mkdir(parents=True)
    since = datetime.fromtimestamp(first_ms / 1000, UTC).date().isoformat()
    (folder / "contracts" / "bench.yaml").write_text(TERMS.replace("DEVICES", ids).replace("FROM", since))
    data, settings = folder / "data", folder / "fairmeter.toml"
    lines = [f'data = "{data}"', f'contracts = "{folder}/contracts"', "[broker]", f"port = {port}"]
    lines.append(f'client_id = "{folder.name}"')
    if influx is not None:
        given = (
            f'{name} = "{value}"' for name, value in influx.model_dump(exclude_none=True, exclude_defaults=True).items()
        )
        lines += ["[influx]", *given]
    settings.write_text("\n".join(lines))
    command = (sys.executable, "-m", "gateway", "run", "--settings", str(settings))
    with (folder / "gateway.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    running = Running(data, process.pid, influx)
    try:
        while not running.received():  # what is published before the first subscription reaches nobody
            assert process.returncode is None, (folder / "gateway.log").read_text()
            async with publisher(port, 1, single(first_ms)) as begin:
                begin()
            await asyncio.sleep(0.3)
        await running.rests()
        yield running
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def whole(
    port: int, folder: Path, count: int, sets: int, influx: InfluxSettings | None = None, report_every: int = 0
) -> Figures:
    """The gateway: until the last message is there for everyone, and its processor time until it rests."""
    first_ms = first_minute(count, sets)
    message = single(first_ms) if sets == 1 else arrays(first_ms)
    async with gateway(port, folder, first_ms, influx) as running, publisher(port, count, message) as begin:
        before, processor_before = running.received(), running.processor_s()
        began = time.perf_counter()
        begin()
        for place in range(report_every, count, report_every) if report_every else ():
            await running.has(before + place, 0)
            print(f"{place:>10,} messages: {running.memory_mb():.0f} MB", flush=True)
        # The first message, with which the gateway was begun, is sent once more and is one reading.
        await running.has(before + count, count * sets)
        wall_s = time.perf_counter() - began
        await running.rests()
        processor_s = running.processor_s() - processor_before
        name = "one set of 3 a message" if sets == 1 else f"arrays of {sets} sets"
        name = f"gateway{' and InfluxDB' if influx else ''}, {name}"
        return Figures(name, count, wall_s, processor_s, running.memory_mb("VmHWM"))


@contextlib.contextmanager
def influxdb(folder: Path) -> Iterator[InfluxSettings | None]:
    """An InfluxDB with an empty bucket; None where none is installed."""
    try:
        server = given(folder) or influxd(folder)
    except pytest.skip.Exception:
        yield None
        return
    bucket = f"bench{time.time_ns()}/autogen"
    server.start()
    try:
        server.make(bucket)
        yield settings_of(server, folder, bucket)
        server.drop(bucket)
    finally:
        server.stop()


async def compare(count: int, folder: Path) -> None:
    """Clients and gateways one after the other on the same broker, for single sets and for arrays."""
    few = max(1, count // 5)
    async with broker(folder) as port:
        paho, link = [await client(kind, port, count) for kind in ("paho", "link")]
        singles = [await whole(port, folder / "single", count, 1)]
        lists = [await whole(port, folder / "arrays", few, ARRAY)]
        for kind, found, messages, sets in (("single", singles, count, 1), ("arrays", lists, few, ARRAY)):
            with influxdb(folder / f"influxd-{kind}") as influx:
                if influx is not None:
                    found.append(await whole(port, folder / f"{kind}-drawn", messages, sets, influx))
    for figures in (paho, link, *singles, *lists):
        print(figures)
    for each in singles:
        for other in (paho, link):
            print(f"{each.name} / {other.name}: rate {each.rate / other.rate:.2f} (goal 0.5)", end=", ")
            print(f"{each.cost_us - other.cost_us:+.1f} µs of processor a message (goal +45)")
    for each in lists:
        print(f"{each.name}: {each.cost_us / (ARRAY * CHANNELS):.2f} µs of processor a reading (goal 5)")


async def memory(count: int, folder: Path) -> None:
    """How much memory the gateway holds while it takes so many messages."""
    async with broker(folder) as port:
        with influxdb(folder / "influxd") as influx:
            print(await whole(port, folder / "long", count, 1, influx, report_every=count // 20))


def main(arguments: list[str]) -> None:
    """Measure in a folder that is removed again."""
    long = arguments[:1] == ["memory"]
    default = 1_000_000 if long else 100_000
    count = next((int(each) for each in arguments if each.isdecimal()), default)
    with tempfile.TemporaryDirectory() as name:
        asyncio.run((memory if long else compare)(count, Path(name)))


if __name__ == "__main__":
    main(sys.argv[1:])
