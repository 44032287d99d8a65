"""The block store: what the journal says of each channel, ready to be metered (architecture, decision 2).

One SQLite file that can always be made again from the journal. Rules this file obeys:

- Cursor, blocks, dirty hours, lists and counts commit in one transaction: after a crash the store is exactly where
  its cursor says, and projecting goes on from there.
- A block holds every reading that could be kept, by time, then by journal position. The same journal gives the same
  blocks, byte for byte, however it was cut into transactions.
- Every answer can be cut at a journal position (`upto`): later arrivals change no statement (semantics §8).
- Reading never waits for writing; one writer at a time.
"""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Final, Self

import numpy as np
import zstandard

from contracts.event_text import event_of
from contracts.events import Event
from contracts.readings import EMPTY, Clock, Columns, Ints
from contracts.units import HOUR_MS
from gateway import block_format
from gateway.additions import add
from gateway.block_format import POSITION, TIME, Rows
from gateway.database import FileKind, Readers, open_to_write, transaction
from gateway.increment import (
    ContractEvent,
    Counts,
    DeviceEvent,
    EventKind,
    Increment,
    LastStatus,
    Rejection,
    Unassigned,
    date_of,
    day_of,
)
from gateway.journal import GENESIS, Tip

_FOR_EVER: Final = 2**62

_MIGRATIONS: Final = (
    """
    CREATE TABLE cursor (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER, sha256 BLOB,
        fingerprint TEXT);
    CREATE TABLE series (id INTEGER PRIMARY KEY, device TEXT, channel TEXT, newest_ms INTEGER,
        UNIQUE (device, channel));
    CREATE TABLE blocks (series INTEGER, hour INTEGER, readings INTEGER, body BLOB,
        PRIMARY KEY (series, hour)) WITHOUT ROWID;
    CREATE TABLE dirty (device TEXT, hour INTEGER, position INTEGER, PRIMARY KEY (device, hour)) WITHOUT ROWID;
    CREATE TABLE boots (device TEXT, place INTEGER, name TEXT, PRIMARY KEY (device, place)) WITHOUT ROWID;
    CREATE TABLE statuses (device TEXT PRIMARY KEY, online INTEGER, said_ms INTEGER, meter TEXT) WITHOUT ROWID;
    CREATE TABLE events (device TEXT, time_ms INTEGER, kind TEXT, id TEXT, details TEXT, position INTEGER,
        PRIMARY KEY (device, kind, id));
    CREATE INDEX events_by_time ON events (device, time_ms);
    CREATE TABLE rejected (position INTEGER, number INTEGER, arrival_ms INTEGER, topic TEXT, device TEXT,
        part TEXT, reason TEXT, remedy TEXT, excerpt TEXT);
    CREATE INDEX rejected_by_arrival ON rejected (arrival_ms);
    CREATE TABLE refused (device TEXT, channel TEXT, time_ms INTEGER, position INTEGER, readings INTEGER,
        PRIMARY KEY (device, channel, time_ms, position)) WITHOUT ROWID;
    CREATE TABLE unassigned (device TEXT, channel TEXT, day INTEGER, readings INTEGER, first_ms INTEGER,
        last_ms INTEGER, PRIMARY KEY (device, channel, day)) WITHOUT ROWID;
    CREATE TABLE counts (day INTEGER PRIMARY KEY, received INTEGER, decoded INTEGER, rejected INTEGER,
        stored INTEGER, refused INTEGER, unassigned INTEGER);
    INSERT INTO cursor VALUES (1, 0, zeroblob(32), '');
    """,
    """
    CREATE TABLE contract_events (contract TEXT, id TEXT, position INTEGER, document TEXT, PRIMARY KEY (contract, id));
    """,
    """
    CREATE TABLE touched (device TEXT, hour INTEGER, position INTEGER, PRIMARY KEY (device, hour)) WITHOUT ROWID;
    CREATE INDEX touched_by_position ON touched (position, hour, device);
    INSERT INTO touched SELECT DISTINCT device, hour, position FROM cursor, blocks JOIN series ON series = id;
    """,
)


class StoreError(Exception):
    """The block store could not be opened, written or read; the message says which and what to do."""


_FILE: Final = FileKind(  # "FMB1"
    "block store", 0x464D4231, _MIGRATIONS, StoreError, "remove it; it is made again from the journal"
)


class BlockStore:
    """One open block store: commit from one thread, read from any."""

    def __init__(self, path: Path, writer: sqlite3.Connection) -> None:
        self._path = path
        self._writer = writer
        self._reader = Readers(path, _FILE)
        self._writing = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the block store at `path`, made if it does not exist; StoreError where it is something else."""
        return cls(path, open_to_write(path, _FILE))

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- projecting -----------------------------------------------------------------------------------------------

    def cursor(self) -> Tip:
        """The last journal batch that is in the store."""
        position, sha256 = self._reader.execute("SELECT position, sha256 FROM cursor").fetchone()
        return Tip(position, sha256)

    def fingerprint(self) -> str:
        """The fingerprint of the book by which the store was made; empty where it is new."""
        found: str = self._reader.execute("SELECT fingerprint FROM cursor").fetchone()[0]
        return found

    def begin_anew(self, fingerprint: str) -> None:
        """Empty the store, to be made again from the first batch, by the book with this fingerprint."""
        with self._transaction() as db:
            tables = (
                "series blocks dirty touched boots statuses events contract_events rejected refused unassigned counts"
            )
            for table in tables.split():
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - the names stand in the line above
            db.execute("UPDATE cursor SET position = ?, sha256 = ?, fingerprint = ?", (*_row(GENESIS), fingerprint))

    def newest_ms(self, device: str, channel: str) -> int:
        """The newest time seen of a channel, by which the next reading is late or not; 0 before the first."""
        query = "SELECT newest_ms FROM series WHERE device = ? AND channel = ?"
        row = self._reader.execute(query, (device, channel)).fetchone()
        return row[0] if row else 0

    def boot_names(self, device: str) -> tuple[str, ...]:
        """The device's restart marks in the order in which they were first seen."""
        query = "SELECT name FROM boots WHERE device = ? ORDER BY place"
        return tuple(row[0] for row in self._reader.execute(query, (device,)).fetchall())

    def last_status(self, device: str) -> LastStatus | None:
        """What the device's status messages say so far."""
        query = "SELECT online, said_ms, meter FROM statuses WHERE device = ?"
        row = self._reader.execute(query, (device,)).fetchone()
        return LastStatus(bool(row[0]), row[1], row[2]) if row else None

    def commit(self, increment: Increment) -> None:
        """Add a stretch of the journal; StoreError, and nothing changed, where it could not be written.

        An increment that does not begin where the store stands was made by a second projection at the same time.
        """
        with self._transaction() as db:
            change = "UPDATE cursor SET position = ?, sha256 = ? WHERE position = ? AND sha256 = ?"
            if db.execute(change, (*_row(increment.after), *_row(increment.before))).rowcount != 1:
                raise StoreError(f"{self._path.name} was moved on by another gateway process; stop one of the two")
            add(db, increment)

    # --- metering -------------------------------------------------------------------------------------------------

    def read(self, device: str, channel: str, start_ms: int, end_ms: int, upto: int | None = None) -> Columns:
        """Every kept reading of a channel in [start, end), by time, then position; at most position `upto`."""
        query = """SELECT body FROM blocks JOIN series ON series = id
            WHERE device = ? AND channel = ? AND hour BETWEEN ? AND ? ORDER BY hour"""
        bounds = (device, channel, start_ms // HOUR_MS, (end_ms - 1) // HOUR_MS)
        rows = self._unpacked([row[0] for row in self._reader.execute(query, bounds).fetchall()])
        return self._columns(device, _cut(rows, start_ms, end_ms, upto))

    def later_readings(self, device: str, channel: str, start_ms: int, end_ms: int, since: int, upto: int) -> bool:
        """Did readings of a channel in [start, end) arrive after position `since`, up to `upto`?"""
        query = """SELECT body FROM blocks JOIN series ON series = id
            WHERE device = ? AND channel = ? AND hour BETWEEN ? AND ?"""
        bounds = (device, channel, start_ms // HOUR_MS, (end_ms - 1) // HOUR_MS)
        rows = self._unpacked([row[0] for row in self._reader.execute(query, bounds).fetchall()])
        rows = _cut(rows, start_ms, end_ms, upto)
        return bool((rows[POSITION] > since).any())

    def last_before(self, device: str, channel: str, moment_ms: int, clock: Clock, upto: int | None = None) -> Columns:
        """The readings before a moment, of the last hour before it that has one which the clock terms accept.

        The last that stands among them is the last accepted reading before the moment; EMPTY where there is none.
        """
        query = """SELECT body, hour FROM blocks JOIN series ON series = id
            WHERE device = ? AND channel = ? AND hour <= ? ORDER BY hour DESC LIMIT 1"""
        hour = (moment_ms - 1) // HOUR_MS
        while row := self._reader.execute(query, (device, channel, hour)).fetchone():
            rows = _cut(self._unpacked([row[0]]), 0, moment_ms, upto)
            found = self._columns(device, rows)
            if not clock.refuses(found.times, found.arrivals).all():
                return found
            hour = row[1] - 1
        return EMPTY

    def first_time(self, device: str) -> int | None:
        """The time of the device's earliest reading, in ms UTC, whatever its clock was worth; None without any."""
        query = """SELECT body FROM blocks JOIN series ON series = id
            WHERE device = ? AND hour = (SELECT min(hour) FROM blocks WHERE series = id)"""
        bodies = [row[0] for row in self._reader.execute(query, (device,)).fetchall()]
        return int(self._unpacked(bodies)[TIME].min()) if bodies else None

    def dirty(self, since: int = 0) -> list[tuple[str, int]]:
        """The devices and UTC hours (counted from 1970) with readings that metering has not seen.

        With `since`, those that readings came to after that journal position.
        """
        query = "SELECT device, hour FROM dirty WHERE position > ? ORDER BY device, hour"
        return self._reader.execute(query, (since,)).fetchall()

    def clear_dirty(self, hours: Iterable[tuple[str, int]], upto: int) -> None:
        """Metering has seen these hours with all readings up to position `upto`; later ones keep theirs dirty."""
        with self._transaction() as db:
            change = "DELETE FROM dirty WHERE device = ? AND hour = ? AND position <= ?"
            db.executemany(change, [(device, hour, upto) for device, hour in hours])

    def device_events(self, device: str, start_ms: int, end_ms: int, upto: int | None = None) -> list[DeviceEvent]:
        """The device's events in [start, end), by time, then by arrival; at most position `upto`."""
        query = """SELECT device, time_ms, kind, id, details, position FROM events
            WHERE device = ? AND time_ms >= ? AND time_ms < ? AND position <= ? ORDER BY time_ms, rowid"""
        found = self._reader.execute(query, (device, start_ms, end_ms, _last(upto))).fetchall()
        return [_device_event(*row) for row in found]

    def announced(self, since: int) -> list[DeviceEvent]:
        """The events of all devices that came after position `since`, in order of arrival."""
        query = "SELECT device, time_ms, kind, id, details, position FROM events WHERE position > ? ORDER BY rowid"
        found = self._reader.execute(query, (since,)).fetchall()
        return [_device_event(*row) for row in found]

    def contract_events(self, contract: str, upto: int | None = None) -> list[Event]:
        """The events of a contract in order of entry; at most position `upto`."""
        query = "SELECT document FROM contract_events WHERE contract = ? AND position <= ? ORDER BY position, rowid"
        found = self._reader.execute(query, (contract, _last(upto))).fetchall()
        return [event_of(json.loads(document)) for (document,) in found]

    def contracts_told_of(self, since: int) -> set[str]:
        """The contracts of which something was said after a journal position."""
        query = "SELECT DISTINCT contract FROM contract_events WHERE position > ?"
        return {contract for (contract,) in self._reader.execute(query, (since,))}

    def contract_event(self, contract: str, identity: str) -> ContractEvent | None:
        """The event of a contract with that id."""
        query = "SELECT position, document FROM contract_events WHERE contract = ? AND id = ?"
        row = self._reader.execute(query, (contract, identity)).fetchone()
        return ContractEvent(contract, row[0], event_of(json.loads(row[1]))) if row else None

    def refused(self, device: str, channel: str, start_ms: int, end_ms: int, upto: int | None = None) -> int:
        """How many readings of a channel in [start, end) could not be kept: the statement's count `rejected`.

        A reading whose own time could not be read counts at its arrival.
        """
        query = """SELECT total(readings) FROM refused
            WHERE device = ? AND channel = ? AND time_ms >= ? AND time_ms < ? AND position <= ?"""
        return int(self._reader.execute(query, (device, channel, start_ms, end_ms, _last(upto))).fetchone()[0])

    # --- following ------------------------------------------------------------------------------------------------

    def touched(self, since: int, after: tuple[int, str], limit: int) -> list[tuple[int, str]]:
        """UTC hours, each with a device, to which readings came after position `since`: the next ones past `after`."""
        query = """SELECT hour, device FROM touched INDEXED BY touched_by_position
            WHERE position > ? AND (hour, device) > (?, ?) ORDER BY hour, device LIMIT ?"""
        return self._reader.execute(query, (since, *after, limit)).fetchall()

    def touched_hours(self, since: int) -> int:
        """To how many hours of a device readings came after position `since`."""
        found: int = self._reader.execute("SELECT count(*) FROM touched WHERE position > ?", (since,)).fetchone()[0]
        return found

    def hours(self, wanted: Iterable[tuple[int, str]]) -> tuple[list[tuple[int, str, str]], Rows, Ints]:
        """Every kept reading of these UTC hours of devices: hour, device and channel of each block, all rows, lengths.

        Read together, because what is done for each block costs more than what is done for each reading.
        """
        query = """SELECT channel, body FROM blocks JOIN series ON series = id
            WHERE device = ? AND hour = ? ORDER BY channel"""
        places, bodies = [], []
        for hour, device in wanted:
            for channel, body in self._reader.execute(query, (device, hour)).fetchall():
                places.append((hour, device, channel))
                bodies.append(body)
        return places, *self._unpacked_each(bodies)

    # --- lists for people -----------------------------------------------------------------------------------------

    def rejected(
        self, day: date | None = None, device: str | None = None, limit: int = 100, position: int | None = None
    ) -> list[Rejection]:
        """What was not understood, the latest first: of one UTC day of arrival, one device or one batch, if given."""
        start = 0 if day is None else day_of(day) * 24 * HOUR_MS
        end = _FOR_EVER if day is None else start + 24 * HOUR_MS
        query = """SELECT position, number, arrival_ms, topic, device, part, reason, remedy, excerpt FROM rejected
            WHERE arrival_ms >= ? AND arrival_ms < ? AND (? IS NULL OR device = ?) AND (? IS NULL OR position = ?)
            ORDER BY rowid DESC LIMIT ?"""
        bounds = (start, end, device, device, position, position, limit)
        return [Rejection(*row) for row in self._reader.execute(query, bounds).fetchall()]

    def unassigned(self) -> list[Unassigned]:
        """What belongs to no contract, by device, channel and day of arrival."""
        query = """SELECT device, channel, day, readings, first_ms, last_ms FROM unassigned
            ORDER BY device, channel, day"""
        return [
            Unassigned(device, channel, date_of(day), readings, first_ms, last_ms)
            for device, channel, day, readings, first_ms, last_ms in self._reader.execute(query).fetchall()
        ]

    def counts(self) -> dict[date, Counts]:
        """Messages and readings by UTC day of arrival, in order."""
        query = """SELECT day, received, decoded, rejected, stored, refused, unassigned FROM counts
            ORDER BY day"""
        return {date_of(row[0]): Counts(*row[1:]) for row in self._reader.execute(query).fetchall()}

    # --- inside ---------------------------------------------------------------------------------------------------

    def _unpacked(self, bodies: list[bytes]) -> Rows:
        return self._unpacked_each(bodies)[0]

    def _unpacked_each(self, bodies: list[bytes]) -> tuple[Rows, Ints]:
        try:
            return block_format.unpack(bodies)
        except (zstandard.ZstdError, ValueError) as error:
            message = f"a block of {self._path.name} is damaged ({error}); run `fairmeter rebuild`"
            raise StoreError(message) from error

    def _columns(self, device: str, rows: Rows) -> Columns:
        return block_format.columns(rows, self.boot_names(device)) if rows.shape[1] else EMPTY

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._writing, transaction(self._writer, self._path, _FILE) as db:
            yield db


def _device_event(
    device: str, time_ms: int, kind: EventKind, identity: str, details: str, position: int
) -> DeviceEvent:
    return DeviceEvent(device, time_ms, kind, identity, json.loads(details), position)


def _row(tip: Tip) -> tuple[int, bytes]:
    return tip.position, tip.sha256


def _last(upto: int | None) -> int:
    return _FOR_EVER if upto is None else upto


def _cut(rows: Rows, start_ms: int, end_ms: int, upto: int | None) -> Rows:
    low, high = np.searchsorted(rows[TIME], [start_ms, end_ms])
    rows = rows[:, low:high]
    return rows if upto is None else rows[:, rows[POSITION] <= upto]
