"""Connections to read an SQLite file by, one for each thread: sharing one between threads crashes the interpreter."""

import sqlite3
import threading
from collections.abc import Callable
from typing import Any


class Readers:
    """Opens a connection for each thread that asks, and closes them all together."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._own = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._adding = threading.Lock()

    def execute(self, query: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run a query on this thread's connection."""
        found: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if found is None:
            found = self._own.connection = self._connect()
            with self._adding:
                self._all.append(found)
        return found.execute(query, values)

    def close(self) -> None:
        """Close every thread's connection; no thread may be reading."""
        for connection in self._all:
            connection.close()
