"""The feed: what keeps InfluxDB up to date while the gateway runs, and catches up after an outage.

Its parts work in threads of its own. Each asks again when InfluxDB could not be reached or would not, after a second at
first and a minute at most; everything they send is kept elsewhere, so an outage delays pictures and nothing else. The
log has a line when it begins, one for each other reason, and one when it is over.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, Self

import structlog

from contracts.units import DAY_MS
from gateway.blocks import StoreError
from gateway.clock import now_ms
from gateway.influx.cursor import Cursor, CursorError, Filled
from gateway.influx.marker import read_marker, write_marker
from gateway.influx.readings import Readings
from gateway.influx.sending import Sender
from gateway.influx.server import Influx, InfluxError, Refused
from gateway.journal import JournalError
from gateway.stores import Stores

log = structlog.get_logger(__name__)

READINGS_EVERY_S: Final = 1.0
SERIES_EVERY_S: Final = 0.25
AGAIN_S, AGAIN_AT_MOST_S = 1.0, 60.0
MARKER_EVERY_S: Final = 60.0
FAULT_S: Final = 60.0


class Series(Protocol):
    """Points that are computed and not received: the feed asks for them again and again.

    Both methods run in one thread of the feed. What raises Unreachable, Refused or StoreError is asked again later.
    """

    def bring_up_to_date(self, sender: Sender, now_ms: int) -> bool | None:
        """Send what InfluxDB does not have yet, or has differently; True where there is more and the call was long."""

    def begin_anew(self) -> None:
        """InfluxDB was emptied, or is filled for the first time: everything is to be sent."""


class Feed:
    """The parts that fill one InfluxDB, and what they know of it together."""

    def __init__(self, stores: Stores, influx: Influx, cursor: Cursor, series: Sequence[Series]) -> None:
        self._stores, self._cursor = stores, cursor
        self.series = series
        self._sender = Sender(influx, cursor)
        self._readings = Readings(stores.book, stores.blocks, cursor, self._sender)
        self._fingerprint = stores.book.fingerprint()
        self._outage = _Outage()
        self._looked_at = -MARKER_EVERY_S
        self._fillings = 0  # how often filling began anew since the start
        self._marker: str | None = None  # known once the bucket was looked at

    @classmethod
    @contextlib.contextmanager
    def open(cls, stores: Stores, series: Callable[[Stores, Cursor], Sequence[Series]]) -> Iterator[Self]:
        """The feed of a gateway with InfluxDB set; Refused or CursorError where it cannot be had."""
        settings = stores.settings
        with Influx.open(settings.influx) as influx, Cursor.open(settings.data / "influx.sqlite") as cursor:
            yield cls(stores, influx, cursor, series(stores, cursor))

    async def run(self) -> None:
        """Keep InfluxDB up to date until cancelled."""
        threads = ThreadPoolExecutor(1 + len(self.series), thread_name_prefix="influx")
        parts = [(self.fill, READINGS_EVERY_S), *((self._bringer(each), SERIES_EVERY_S) for each in self.series)]
        tasks = [asyncio.create_task(self._keep(part, every_s, threads)) for part, every_s in parts]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            threads.shutdown(wait=True)  # a thread goes on when its task is cancelled, and must not find files closed

    def begin_anew(self) -> None:
        """Forget what was sent: all of it is sent again."""
        self._cursor.begin_anew("", "")
        for each in self.series:
            each.begin_anew()

    def fill(self) -> bool:
        """Send the next accepted readings; False where all that is projected has been sent.

        A block store that other contracts made is about to be made again, and says nothing until it is.
        """
        if self._stores.blocks.fingerprint() != self._fingerprint:
            return False
        marker = self._cursor.filled().marker
        if not marker or marker != self._marker or time.monotonic() - self._looked_at >= MARKER_EVERY_S:
            self._look()
        return self._readings.step()

    def bring_up_to_date(self, series: Series) -> bool:
        """Send what is computed; True where there is more at once."""
        return bool(series.bring_up_to_date(self._sender, now_ms()))

    # --- the bucket -------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """See whether the bucket still holds what was sent; where it does not, begin anew."""
        gateway, now = self._stores.settings.gateway, now_ms()
        filled = self._cursor.filled()
        there, day_ms = read_marker(self._sender, gateway) if filled.marker else ("", 0)
        reason = self._why_anew(filled, there)
        if reason:
            marker = secrets.token_hex(8)
            write_marker(self._sender, gateway, marker, now)
            self._cursor.begin_anew(marker, self._fingerprint)
            log.info("InfluxDB is filled from the beginning", reason=reason)
            self._fillings += 1
        else:
            marker = filled.marker
            if now - day_ms >= DAY_MS:
                write_marker(self._sender, gateway, marker, now)
            if self._marker not in (None, marker):
                self._fillings += 1
        self._marker, self._looked_at = marker, time.monotonic()

    def _why_anew(self, filled: Filled, there: str) -> str | None:
        """Why what was sent does not count any more; None where it does."""
        if not filled.marker:
            return "it has not been filled yet"
        if there != filled.marker:
            return "the bucket was emptied, or another gateway of this name writes to it"
        tip = filled.tip
        if filled.fingerprint != self._fingerprint:
            return "the contracts name other devices or channels than before"
        if tip.position and tip.sha256 not in [each.sha256 for each in self._stores.journal.read(tip.position - 1, 1)]:
            return "the journal is another than before"
        return None

    # --- running ----------------------------------------------------------------------------------------------------

    def _bringer(self, series: Series) -> Callable[[], bool]:
        begun = 0

        def bring() -> bool:
            nonlocal begun
            if self._marker is None:
                return False  # first it is seen what the bucket holds
            fillings = self._fillings
            if begun != fillings:
                series.begin_anew()
                begun = fillings
            return self.bring_up_to_date(series)

        return bring

    async def _keep(self, part: Callable[[], bool], every_s: float, threads: ThreadPoolExecutor) -> None:
        """Run a part again and again; what goes wrong is said once, and tried again ever more rarely."""
        loop, again_s = asyncio.get_running_loop(), AGAIN_S
        while True:
            began = time.monotonic()
            if self._outage.lasts_for(part):
                with contextlib.suppress(Refused):
                    self._sender.influx.take_token()
            try:
                more = await loop.run_in_executor(threads, part)
                self._outage.ends(part)
                again_s, pause_s = AGAIN_S, 0.0 if more else max(every_s, time.monotonic() - began)
            except (InfluxError, StoreError, CursorError, JournalError, OSError) as error:
                self._outage.begins(part, error)
                pause_s, again_s = again_s, min(2 * again_s, AGAIN_AT_MOST_S)
                self._looked_at = -MARKER_EVERY_S  # it may come back empty
            except Exception:  # a fault of ours in a picture must not end the gateway
                log.exception("a part of the feed to InfluxDB failed; please report this")
                pause_s = FAULT_S
            await asyncio.sleep(pause_s)


class _Outage:
    """Which parts cannot go on, since when and why: what the log is told of, each reason once."""

    def __init__(self) -> None:
        self._failing: set[object] = set()
        self._since = 0.0
        self._said: set[str] = set()

    def begins(self, part: object, error: Exception) -> None:
        """A part could not go on."""
        if not self._failing:
            self._since = time.monotonic()
        self._failing.add(part)
        reason = str(error).partition(" (")[0]  # what follows are particulars that differ each time
        if reason not in self._said:
            log.warning("InfluxDB waits; everything is sent later", reason=str(error))
            self._said.add(reason)

    def lasts_for(self, part: object) -> bool:
        """Could a part not go on when it was last tried?"""
        return part in self._failing

    def ends(self, part: object) -> None:
        """A part went on."""
        if part in self._failing:
            self._failing.discard(part)
            if not self._failing:
                log.info("InfluxDB goes on", after_s=round(time.monotonic() - self._since))
                self._said.clear()
