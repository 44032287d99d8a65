"""Adding an increment to the tables of the block store, within the transaction that moves its cursor."""

import json
import sqlite3
from typing import Final

import numpy as np

from contracts.readings import Ints
from contracts.units import HOUR_MS
from gateway import block_format
from gateway.block_format import TIME, Rows
from gateway.increment import Counts, Increment, day_of

_TIME_BITS: Final = 42  # no time of a reading, in ms, needs more; the bits above it hold the channel


def add(db: sqlite3.Connection, increment: Increment) -> None:
    """Write all that a stretch of the journal comes to."""
    _add_readings(db, increment)
    _add_devices(db, increment)
    _add_events(db, increment)
    _add_lists(db, increment)


def _add_readings(db: sqlite3.Connection, increment: Increment) -> None:
    """Merge the new readings into the blocks of their hours, and mark those hours."""
    change = """INSERT INTO series (device, channel, newest_ms) VALUES (?, ?, ?)
        ON CONFLICT (device, channel) DO UPDATE SET newest_ms = excluded.newest_ms"""
    newest = zip(increment.series, increment.newest_ms, strict=True)
    db.executemany(change, [(*key, newest_ms) for key, newest_ms in newest])
    query = "SELECT id FROM series WHERE device = ? AND channel = ?"
    ids = [db.execute(query, key).fetchone()[0] for key in increment.series]
    rows, owners = _by_time(increment.rows, increment.owners)
    cells = _cells(rows, owners)
    bodies, before = [], []
    query = "SELECT body FROM blocks WHERE series = ? AND hour = ?"
    for owner, hour in cells:
        if found := db.execute(query, (ids[owner], hour)).fetchone():
            bodies.append(found[0])
            before.append(owner)
    if bodies:
        # What the store has comes first: it was there before, and equal times keep their order.
        kept, lengths = block_format.unpack(bodies)
        everyone = np.concatenate([np.repeat(np.array(before, np.int64), lengths), owners])
        rows, owners = _by_time(np.concatenate([kept, rows], axis=1), everyone)
    starts = _starts(rows, owners)
    packed = zip(cells, np.diff(starts, append=len(owners)).tolist(), block_format.pack(rows, starts), strict=True)
    change = "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?)"
    db.executemany(change, [(ids[owner], hour, readings, body) for (owner, hour), readings, body in packed])
    dirty = {(increment.series[owner][0], hour, increment.after.position) for owner, hour in cells}
    db.executemany("INSERT OR REPLACE INTO dirty VALUES (?, ?, ?)", dirty)
    db.executemany("INSERT OR REPLACE INTO touched VALUES (?, ?, ?)", dirty)


def _by_time(rows: Rows, owners: Ints) -> tuple[Rows, Ints]:
    """Sorted by channel, then time; readings of equal time keep their order."""
    order = np.argsort((owners << _TIME_BITS) | rows[TIME], kind="stable")
    return rows[:, order], owners[order]


def _starts(rows: Rows, owners: Ints) -> Ints:
    """Where each block begins in sorted rows."""
    return np.flatnonzero(np.diff((owners << _TIME_BITS) | block_format.hours(rows), prepend=-1))


def _cells(rows: Rows, owners: Ints) -> list[tuple[int, int]]:
    """The channel and hour of each block in sorted rows."""
    starts = _starts(rows, owners)
    return list(zip(owners[starts].tolist(), block_format.hours(rows[:, starts]).tolist(), strict=True))


def _add_devices(db: sqlite3.Connection, increment: Increment) -> None:
    """Restart marks, what is known of each device, and what happened to it; an event that is known is not one more."""
    db.executemany("INSERT INTO boots VALUES (?, ?, ?)", increment.boots)
    statuses = [(device, last.online, last.said_ms, last.meter) for device, last in increment.statuses.items()]
    db.executemany("INSERT OR REPLACE INTO statuses VALUES (?, ?, ?, ?)", statuses)
    events = [
        (each.device, each.time_ms, each.kind, each.id, json.dumps(each.details), each.position)
        for each in increment.events
    ]
    db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?)", events)


def _add_events(db: sqlite3.Connection, increment: Increment) -> None:
    """What people said, contract by contract."""
    stated = [
        (each.contract, each.event.id, each.position, json.dumps(each.event.document(), ensure_ascii=False))
        for each in increment.contract_events
    ]
    db.executemany("INSERT INTO contract_events VALUES (?, ?, ?, ?)", stated)
    # What was said of a register or a reading meters its hour again.
    said = [each.event for each in increment.contract_events if each.event.device and each.event.channel]
    said += [each.event for each in increment.contract_events if each.event.type == "meter_exchanged"]
    dirty = {(event.device, event.start // HOUR_MS, increment.after.position) for event in said}
    db.executemany("INSERT OR REPLACE INTO dirty VALUES (?, ?, ?)", dirty)


def _add_lists(db: sqlite3.Connection, increment: Increment) -> None:
    """What was not understood, what belongs to no contract, and the counts."""
    rejected = [
        (each.position, each.number, each.arrival_ms, each.topic, each.device, each.part, each.reason, each.remedy,
         each.excerpt)
        for each in increment.rejections
    ]  # fmt: skip
    db.executemany("INSERT INTO rejected VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rejected)
    refused = [(*key, readings) for key, readings in increment.refused.items()]
    db.executemany("INSERT INTO refused VALUES (?, ?, ?, ?, ?)", refused)
    change = """INSERT INTO unassigned VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (device, channel, day) DO UPDATE SET
        readings = readings + excluded.readings, last_ms = max(last_ms, excluded.last_ms)"""
    unassigned = [
        (each.device, each.channel, day_of(each.day), each.readings, each.first_ms, each.last_ms)
        for each in increment.unassigned
    ]
    db.executemany(change, unassigned)
    names = Counts.__slots__
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in names)
    change = f"INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (day) DO UPDATE SET {added}"  # noqa: S608 - names of our own
    counts = [(day_of(day), *(getattr(each, name) for name in names)) for day, each in increment.counts.items()]
    db.executemany(change, counts)
