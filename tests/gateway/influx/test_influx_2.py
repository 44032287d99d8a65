"""InfluxDB 2.x, by its form of answers: partly refused requests, faults with their remedies, and making the bucket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.influx.cursor import Cursor
from gateway.influx.points import Point
from gateway.influx.sending import Sender
from gateway.influx.server import Influx, LinesRefused, Refused, Unreachable
from gateway.influx.setup import prepare
from gateway.settings import InfluxSettings
from tests.servers.answering import Answering, answering


@pytest.fixture
def server() -> Iterator[Answering]:
    """An InfluxDB 2.x with a bucket."""
    with answering() as running:
        running.buckets["fairmeter"] = 0
        yield running


@pytest.fixture
def influx(server: Answering) -> Iterator[Influx]:
    """A connection to it."""
    with Influx.open(InfluxSettings(url=server.url, org="brewery")) as opened:
        yield opened


def test_a_partly_refused_request_is_taken_apart(server: Answering, influx: Influx, tmp_path: Path) -> None:
    """The status 422 is not the end of a request: all but the refused field is written."""
    server.refuse = "x"
    points = [
        Point("m", {"device": str(n)}, {"x": 1.0, "y": 2.0} if n % 100 == 7 else {"y": 2.0}, n) for n in range(1000)
    ]
    with Cursor.open(tmp_path / "influx.sqlite") as cursor:
        Sender(influx, cursor).send(points)
        assert sum(each.points for each in cursor.refused()) == 10
    assert {line.split()[0].partition("=")[2] for line in server.written} == {str(n) for n in range(1000)}
    assert all(" y=2.0 " in line for line in server.written)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "remedy"),
    [
        (401, "unauthorized", "unauthorized access", Refused, r"does not accept the token.*influx\.token_file"),
        (403, "forbidden", "insufficient permissions for write", Refused, "lacks a right.*let it read and write"),
        (404, "not found", 'bucket "fairmeter" not found', Refused, "no bucket fairmeter.*fairmeter influx init"),
        (500, "internal error", "write /wal/_00001.wal: no space left on device", Unreachable, "make room on its disk"),
        (503, "unavailable", "the server is starting", Unreachable, "asked again"),
        (429, "too many requests", "slow down", Unreachable, "asked again"),
        (400, "invalid", "unable to parse 'm x': missing field value", LinesRefused, "unable to parse"),
        (400, "invalid", "a proxy knows better", Refused, "a proxy knows better"),
        (413, "request too large", "unable to read data: points batch is too large", LinesRefused, "too large"),
    ],
)
def test_each_fault_has_its_remedy(
    server: Answering, influx: Influx, status: int, code: str, message: str, kind: type[Exception], remedy: str
) -> None:
    """A refusal says what to change; what passes by itself is told apart from what does not."""
    server.failing = (status, code, message)
    with pytest.raises(kind, match=remedy) as fault:
        influx.write(b"m x=1 1")
    assert type(fault.value) is kind


def test_a_bucket_is_made_once_and_kept_as_asked(server: Answering, influx: Influx) -> None:
    """The first time makes it, the second finds it, and only the option changes how long it keeps."""
    said: list[str] = []
    server.buckets.clear()
    assert prepare(influx, 400, said.append) == 400
    assert prepare(influx, None, said.append) == 400
    assert prepare(influx, 0, said.append) == 0
    assert server.buckets == {"fairmeter": 0}
    kept = [line for line in said if "keeps points" in line]
    assert [line.partition(" keeps points")[2] for line in kept] == [
        " for 400 days",
        " for 400 days",
        " for ever now, and not for 400 days",
    ]
    assert said[0].startswith("InfluxDB v2.7.12 at")


def test_an_organization_that_is_not_known_is_named(server: Answering, influx: Influx) -> None:
    """A wrong `influx.org` is no missing bucket: making one would not help."""
    server.failing = (404, "not found", 'organization name "brewery" not found')
    with pytest.raises(Refused, match=r"influx\.org"):
        prepare(influx, None, lambda _: None)
