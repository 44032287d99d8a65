"""A real broker on a free loopback port, for tests of what a device says to one."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiomqtt
import pytest

from device_sim.days import utc_ms
from device_sim.link import Broker

BRUSSELS = ZoneInfo("Europe/Brussels")


def local_ms(*wall: int) -> int:
    """UTC milliseconds of a moment on a clock in Brussels."""
    return utc_ms(datetime(*wall), BRUSSELS)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that lets everyone in."""
    with serving(tmp_path_factory.mktemp("broker")) as running:
        yield running


@contextmanager
def serving(folder: Path, more: str = "") -> Iterator[Broker]:
    """NATS as an MQTT 3.1.1 broker with its store in a folder, for as long as the block lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "nats.conf"
    config.write_text(
        f"server_name: simulated-site\nlisten: 127.0.0.1:-1\njetstream {{ store_dir: {json.dumps(str(folder))} }}\n"
        # It gives a busy subscriber some messages only the second time, after ack_wait.
        f'mqtt {{ host: 127.0.0.1, port: {port}, ack_wait: "2s" }}\n{more}\n'
    )
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([Path(sys.executable).with_name("nats-server"), "-c", config], stdout=log, stderr=log)
        try:
            _wait_until_open(port, server)
            yield Broker("127.0.0.1", port)
        finally:
            server.terminate()
            server.wait(timeout=10)


def _wait_until_open(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert server.poll() is None, "the broker stopped by itself"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the broker does not listen")


@dataclass(slots=True)
class Heard:
    """What a subscriber received, decoded, as (topic, content, whether it was a retained copy)."""

    messages: list[tuple[str, Any, bool]] = field(default_factory=list)

    def sets(self, device: str) -> list[dict[str, Any]]:
        """The reading sets of a device, in the order of arrival."""
        found: list[dict[str, Any]] = []
        for topic, content, _ in self.messages:
            if topic == f"telemetry/{device}":
                found += content if isinstance(content, list) else [content]
        return found

    def statuses(self, device: str) -> list[dict[str, Any]]:
        """The status messages of a device, in the order of arrival."""
        return [content for topic, content, _ in self.messages if topic == f"status/{device}"]

    def events(self, device: str) -> list[dict[str, Any]]:
        """What was entered about a device, in the order of arrival."""
        return [content for topic, content, _ in self.messages if topic == f"event/{device}"]

    async def until(self, complete: Callable[["Heard"], bool]) -> None:
        """Wait until what was heard is complete."""
        async with asyncio.timeout(20):
            while not complete(self):
                await asyncio.sleep(0.02)


@asynccontextmanager
async def listening(broker: Broker, *topics: str) -> AsyncIterator[Heard]:
    """A subscriber of its own, for as long as the block lasts."""
    heard = Heard()
    async with aiomqtt.Client(broker.host, broker.port) as client:
        for topic in topics:
            await client.subscribe(topic, qos=1)

        async def collect() -> None:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                heard.messages.append((str(message.topic), json.loads(message.payload), bool(message.retain)))

        collecting = asyncio.create_task(collect())
        try:
            yield heard
        finally:
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)
