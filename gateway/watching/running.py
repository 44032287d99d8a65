"""The watch of a running gateway: it looks when readings come and every few seconds, and tells what changed.

What the broker kept while we were away comes in first: until then silence is ours, and no device's. A flood of
readings waits for the look at all, and after each look the watch rests, so that the processor is there for receiving.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

import orjson
import structlog

from gateway.blocks import StoreError
from gateway.clock import now_ms
from gateway.mqtt import MqttSource
from gateway.project import Progress
from gateway.stores import Stores
from gateway.view import LiveView
from gateway.watching.lookout import Lookout
from gateway.watching.record import WatchError

log = structlog.get_logger(__name__)

ALL_EVERY_S: Final = 5.0
LOOK_EVERY_S: Final = 0.3
RESTS: Final = 4  # so many times as long as it looked
FLOOD_MESSAGES: Final = 1_000  # projected in one step
CALM_S: Final = 1.0
CALM_AFTER: Final = 60  # such waits at most: some fleets never pause

InThread = Callable[..., Coroutine[Any, Any, Any]]


class Watch:
    """Looks at promises while the gateway runs; `looking` is held while nobody else may use the view."""

    def __init__(
        self, stores: Stores, view: LiveView, source: MqttSource, looking: asyncio.Lock, in_thread: InThread
    ) -> None:
        self._stores, self._view, self._source = stores, view, source
        self._looking, self._in_thread = looking, in_thread
        self._lookout = Lookout(stores, view)
        self._reported = asyncio.Event()
        self._taken = 0  # messages projected since the start
        self._usage: dict[str, bytes] = {}

    def take(self, progress: Progress) -> None:
        """Something was projected: whatever it reached is looked at."""
        self._taken += progress.messages
        if progress.messages < FLOOD_MESSAGES:
            self._reported.set()

    async def run(self) -> None:
        """Look and tell until cancelled."""
        all_at = 0.0
        while True:
            if not self._source.connected.is_set():
                await self._calm()
                all_at = 0.0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(all_at - time.monotonic()):
                    await self._reported.wait()
            self._reported.clear()
            began = time.monotonic()
            try:
                await self._look_and_tell(reached_only=began < all_at)
            except (WatchError, StoreError) as error:
                log.error("promises are not watched; tried again soon", reason=str(error))
            if began >= all_at:
                all_at = time.monotonic() + ALL_EVERY_S
            await asyncio.sleep(max(LOOK_EVERY_S, RESTS * (time.monotonic() - began)))

    async def _calm(self) -> None:
        """Wait for a broker, and until what it has kept for us is in: until it slows down, at most a minute."""
        await self._source.connected.wait()
        for _ in range(CALM_AFTER):
            taken = self._taken
            await asyncio.sleep(CALM_S)
            if self._taken - taken < FLOOD_MESSAGES:
                return

    async def _look_and_tell(self, *, reached_only: bool) -> None:
        async with self._looking:
            documents = await self._in_thread(partial(self._lookout.look, now_ms(), reached_only=reached_only))
            if not reached_only:
                await self._in_thread(self._view.forget_dirty)
        await self._say()
        if not reached_only:
            self._tell_usage(documents)

    async def _say(self) -> None:
        """Publish what there is to say of promises, once there is a broker to say it to."""
        if not self._source.connected.is_set():
            return
        letters = await self._in_thread(self._stores.watch.outbox)
        for _, topic, payload in letters:
            self._source.publish(topic, payload, qos=1)
        if letters:
            await self._in_thread(self._stores.watch.sent, letters[-1][0])

    def _tell_usage(self, documents: list[dict[str, Any]]) -> None:
        """Publish the statements to date in short, retained, where they have changed."""
        for document in documents:
            contract, payload = document["contract"], orjson.dumps(in_short(document))
            if self._usage.get(contract) != payload:
                self._usage[contract] = payload
                self._source.publish(f"contract/{contract}/usage", payload, qos=1, retain=True)


def in_short(document: dict[str, Any]) -> dict[str, Any]:
    """A statement to date as `contract/{id}/usage` tells it."""
    usage = [
        {key: row[key] for key in ("meter", "device", "quantity", "unit", "coverage")} for row in document["usage"]
    ]
    lines = [{key: line[key] for key in ("id", "device", "amount")} for line in document["lines"]]
    keys = ("contract", "status", "currency", "total")
    return {
        **{key: document[key] for key in keys},
        "period": document["period"]["name"],
        "usage": usage,
        "lines": lines,
    }
