"""The shell around ingest: a broker on one side, the journal on the other, and effects obeyed in order.

Everything runs on one asyncio loop but the writing of batches, which happens in a thread of its own so that
receiving goes on while the disk works. What is decided here is only how; what and when is decided in
`gateway.ingest`.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog

from gateway.ingest import (
    Acknowledge,
    Announce,
    Answer,
    Append,
    CommitFailed,
    Committed,
    Connected,
    Disconnected,
    Effect,
    Entered,
    Event,
    Finish,
    GoOnReading,
    Ingest,
    Limits,
    Received,
    RetryDue,
    RetryLater,
    StopAsked,
    StopReading,
    Subscribe,
)
from gateway.journal import Journal, JournalError, Tip
from gateway.link import Connection, Link, Protocol, Tls, pause_s

__all__ = ["Connection", "Limits", "MqttSource", "Protocol", "Tls"]

log = structlog.get_logger(__name__)

_GOODBYE_WITHIN_S: Final = 5.0


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


class MqttSource:
    """Takes messages from a broker into the journal, and acknowledges them once they are on disk."""

    def __init__(
        self,
        connection: Connection,
        journal: Journal,
        *,
        limits: Limits | None = None,
        on_committed: Callable[[int], None] | None = None,
        now_ms: Callable[[], int] = _clock_ms,
    ) -> None:
        """`on_committed(position)` is called on the loop after each commit; it must return quickly."""
        self._journal = journal
        self._on_committed = on_committed
        self._now_ms = now_ms
        self._ingest = Ingest(limits)
        self._link = Link(connection, self._connected, self._received, self._disconnected)
        self.connected = asyncio.Event()  # as long as a broker has accepted us
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._finished: asyncio.Future[bool] | None = None
        self._entered: dict[int, asyncio.Future[int]] = {}
        self._tickets = 0
        self._stop_asked = False

    async def run(self) -> bool:
        """Serve until `stop`; True if everything received by then is in the journal.

        A lost broker or a journal that cannot be written is tried again for ever, with its reason in the log.
        Cancelling it is like a crash: nothing more is acknowledged, and the broker delivers again.
        """
        self._loop = asyncio.get_running_loop()
        self._finished = self._loop.create_future()
        link = asyncio.create_task(self._link.run())
        ends: set[asyncio.Future[Any]] = {link, self._finished}
        if self._stop_asked:
            self._feed(StopAsked())
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not self._finished.done():
                await link  # only an error of ours ends it before we ask
                raise AssertionError("the link ended by itself")
            clean = self._finished.result()
            self._link.stop()
            await asyncio.wait({link}, timeout=_GOODBYE_WITHIN_S)
            return clean
        finally:
            self._finished.cancel()  # from here on nothing that still happens is taken in
            link.cancel()
            await asyncio.gather(link, return_exceptions=True)
            self._writer.shutdown(wait=True)
            self._refuse_entered()

    async def subscribed(self) -> None:
        """Wait until the broker has taken our subscriptions: what is published from then on reaches us."""
        await self._link.subscribed.wait()

    def stop(self) -> None:
        """Read no more; commit and acknowledge what was received; then disconnect and let `run` return."""
        self._stop_asked = True
        self._feed(StopAsked())

    async def enter(self, topic: str, payload: bytes) -> int:
        """Put an event entered at the gateway into the journal and return its position (decision 1).

        Raises JournalError if the gateway stops before it is on disk.
        """
        if self._loop is None or self._finished is None or self._finished.done():
            raise JournalError("the gateway is not running; enter the event again once it is")
        self._tickets += 1
        answer: asyncio.Future[int] = self._loop.create_future()
        self._entered[self._tickets] = answer
        self._feed(Entered(self._tickets, topic, payload, self._now_ms()))
        return await answer

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Send a message to the broker, from any thread; ValueError for a topic no broker accepts."""
        if not topic or any(character in topic for character in "+#\0") or len(topic.encode()) > 65_535:
            raise ValueError(f"{topic[:80]!r} is not a topic one can publish to")
        if self._loop is None:
            raise RuntimeError("publish before run")
        self._loop.call_soon_threadsafe(self._link.publish, topic, payload, qos, retain)

    # --- events in --------------------------------------------------------------------------------------

    def _connected(self, session_present: bool) -> None:
        self.connected.set()
        self._feed(Connected(session_present))

    def _disconnected(self) -> None:
        self.connected.clear()
        self._feed(Disconnected())

    def _received(self, delivery: int | None, topic: str, payload: bytes, retained: bool) -> None:
        self._feed(Received(delivery, topic, payload, retained, self._now_ms()))

    def _appended(self, written: asyncio.Future[Tip]) -> None:
        if written.cancelled():
            return
        error = written.exception()
        if error is None:
            self._feed(Committed(written.result().position))
        elif isinstance(error, JournalError):
            log.error("nothing is acknowledged: the journal cannot be written", reason=str(error))
            self._feed(CommitFailed())
        else:
            self._fail(error)

    def _feed(self, event: Event) -> None:
        if self._finished is None or self._finished.done():
            return
        try:
            for effect in self._ingest.step(event):
                self._obey(effect)
        except Exception as error:  # our own mistake: it must end `run`, not vanish in a callback
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._finished is not None and not self._finished.done():
            self._finished.set_exception(error)

    # --- effects out ------------------------------------------------------------------------------------

    def _obey(self, effect: Effect) -> None:
        assert self._loop is not None and self._finished is not None
        match effect:
            case Append(messages):
                self._loop.run_in_executor(self._writer, self._journal.append, messages).add_done_callback(
                    self._appended
                )
            case Acknowledge(deliveries):
                self._link.acknowledge(deliveries)
            case Announce(position):
                if self._on_committed is not None:
                    self._on_committed(position)
            case Answer(tickets, position):
                for ticket in tickets:
                    self._answer(ticket, position)
            case Subscribe():
                self._link.subscribe()
            case StopReading():
                self._link.stop_reading()
            case GoOnReading():
                self._link.go_on_reading()
            case RetryLater(failures):
                self._loop.call_later(pause_s(failures), self._feed, RetryDue())
            case Finish(clean):
                self._finished.set_result(clean)

    def _answer(self, ticket: int, position: int) -> None:
        answer = self._entered.pop(ticket)
        if not answer.done():  # whoever asked may have gone away
            answer.set_result(position)

    def _refuse_entered(self) -> None:
        for answer in self._entered.values():
            if not answer.done():
                answer.set_exception(JournalError("the gateway stopped before the event was on disk; enter it again"))
        self._entered.clear()
