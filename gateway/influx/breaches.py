"""Breaches and warnings as series: what the watch has said, as it stands now."""

from gateway.influx.points import Point, Value
from gateway.influx.sending import Sender
from gateway.watch import Breach, EarlyWarning, Said
from gateway.watching.record import WatchRecord


class WatchSeries:
    """All that the watch has said, from the first on after each start: writing a point again changes nothing."""

    def __init__(self, watch: WatchRecord) -> None:
        self._watch, self._change = watch, 0

    def begin_anew(self) -> None:
        """InfluxDB is empty: everything is to be sent."""
        self._change = 0

    def bring_up_to_date(self, sender: Sender, now_ms: int) -> bool:
        """Send what was said, or said otherwise, since the last call; True where there was something."""
        del now_ms
        said, change = self._watch.changes(self._change)
        if not said:
            return False
        sender.send(point(each) for each in said)
        self._change = change
        return True


def point(said: Said) -> Point:
    """A breach at its beginning, a warning at the moment at which its level was reached."""
    return _breach(said) if isinstance(said, Breach) else _warning(said)


def _breach(breach: Breach) -> Point:
    tags = {"contract": breach.contract, "promise": breach.promise, "side": breach.side, "device": breach.device or ""}
    fields: dict[str, Value] = {
        "id": breach.id,
        "open": int(breach.state == "opened"),
        "provisional": int(breach.provisional),
        "start_ms": breach.start,
        "end_ms": breach.end,
        "duration_ms": None if breach.end is None else breach.end - breach.start,
        "state": breach.state,
        "title": breach.title,
        "reason": breach.reason,
        "period": breach.period,
    }
    return Point("breach", tags, fields, breach.start)


def _warning(warning: EarlyWarning) -> Point:
    tags = {
        "contract": warning.contract,
        "promise": warning.promise,
        "kind": warning.kind,
        "level": str(warning.level),
        "device": warning.device or "",
        "period": warning.period,
    }
    fields: dict[str, Value] = {
        "id": warning.id,
        "text": warning.text,
        "title": warning.title,
        "value": float(warning.value),
        "forecast_ms": warning.forecast_ms,
    }
    return Point("warning", tags, fields, warning.at)
