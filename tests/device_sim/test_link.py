"""A device that loses its broker loses no reading, and one that is turned away says so."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from device_sim.days import HOUR_MS
from device_sim.link import Broker, Card, LinkError, Message, deliver
from device_sim.publish import publish_history, publish_live
from device_sim.scenario import shipped

from .conftest import listening, local_ms, serving

START = local_ms(2026, 10, 1)


@dataclass(slots=True)
class Cutter:
    """A wire to the broker that breaks each time a device has sent so many bytes through it, `cuts` times in all."""

    broker: Broker
    after_bytes: int
    cuts: int
    made: int = 0
    wires: list[asyncio.StreamWriter] = field(default_factory=list)

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes both ways until the cut."""
        self.wires.append(writer)
        far_reader, far_writer = await asyncio.open_connection(self.broker.host, self.broker.port)
        back = asyncio.create_task(self._carry_back(far_reader, writer))
        carried = 0
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4_096):
                carried += len(data)
                if self.made < self.cuts and carried > self.after_bytes:
                    self.made += 1
                    break
                far_writer.write(data)
                await far_writer.drain()
        back.cancel()
        far_writer.close()
        writer.close()

    async def _carry_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4_096):
                writer.write(data)
                await writer.drain()


async def test_a_cut_wire_loses_nothing(broker: Broker) -> None:
    """The connection breaks three times in the middle of a day's history; every reading arrives all the same."""
    cutter = Cutter(broker, after_bytes=60_000, cuts=3)
    wire = await asyncio.start_server(cutter.join, "127.0.0.1", 0)
    port = wire.sockets[0].getsockname()[1]
    scenario, end = shipped("office-printer"), START + 72 * HOUR_MS
    async with listening(broker, "telemetry/printer-01") as heard:
        published = await publish_history(scenario, Broker("127.0.0.1", port), START, end, sets_per_message=10)
        await heard.until(lambda heard: len({one["t"] for one in heard.sets("printer-01")}) == 3 * 1_440)
    wire.close()
    await wire.wait_closed()
    assert cutter.made == 3
    assert published.readings == 3 * 3 * 1_440
    assert {one["t"] for one in heard.sets("printer-01")} == set(range(START, end, 60_000))


async def test_a_device_that_dies_leaves_its_last_will(broker: Broker) -> None:
    """A process killed without a goodbye is shown offline by the broker, with no time claimed for it."""
    program = (
        "import asyncio; from device_sim.link import Broker; from device_sim.publish import publish_live;"
        "from device_sim.scenario import shipped;"
        f"asyncio.run(publish_live(shipped('office-printer'), Broker('127.0.0.1', {broker.port}), asyncio.Event()))"
    )
    async with listening(broker, "status/printer-01") as heard:
        device = subprocess.Popen([sys.executable, "-c", program])
        try:
            await heard.until(lambda heard: any(one["online"] for one in heard.statuses("printer-01")))
        finally:
            device.kill()
            device.wait(timeout=10)
        await heard.until(lambda heard: not heard.statuses("printer-01")[-1]["online"])
    assert heard.statuses("printer-01")[-1] == {
        "online": False,
        "boot": "p-0001",
        "firmware": "3.2.0",
        "meter": "P-20931",
    }


async def test_a_device_that_is_interrupted_still_says_goodbye(broker: Broker) -> None:
    """Ctrl-C in the middle of a simulation leaves no device standing there as online."""
    async with listening(broker, "status/printer-01") as heard:
        live = asyncio.create_task(publish_live(shipped("office-printer"), broker, asyncio.Event()))
        await heard.until(lambda heard: bool(heard.messages) and heard.statuses("printer-01")[-1]["online"])
        live.cancel()
        with pytest.raises(asyncio.CancelledError):
            await live
        await heard.until(lambda heard: not heard.statuses("printer-01")[-1]["online"])
    assert "t" in heard.statuses("printer-01")[-1]


async def _one_message() -> AsyncIterator[list[Message]]:
    yield [Message(b"{}", 0, 0)]


async def test_a_broker_that_is_not_there_is_given_up_after_a_while() -> None:
    """With nobody listening, the device tries again for its patience, then names the place it could not reach."""
    began = time.monotonic()
    with pytest.raises(LinkError, match=r"127\.0\.0\.1:1 cannot be reached by d"):
        await deliver(Broker("127.0.0.1", 1), Card("d"), _one_message(), print, patience_s=0.5)
    assert 0.5 < time.monotonic() - began < 5


async def test_a_stop_ends_the_wait_for_a_lost_broker() -> None:
    """Someone who wants to leave is not kept by a broker that is away."""
    stop = asyncio.Event()
    waiting = asyncio.create_task(deliver(Broker("127.0.0.1", 1), Card("d"), _one_message(), print, stop=stop))
    await asyncio.sleep(0.3)
    stop.set()
    await asyncio.wait_for(waiting, 2)


async def test_a_wrong_password_is_not_tried_again(tmp_path: Path) -> None:
    """A broker's refusal is told at once, without the password in it; the right password gets in."""
    with serving(tmp_path, "authorization { user: fleet, password: right }") as guarded:
        wrong = Broker(guarded.host, guarded.port, "fleet", "wrong-secret")
        with pytest.raises(LinkError, match="refuses d") as refusal:
            await asyncio.wait_for(deliver(wrong, Card("d"), _one_message(), print), 5)
        assert "wrong-secret" not in f"{refusal.value} {wrong!r}"
        got: list[Message] = []
        right = Broker(guarded.host, guarded.port, "fleet", "right")
        await asyncio.wait_for(deliver(right, Card("d"), _one_message(), got.append), 5)
        assert len(got) == 1


async def test_an_interruption_while_connecting_leaves_nothing_behind(broker: Broker) -> None:
    """At whatever moment a simulation is interrupted, no socket stays open and no task goes on."""
    before = asyncio.all_tasks()
    for moment in range(40):
        connecting = asyncio.create_task(deliver(broker, Card(f"d{moment}"), _one_message(), lambda _: None))
        await asyncio.sleep(moment / 4_000)
        connecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await connecting
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == before
