"""Requests of which InfluxDB refuses a part: every other line is written, and what was refused is known by name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.clock import now_ms
from gateway.influx.cursor import Cursor, Refusal
from gateway.influx.points import Point
from gateway.influx.sending import Sender, by_field, remedy
from gateway.influx.server import Influx
from gateway.settings import InfluxSettings
from tests.gateway.influx.filled import fill, gateway_files, receive, telemetry_in
from tests.gateway.site import START_MS, telemetry, terms
from tests.servers.influxd import Influxd

READINGS = 12_000


@pytest.fixture
def cursor(tmp_path: Path) -> Iterator[Cursor]:
    """A cursor that remembers what was refused."""
    with Cursor.open(tmp_path / "influx.sqlite") as opened:
        yield opened


def points(channels: str = "flow pages") -> list[Point]:
    """Telemetry of three devices, more than two requests long."""
    devices = [f"dev-{number}" for number in range(3)]
    each = READINGS // 3
    return [
        Point("telemetry", {"device": device}, dict.fromkeys(channels.split(), float(number)), START_MS + number)
        for device in devices
        for number in range(each)
    ]


def test_a_field_of_another_type_refuses_that_field_alone(influx: InfluxSettings, cursor: Cursor) -> None:
    """Where another writer made `flow` a text, `flow` is refused and counted, and every other channel is written."""
    with Influx.open(influx) as server:
        server.write(f'telemetry,device=stranger flow="text" {START_MS}\n'.encode())
        Sender(server, cursor).send(points())
    found = [row for row in telemetry_in(influx) if row[0] != "stranger"]
    assert len(found) == READINGS
    assert {row[1] for row in found} == {"pages"}
    refused = cursor.refused()
    assert {each.series for each in refused} == {f"telemetry,device=dev-{number} flow" for number in range(3)}
    assert sum(each.points for each in refused) == READINGS
    assert all("field type conflict" in each.reason for each in refused)
    assert {each.first_ms for each in refused} == {START_MS}


def test_the_log_names_each_reason_once_with_its_remedy(influx: InfluxSettings, cursor: Cursor) -> None:
    """However many points are refused, the log has one line for a reason; after filling anew it is said again."""
    with Influx.open(influx) as server:
        server.write(f'telemetry,device=stranger flow="text" {START_MS}\n'.encode())
        with capture_logs() as said:
            Sender(server, cursor).send(points())
            Sender(server, cursor).send(points())
            cursor.begin_anew("marker", "")
            Sender(server, cursor).send(points())
    assert [(each["log_level"], "other writer" in each["remedy"]) for each in said] == [("warning", True)] * 2
    assert all("field type conflict" in each["reason"] and each["such_as"].endswith(" flow") for each in said)


def test_the_remedy_of_a_conflict_is_enough(influx: InfluxSettings, influx_server: Influxd, cursor: Cursor) -> None:
    """InfluxDB remembers a field's type as long as any point of its measurement is there: without them all is taken."""
    with Influx.open(influx) as server:
        server.write(f'telemetry,device=stranger flow="text" {START_MS}\n'.encode())
        Sender(server, cursor).send(points())
        assert "remove the whole measurement" in remedy(cursor.refused()[0].reason)
        influx_server.remove(influx.bucket, "telemetry")
        cursor.begin_anew("marker", "")
        Sender(server, cursor).send(points())
    assert cursor.refused() == []
    assert len(telemetry_in(influx)) == 2 * READINGS


def test_one_point_among_many_is_found(influx: InfluxSettings, cursor: Cursor) -> None:
    """A single point that does not fit is taken out of its request; what stands before and after it is written."""
    odd = Point("telemetry", {"device": "odd"}, {"flow": "high", "pages": 7.0}, START_MS)
    many = points()
    with Influx.open(influx) as server:
        Sender(server, cursor).send([*many[:7_777], odd, *many[7_777:]])
    found = telemetry_in(influx)
    assert len(found) == 2 * READINGS + 1
    assert ("odd", "pages", START_MS, 7.0) in found
    assert [(each.series, each.points, each.first_ms) for each in cursor.refused()] == [
        ("telemetry,device=odd flow", 1, START_MS)
    ]


def test_what_lies_beyond_the_retention_is_refused_and_named(
    influx: InfluxSettings, influx_server: Influxd, cursor: Cursor
) -> None:
    """Where the bucket does not keep as long as the readings are old, that is the reason given."""
    short = influx.model_copy(update={"bucket": influx.bucket.replace("autogen", "short")})
    influx_server.make(short.bucket, keep_hours=2)
    with Influx.open(short) as server:
        for times in ((1_000,), (2_000, 3_000, now_ms())):
            Sender(server, cursor).send(Point("m", {}, {"x": 1.0}, time) for time in times)
    influx_server.drop(short.bucket)
    assert [(each.series, each.points, each.last_ms) for each in cursor.refused()] == [("m x", 3, 3_000)]
    assert "retention policy" in cursor.refused()[0].reason


def test_lines_are_split_into_fields_whatever_is_in_them() -> None:
    """Escapes, and quotes, commas, blanks and line breaks inside texts, belong to their field."""
    line = 'm,a=b\\ c d\\=e="x, y=\\"1\\" \n2",f=1.5,g=3i 17'
    assert by_field([line]) == {
        "d\\=e": ['m,a=b\\ c d\\=e="x, y=\\"1\\" \n2" 17'],
        "f": ["m,a=b\\ c f=1.5 17"],
        "g": ["m,a=b\\ c g=3i 17"],
    }


def test_refusals_add_up(cursor: Cursor) -> None:
    """The same field refused again is one entry with the count and the span of both."""
    cursor.refuse([Refusal("m x", "because", 2, 5, 9)])
    cursor.refuse([Refusal("m x", "because", 1, 3, 4), Refusal("m x", "another", 1, 1, 1)])
    assert cursor.refused() == [Refusal("m x", "another", 1, 1, 1), Refusal("m x", "because", 3, 3, 9)]
    cursor.begin_anew("marker", "")
    assert cursor.refused() == []


def test_the_feed_goes_on_past_what_is_refused(tmp_path: Path, influx: InfluxSettings) -> None:
    """A conflict left by another writer holds up no reading of another channel, and none that comes later."""
    with Influx.open(influx) as server:
        server.write(f'telemetry,device=stranger flow="text" {START_MS}\n'.encode())
    with gateway_files(tmp_path, influx, air=terms()) as stores:
        for minute in (1, 2):
            moment = START_MS + minute * 60_000
            receive(stores, telemetry({"t": moment, "v": {"flow": 1, "pages": minute}}, moment))
            fill(stores)
        with Cursor.open(stores.settings.data / "influx.sqlite") as opened:
            assert sum(each.points for each in opened.refused()) == 2
    assert [row[3] for row in telemetry_in(influx) if row[0] == "dev-1"] == [1.0, 2.0]
