"""The ledger: every final statement once, in order, for ever (semantics §8; architecture, decision 8).

One SQLite file. A row is a sealed statement; (contract, number) and (contract, period) are unique, so that sealing
twice finds the row and stops. What outside systems are to be told about a statement enters in the same transaction.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from contracts.seal import statement_sha256
from gateway.database import FileKind, Readers, open_to_write

_MIGRATIONS: Final = (
    """CREATE TABLE statements (
        issue INTEGER PRIMARY KEY AUTOINCREMENT, contract TEXT NOT NULL, number INTEGER NOT NULL, period TEXT NOT NULL,
        issued_at TEXT NOT NULL, sha256 TEXT NOT NULL, closing_sha256 TEXT NOT NULL, document BLOB NOT NULL,
        UNIQUE (contract, number), UNIQUE (contract, period));""",
    """CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, issue INTEGER NOT NULL REFERENCES statements, kind TEXT NOT NULL,
        delivered_at TEXT);""",
)


class LedgerError(Exception):
    """The ledger could not be opened or written; the message says which and what to do."""


_FILE: Final = FileKind("ledger", 0x464D4C31, _MIGRATIONS, LedgerError)  # "FML1"


@dataclass(frozen=True, slots=True)
class Issued:
    """A final statement as the ledger holds it; `issue` counts all statements of the gateway in order of issue."""

    issue: int
    sha256: str
    document: dict[str, Any]


class Ledger:
    """One open ledger."""

    def __init__(self, path: Path, writer: sqlite3.Connection) -> None:
        self._db = writer
        self._reader = Readers(path, _FILE)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the ledger at `path`, made if there is none; LedgerError where it is something else."""
        return cls(path, open_to_write(path, _FILE))

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, document: Mapping[str, Any]) -> Issued:
        """Enter a sealed statement, and its announcement to outside systems, in one transaction.

        LedgerError if the contract already has a statement of this number or period: final means final.
        """
        digest = statement_sha256(document)
        contract, number, period = document["contract"], document["number"], document["period"]["name"]
        row = (contract, number, period, document["issued_at"], digest, document["closing_state_sha256"])
        try:
            self._db.execute("BEGIN IMMEDIATE")
            insert = """INSERT INTO statements (contract, number, period, issued_at, sha256, closing_sha256, document)
                VALUES (?, ?, ?, ?, ?, ?, ?)"""
            issue = self._db.execute(insert, (*row, json.dumps(document, ensure_ascii=False))).lastrowid
            self._db.execute("INSERT INTO outbox (issue, kind) VALUES (?, 'statement.final')", (issue,))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            message = f"statement {number} of {contract} for {period} was not entered: {error}"
            raise LedgerError(message) from error
        assert issue is not None, "an inserted row has its number"
        return Issued(issue, digest, dict(document))

    def last(self, contract: str) -> Issued | None:
        """The newest final statement of a contract."""
        return self._one("WHERE contract = ? ORDER BY number DESC LIMIT 1", (contract,))

    def find(self, contract: str, number: int) -> Issued | None:
        """The statement of a contract with that number."""
        return self._one("WHERE contract = ? AND number = ?", (contract, number))

    def all(self, contract: str | None = None) -> list[Issued]:
        """Every final statement, or those of one contract, in order of issue."""
        query = """SELECT issue, sha256, document FROM statements WHERE ? IS NULL OR contract = ? ORDER BY issue"""
        return [_issued(row) for row in self._reader.execute(query, (contract, contract)).fetchall()]

    def after(self, issue: int, limit: int) -> list[Issued]:
        """The statements issued after that one, the oldest first, at most `limit`."""
        query = "SELECT issue, sha256, document FROM statements WHERE issue > ? ORDER BY issue LIMIT ?"
        return [_issued(row) for row in self._reader.execute(query, (issue, limit)).fetchall()]

    def numbers(self) -> dict[str, int]:
        """The number of each contract's newest final statement, by contract."""
        query = "SELECT contract, max(number) FROM statements GROUP BY contract"
        return dict(self._reader.execute(query).fetchall())

    def contracts(self) -> set[str]:
        """The ids of all contracts that have a final statement."""
        return {contract for (contract,) in self._reader.execute("SELECT DISTINCT contract FROM statements")}

    def _one(self, where: str, values: tuple[Any, ...]) -> Issued | None:
        row = self._reader.execute(f"SELECT issue, sha256, document FROM statements {where}", values).fetchone()  # noqa: S608 - our own text
        return _issued(row) if row else None


def _issued(row: tuple[int, str, str]) -> Issued:
    return Issued(row[0], row[1], json.loads(row[2]))
