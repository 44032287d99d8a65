"""The publisher of the benches: a process of its own that writes ready-made packets as fast as they are acknowledged.

It costs as little of the computer as possible: packets are encoded before the clock starts, it sends many at once, and
waits until it is told to begin.
"""

import asyncio
import contextlib
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

DEVICES = 50
CHANNELS = 3
ARRAY = 20
MINUTE_MS = 60_000
IN_FLIGHT = 1_000

MakeMessage = Callable[[int], tuple[str, bytes]]


def single(first_ms: int) -> MakeMessage:
    """Messages of one set of three readings, as a small machine sends it every minute."""

    def message(number: int) -> tuple[str, bytes]:
        return _topic(number), _set(first_ms, number, number // DEVICES, f',"seq":{number}').encode()

    return message


def arrays(first_ms: int) -> MakeMessage:
    """Messages of twenty such sets, as a device sends that saves its radio."""

    def message(number: int) -> tuple[str, bytes]:
        minute = number // DEVICES * ARRAY
        sets = (_set(first_ms, number, minute + place, "") for place in range(ARRAY))
        return _topic(number), f"[{','.join(sets)}]".encode()

    return message


def first_minute(count: int, sets: int) -> int:
    """When so many messages must begin to end before now, in ms UTC."""
    minutes = count // DEVICES * sets + sets
    return int(time.time() * 1000) // MINUTE_MS * MINUTE_MS - minutes * MINUTE_MS


def _topic(number: int) -> str:
    return f"telemetry/comp-{number % DEVICES:02}"


def _set(first_ms: int, number: int, minute: int, more: str) -> str:
    values = f'{{"air_flow":{number % 90}.25,"pressure":7.02,"fault":false}}'
    return f'{{"t":{first_ms + minute * MINUTE_MS},"v":{values}{more},"boot":"a1"}}'


@contextlib.asynccontextmanager
async def publisher(port: int, messages: int, message: MakeMessage) -> AsyncIterator[Callable[[], None]]:
    """A publisher of so many messages that is ready; what it gives begins the publishing."""
    with tempfile.NamedTemporaryFile() as packets:
        for number in range(messages):
            packets.write(publish_packet(number, *message(number)))
        packets.flush()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.publisher", str(port), packets.name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None and process.stdout is not None
        await process.stdout.readline()
        try:
            yield process.stdin.close
            await process.wait()
        finally:
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
    """Write the packets to the broker with at most 1,000 unacknowledged, once standard input ends."""
    data = packets.read_bytes()
    ends = _packet_ends(data)
    with socket.create_connection(("127.0.0.1", port)) as broker:
        broker.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench")
        assert broker.recv(4)[:1] == b"\x20"
        print("ready", flush=True)
        sys.stdin.read()
        sent = acknowledged = at = answer_bytes = 0
        while acknowledged < len(ends):
            sent = min(len(ends), acknowledged + IN_FLIGHT)
            broker.sendall(memoryview(data)[at : ends[sent - 1]])
            at = ends[sent - 1]
            answer_bytes += len(broker.recv(65_536))
            acknowledged = answer_bytes // 4  # a PUBACK has four bytes
        broker.sendall(b"\xe0\x00")


def _packet_ends(data: bytes) -> list[int]:
    ends, at = [], 0
    while at < len(data):
        size, shift, head = 0, 0, at + 1
        while True:
            digit = data[head]
            size |= (digit & 0x7F) << shift
            shift, head = shift + 7, head + 1
            if digit < 0x80:
                break
        at = head + size
        ends.append(at)
    return ends


if __name__ == "__main__":
    publish(int(sys.argv[1]), Path(sys.argv[2]))
