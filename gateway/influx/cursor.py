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

from gateway.database import FileKind, open_to_write, transaction
from gateway.journal import GENESIS, Tip

FIRST: Final = (-(2**62), "")  # before every hour and device

_MIGRATIONS: Final = (
    """
    CREATE TABLE filled (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER, sha256 BLOB, marker TEXT,
        fingerprint TEXT, goal INTEGER, goal_sha256 BLOB, hour INTEGER, device TEXT);
    CREATE TABLE refused (series TEXT, reason TEXT, points INTEGER, first_ms INTEGER, last_ms INTEGER,
        PRIMARY KEY (series, reason)) WITHOUT ROWID;
    INSERT INTO filled VALUES (1, 0, zeroblob(32), '', '', 0, zeroblob(32), 0, '');
    """,
)


class CursorError(Exception):
    """The file could not be opened or written; the message says why and what to do."""


_FILE: Final = FileKind(  # "FMI1"
    "cursor of InfluxDB", 0x464D4931, _MIGRATIONS, CursorError, "remove it; everything is sent to InfluxDB again"
)


@dataclass(frozen=True, slots=True)
class Filled:
    """How far InfluxDB has been filled.

    Every reading up to `tip` of the journal is there. A round goes through all hours that readings came to since, in
    order, so that at its end everything up to `goal` is; `hour` and `device` are the last done of it. `marker`
    is the id that was written into the bucket when filling it began, `fingerprint` that of the contracts served.
    """

    tip: Tip = GENESIS
    marker: str = ""
    fingerprint: str = ""
    goal: Tip = GENESIS
    place: tuple[int, str] = FIRST

    @property
    def whole(self) -> int:
        """The position of the journal up to which every reading is there."""
        return self.tip.position


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
        query = "SELECT position, sha256, marker, fingerprint, goal, goal_sha256, hour, device FROM filled"
        position, sha256, marker, fingerprint, goal, goal_sha256, hour, device = self._rows(query)[0]
        return Filled(Tip(position, sha256), marker, fingerprint, Tip(goal, goal_sha256), (hour, device))

    def fill(self, filled: Filled) -> None:
        """Remember how far InfluxDB has been filled, once it has; nothing where it was begun anew meanwhile."""
        change, values = _filling(filled)
        self._change([(f"{change} WHERE marker = ?", (*values, filled.marker))])

    def begin_anew(self, marker: str, fingerprint: str) -> None:
        """Forget what was filled and refused: the bucket is empty, or what stands in it is to be written again."""
        self._change([("DELETE FROM refused", ()), _filling(Filled(marker=marker, fingerprint=fingerprint))])

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
        with self._using, transaction(self._db, self._path, _FILE):
            for change, values in changes:
                self._db.execute(change, values)


def _filling(filled: Filled) -> tuple[str, tuple[Any, ...]]:
    change = """UPDATE filled SET position = ?, sha256 = ?, marker = ?, fingerprint = ?, goal = ?, goal_sha256 = ?,
        hour = ?, device = ?"""
    tip, goal = filled.tip, filled.goal
    return change, (tip.position, tip.sha256, filled.marker, filled.fingerprint, goal.position, goal.sha256,
                    *filled.place)  # fmt: skip
