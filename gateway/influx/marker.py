"""A marker in the bucket, by which a bucket that was emptied is known: then everything is sent again."""

from typing import Final

from contracts.units import DAY_MS
from gateway.influx.flux import points_in
from gateway.influx.points import Point
from gateway.influx.sending import Sender

MEASUREMENT: Final = "marker"


def write_marker(sender: Sender, gateway: str, identity: str, now_ms: int) -> None:
    """Leave the marker of a gateway in the bucket; one point a day, so that no retention outlives it."""
    sender.send([Point(MEASUREMENT, {"gateway": gateway}, {"id": identity}, now_ms // DAY_MS * DAY_MS)])


def read_marker(sender: Sender, gateway: str) -> tuple[str, int]:
    """The marker that a gateway left last, and its day in ms; an empty text where there is none."""
    asked = points_in(sender.influx.bucket, MEASUREMENT, {"gateway": gateway, "_field": "id"})
    found = sender.influx.tables(f"{asked} |> last()")
    return (found[-1]["_value"], found[-1]["_time"]) if found else ("", 0)
