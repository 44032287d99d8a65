"""Speaking with InfluxDB: what is written is read back as it was, and each fault is named with its remedy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.influx.points import Point, Value, lines
from gateway.influx.server import Influx, LinesRefused, Refused, Unreachable
from gateway.settings import InfluxSettings
from tests.servers.fixtures import settings_of
from tests.servers.influxd import Influxd, free_port

MOMENT = 1_767_225_600_000
REQUESTS: list[Callable[[Influx], object]] = [lambda server: server.write(b"m x=1 1\n"), Influx.check]
ALL = 'from(bucket: "{}") |> range(start: 0) |> keep(columns: ["_time", "_field", "_value", "name"])'


def test_what_is_written_is_read_back_as_it_was(influx: InfluxSettings) -> None:
    """Numbers keep every digit, texts keep quotes, commas, line breaks and signs of any language."""
    fields: dict[str, Value] = {
        "float": 0.1 + 0.2,
        "whole": 2.0**53,
        "int": -(2**62),
        "text": 'said: "a, b" = \\n\n zwei Zeilen, 電',
        "absent": None,
    }
    point = Point("m", {"name": "a,b c=d", "empty": ""}, fields, MOMENT)
    with Influx.open(influx) as server:
        server.write(lines([point]))
        found = server.tables(ALL.format(influx.bucket))
    assert {row["_field"]: row["_value"] for row in found} == {k: v for k, v in fields.items() if v is not None}
    assert {(row["_time"], row["name"]) for row in found} == {(MOMENT, "a,b c=d")}


def test_equal_points_replace_each_other(influx: InfluxSettings) -> None:
    """Writing a point again changes nothing; writing it with another value replaces the value."""
    with Influx.open(influx) as server:
        for value in (1.0, 1.0, 2.0):
            server.write(lines([Point("m", {"name": "a"}, {"x": value}, MOMENT)]))
        assert [row["_value"] for row in server.tables(ALL.format(influx.bucket))] == [2.0]


def test_a_point_without_fields_is_no_line() -> None:
    """Where nothing is known there is nothing to write."""
    assert lines([Point("m", {}, {"x": None}, MOMENT)]) == b""


def test_a_server_that_is_away_is_named_with_the_remedy(tmp_path: Path) -> None:
    """Nobody at the address: the message names it, and what to correct."""
    away = settings_of(Influxd(tmp_path, port=free_port()), tmp_path)
    with Influx.open(away) as server:
        for ask in (*REQUESTS, Influx.version):
            with pytest.raises(Unreachable, match=rf"{away.url} does not answer .*influx\.url"):
                ask(server)


@pytest.mark.parametrize("bucket", ["nowhere/autogen", "nowhere"])
def test_a_missing_bucket_is_named_with_the_remedy(influx_server: Influxd, tmp_path: Path, bucket: str) -> None:
    """A bucket that is not there is made by `fairmeter influx init`, and the message says so."""
    with Influx.open(settings_of(influx_server, tmp_path, bucket)) as server:
        for ask in REQUESTS:
            with pytest.raises(Refused, match=f"no bucket {bucket} .*fairmeter influx init"):
                ask(server)


def test_a_missing_retention_policy_is_a_missing_bucket(influx: InfluxSettings) -> None:
    """On 1.8 the second half of a bucket's name is a retention policy, and may be what is missing."""
    other = influx.model_copy(update={"bucket": influx.bucket.replace("autogen", "other")})
    with Influx.open(other) as server:
        for ask in REQUESTS:
            with pytest.raises(Refused, match=r"no bucket .*fairmeter influx init"):
                ask(server)


@pytest.mark.parametrize("token", ["fairmeter:wrong", "nonsense"])
def test_a_wrong_token_is_named_with_the_remedy(influx_server: Influxd, tmp_path: Path, token: str) -> None:
    """A token that is not known: the message names the setting that holds it, and not the token."""
    with Influx.open(settings_of(influx_server, tmp_path, token=token)) as server:
        for ask in REQUESTS:
            with pytest.raises(Refused, match=r"does not accept the token.*influx\.token_file") as refusal:
                ask(server)
            assert token not in str(refusal.value)


def test_a_token_that_lacks_a_right_is_named_with_the_remedy(
    influx: InfluxSettings, influx_server: Influxd, tmp_path: Path
) -> None:
    """A user who may not read or write the bucket is told apart from one who is not known."""
    # Asked to read it, 2.x denies to such a user that there is such a bucket.
    remedy = f"lacks a right .*let it read and write {influx.bucket}|no bucket {influx.bucket} .*no right to read"
    with Influx.open(settings_of(influx_server, tmp_path, influx.bucket, influx_server.stranger())) as server:
        for ask in REQUESTS:
            with pytest.raises(Refused, match=remedy):
                ask(server)


def test_lines_that_do_not_fit_are_told_from_a_server_that_will_not(influx: InfluxSettings) -> None:
    """A field of another type is a fault of those lines alone, and the server says how many it dropped."""
    with Influx.open(influx) as server:
        server.write(b'm,name=a x="text" 1\n')
        with pytest.raises(LinesRefused, match="field type conflict") as refusal:
            server.write(b"m,name=a x=1 2\nm,name=b y=1 2\n")
        assert refusal.value.dropped == 1


def test_a_faulty_query_is_refused_with_what_the_server_says(influx: InfluxSettings) -> None:
    """A question that InfluxDB does not understand is not asked again."""
    with Influx.open(influx) as server, pytest.raises(Refused, match=r"could not answer.*nonsense"):
        server.tables(f'from(bucket: "{influx.bucket}") |> nonsense()')


def test_a_token_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """The gateway says which file it misses."""
    settings = InfluxSettings(url="http://127.0.0.1:1", token_file=tmp_path / "missing")
    with pytest.raises(Refused, match=r"influx\.token_file .*missing cannot be read"), Influx.open(settings):
        pass
