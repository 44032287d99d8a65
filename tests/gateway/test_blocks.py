"""The block store: what it holds comes back exactly, and cut where one asks."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.readings import EMPTY, Clock, Columns
from contracts.units import DAY_MS, HOUR_MS
from gateway.block_format import NO_ROWS, hours, pack, unpack
from gateway.blocks import BlockStore, StoreError
from tests.gateway.site import FOR_EVER, MINUTE_MS, START_MS, Site, flow, telemetry, terms

CLOCK = Clock(300_000, 90 * DAY_MS)
WHOLE = st.integers(-(2**53), 2**53)
MOMENT = st.integers(631_152_000_000, 4_102_444_799_999)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A gateway with one contract of two devices, and no readings yet."""
    with Site.open(tmp_path, air=terms(devices="dev-1, dev-2")) as opened:
        yield opened


def shown(columns: Columns) -> list[tuple[int, int]]:
    """Minute after the start, and ticks, of each reading."""
    minutes = (columns.times - START_MS) // MINUTE_MS
    return list(zip(minutes.tolist(), columns.ticks.tolist(), strict=True))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(MOMENT, WHOLE, MOMENT, st.integers(1, 2**40), st.integers(0, 2**20)), max_size=40))
def test_any_rows_come_back_from_their_blocks(drawn: list[tuple[int, ...]]) -> None:
    """Packing loses no bit of any time, value, arrival, position or mark, however far apart they are."""
    rows = np.array(sorted(drawn), np.int64).reshape(-1, 5).T.copy()
    starts = np.flatnonzero(np.diff(hours(rows), prepend=-1))
    bodies = pack(rows, starts)
    back, lengths = unpack(bodies)
    assert np.array_equal(back, rows)
    assert lengths.tolist() == np.diff(starts, append=rows.shape[1]).tolist()


def test_no_blocks_are_no_rows() -> None:
    """A span without readings is empty columns, not an error."""
    assert unpack([])[0].shape == NO_ROWS.shape


def test_a_month_of_minutes_takes_few_bytes(site: Site) -> None:
    """Regular telemetry costs at most eight bytes a reading, keys and pages of the file included."""
    values = np.random.default_rng(1).integers(60_000, 70_000, 30 * 24 * 60) / 100
    sets = [{"t": START_MS + n * MINUTE_MS, "v": {"flow": value}} for n, value in enumerate(values.tolist())]
    for place in range(0, len(sets), 1_000):
        site.receive(telemetry(sets[place : place + 1_000], START_MS + (place + 1_000) * MINUTE_MS))
    site.project()
    site.store.close()
    assert (site.folder / "blocks.db").stat().st_size <= 8 * len(sets)


def test_a_reading_is_found_by_its_time_to_the_millisecond(site: Site) -> None:
    """A span takes its first moment and leaves its last, also inside an hour."""
    site.receive(*(flow(minute, minute) for minute in (0, 59, 60, 61, 200)))
    site.project()
    start, end = START_MS + 59 * MINUTE_MS, START_MS + 61 * MINUTE_MS
    assert shown(site.store.read("dev-1", "flow", start, end)) == [(59, 5900), (60, 6000)]
    assert shown(site.store.read("dev-1", "flow", start + 1, end + 1)) == [(60, 6000), (61, 6100)]
    assert len(site.store.read("dev-1", "flow", end + 1, end + 1)) == 0


def test_what_was_never_reported_is_empty(site: Site) -> None:
    """A device or channel without readings has no columns, no first time and no events."""
    assert site.store.read("dev-2", "flow", 0, FOR_EVER) is EMPTY
    assert site.store.last_before("dev-2", "flow", FOR_EVER, CLOCK) is EMPTY
    assert site.store.first_time("dev-2") is None
    assert site.store.device_events("dev-2", 0, FOR_EVER) == []


def test_a_cut_shows_the_store_as_it_was_at_a_journal_position(site: Site) -> None:
    """What arrived after a statement's cut is later data: the cut never sees it, also in the same hour."""
    site.receive(flow(0, 1), flow(2, 3))
    site.receive(flow(1, 2), flow(2, 9))
    site.project()
    assert shown(site.flows(upto=1)) == [(0, 100), (2, 300)]
    assert shown(site.flows(upto=2)) == [(0, 100), (1, 200), (2, 300), (2, 900)]
    assert shown(site.store.last_before("dev-1", "flow", START_MS + 2 * MINUTE_MS, CLOCK, upto=1)) == [(0, 100)]


def test_equal_times_stand_in_order_of_arrival(site: Site) -> None:
    """The first to arrive stands, so it must come first, whenever its hour was written again."""
    for value in (5, 7, 5, 3):
        site.receive(flow(10, value))
        site.project()
    assert shown(site.flows()) == [(10, 500), (10, 700), (10, 500), (10, 300)]


def test_the_last_reading_before_a_moment_is_one_the_clock_terms_accept(site: Site) -> None:
    """A device with a wrong clock does not hide the last good reading, however many hours it lies back."""
    site.receive(flow(10, 1), flow(11, 2))
    ahead = [flow(minute, 99, arrival_ms=START_MS) for minute in (130, 190, 250)]
    site.receive(*ahead)
    site.project()
    found = site.store.last_before("dev-1", "flow", START_MS + 300 * MINUTE_MS, CLOCK)
    assert shown(found) == [(10, 100), (11, 200)]
    generous = site.store.last_before("dev-1", "flow", START_MS + 300 * MINUTE_MS, Clock(DAY_MS, DAY_MS))
    assert shown(generous) == [(250, 9900)]
    assert shown(site.store.last_before("dev-1", "flow", START_MS + 11 * MINUTE_MS, CLOCK)) == [(10, 100)]
    assert site.store.last_before("dev-1", "flow", START_MS + 10 * MINUTE_MS, CLOCK) is EMPTY


def test_the_first_time_is_the_earliest_of_all_channels(site: Site) -> None:
    """A device's history begins with its first reading of anything."""
    site.receive(flow(70, 1), telemetry({"t": START_MS + 65 * MINUTE_MS, "v": {"pages": 4}}, START_MS + HOUR_MS * 2))
    site.project()
    assert site.store.first_time("dev-1") == START_MS + 65 * MINUTE_MS


def test_hours_are_dirty_until_metering_has_seen_all_of_them(site: Site) -> None:
    """An hour into which something came while it was being metered is metered once more."""
    hour = START_MS // HOUR_MS
    site.receive(flow(0, 1), flow(60, 1), flow(0, 1, device="dev-2"))
    site.project()
    seen = site.store.dirty()
    assert seen == [("dev-1", hour), ("dev-1", hour + 1), ("dev-2", hour)]
    site.receive(flow(61, 2))
    site.project()
    site.store.clear_dirty(seen, upto=1)
    assert site.store.dirty() == [("dev-1", hour + 1)]


def test_a_store_opens_again_where_it_was(site: Site) -> None:
    """Cursor and readings are on disk when a step is done."""
    site.receive(flow(0, 1))
    site.project()
    with BlockStore.open(site.folder / "blocks.db") as again:
        assert again.cursor() == site.journal.tip()
        assert shown(again.read("dev-1", "flow", 0, FOR_EVER)) == [(0, 100)]


def test_a_reader_sees_a_step_whole_or_not_at_all(site: Site) -> None:
    """Metering runs while readings come in, and never sees half of what was committed together."""
    for batch in range(40):
        site.receive(*(flow(minute, batch, arrival_ms=START_MS + HOUR_MS) for minute in range(batch, batch + 10)))
    projecting = threading.Thread(target=site.project, kwargs={"limit_messages": 1})
    projecting.start()
    seen = [len(site.flows())]
    while projecting.is_alive():
        seen.append(len(site.flows()))
    projecting.join()
    assert {count % 10 for count in seen} == {0}
    assert seen == sorted(seen)
    assert len(site.flows()) == 400


def test_another_file_is_not_taken_for_a_block_store(tmp_path: Path) -> None:
    """A wrong path is told; no other program's data is touched."""
    (tmp_path / "text").write_text("these are notes, and many of them\n" * 100)
    with pytest.raises(StoreError, match="block store"):
        BlockStore.open(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    with pytest.raises(StoreError, match="another program's database"):
        BlockStore.open(tmp_path / "other")
    with pytest.raises(StoreError, match="folder exists"):
        BlockStore.open(tmp_path / "no" / "folder")


def test_a_store_of_a_newer_version_is_left_alone(site: Site) -> None:
    """An older program refuses what it does not understand, and says what to do."""
    site.close()
    with sqlite3.connect(site.folder / "blocks.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="newer Fairmeter"):
        BlockStore.open(site.folder / "blocks.db")


def test_a_damaged_block_is_told_with_its_remedy(site: Site) -> None:
    """A broken disk shows as an error that names the rebuild, never as other readings."""
    site.receive(flow(0, 1))
    site.project()
    with sqlite3.connect(site.folder / "blocks.db") as db:
        db.execute("UPDATE blocks SET body = x'00112233'")
    db.close()
    with pytest.raises(StoreError, match="fairmeter rebuild"):
        site.flows()
