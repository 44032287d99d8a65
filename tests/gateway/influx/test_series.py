"""All contracts in a real InfluxDB: the same however the journal grew, after late data, a restart and a wipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.influx.cursor import Cursor
from gateway.influx.sending import Sender
from gateway.influx.series import ContractSeries
from gateway.influx.server import Influx, Unreachable
from gateway.settings import InfluxSettings
from tests.gateway.history import DAY_MS, HOUR_MS, START_MS, History, history, random_messages
from tests.servers.fixtures import settings_of
from tests.servers.influxd import Influxd

NOW = START_MS + 4 * DAY_MS + 7 * HOUR_MS + 21 * 60_000
CHANGES = ("state", "timeline")
OPERATIONAL = ("device",)
Rows = dict[tuple[Any, ...], dict[int, dict[str, Any]]]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test does not wait for seconds between two readings."""
    monkeypatch.setattr("gateway.influx.series.RESTS", 0)
    monkeypatch.setattr("gateway.influx.series.REFRESHED_S", 0.0)


@contextmanager
def sender(influx: InfluxSettings, folder: Path) -> Iterator[Sender]:
    """Whoever sends to this bucket."""
    folder.mkdir(exist_ok=True)
    with Influx.open(influx) as server, Cursor.open(folder / "influx.sqlite") as cursor:
        yield Sender(server, cursor)
        assert cursor.refused() == []


def drawn(series: ContractSeries, to: Sender, now_ms: int) -> int:
    """Draw all there is at that moment; gives how many lines that took."""
    before = to.sent
    while series.bring_up_to_date(to, now_ms):
        pass
    return to.sent - before


def held(to: Sender) -> Rows:
    """Every point of the bucket: by measurement and tags, by time, its fields; timelines without repetitions."""
    flux = f"""from(bucket: "{to.influx.bucket}") |> range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)"""
    found: Rows = {}
    for row in to.influx.tables(flux):
        if row["_measurement"] in OPERATIONAL:
            continue
        tags = {name: value for name, value in row.items() if not name.startswith("_") and value not in ("", None)}
        for name in ("result", "table"):
            tags.pop(name, None)
        series = found.setdefault((row["_measurement"], *sorted(tags.items())), {})
        series.setdefault(row["_time"], {})[row["_field"]] = row["_value"]
    return {name: _changes(points) if name[0] in CHANGES else points for name, points in found.items()}


def _changes(points: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    kept: dict[int, dict[str, Any]] = {}
    for time, fields in sorted(points.items()):
        if not kept or kept[max(kept)] != fields:
            kept[time] = fields
    return kept


def lived(site: History, seed: int, now_ms: int, draw: Callable[[int], object] = lambda _: None) -> None:
    """Everything arrives in order up to a moment; somebody draws it meanwhile, now and then, from the beginning."""
    draw(START_MS + 1)
    for place, message in enumerate(each for each in random_messages(seed) if each.arrival_ms < now_ms):
        site.receive(message)
        if place % 7 == 0:
            site.close_all(message.arrival_ms)
            draw(message.arrival_ms)
    site.close_all(now_ms)


def another(server: Influxd, influx: InfluxSettings) -> InfluxSettings:
    """A second bucket on the same server."""
    server.make("other/autogen")
    return influx.model_copy(update={"bucket": "other/autogen"})


def same(one: Rows, other: Rows) -> None:
    """The two buckets hold the same, point by point."""
    assert one.keys() == other.keys()
    for name, points in other.items():
        assert one[name] == points, name


def test_drawn_as_it_comes_or_all_at_once_it_is_the_same(
    influx_server: Influxd, influx: InfluxSettings, tmp_path: Path
) -> None:
    """A bucket that followed every reading holds what a bucket holds that was filled when all had come."""
    other = another(influx_server, influx)
    with history() as site, sender(influx, tmp_path) as one, sender(other, tmp_path / "other") as two:
        following = ContractSeries(site.closer)
        lived(site, 1, NOW, lambda now_ms: drawn(following, one, now_ms))
        drawn(following, one, NOW)
        assert drawn(ContractSeries(site.closer), two, NOW) > 1000
        same(held(one), held(two))
    influx_server.drop("other/autogen")


def test_what_was_missed_while_nobody_answered_is_drawn_after(own_influxd: Influxd, tmp_path: Path) -> None:
    """InfluxDB is away for a day and a half, in which readings come and a period closes: nothing is missing after."""
    influx = settings_of(own_influxd, tmp_path)
    other = another(own_influxd, influx)
    away = range(START_MS + DAY_MS, START_MS + 2 * DAY_MS + DAY_MS // 2)
    until, missed, runs = START_MS + 3 * DAY_MS, 0, True
    with history() as site, sender(influx, tmp_path) as one, sender(other, tmp_path / "other") as two:
        following = ContractSeries(site.closer)

        def draw(now_ms: int) -> None:
            nonlocal missed, runs
            if runs and now_ms in away:
                own_influxd.stop()
            elif not runs and now_ms not in away:
                own_influxd.start()
            runs = now_ms not in away
            try:
                drawn(following, one, now_ms)
            except Unreachable:
                missed += 1

        lived(site, 4, until, draw)
        draw(until)
        assert missed > 2
        drawn(ContractSeries(site.closer), two, until)
        same(held(one), held(two))


def test_a_start_changes_nothing_and_a_wipe_is_filled(influx: InfluxSettings, tmp_path: Path) -> None:
    """After a start, what stands is only written again; final periods that are drawn are not."""
    with history() as site, sender(influx, tmp_path) as to:
        lived(site, 3, NOW)
        whole = drawn(ContractSeries(site.closer), to, NOW)
        before = held(to)
        started = ContractSeries(site.closer)
        again = drawn(started, to, NOW)
        assert held(to) == before
        assert 0 < again < whole / 2
        started.begin_anew()
        assert drawn(started, to, NOW) > 0.9 * whole
        assert held(to) == before
