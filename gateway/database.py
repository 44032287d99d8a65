"""The SQLite files of the gateway: each opened as what it says it is, in a version we know, and durable on commit.

Transactions are begun and ended by hand. One connection writes; each thread that reads has one of its own, because
a connection that is closed while another thread uses it crashes the interpreter.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

_LOCK_WAIT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file: what people call it, the mark in its header, its numbered migrations, and its error."""

    noun: str
    application_id: int
    migrations: Sequence[str]
    error: type[Exception]
    remedy: str = "name another file or restore it"


def connect(path: Path, kind: FileKind, mode: Literal["rw", "rwc"] = "rw") -> sqlite3.Connection:
    """A connection to an existing file, or with `rwc` to one made now."""
    try:
        return sqlite3.connect(
            f"{path.resolve().as_uri()}?mode={mode}",
            uri=True,
            timeout=_LOCK_WAIT_S,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.OperationalError as error:
        raise kind.error(f"{path} cannot be opened: {error}; check that its folder exists") from error


def open_to_write(path: Path, kind: FileKind, mode: Literal["rw", "rwc"] = "rwc") -> sqlite3.Connection:
    """A connection to write by; the kind's error where the file is something else, newer than us, or not writable."""
    connection = connect(path, kind, mode)
    try:
        _migrate(connection, path, kind)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.OperationalError as error:
        connection.close()
        remedy = "check that this user may write it, and that the disk has room"
        raise kind.error(f"{path} cannot be written: {error}; {remedy}") from error
    except sqlite3.DatabaseError as error:
        connection.close()
        message = f"{path} is not a {kind.noun} ({error}); {kind.remedy}"
        raise kind.error(message) from error
    except kind.error:
        connection.close()
        raise
    sync_folder(path.parent)
    return connection


def _migrate(connection: sqlite3.Connection, path: Path, kind: FileKind) -> None:
    connection.execute("BEGIN IMMEDIATE")
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    if tables and application != kind.application_id:
        raise kind.error(f"{path} is another program's database, not a {kind.noun}; name another file")
    if version > len(kind.migrations):
        raise kind.error(f"{path} was written by a newer Fairmeter (version {version}); install that one")
    if version < len(kind.migrations):
        for script in kind.migrations[version:]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {kind.application_id}")
        connection.execute(f"PRAGMA user_version = {len(kind.migrations)}")
    connection.execute("COMMIT")


def _statements(script: str) -> list[str]:
    """The statements of a script, each ending a line; `executescript` would commit the transaction first."""
    statements, statement = [], ""
    for line in script.strip().splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            statements.append(statement)
            statement = ""
    assert not statement, "every statement of a migration ends with a semicolon at the end of a line"
    return statements


@contextlib.contextmanager
def transaction(db: sqlite3.Connection, path: Path, kind: FileKind) -> Iterator[sqlite3.Connection]:
    """All changes made inside, or none: the kind's error where they could not be written."""
    try:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
    except sqlite3.Error as error:
        remedy = "check that the disk has room and that this user may write there"
        raise kind.error(f"{path.name} could not be written: {error}; {remedy}") from error
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def sync_folder(folder: Path) -> None:
    """See a folder on disk: a new file survives a power cut only once its folder does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Readers:
    """Connections to read a file by, opened for each thread that asks and closed all together."""

    def __init__(self, path: Path, kind: FileKind) -> None:
        self._path, self._kind = path, kind
        self._own = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._adding = threading.Lock()

    def execute(self, query: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run a query on this thread's connection."""
        found: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if found is None:
            found = self._own.connection = connect(self._path, self._kind)
            with self._adding:
                self._all.append(found)
        return found.execute(query, values)

    def close(self) -> None:
        """Close every thread's connection; no thread may be reading."""
        for connection in self._all:
            connection.close()
