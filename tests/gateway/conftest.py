"""Real brokers for the gateway's tests, and a device that publishes to them."""

import asyncio
import contextlib
import getpass
import logging
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import pytest

from gateway.broker import EmbeddedBroker

Publish = Callable[[int, Iterable[tuple[str, bytes]]], Coroutine[None, None, None]]


@dataclass(frozen=True)
class Mosquitto:
    """A running Mosquitto, what it says, and how to stop and start it again on the same port and store."""

    port: int
    log: Path
    stop: Callable[[], Coroutine[None, None, None]]
    start: Callable[[], Coroutine[None, None, None]]


StartMosquitto = Callable[..., Coroutine[None, None, Mosquitto]]


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    """The embedded broker, new for each test."""
    async with EmbeddedBroker(tmp_path / "broker") as running:
        yield running


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[StartMosquitto]:
    """Start a Mosquitto with these extra lines of configuration; skipped where it is not installed."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin:/opt/homebrew/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed")
    processes: list[asyncio.subprocess.Process] = []

    async def stop() -> None:
        for process in processes:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def begin(*lines: str, anonymous: bool = True) -> Mosquitto:
        port = free_port()
        configuration = tmp_path / "mosquitto.conf"
        configuration.write_text(
            "\n".join(
                [
                    f"listener {port} 127.0.0.1",
                    f"allow_anonymous {str(anonymous).lower()}",
                    f"user {getpass.getuser()}",  # by default it would change to one that may not read our files
                    "log_type all",
                    *("persistence true", f"persistence_location {tmp_path}/", "max_queued_messages 0"),
                    *lines,
                ]
            )
        )

        async def start() -> None:
            with (tmp_path / "mosquitto.log").open("ab") as log:
                processes.append(
                    await asyncio.create_subprocess_exec(program, "-c", str(configuration), stdout=log, stderr=log)
                )
            for _ in range(200):
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    return
                await asyncio.sleep(0.02)
            raise AssertionError("mosquitto did not start")

        await start()
        return Mosquitto(port, tmp_path / "mosquitto.log", stop, start)

    yield begin
    await stop()


@pytest.fixture
def publish() -> Publish:
    """Publish messages at QoS 1 and return once the broker has acknowledged every one."""
    logging.getLogger("mqtt").setLevel(logging.ERROR)

    async def publish_all(port: int, messages: Iterable[tuple[str, bytes]]) -> None:
        async with aiomqtt.Client("127.0.0.1", port) as client:
            waiting: list[Coroutine[None, None, None]] = []
            for topic, payload in messages:
                waiting.append(client.publish(topic, payload, qos=1))
                if len(waiting) == 100:
                    await asyncio.gather(*waiting)
                    waiting.clear()
            await asyncio.gather(*waiting)

    return publish_all
