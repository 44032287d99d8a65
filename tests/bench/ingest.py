"""From publish to the meter: the whole gateway as it runs, beside clients that only receive and acknowledge.

`python -m tests.bench.ingest [messages]` prints messages a second from MQTT publish (QoS 1) until every reading is
durable and in the block store (and queryable in InfluxDB, where influxd is installed), the processor time of the
gateway alone until all is metered, and its memory. `python -m tests.bench.ingest memory [messages]` prints the memory
along the way of a million. Broker, publisher, client and gateway are processes of their own.
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
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.broker import EmbeddedBroker
from tests.bench.publisher import ARRAY, CHANNELS, DEVICES, arrays, first_minute, publisher, single

_SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin:/opt/homebrew/sbin"
_TICKS = os.sysconf("SC_CLK_TCK")

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
        return f"{self.name:<40} {self.rate:>8,.0f} messages/s, {cost}{memory}"


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
    return Figures(f"{kind}: receive and acknowledge only", count, took["wall_s"], took["processor_s"])


class Running:
    """A gateway that runs, watched from outside: what it has stored, what it took."""

    def __init__(self, data: Path, process_id: int) -> None:
        self._blocks = data / "blocks.sqlite"
        self._process = Path(f"/proc/{process_id}")

    def received(self) -> int:
        """Messages that are in the block store."""
        return self._asked("SELECT coalesce(sum(received), 0) FROM counts")

    def unmetered(self) -> int:
        """Hours of devices with readings that the statement so far has not seen."""
        return self._asked("SELECT count(*) FROM dirty")

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
async def gateway(port: int, folder: Path, first_ms: int) -> AsyncIterator[Running]:
    """`fairmeter run` on an empty data folder, with a contract since that day, when it has metered a first message."""
    ids = ", ".join(f"{{id: comp-{place:02}}}" for place in range(DEVICES))
    (folder / "contracts").mkdir(parents=True)
    since = datetime.fromtimestamp(first_ms / 1000, UTC).date().isoformat()
    (folder / "contracts" / "bench.yaml").write_text(TERMS.replace("DEVICES", ids).replace("FROM", since))
    data = folder / "data"
    (folder / "fairmeter.toml").write_text(
        f'data = "{data}"\ncontracts = "{folder}/contracts"\n[broker]\nport = {port}\nclient_id = "{folder.name}"\n'
    )
    command = (sys.executable, "-m", "gateway", "run", "--settings", str(folder / "fairmeter.toml"))
    with (folder / "gateway.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    running = Running(data, process.pid)
    try:
        while not running.received():  # what is published before the first subscription reaches nobody
            assert process.returncode is None, (folder / "gateway.log").read_text()
            async with publisher(port, 1, single(first_ms)) as begin:
                begin()
            await asyncio.sleep(0.3)
        await metered(running)
        yield running
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def metered(running: Running) -> None:
    """Wait until the statement so far has seen every reading."""
    while running.unmetered():
        await asyncio.sleep(0.2)


async def whole(port: int, folder: Path, count: int, sets: int, report_every: int = 0) -> Figures:
    """The gateway: until the last message is in the block store, and its processor time until all is metered."""
    first_ms = first_minute(count, sets)
    message = single(first_ms) if sets == 1 else arrays(first_ms)
    async with gateway(port, folder, first_ms) as running, publisher(port, count, message) as begin:
        before, processor_before = running.received(), running.processor_s()
        report_at = report_every
        began = time.perf_counter()
        begin()
        while (done := running.received() - before) < count:
            if report_every and done >= report_at:
                print(f"{done:>10,} messages: {running.memory_mb():.0f} MB", flush=True)
                report_at = done // report_every * report_every + report_every
            await asyncio.sleep(0.05)
        wall_s = time.perf_counter() - began
        await metered(running)
        processor_s = running.processor_s() - processor_before
        name = "one set of 3 a message" if sets == 1 else f"arrays of {sets} sets"
        return Figures(f"gateway, {name}", count, wall_s, processor_s, running.memory_mb("VmHWM"))


async def compare(count: int, folder: Path) -> None:
    """Clients and gateway one after the other on the same broker, for single sets and for arrays."""
    few = max(1, count // 5)
    async with broker(folder) as port:
        paho, link = [await client(kind, port, count) for kind in ("paho", "link")]
        singles = await whole(port, folder / "single", count, 1)
        lists = await whole(port, folder / "arrays", few, ARRAY)
    for figures in (paho, link, singles, lists):
        print(figures)
    print(f"gateway / paho client: rate {singles.rate / paho.rate:.2f} (goal 0.5)", end=", ")
    print(f"{singles.cost_us - paho.cost_us:+.1f} µs of processor a message (goal +45)")
    print(f"gateway / link alone: rate {singles.rate / link.rate:.2f}, {singles.cost_us - link.cost_us:+.1f} µs")
    print(f"arrays of {ARRAY}: {lists.cost_us / (ARRAY * CHANNELS):.2f} µs a reading in all (goal 5)")


async def memory(count: int, folder: Path) -> None:
    """How much memory the gateway holds while it takes so many messages."""
    async with broker(folder) as port:
        print(await whole(port, folder / "long", count, 1, report_every=count // 20))


def main(arguments: list[str]) -> None:
    """Measure in a folder that is removed again."""
    long = arguments[:1] == ["memory"]
    default = 1_000_000 if long else 100_000
    count = next((int(each) for each in arguments if each.isdecimal()), default)
    with tempfile.TemporaryDirectory() as name:
        asyncio.run((memory if long else compare)(count, Path(name)))


if __name__ == "__main__":
    main(sys.argv[1:])
