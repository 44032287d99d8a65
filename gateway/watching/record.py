"""What the watch has said, kept: after a restart nothing is said twice, and what ended meanwhile is closed.

One SQLite file. A row is a breach or a warning as it was last said; `change` counts up with every change of a row, so
that whoever follows, such as InfluxDB, asks for what changed after the last one it has. What is to be said goes into
an outbox in the same transaction and leaves it once it is on its way: after a crash the last word may come twice,
with the same id, but none is lost. Removing the file makes the watch begin anew: it then says what holds at that time.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import astuple, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Self

from gateway.database import FileKind, Readers, open_to_write, transaction
from gateway.watch import Breach, EarlyWarning, Known, Said

_MIGRATIONS: Final = (
    """
    CREATE TABLE breaches (id TEXT PRIMARY KEY, contract TEXT, period TEXT, promise TEXT, side TEXT, device TEXT,
        start INTEGER, "end" INTEGER, state TEXT, provisional INTEGER, title TEXT, reason TEXT, change INTEGER);
    CREATE INDEX breaches_by_change ON breaches (change);
    CREATE TABLE warnings (id TEXT PRIMARY KEY, contract TEXT, period TEXT, promise TEXT, kind TEXT, level INTEGER,
        device TEXT, occasion TEXT, at INTEGER, value TEXT, title TEXT, text TEXT, forecast_ms INTEGER, change INTEGER);
    CREATE INDEX warnings_by_change ON warnings (change);
    CREATE TABLE periods (contract TEXT, period TEXT, PRIMARY KEY (contract, period)) WITHOUT ROWID;
    CREATE TABLE finals (contract TEXT PRIMARY KEY, number INTEGER);
    CREATE TABLE outbox (place INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT, payload BLOB);
    """,
)

_BREACH: Final = tuple(each.name for each in fields(Breach))
_WARNING: Final = tuple(each.name for each in fields(EarlyWarning))

Period = tuple[str, str]  # a contract and one of its periods
Letter = tuple[int, str, bytes]  # a place in the outbox, a topic and a payload


class WatchError(Exception):
    """What the watch said could not be read or kept; the message says which file and what to do."""


_FILE: Final = FileKind(  # "FMW1"
    "record of the watch", 0x464D5731, _MIGRATIONS, WatchError, "remove it; the watch then begins anew"
)


class WatchRecord:
    """One open record: written by one thread at a time, read by any."""

    def __init__(self, path: Path, writer: sqlite3.Connection) -> None:
        self._path, self._db = path, writer
        self._reader = Readers(path, _FILE)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the record at `path`, made if there is none; WatchError where it is something else."""
        return cls(path, open_to_write(path, _FILE))

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def known(self) -> dict[Period, Known]:
        """What was said of each period that was not final when it was last looked at."""
        places = self._reader.execute("SELECT contract, period FROM periods").fetchall()
        return {place: self.of_period(*place) for place in places}

    def of_period(self, contract: str, period: str) -> Known:
        """What was said of one period, and the warnings of incidents, which may go on from an earlier one."""
        where = "contract = ? AND period = ?"
        breaches = self._breaches(where, contract, period)
        warnings = self._warnings("contract = ? AND (period = ? OR occasion <> period)", contract, period)
        return Known({each.id: each for each in breaches}, {each.id: each for each in warnings})

    def finals(self) -> dict[str, int]:
        """The number of the newest final statement of each contract that the watch has seen."""
        return dict(self._reader.execute("SELECT contract, number FROM finals").fetchall())

    def changes(self, since: int, most: int = 1_000) -> tuple[list[Said], int]:
        """What was said, or said otherwise, after a change: at most about so much of it, and the last change in it.

        The first is 0. Each breach and warning comes as it is now.
        """
        query = """SELECT change FROM (SELECT change FROM breaches UNION ALL SELECT change FROM warnings)
            WHERE change > ? ORDER BY change LIMIT ?"""
        upto = max((row[0] for row in self._reader.execute(query, (since, most))), default=since)
        where = "change > ? AND change <= ?"
        return [*self._breaches(where, since, upto), *self._warnings(where, since, upto)], upto

    def keep(self, periods: Mapping[Period, tuple[Known, Known]], letters: Iterable[tuple[str, bytes]]) -> None:
        """Keep what is known of periods, each with what was known before, and what is to be said of it."""
        with transaction(self._db, self._path, _FILE) as db:
            change = self._last_change(db) + 1
            for place, (before, after) in periods.items():
                db.execute("INSERT OR IGNORE INTO periods VALUES (?, ?)", place)
                _put(db, "breaches", change, _differing(before.breaches, after.breaches))
                _put(db, "warnings", change, _differing(before.warnings, after.warnings))
            db.executemany("INSERT INTO outbox (topic, payload) VALUES (?, ?)", letters)

    def close_periods(self, places: Iterable[Period], contract: str, number: int) -> None:
        """These periods of a contract are final, up to its statement of that number: nobody looks at them any more."""
        with transaction(self._db, self._path, _FILE) as db:
            db.executemany("DELETE FROM periods WHERE contract = ? AND period = ?", places)
            db.execute("INSERT OR REPLACE INTO finals VALUES (?, ?)", (contract, number))

    def outbox(self, most: int = 500) -> list[Letter]:
        """What is still to be said, in order; the first so many."""
        return self._reader.execute(
            "SELECT place, topic, payload FROM outbox ORDER BY place LIMIT ?", (most,)
        ).fetchall()

    def sent(self, upto: int) -> None:
        """What stands in the outbox up to this place is said."""
        with transaction(self._db, self._path, _FILE) as db:
            db.execute("DELETE FROM outbox WHERE place <= ?", (upto,))

    # --- inside ---------------------------------------------------------------------------------------------------

    def _breaches(self, where: str, *values: Any) -> list[Breach]:
        query = f"SELECT {_names(_BREACH)} FROM breaches WHERE {where} ORDER BY change, start"  # noqa: S608 - our own text
        rows = [dict(zip(_BREACH, row, strict=True)) for row in self._reader.execute(query, values)]
        return [Breach(**{**row, "provisional": bool(row["provisional"])}) for row in rows]

    def _warnings(self, where: str, *values: Any) -> list[EarlyWarning]:
        query = f"SELECT {_names(_WARNING)} FROM warnings WHERE {where} ORDER BY change, at"  # noqa: S608 - our own text
        rows = [dict(zip(_WARNING, row, strict=True)) for row in self._reader.execute(query, values)]
        return [EarlyWarning(**{**row, "value": Fraction(row["value"])}) for row in rows]

    @staticmethod
    def _last_change(db: sqlite3.Connection) -> int:
        newest = [db.execute(f"SELECT max(change) FROM {table}").fetchone()[0] for table in ("breaches", "warnings")]  # noqa: S608 - our own text
        return max(each or 0 for each in newest)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Any]:
    return [each for name, each in after.items() if before.get(name) != each]


def _put(db: sqlite3.Connection, table: str, change: int, said: Iterable[Said]) -> None:
    for each in said:
        row = tuple(str(value) if isinstance(value, Fraction) else value for value in astuple(each))
        places = ", ".join("?" for _ in (*row, change))
        db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", (*row, change))  # noqa: S608 - our own text
