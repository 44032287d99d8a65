"""How fast the gateway's link receives and acknowledges, alone and with the journal behind it.

The receive-only client is the yardstick of the whole gateway: same paho hooks, nothing behind them. The publisher
is a process of its own that writes ready-made packets, so that it costs as little of the computer as possible.
`python -m tests.bench.receive [messages]` prints the figures.
"""

import asyncio
import contextlib
import getpass
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.broker import EmbeddedBroker
from gateway.journal import Journal
from gateway.link import Connection, Link
from gateway.mqtt import MqttSource

IN_FLIGHT = 1_000
DEVICES = 50
_SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin:/opt/homebrew/sbin"


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run took: wall time from the first message to the last, processor time of this process."""

    name: str
    messages: int
    wall_s: float
    processor_s: float

    def __str__(self) -> str:
        rate, cost = self.messages / self.wall_s, self.processor_s / self.messages * 1e6
        return f"{self.name:<42} {rate:>8,.0f} messages/s {cost:>7.1f} µs of processor a message"


class Stopwatch:
    """Starts at the first message and stops at the last of so many."""

    def __init__(self, messages: int) -> None:
        self.messages = messages
        self.seen = 0
        self.done = asyncio.Event()
        self._began = self._ended = (0.0, 0.0)

    def start(self) -> None:
        """Start before the first message has been dealt with."""
        self._began = (time.perf_counter(), time.process_time())

    def count(self, messages: int = 1) -> None:
        """So many more have been dealt with."""
        if self.seen == 0 and self._began == (0.0, 0.0):
            self.start()
        self.seen += messages
        if self.seen >= self.messages and not self.done.is_set():
            self._ended = (time.perf_counter(), time.process_time())
            self.done.set()

    def figures(self, name: str) -> Figures:
        """What it took."""
        return Figures(name, self.seen, self._ended[0] - self._began[0], self._ended[1] - self._began[1])


def telemetry(number: int) -> tuple[str, bytes]:
    """A message of three readings, as a small machine sends it every minute."""
    at_ms = 1_767_225_600_000 + number // DEVICES * 60_000
    text = (
        f'{{"t":{at_ms},"v":{{"air_flow":{number % 90}.25,"pressure":7.02,"fault":false}},"seq":{number},"boot":"a1"}}'
    )
    return f"telemetry/comp-{number % DEVICES:02}", text.encode()


async def receive_only(port: int, messages: int, message: Callable[[int], tuple[str, bytes]] | None = None) -> Figures:
    """Receive and acknowledge at once, keeping nothing: the fastest any gateway on this link can be."""
    watch = Stopwatch(messages)

    def received(delivery: int | None, _: str, __: bytes, ___: bool) -> None:
        if delivery is not None:
            link.acknowledge((delivery,))
        watch.count()

    link = Link(
        Connection(port=port, client_id=f"yardstick-{time.monotonic_ns()}"),
        lambda _: link.subscribe(),
        received,
        lambda: None,
    )
    running = asyncio.create_task(link.run())
    await asyncio.sleep(0.5)
    async with publisher(port, messages, message or telemetry):
        await watch.done.wait()
    link.stop()
    await running
    return watch.figures("receive and acknowledge only")


async def receive_into_journal(port: int, messages: int, folder: Path) -> Figures:
    """Receive, journal with fsync, then acknowledge: ingest as it runs in the gateway, without projections."""
    watch = Stopwatch(messages)
    with Journal.open(folder / "bench.journal") as journal:

        def committed(position: int) -> None:
            watch.count(sum(len(batch.messages) for batch in journal.read(after=position - 1)))

        source = MqttSource(Connection(port=port, client_id="ingest"), journal, on_committed=committed)
        running = asyncio.create_task(source.run())
        await asyncio.sleep(0.5)
        async with publisher(port, messages):
            await watch.done.wait()
        source.stop()
        await running
        return watch.figures(f"with the journal ({journal.tip().position} batches, read back)")


@contextlib.asynccontextmanager
async def publisher(
    port: int, messages: int, message: Callable[[int], tuple[str, bytes]] = telemetry
) -> AsyncIterator[None]:
    """A process that publishes so many messages at QoS 1 as fast as the broker acknowledges them."""
    with tempfile.NamedTemporaryFile() as packets:
        packets.write(b"".join(publish_packet(number, *message(number)) for number in range(messages)))
        packets.flush()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.receive", "publish", str(port), packets.name
        )
        try:
            yield
        finally:
            if process.returncode is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), 10)
            if process.returncode is None:
                process.kill()
                await process.wait()


def publish_packet(number: int, topic: str, payload: bytes) -> bytes:
    """An MQTT 3.1.1 PUBLISH at QoS 1."""
    name = topic.encode()
    rest = len(name).to_bytes(2, "big") + name + (number % IN_FLIGHT + 1).to_bytes(2, "big") + payload
    length, size = b"", len(rest)
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return b"\x32" + length + rest


def publish(port: int, packets: Path) -> None:
    """Write the packets to the broker with at most 1,000 unacknowledged."""
    sizes, data = _packet_sizes(packets.read_bytes())
    with socket.create_connection(("127.0.0.1", port)) as broker:
        broker.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench")
        assert broker.recv(4)[:1] == b"\x20"
        sent = acknowledged = at = 0
        answer_bytes = 0
        while acknowledged < len(sizes):
            count = min(len(sizes) - sent, IN_FLIGHT - (sent - acknowledged))
            size = sum(sizes[sent : sent + count])
            broker.sendall(data[at : at + size])
            sent, at = sent + count, at + size
            answer_bytes += len(broker.recv(65_536))
            acknowledged = answer_bytes // 4  # a PUBACK has four bytes
        broker.sendall(b"\xe0\x00")


def _packet_sizes(data: bytes) -> tuple[list[int], bytes]:
    sizes, at = [], 0
    while at < len(data):
        size, shift, head = 0, 0, at + 1
        while True:
            digit = data[head]
            size |= (digit & 0x7F) << shift
            shift, head = shift + 7, head + 1
            if digit < 0x80:
                break
        sizes.append(head - at + size)
        at = head + size
    return sizes, data


@contextlib.asynccontextmanager
async def mosquitto(folder: Path) -> AsyncIterator[int]:
    """A Mosquitto with its limits raised, as a site that means it configures one; its port."""
    program = shutil.which("mosquitto", path=_SYSTEM_FOLDERS)
    if program is None:
        raise FileNotFoundError("mosquitto is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    lines = (
        *(f"listener {port} 127.0.0.1", "allow_anonymous true", f"user {getpass.getuser()}", "log_type none"),
        *("max_inflight_messages 1000", "max_queued_messages 0", "persistence false"),
    )
    (folder / "mosquitto.conf").write_text("\n".join(lines))
    process = await asyncio.create_subprocess_exec(program, "-c", str(folder / "mosquitto.conf"))
    try:
        await asyncio.sleep(0.5)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def compare(messages: int) -> None:
    """Print the figures of both clients on both brokers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs: list[Callable[[int], Awaitable[Figures]]] = [
            lambda port: receive_only(port, messages),
            lambda port: receive_into_journal(port, messages, folder),
        ]
        with contextlib.suppress(FileNotFoundError):
            async with mosquitto(folder) as port:
                for run in runs:
                    print("mosquitto  ", await run(port))
        (folder / "bench.journal").unlink(missing_ok=True)
        async with EmbeddedBroker(folder / "embedded") as broker:
            for run in runs:
                print("embedded   ", await run(broker.port))


if __name__ == "__main__":
    if sys.argv[1:2] == ["publish"]:
        publish(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        asyncio.run(compare(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000))
