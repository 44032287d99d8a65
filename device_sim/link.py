"""A device's link to its broker: one MQTT 3.1.1 client with a last will, QoS 1, and nothing taken as sent until it is.

Messages go out in windows. A window that was not acknowledged whole, because the connection broke, is sent again for
what is missing: the broker may see a message twice, never not at all.
"""

import asyncio
import json
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

MAX_IN_FLIGHT = 20
ACKNOWLEDGED_WITHIN_S = 30
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0


class LinkError(Exception):
    """The broker cannot be reached, or does not let this device in; the message says which, and where."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker listens, who the devices say they are, and how its certificate is checked if it has one."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """How a device presents itself on `status/{device}` (interfaces, MQTT)."""

    device: str
    boot: str | None = None
    meter: str | None = None
    firmware: str | None = None

    @property
    def topic(self) -> str:
        """Where the status stands, retained."""
        return f"status/{self.device}"

    def status(self, online: bool, t_ms: int | None) -> bytes:
        """The status; a last will has no time, because nobody knows when it will be true."""
        known = {"t": t_ms, "boot": self.boot, "firmware": self.firmware, "meter": self.meter}
        return encode({"online": online} | {key: value for key, value in known.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a device: its payload, how many single channel values it carries, and the time it reaches to.

    `purpose` is the first level of its topic: `telemetry`, or `event`.
    """

    payload: bytes
    readings: int
    reached_ms: int
    purpose: Literal["telemetry", "event"] = "telemetry"


def encode(content: object) -> bytes:
    """Compact JSON; doubles as their shortest round-trip text."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def now_ms() -> int:
    """The wall clock of this computer."""
    return time.time_ns() // 1_000_000


async def deliver(
    broker: Broker,
    card: Card,
    windows: AsyncIterator[Sequence[Message]],
    delivered: Callable[[Message], None],
    *,
    stop: asyncio.Event | None = None,
    patience_s: float = 60.0,
) -> None:
    """Publish every window on the device's topics, online first and offline last, over as many connections as needed.

    `delivered` is called once for each message, after its acknowledgement. LinkError when the broker refuses the
    device, or nothing has got through for `patience_s`. A set `stop` ends the wait for a lost broker; what was not
    acknowledged by then is given up.
    """
    open_window: list[Message] = []
    pause_s, lost_at = FIRST_PAUSE_S, None
    while True:
        try:
            async with _connected(broker, card) as (client, lost):
                await _send(client, lost, card, open_window, delivered)
                pause_s, lost_at = FIRST_PAUSE_S, None
                async for window in windows:
                    open_window[:] = window
                    await _send(client, lost, card, open_window, delivered)
                return
        except aiomqtt.MqttError as error:
            lost_at = lost_at or time.monotonic()
            _raise_if_hopeless(broker, card, error, time.monotonic() - lost_at > patience_s)
        if await stopped_within(stop, pause_s):
            return
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def at_once(messages: Iterator[Message]) -> AsyncIterator[list[Message]]:
    """Windows as full as may be in flight, one after the other."""
    while window := list(islice(messages, MAX_IN_FLIGHT)):
        yield window


async def stopped_within(stop: asyncio.Event | None, seconds: float) -> bool:
    """Wait so long, or until `stop` is set; true if it was."""
    if stop is None:
        await asyncio.sleep(seconds)
        return False
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()


@asynccontextmanager
async def _connected(broker: Broker, card: Card) -> AsyncIterator[tuple[aiomqtt.Client, asyncio.Task[None]]]:
    """A connection on which the device is online until the block ends, and a task that fails when it is lost."""
    client = aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.username,
        password=broker.password,
        tls_context=broker.tls,
        identifier=card.device,
        protocol=aiomqtt.ProtocolVersion.V311,
        will=aiomqtt.Will(card.topic, card.status(False, None), qos=1, retain=True),
        max_inflight_messages=MAX_IN_FLIGHT,
    )
    client.pending_calls_threshold = MAX_IN_FLIGHT
    async with _entered(client):
        lost = asyncio.create_task(_listen(client))
        try:
            await client.publish(card.topic, card.status(True, now_ms()), qos=1, retain=True)
            yield client, lost
        finally:
            # However the device comes to leave: a polite disconnection would discard the last will. Where the
            # connection is gone, the will speaks.
            with suppress(aiomqtt.MqttError):
                if not lost.done():
                    await client.publish(card.topic, card.status(False, now_ms()), qos=1, retain=True, timeout=5)
            lost.cancel()
            with suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await lost


@asynccontextmanager
async def _entered(client: aiomqtt.Client) -> AsyncIterator[None]:
    """The client, connected, until the block ends.

    Connecting goes on in a thread when it is cancelled, and would leave an open socket and a task behind: so it is
    waited for, and the connection closed, before the cancellation goes on.
    """
    connecting = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(connecting)
    except asyncio.CancelledError:
        with suppress(aiomqtt.MqttError):
            await connecting
            await client.__aexit__(None, None, None)
        raise
    try:
        yield
    finally:
        await client.__aexit__(*sys.exc_info())


async def _listen(client: aiomqtt.Client) -> None:
    """Nothing is subscribed, so this ends only with the connection, by MqttError."""
    async for _ in client.messages:
        pass


async def _send(
    client: aiomqtt.Client,
    lost: asyncio.Task[None],
    card: Card,
    window: list[Message],
    delivered: Callable[[Message], None],
) -> None:
    """Publish a window in its order; what has been acknowledged leaves the list, MqttError if any is left."""
    acknowledged = [
        asyncio.create_task(
            client.publish(f"{message.purpose}/{card.device}", message.payload, qos=1, timeout=ACKNOWLEDGED_WITHIN_S)
        )
        for message in window
    ]
    together = asyncio.gather(*acknowledged, return_exceptions=True)
    # aiomqtt lets a publish wait out its time on a dead connection; whoever listens hears of it at once.
    either: set[asyncio.Future[Any]] = {together, lost}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in acknowledged:
            task.cancel()
    outcomes = await together
    missing = []
    for message, outcome in zip(window, outcomes, strict=True):
        if outcome is None:
            delivered(message)
        else:
            missing.append(message)
    window[:] = missing
    failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    if failures:
        raise failures[0]
    if missing:
        raise aiomqtt.MqttError("the connection was lost")


def _raise_if_hopeless(broker: Broker, card: Card, error: aiomqtt.MqttError, too_long: bool) -> None:
    """A refusal lasts, save that of a broker still starting; a broker out of reach is given up after a while."""
    where = f"{broker.host}:{broker.port}"
    if isinstance(error, MqttConnectError) and str(error.rc) != "Server unavailable":
        raise LinkError(f"the broker at {where} refuses {card.device}: {error}") from error
    if too_long:
        raise LinkError(f"the broker at {where} cannot be reached by {card.device}: {error}") from error
