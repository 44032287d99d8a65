"""Setting up: what is missing is made, what is there stays, and everything is said."""

import re
from pathlib import Path

import pytest

from gateway.book import load_book
from gateway.influx.server import Influx, Refused, Unreachable
from gateway.influx.setup import least_days, prepare
from tests.gateway.site import terms
from tests.servers.fixtures import settings_of
from tests.servers.influxd import Influxd, free_port


def said_by_init(server: Influxd, folder: Path, bucket: str, keep_days: int | None = None) -> str:
    """What `fairmeter influx init` says."""
    said: list[str] = []
    with Influx.open(settings_of(server, folder, bucket)) as influx:
        prepare(influx, keep_days, said.append)
    return "\n".join(said)


def test_a_bucket_is_made_once(influx_server: Influxd, tmp_path: Path) -> None:
    """The first time makes the bucket, on 1.8 a database, and says so; the second finds it and changes nothing."""
    first = said_by_init(influx_server, tmp_path, "made/autogen")
    assert re.search("made the (database|bucket) made", first)
    assert "keeps points for ever" in first
    again = said_by_init(influx_server, tmp_path, "made/autogen")
    assert re.search("the (database|bucket) made.* is there", again)
    assert "made the" not in again
    influx_server.drop("made/autogen")


def test_a_retention_policy_is_made_and_changed_only_when_asked(influx_server: Influxd, tmp_path: Path) -> None:
    """How long points are kept is set by the option alone."""
    assert "which keeps points for 400 days" in said_by_init(influx_server, tmp_path, "kept/long", 400)
    assert "is there and keeps points for 400 days" in said_by_init(influx_server, tmp_path, "kept/long")
    assert "is there and keeps points for 400 days" in said_by_init(influx_server, tmp_path, "kept/long", 400)
    assert "for ever now, and not for 400 days" in said_by_init(influx_server, tmp_path, "kept/long", 0)
    assert "for 3 days now, and not for ever" in said_by_init(influx_server, tmp_path, "kept/long", 3)
    assert "for 400 days now, and not for 3 days" in said_by_init(influx_server, tmp_path, "kept/long", 400)
    influx_server.drop("kept/long")


def test_what_stands_in_the_way_is_named(influx_server: Influxd, tmp_path: Path) -> None:
    """A token without the right to make databases, a wrong one, and a server that is away each have their remedy."""
    stranger = influx_server.stranger()
    for token, reason in (
        (stranger, "lacks a right|the token's rights"),
        ("fairmeter:wrong", "does not accept the token"),
    ):
        settings = settings_of(influx_server, tmp_path, "new/autogen", token)
        with Influx.open(settings) as influx, pytest.raises(Refused, match=reason):
            prepare(influx, None, lambda _: None)
    away = settings_of(Influxd(tmp_path, port=free_port()), tmp_path)
    with Influx.open(away) as influx, pytest.raises(Unreachable, match=r"influx\.url"):
        prepare(influx, None, lambda _: None)


def test_a_bucket_must_keep_what_statements_need(tmp_path: Path) -> None:
    """A month, the grace after it, and the window in which corrections may still come."""
    (tmp_path / "air.yaml").write_text(terms())
    book, _ = load_book(tmp_path)
    assert least_days(book) == 31 + 3 + 90 + 1
