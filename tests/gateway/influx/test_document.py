"""docs/influxdb.md says what stands in InfluxDB: nothing is written that it does not name, and its queries run."""

import re
from pathlib import Path

import pytest

from contracts.units import HOUR_MS
from gateway.clock import now_ms
from gateway.influx.feeding import fill_again
from gateway.influx.server import Influx
from gateway.settings import InfluxSettings
from tests.gateway.influx.filled import gateway_files, lively, project, receive
from tests.gateway.site import event, status, telemetry
from tests.markdown import Document, code, tables

DOCUMENT = Document("docs/influxdb.md")
MEASURED = set(
    "telemetry contract member terms period agreed usage cost total allowance guarantee obligation state timeline "
    "event announced device marker gateway".split()
)


def test_what_is_written_is_what_the_document_names(tmp_path: Path, influx: InfluxSettings) -> None:
    """Every measurement, tag and field of a filled InfluxDB stands in the table."""
    text = lively(2)
    with gateway_files(tmp_path, influx, live=text) as stores:
        start = now_ms() - 20 * HOUR_MS
        for moment in range(start, start + 20 * HOUR_MS, 600_000):
            values = {"flow": moment // 600_000 % 90, "pages": moment // 60_000, "fault": moment % 7 == 0}
            receive(stores, telemetry({"t": moment, "v": values, "boot": "b"}, moment + 9))
        receive(stores, status(start, online=True), event(start, id="e", type="serviced", by="Ann", t=start))
        project(stores)
        fill_again(stores, lambda _: None)
    table = {code(row[0])[0]: " ".join(row[1:3]) for row in tables(DOCUMENT.section("What stands in it"))[0]}
    found = schema(influx)
    assert found.keys() <= table.keys()
    assert found.keys() >= MEASURED
    for measurement, names in found.items():
        named = set(re.findall(r"[A-Za-z_0-9#]+", table[measurement]))
        if measurement == "telemetry":
            named |= {"flow", "pages", "fault"}
        assert names <= named, measurement


def schema(influx: InfluxSettings) -> dict[str, set[str]]:
    """Each measurement in the bucket with its tags and fields."""
    found: dict[str, set[str]] = {}
    every = f'from(bucket: "{influx.bucket}") |> range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)'
    with Influx.open(influx) as server:
        for row in server.tables(f"{every} |> last()"):
            tags = {name for name, value in row.items() if value and name[0] != "_" and name not in ("result", "table")}
            found.setdefault(row["_measurement"], set()).update({row["_field"]}, tags)
    return found


@pytest.mark.parametrize("flux", [block.text for block in DOCUMENT.blocks("flux")])
def test_a_query_shown_is_one_that_runs(influx: InfluxSettings, flux: str) -> None:
    """Flux in the document can be copied."""
    with Influx.open(influx) as server:
        server.tables(flux.replace('"fairmeter"', f'"{influx.bucket}"'))
