"""InfluxDB, tried out: reached, let in, written and read back; what another writer left there; what it refused."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.doctor.finding import Finding, fault, ok, parted
from gateway.influx.cursor import Cursor, CursorError
from gateway.influx.points import Point, lines
from gateway.influx.sending import remedy
from gateway.influx.server import Influx, InfluxError
from gateway.settings import Settings

MEASUREMENT: Final = "doctor"
SHOWN: Final = 5


def influx(settings: Settings, now_ms: int) -> Iterator[Finding]:
    """Try out the InfluxDB of the settings, if there is one."""
    if settings.influx.url is None:
        yield ok("InfluxDB", "none is set")
        return
    try:
        with Influx.open(settings.influx) as opened:
            yield ok("InfluxDB", f"version {opened.version()} at {opened.url} answers")
            opened.check()
            yield _written(opened, settings.gateway, now_ms)
            yield _types(opened)
    except InfluxError as error:
        yield parted("InfluxDB", error)
    yield from _refused(settings.data / "influx.sqlite")


def _written(opened: Influx, gateway: str, now_ms: int) -> Finding:
    """Write a point and read it back; it is overwritten by the next one of the same minute, and harms nobody."""
    mark = secrets.token_hex(8)
    opened.write(lines([Point(MEASUREMENT, {"gateway": gateway}, {"id": mark}, now_ms // 60_000 * 60_000)]))
    found = opened.tables(
        f"""from(bucket: "{opened.bucket}") |> range(start: {now_ms // 1_000 - 120}, stop: {now_ms // 1_000 + 1})
        |> filter(fn: (r) => r._measurement == "{MEASUREMENT}" and r.gateway == "{gateway}") |> last()"""
    )
    if mark in (row["_value"] for row in found):
        return ok("InfluxDB bucket", f"{opened.bucket} is written and read")
    said = f"{opened.bucket} took a point, and does not show it"
    return fault("InfluxDB bucket", said, "Check that influx.url leads to the server that holds the bucket")


def _types(opened: Influx) -> Finding:
    """Fields of readings that are no floats: InfluxDB then refuses ours wherever it keeps the others."""
    found = opened.tables(
        f"""from(bucket: "{opened.bucket}") |> range(start: -30d)
        |> filter(fn: (r) => r._measurement == "telemetry" and r._field != "boot#") |> last()
        |> keep(columns: ["_field", "_value", "device"])"""
    )
    wrong = sorted({f"{row['_field']} of {row.get('device')}" for row in found if type(row["_value"]) is not float})
    if not wrong:
        return ok("InfluxDB fields", "readings are numbers, as they are to be")
    more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    said = f"another writer left what is no float in telemetry: {', '.join(wrong[:SHOWN])}{more}"
    return fault("InfluxDB fields", said, remedy("field type conflict"))


def _refused(path: Path) -> Iterator[Finding]:
    """What InfluxDB refused of the gateway's points."""
    if not path.exists():
        return
    try:
        with Cursor.open(path) as cursor:
            refused = cursor.refused()
    except CursorError as error:
        yield parted("InfluxDB refused", error)
        return
    if refused:
        first, points = refused[0], sum(each.points for each in refused)
        said = f"{points:,} points of {len(refused)} series, such as {first.series}: {first.reason}"
        yield fault("InfluxDB refused", said, remedy(first.reason))
    else:
        yield ok("InfluxDB refused", "nothing")
