"""What the gateway remembers of its InfluxDB: how far that has been filled, and what it refused.

A small SQLite file beside the block store. Without it everything is sent again, which changes nothing in InfluxDB.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from gateway.database import FileKind, open_to_write

_MIGRATIONS: Final = (
    """
    CREATE TABLE filled (one INTEGER PRIMARY KEY CHECK (one = 1), whole INTEGER, hours INTEGER, marker TEXT,
        fingerprint TEXT);
    CREATE TABLE refused (series TEXT, reason TEXT, points INTEGER, first_ms INTEGER, last_ms INTEGER,
        PRIMARY KEY (series, reason)) WITHOUT ROWID;
    INSERT INTO filled VALUES (1, 0, 0, '', '');
    """,
)


class CursorError(Exception):
    """The file could not be opened or written; the message says why and what to do."""


_FILE: Final = FileKind(  # "FMI1"
    "cursor of InfluxDB", 0x464D4931, _MIGRATIONS, CursorError, "remove it; everything is sent to InfluxDB again"
)


@dataclass(frozen=True, slots=True)
class Filled:
    """How far InfluxDB has been filled, in positions of the journal.

    Every reading that came at or before `whole` is there. Every hour last touched at or before `hours` is there with
    all its readings. `marker` is the id that was written into the bucket when filling it began, and `fingerprint` that
    of the block store that it was filled from.
    """

    whole: int = 0
    hours: int = 0
    marker: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Points of one series and field that InfluxDB refused, each time they were sent, and why."""

    series: str
    reason: str
    points: int
    first_ms: int
    last_ms: int


class Cursor:
    """The open file; any thread may use it."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._path, self._db = path, db
        self._using = threading.Lock()

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Open the file at `path`, made if it does not exist; CursorError where it is something else."""
        db = open_to_write(path, _FILE)
        try:
            yield cls(path, db)
        finally:
            db.close()

    def filled(self) -> Filled:
        """How far InfluxDB has been filled."""
        return Filled(*self._rows("SELECT whole, hours, marker, fingerprint FROM filled")[0])

    def fill(self, filled: Filled) -> None:
        """Remember how far InfluxDB has been filled, once it has."""
        change = "UPDATE filled SET whole = ?, hours = ?, marker = ?, fingerprint = ?"
        self._change([(change, (filled.whole, filled.hours, filled.marker, filled.fingerprint))])

    def begin_anew(self, marker: str, fingerprint: str) -> None:
        """Forget what was filled and refused: the bucket is empty, or what stands in it is to be written again."""
        change = "UPDATE filled SET whole = 0, hours = 0, marker = ?, fingerprint = ?"
        self._change([("DELETE FROM refused", ()), (change, (marker, fingerprint))])

    def refuse(self, refusals: Iterable[Refusal]) -> None:
        """Remember what InfluxDB refused, added up by series, field and reason."""
        change = """INSERT INTO refused VALUES (?, ?, ?, ?, ?) ON CONFLICT (series, reason) DO UPDATE SET
            points = points + excluded.points, first_ms = min(first_ms, excluded.first_ms),
            last_ms = max(last_ms, excluded.last_ms)"""
        self._change(
            [(change, (each.series, each.reason, each.points, each.first_ms, each.last_ms)) for each in refusals]
        )

    def refused(self) -> list[Refusal]:
        """What InfluxDB refused since it was last filled from the beginning."""
        query = "SELECT series, reason, points, first_ms, last_ms FROM refused ORDER BY series, reason"
        return [Refusal(*row) for row in self._rows(query)]

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._using:
            return self._db.execute(query).fetchall()

    def _change(self, changes: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
        with self._using:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                for change, values in changes:
                    self._db.execute(change, values)
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise CursorError(f"{self._path.name} could not be written: {error}") from error
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
