"""The feed: what keeps InfluxDB up to date while the gateway runs, and catches up after an outage."""

from typing import Protocol

from gateway.influx.sending import Sender


class Series(Protocol):
    """Points that are computed and not received: the feed asks for them again and again.

    Both methods run in a thread of the feed. What raises Unreachable, Refused or StoreError is asked again later.
    """

    def bring_up_to_date(self, sender: Sender, now_ms: int) -> None:
        """Send every point that InfluxDB does not have yet, or has differently."""

    def begin_anew(self) -> None:
        """InfluxDB was emptied, or is filled for the first time: everything is to be sent."""
