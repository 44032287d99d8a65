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
from gateway.influx.following import Follower
from gateway.influx.sending import Sender
from gateway.influx.written import Written, quoted
from gateway.restate import ContractFault

log = structlog.get_logger(__name__)

STEP_S: Final = 1.0  # the time after which a caller is asked to call again
RESTS: Final = 4  # a contract that took a second to bring up to date is left alone for four
MINUTE_MS: Final = UNIT_MS["min"]
_NO_LIMIT: Final = 2**31

_DRAWN: Final = """from(bucket: "{bucket}") |> range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)
  |> filter(fn: (r) => r._measurement == "period" and r._field == "drawn")"""


class ContractSeries:
    """Every contract of the gateway, as far as it is drawn in InfluxDB."""

    def __init__(self, closer: Closer, statements_url: str | None = None) -> None:
        self._closer = closer
        self._statements_url = statements_url
        self._fresh = False
        self._followers: dict[str, Follower] | None = None
        self._waiting = set[str]()  # contracts to bring up to date
        self._unfinished = set[str]()  # contracts with final periods that may not be drawn
        self._spent, self._rested = dict[str, float](), dict[str, float]()
        self._position, self._minute, self._announced = 0, -1, 0

    def begin_anew(self) -> None:
        """InfluxDB is empty: everything is to be sent."""
        self._forget(fresh=True)

    @property
    def behind(self) -> bool:
        """Is there more to send at once than the last call has sent?"""
        return self._followers is None or bool(self._ready() or self._unfinished)

    def bring_up_to_date(self, sender: Sender, now_ms: int) -> bool:
        """Send what InfluxDB does not have yet or has differently, for about a second; True, and `behind`, for more.

        Raises Unreachable, Refused and StoreError; what was not sent is sent by the next call.
        """
        deadline = time.monotonic() + STEP_S
        if self._closer.store.cursor().position < self._position:  # it is being made again from the journal
            self._forget(fresh=False)
        if self._followers is None:
            self._followers = self._follow(sender)
        self._take(self._followers, sender, now_ms)
        for contract_id in self._ready():
            self._draw(self._followers[contract_id], sender, now_ms, deadline)
        for contract_id in sorted(self._unfinished):
            while time.monotonic() < deadline:
                if self._tried(contract_id, partial(self._followers[contract_id].step_back, sender)):
                    self._unfinished.discard(contract_id)
                    break
        return self.behind

    # --- inside ---------------------------------------------------------------------------------------------------

    def _forget(self, *, fresh: bool) -> None:
        self._fresh, self._followers = fresh, None
        for each in (self._waiting, self._unfinished, self._spent, self._rested):
            each.clear()
        self._position, self._minute, self._announced = 0, -1, 0

    def _ready(self) -> list[str]:
        """The contracts that wait and have rested, the longest rested first."""
        now = time.monotonic()
        ready = [each for each in self._waiting if self._rested.get(each, 0.0) <= now]
        return sorted(ready, key=lambda each: (self._rested.get(each, 0.0), each))

    def _follow(self, sender: Sender) -> dict[str, Follower]:
        """A follower for each contract, which knows what earlier runs of the gateway have drawn."""
        drawn: dict[str, set[str]] = {}
        for row in [] if self._fresh else sender.influx.tables(_DRAWN.format(bucket=quoted(sender.influx.bucket))):
            drawn.setdefault(row["contract"], set()).add(row["period"])
        return {
            each: Follower(self._closer, each, Written(each, self._fresh), drawn.get(each, set()), self._statements_url)
            for each in self._closer.contract_ids()
        }

    def _take(self, followers: Mapping[str, Follower], sender: Sender, now_ms: int) -> None:
        """Hand to each contract what came since the last call; every minute all are looked at, as time goes on."""
        store = self._closer.store
        position, minute = store.cursor().position, now_ms // MINUTE_MS
        first, tick = self._position == 0, minute != self._minute
        if position == self._position and not tick:
            return
        touched: dict[str, int] = {}
        for hour, device in () if first else store.touched(self._position, (0, ""), _NO_LIMIT):
            touched[device] = min(touched.get(device, hour * HOUR_MS), hour * HOUR_MS)
        for contract_id, follower in followers.items():
            if self._tried(contract_id, partial(follower.take, touched, position)) or tick:
                self._waiting.add(contract_id)
        if tick:
            self._every_minute(followers, sender, now_ms)
            self._unfinished |= set(followers)
        self._position, self._minute = position, minute

    def _every_minute(self, followers: Mapping[str, Follower], sender: Sender, now_ms: int) -> None:
        """What is looked at once a minute: silent devices, what devices announced, and new statements."""
        store = self._closer.store
        points = [
            point
            for each in followers
            for point in device_points(store, self._closer.book.versions(each)[-1].terms, now_ms)
        ]
        announced = store.announced(self._announced)
        sender.send([*points, *(announced_point(event) for event in announced)])
        self._announced = max([self._announced, *(event.position for event in announced)])
        for contract_id, follower in followers.items():
            self._tried(contract_id, partial(follower.tell, sender))

    def _draw(self, follower: Follower, sender: Sender, now_ms: int, deadline: float) -> None:
        """Draw a contract's open periods until it is time to stop; once it is done, it rests."""
        contract_id = follower.contract_id
        while (began := time.monotonic()) < deadline:
            done = self._tried(contract_id, partial(follower.step, sender, now_ms))
            now = time.monotonic()
            self._spent[contract_id] = self._spent.get(contract_id, 0.0) + now - began
            if done:
                self._waiting.discard(contract_id)
                self._rested[contract_id] = now + RESTS * self._spent.pop(contract_id)
                return

    def _tried(self, contract_id: str, work: Callable[[], bool | None]) -> bool:
        """Do it, and say whether it is done; where a contract's files are at fault there is nothing more to do."""
        try:
            return bool(work())
        except (ContractFault, OSError) as error:
            log.error("not drawn", contract=contract_id, reason=str(error))
            return True
