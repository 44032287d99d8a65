"""All contracts as series in InfluxDB, brought up to date in small steps beside the gateway's work.

It looks at the stores only, so that what it draws is what they hold, in whatever process it runs. Open periods come
first; periods that are final already, as after InfluxDB was emptied, when nothing else is to do.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog

from contracts.units import HOUR_MS, UNIT_MS
from gateway.close import Closer
from gateway.influx.devices import device_points
from gateway.influx.events import announced_point
from gateway.influx.flux import points_in
from gateway.influx.following import Follower
from gateway.influx.sending import Sender
from gateway.influx.written import Written
from gateway.restate import ContractFault

log = structlog.get_logger(__name__)

STEP_S: Final = 0.3  # the time after which a caller that has other work gets the word again
RESTS: Final = 49  # of fifty seconds, one goes into following hours under way
REFRESHED_S: Final = 2.0
MINUTE_MS: Final = UNIT_MS["min"]
_NO_LIMIT: Final = 2**31


class ContractSeries:
    """Every contract of the gateway, as far as it is drawn in InfluxDB."""

    def __init__(self, closer: Closer, statements_url: str | None = None) -> None:
        self._closer = closer
        self._statements_url = statements_url
        self._again = False
        self._followers: dict[str, Follower] | None = None
        self._catching_up = set[str]()  # contracts with hours gone by that are not drawn
        self._unfinished = set[str]()  # contracts with final periods that may not be drawn
        self._changed = set[str]()  # contracts of which only the hour under way has changed, or so it seems
        self._refreshed = dict[str, float]()
        self._rested, self._position, self._minute, self._announced = 0.0, 0, -1, 0
        self.told = 0  # the position of the journal up to which what people said is in InfluxDB

    def begin_anew(self) -> None:
        """Everything is to be sent, whatever InfluxDB holds."""
        self._forget(again=True)

    @property
    def behind(self) -> bool:
        """Are there hours gone by that are not sent yet?"""
        return self._followers is None or bool(self._catching_up or self._unfinished)

    def bring_up_to_date(self, sender: Sender, now_ms: int) -> bool:
        """Send what InfluxDB does not have yet or has differently, as far as that goes in a short time.

        True where hours gone by are not sent yet: then it is worth calling again at once. Raises Unreachable, Refused
        and StoreError; what was not sent is sent by the next call.
        """
        deadline = time.monotonic() + STEP_S
        if self._closer.store.cursor().position < self._position:  # it is being made again from the journal
            self._forget(again=True)
        if self._followers is None:
            self._followers = self._follow(sender)
        self._take(self._followers, sender, now_ms)
        for contract_id in sorted(self._catching_up):
            while contract_id in self._catching_up and time.monotonic() < deadline:
                self._draw(self._followers[contract_id], sender, now_ms)
        for contract_id in self._ready():
            began = time.monotonic()
            self._draw(self._followers[contract_id], sender, now_ms)
            self._refreshed[contract_id] = time.monotonic()
            self._rested = time.monotonic() + RESTS * (time.monotonic() - began)
        for contract_id in sorted(self._unfinished):
            while contract_id in self._unfinished and time.monotonic() < deadline:
                if self._tried(contract_id, partial(self._followers[contract_id].step_back, sender)):
                    self._unfinished.discard(contract_id)
        return self.behind

    # --- inside ---------------------------------------------------------------------------------------------------

    def _forget(self, *, again: bool) -> None:
        self._again, self._followers = again, None
        for each in (self._catching_up, self._unfinished, self._changed, self._refreshed):
            each.clear()
        self._rested, self._position, self._minute, self._announced = 0.0, 0, -1, 0
        self.told = 0

    def _ready(self) -> list[str]:
        """The contract of which the hour under way is drawn again next, if it is time: the longest not drawn."""
        now = time.monotonic()
        if now < self._rested:
            return []
        old = [each for each in self._changed if self._refreshed.get(each, 0.0) <= now - REFRESHED_S]
        return sorted(old, key=lambda each: (self._refreshed.get(each, 0.0), each))[:1]

    def _follow(self, sender: Sender) -> dict[str, Follower]:
        """A follower for each contract, which knows what earlier runs of the gateway have drawn."""
        drawn: dict[str, set[str]] = {}
        asked = points_in(sender.influx.bucket, "period", {"_field": "drawn"})
        for row in [] if self._again else sender.influx.tables(asked):
            drawn.setdefault(row["contract"], set()).add(row["period"])
        ids = self._closer.contract_ids()
        self._catching_up.update(ids)
        return {
            each: Follower(self._closer, each, Written(each), drawn.get(each, set()), self._statements_url)
            for each in ids
        }

    def _take(self, followers: Mapping[str, Follower], sender: Sender, now_ms: int) -> None:
        """Hand to each contract what came since the last call; every minute all are looked at, as time goes on."""
        store = self._closer.store
        position, minute = store.cursor().position, now_ms // MINUTE_MS
        first, tick = self._minute < 0, minute != self._minute
        if position == self._position and not tick:
            return
        touched: dict[str, int] = {}
        for hour, device in () if first else store.touched(self._position, (0, ""), _NO_LIMIT):
            touched[device] = min(touched.get(device, hour * HOUR_MS), hour * HOUR_MS)
        heard = store.contracts_told_of(self._position)
        for contract_id, follower in followers.items():
            changed = follower.take(touched, position)
            if tick or contract_id in heard:
                self._tried(contract_id, partial(follower.look, now_ms))
                self._tried(contract_id, partial(follower.tell, sender))
            if changed or tick or contract_id in heard:
                self._changed.add(contract_id)
        if tick:
            self._every_minute(followers, sender, now_ms)
            self._unfinished |= set(followers)
            self.told = position
        self._position, self._minute = position, minute

    def _every_minute(self, followers: Mapping[str, Follower], sender: Sender, now_ms: int) -> None:
        """Once a minute: which devices are silent, and what devices announced."""
        store, book = self._closer.store, self._closer.book
        terms = [book.versions(each)[-1].terms for each in followers]
        announced = store.announced(self._announced)
        silent = [point for each in terms for point in device_points(store, each, now_ms)]
        sender.send([*silent, *(announced_point(event) for event in announced)])
        self._announced = max([self._announced, *(event.position for event in announced)])

    def _draw(self, follower: Follower, sender: Sender, now_ms: int) -> None:
        """Draw some of a contract's open periods, and know whether that was all."""
        contract_id = follower.contract_id
        if self._tried(contract_id, partial(follower.step, sender, now_ms)):
            self._catching_up.discard(contract_id)
            self._changed.discard(contract_id)
        else:
            self._catching_up.add(contract_id)

    def _tried(self, contract_id: str, work: Callable[[], bool | None]) -> bool:
        """Do it, and say whether it is done; where a contract's files are at fault there is nothing more to do."""
        try:
            return bool(work())
        except (ContractFault, OSError) as error:
            log.error("not drawn", contract=contract_id, reason=str(error))
            return True
