"""Every final statement gets its second computation once InfluxDB holds what it was computed from."""

from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from gateway.influx.columns import ReadBackFault
from gateway.influx.cursor import Cursor
from gateway.influx.flux import points_in
from gateway.influx.points import Point
from gateway.influx.readback import ReadBack
from gateway.influx.recheck import Second, second_computation
from gateway.influx.sending import Sender
from gateway.influx.series import ContractSeries
from gateway.ledger import Issued
from gateway.outlook import moment_ms
from gateway.restate import ContractFault
from gateway.stores import Stores

log = structlog.get_logger(__name__)

_MOST_HOURS = 1_000  # alarms written for one statement; the rest are counted in the log


@dataclass(slots=True)
class Rechecks:
    """What of the ledger was computed a second time; InfluxDB itself remembers it, in the field `agrees`."""

    stores: Stores
    cursor: Cursor
    contracts: ContractSeries
    _done: set[tuple[str, str]] | None = None
    _reached: int = 0  # every statement issued up to this one has its second computation

    def begin_anew(self) -> None:
        """InfluxDB is filled from the beginning: what it says then is another thing to check."""
        self._done, self._reached = set(), 0

    def bring_up_to_date(self, sender: Sender, now_ms: int) -> bool:  # noqa: ARG002 - statements know their own time
        """Compute the next statement a second time, if InfluxDB has all that it was cut from; True if there was one.

        Raises what the sender and the stores raise; the next call then takes the same statement.
        """
        if self._done is None:
            self._done = set(_agreed(sender))
        for issued in self.stores.ledger.after(self._reached, 1):
            document = issued.document
            if (document["contract"], document["period"]["name"]) not in self._done:
                if min(self.cursor.filled().whole, self.contracts.told) < document["input"]["batch"]:
                    return False
                sender.send(self._compared(issued, sender))
            self._reached = issued.issue
            return True
        return False

    def _compared(self, issued: Issued, sender: Sender) -> list[Point]:
        name = f"{issued.document['contract']} {issued.document['number']}"
        try:
            second = second_computation(self.stores, ReadBack(sender.influx), issued)
        except (ReadBackFault, ContractFault) as fault:
            log.error("a final statement could not be computed from InfluxDB", statement=name, reason=str(fault))
            return [_verdict(issued, agrees=False)]
        if second.agrees:
            log.info("InfluxDB agrees with the final statement", statement=name)
            return [_verdict(issued, agrees=True), *_taken_back(issued, sender)]
        remedy = "stop whoever else writes to the bucket, remove what was added, then `fairmeter rebuild --influx`"
        where = [str(each) for each in (*second.hours[:5], *second.figures[:5])]
        count = len(second.hours)
        log.error("InfluxDB differs from a final statement", statement=name, hours=count, where=where, remedy=remedy)
        return [_verdict(issued, agrees=False), *_alarms(issued, second)]


def _agreed(sender: Sender) -> Iterator[tuple[str, str]]:
    """Contract and period of the statements with which InfluxDB was found to agree."""
    flux = points_in(sender.influx.bucket, "statement", {"_field": "agrees"})
    for row in sender.influx.tables(f"{flux} |> filter(fn: (r) => r._value == 1)"):
        yield row["contract"], row["period"]


def _verdict(issued: Issued, *, agrees: bool) -> Point:
    document = issued.document
    tags = {"contract": document["contract"], "period": document["period"]["name"]}
    return Point("statement", tags, {"agrees": int(agrees)}, moment_ms(document["period"]["start"]))


def _taken_back(issued: Issued, sender: Sender) -> Iterator[Point]:
    """The alarms of a statement that differed once and agrees now: no reading differs any more."""
    document = issued.document
    about = {"contract": document["contract"], "period": document["period"]["name"], "_field": "readings"}
    for row in sender.influx.tables(points_in(sender.influx.bucket, "alarm", about)):
        tags = {name: row[name] for name in ("contract", "period", "device", "channel")}
        yield Point("alarm", tags, {"text": "agrees again", "readings": 0}, row["_time"])


def _alarms(issued: Issued, second: Second) -> Iterator[Point]:
    document = issued.document
    for hour in second.hours[:_MOST_HOURS]:
        tags = {
            "contract": document["contract"],
            "period": document["period"]["name"],
            "device": hour.device,
            "channel": hour.channel,
        }
        yield Point("alarm", tags, {"text": str(hour), "readings": hour.readings}, hour.start_ms)
