"""The gateway as one running thing: receive, project, meter, close, answer (architecture, the line).

Each part runs on its own and wakes the next: a commit wakes the projector, what it projected wakes metering and
closing. The slow parts work in threads, so that the loop goes on receiving.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, Final, TypeVar

import orjson
import structlog

from gateway.blocks import StoreError
from gateway.clock import now_ms
from gateway.close import NotDue
from gateway.increment import Rejection
from gateway.ledger import Issued, LedgerError
from gateway.mqtt import MqttSource
from gateway.project import Progress
from gateway.restate import ContractFault
from gateway.stores import Stores
from gateway.view import LiveView
from gateway.watching.running import Watch

Result = TypeVar("Result")

log = structlog.get_logger(__name__)

PROJECTING_EVERY_S: Final = 0.25
LOOKING_EVERY_S: Final = 0.5
PROJECTING_AGAIN_S: Final = 5.0
CLOSING_EVERY_S: Final = 30.0
BACKLOG_WITHIN_S: Final = 60.0
BACKLOG_SILENCE_S: Final = 2.0
FEEDBACK_EVERY_MS: Final = 1_000


class Gateway:
    """A running gateway. `on_progress` is told of each projected stretch, `on_issued` of each final statement."""

    def __init__(
        self,
        stores: Stores,
        *,
        closing: bool = True,
        on_progress: Callable[[Progress], None] = lambda _: None,
        on_issued: Callable[[Issued], None] = lambda _: None,
    ) -> None:
        self.stores = stores
        self.view = LiveView(stores)
        self._projector = stores.projector()
        self._on_progress, self._on_issued = on_progress, on_issued
        self._closing = closing
        self._committed = asyncio.Event()
        self._projecting = asyncio.Lock()  # one at a time moves the block store on
        self._reckoning = asyncio.Lock()  # one at a time closes, or shows what is so far
        self._answered: dict[str, int] = {}
        self._committed_at = 0.0
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="gateway")
        self.source = MqttSource(
            stores.settings.connection(),
            stores.journal,
            limits=stores.settings.ingest_limits(),
            on_committed=self._take_note,
        )
        self._watch = Watch(stores, self.view, self.source, self._reckoning, self.in_thread)

    async def run(self) -> bool:
        """Serve until `stop`; True if everything received by then is in the journal and projected."""
        await self._prepare()
        work = [self._project, self._close_when_due, self._watch.run]
        if self.stores.settings.influx.url is not None:
            work.append(self._feed_influx)
        parts: list[asyncio.Task[None]] = [asyncio.create_task(part()) for part in work]
        source = asyncio.create_task(self.source.run())
        try:
            await asyncio.wait({source, *parts}, return_when=asyncio.FIRST_COMPLETED)
            for part in parts:
                if part.done():
                    part.result()  # a part that ended by itself failed: say why
            clean = await source
            await self.catch_up()
            return clean
        finally:
            for task in (*parts, source):
                task.cancel()
            await asyncio.gather(*parts, source, return_exceptions=True)
            # A thread goes on when what waits for it is cancelled, and must not find its files closed.
            self._threads.shutdown(wait=True)

    def stop(self) -> None:
        """Take nothing more in, finish what was received, and let `run` return."""
        self.source.stop()

    async def catch_up(self) -> None:
        """Project everything that is in the journal."""
        async with self._projecting:
            while await self._project_once():
                pass

    async def close_due(self) -> list[Issued]:
        """Close every period whose grace is over, all of the journal projected before (semantics §8)."""
        issued = []
        await self.catch_up()
        async with self._reckoning:
            for contract_id in self.stores.closer.contract_ids():
                try:
                    while True:
                        statement = await self.in_thread(self.stores.closer.close, contract_id, now_ms())
                        issued.append(statement)
                        self._on_issued(statement)
                except NotDue:
                    continue
                except (ContractFault, LedgerError, StoreError, OSError) as error:
                    log.error("not closed; tried again later", contract=contract_id, reason=str(error))
        return issued

    async def statements_to_date(self) -> list[dict[str, Any]]:
        """The statement so far of every contract."""
        async with self._reckoning:
            now = now_ms()
            await self.in_thread(self.view.update, now)
            await self.in_thread(self.view.forget_dirty)
            return await self.in_thread(self.view.statements, now)

    async def in_thread(self, work: Callable[..., Result], *given: Any) -> Result:
        """Do slow work beside the loop; the gateway does not end before it has."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *given)

    def _take_note(self, _: int) -> None:
        self._committed.set()
        self._committed_at = time.monotonic()

    # --- the parts --------------------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        if self._projector.needs_rebuild():
            log.info("the contracts name other devices or channels than before: projecting the journal again")
            await self.in_thread(self._projector.rebuild)
        self._committed.set()

    async def _project(self) -> None:
        """Project what we commit as it comes, and what other processes do, such as `fairmeter event`, by looking."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOKING_EVERY_S):
                    await self._committed.wait()
            self._committed.clear()
            try:
                await self.catch_up()
            except StoreError as error:  # a full disk, a lock: the journal has everything, so nothing is lost
                log.error("readings wait to be metered; tried again soon", reason=str(error))
                self._committed.set()
                await asyncio.sleep(PROJECTING_AGAIN_S)
            await asyncio.sleep(PROJECTING_EVERY_S)  # many small commits become one step: each touches every block

    async def _project_once(self) -> bool:
        progress = await self.in_thread(self._projector.project_next)
        if progress is None:
            return False
        self._on_progress(progress)
        self._watch.take(progress)
        for rejection in progress.rejections:
            self._answer(rejection)
        return True

    def _answer(self, rejection: Rejection) -> None:
        """Tell a device what was not understood, at most once a second (interfaces, feedback)."""
        device = rejection.device
        now = now_ms()
        if device is None or now - self._answered.get(device, 0) < FEEDBACK_EVERY_MS:
            return
        self._answered[device] = now
        said = {
            "topic": rejection.topic,
            "part": rejection.part,
            "reason": rejection.reason,
            "remedy": rejection.remedy,
            "arrival": rejection.arrival_ms,
        }
        with contextlib.suppress(ValueError):  # a device id that is no topic level was only ever a topic of its own
            self.source.publish(f"feedback/{device}", orjson.dumps(said))

    async def _close_when_due(self) -> None:
        await self._backlog_taken()
        while self._closing:
            await self.close_due()
            await asyncio.sleep(CLOSING_EVERY_S)
        await asyncio.Event().wait()

    async def _backlog_taken(self) -> None:
        """Wait for what the broker kept while we were away: it belongs into a statement that is due already.

        Silence ends the wait, and so does a broker that cannot be reached, after a minute.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BACKLOG_WITHIN_S):
                await self.source.subscribed()
                self._committed_at = time.monotonic()
                while time.monotonic() - self._committed_at < BACKLOG_SILENCE_S:
                    await asyncio.sleep(BACKLOG_SILENCE_S / 10)

    async def _feed_influx(self) -> None:
        """Keep InfluxDB up to date; whatever happens to it, everything else goes on."""
        feeding = await self.in_thread(import_module, "gateway.influx.feeding")
        await feeding.feed(self.stores)


@asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[Gateway]:
    """A gateway that serves while the block runs, and is stopped cleanly at its end."""
    task = asyncio.create_task(gateway.run())
    try:
        yield gateway
    finally:
        gateway.stop()
        await task
