"""A gateway's files with an InfluxDB beside them: messages go in, and what stands in the bucket comes out."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.influx.cursor import Cursor, Filled
from gateway.influx.feed import Feed
from gateway.influx.server import Influx
from gateway.message import Message
from gateway.settings import InfluxSettings, Settings
from gateway.stores import Stores
from tests.gateway.test_live import TERMS

Row = tuple[str, str, int, Any]

_PAID = "{id: pages, meter: pages, allowance: {included: 500}, price: {per_unit: 0.02}}"


def lively(days: int) -> str:
    """A contract with meters and promises of every kind, which began so many days ago."""
    begin = datetime.now(UTC) - timedelta(days=days)
    text = re.sub(r"2026-01-0[23]", begin.strftime("%Y-%m-%d"), TERMS)
    text = text.replace("{id: pages, meter: pages, price: {per_unit: 0.02}}", _PAID)
    return text.replace("{name: User}", "{name: User, contact: {name: Ann, email: ann@example.com, phone: '1'}}")


@contextmanager
def gateway_files(folder: Path, influx: InfluxSettings, **contracts: str) -> Iterator[Stores]:
    """The stores of a gateway that has this InfluxDB; the contracts are texts by the name of their file."""
    (folder / "contracts").mkdir(parents=True, exist_ok=True)
    for name, text in contracts.items():
        (folder / "contracts" / f"{name}.yaml").write_text(text)
    settings = Settings(data=folder / "data", contracts=folder / "contracts", influx=influx)
    with Stores.open(settings) as stores:
        assert not stores.problems, stores.problems
        yield stores


def receive(stores: Stores, *messages: Message) -> None:
    """Journal messages as one batch."""
    stores.journal.append(messages)


def project(stores: Stores) -> None:
    """Project all that is in the journal."""
    projector = stores.projector()
    if projector.needs_rebuild():
        projector.rebuild()
    while projector.project_next():
        pass


def fill(stores: Stores) -> None:
    """Project all there is, and send all accepted readings, as a gateway does that was just started."""
    project(stores)
    with Feed.open(stores, lambda _, __: []) as feed:
        while feed.fill():
            pass


def filled(stores: Stores) -> Filled:
    """How far InfluxDB has been filled."""
    with Cursor.open(stores.settings.data / "influx.sqlite") as cursor:
        return cursor.filled()


def telemetry_in(influx: InfluxSettings) -> list[Row]:
    """Every reading in the bucket: device, channel, time in ms, value."""
    flux = f"""from(bucket: "{influx.bucket}") |> range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)
        |> filter(fn: (r) => r._measurement == "telemetry")
        |> keep(columns: ["device", "_field", "_time", "_value"])"""
    with Influx.open(influx) as server:
        return sorted((row["device"], row["_field"], row["_time"], row["_value"]) for row in server.tables(flux))


def points_in(influx: InfluxSettings, before_ms: int) -> set[tuple[tuple[str, Any], ...]]:
    """Every value in the bucket with all its tags that follows from the journal alone.

    Left out: how things were at a moment, and what the watch has said, which follows from when it looked.
    """
    flux = f"""from(bucket: "{influx.bucket}") |> range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)
        |> drop(columns: ["_start", "_stop"])"""
    other = ("device", "gateway", "marker", "breach", "warning")
    with Influx.open(influx) as server:
        rows = [row for row in server.tables(flux) if row["_time"] < before_ms and row["_measurement"] not in other]
    return {
        tuple(sorted((name, value) for name, value in row.items() if name not in ("result", "table") and value != ""))
        for row in rows
    }
