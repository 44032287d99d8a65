"""A device's link to its broker: one MQTT 3.1.1 client with a last will, QoS 1, and nothing given up as sent until it is.

Messages go out in windows. A window that was not acknowledged whole, because the connection broke, is sent again for what
is missing: the broker may see a message twice, never not at all.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import aiomqtt

MAX_IN_FLIGHT = 20
ACKNOWLEDGED_WITHIN_S = 30
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
_REFUSED_FOR_GOOD = {
    "Unsupported protocol version",
    "Client identifier not valid",
    "Bad user name or password",
    "Not authorized",
}


class LinkError(Exception):
    """The broker cannot be reached, or does not let this device in; the message says which, and where."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker listens, and who the devices say they are."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)


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
    """A telemetry message: its payload, how many single channel values it carries, and the time it reaches to."""

    payload: bytes
    readings: int
    reached_ms: int


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
    """Publish every window on `telemetry/{device}`, online first and offline last, over as many connections as it takes.

    `delivered` is called once for each message, after its acknowledgement. LinkError when the broker refuses the device, or
    has not been reached for `patience_s`. A set `stop` ends the wait for a lost broker; what is unacknowledged then is lost.
    """
    open_window: list[Message] = []
    pause_s, lost_at = FIRST_PAUSE_S, time.monotonic()
    while True:
        try:
            async with _client(broker, card) as client:
                await client.publish(card.topic, card.status(True, now_ms()), qos=1, retain=True)
                pause_s = FIRST_PAUSE_S
                await _send(client, card, open_window, delivered)
                async for window in windows:
                    open_window[:] = window
                    await _send(client, card, open_window, delivered)
                    lost_at = time.monotonic()
                await client.publish(card.topic, card.status(False, now_ms()), qos=1, retain=True)
                return
        except aiomqtt.MqttError as error:
            if str(getattr(error, "rc", "")) in _REFUSED_FOR_GOOD:
                raise LinkError(f"{broker.host}:{broker.port} refuses {card.device}: {error}") from error
            if time.monotonic() - lost_at > patience_s:
                raise LinkError(f"{broker.host}:{broker.port} cannot be reached: {error}") from error
        if await _stopped_within(stop, pause_s * random.uniform(0.7, 1.3)):  # noqa: S311 - spreads reconnections, guards nothing
            return
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
