"""The journal: everything that came in, in order, once, for ever (architecture, decision 1).

One SQLite file per gateway. Rules this file obeys:

- A batch is one transaction, on disk (`synchronous=FULL`) before `append` returns. What `append` returned for
  is there after any crash; what it did not return for is there whole or not at all.
- Positions start at 1 and have no gaps. Batches are never changed or removed: the file itself refuses it.
- Each batch holds SHA-256(position ‖ hash of the batch before ‖ uncompressed body), so that nothing in the
  middle can be altered, removed or put in later without every later hash changing.
- Arrival never steps back, within a batch or from one to the next (semantics §1).
- Where a commit failed, nobody can know whether it reached the disk. Appending the same messages again then
  finds the batch if it did, and writes it if it did not: never twice.
- Other processes may read at any time, and may append events; each transaction starts from the tip on disk.
"""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import zstandard

from gateway.database import FileKind, Readers, open_to_write
from gateway.message import Kind, Message, pack, unpack

__all__ = ["GENESIS", "Batch", "Broken", "Journal", "JournalError", "Kind", "Message", "Tip"]

_LARGEST_BODY_BYTES: Final = 1 << 30

_MIGRATIONS: Final = (
    """
    CREATE TABLE batch (
        position INTEGER PRIMARY KEY,
        sha256 BLOB NOT NULL,
        previous_sha256 BLOB NOT NULL,
        messages INTEGER NOT NULL,
        last_arrival_ms INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE TRIGGER batch_is_never_changed BEFORE UPDATE ON batch
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
    CREATE TRIGGER batch_is_never_removed BEFORE DELETE ON batch
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
    """,
)


class JournalError(Exception):
    """The journal could not be opened, written or read; the message says which and what to do."""


_FILE: Final = FileKind("journal", 0x464D4A31, _MIGRATIONS, JournalError)  # "FMJ1"


@dataclass(frozen=True, slots=True)
class Tip:
    """A place in the journal: statements are cut at one, and name it with its hash (semantics §8)."""

    position: int
    sha256: bytes


GENESIS: Final = Tip(0, bytes(32))  # what stands before the first batch


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that were made durable together, with their link in the hash chain."""

    position: int
    messages: tuple[Message, ...]
    sha256: bytes
    previous_sha256: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """The first batch that is not what was written, and in what way."""

    position: int
    reason: str


class Journal:
    """One open journal file: append from one thread, read from another."""

    def __init__(self, path: Path, writer: sqlite3.Connection) -> None:
        self._path = path
        self._writer: sqlite3.Connection | None = writer
        self._reader = Readers(path, _FILE)
        self._compress = zstandard.ZstdCompressor(level=1).compress
        self._uncertain: tuple[tuple[Message, ...], Tip] | None = None
        self._known = 0  # the last position we know to be written

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the journal at `path`, made if it does not exist; JournalError where it is something else."""
        return cls(path, open_to_write(path, _FILE))

    def append(self, messages: tuple[Message, ...]) -> Tip:
        """Make these messages durable as the next batch and say where it is.

        Raises JournalError where it could not be written (disk full, disk broken, locked by another program);
        calling again with the same messages is then always right.
        """
        assert messages, "an empty batch has no meaning"
        try:
            # Opened again after a failure it must be the same file, never a new one in its place.
            connection = self._writer = self._writer or open_to_write(self._path, _FILE, "rw")
            if self._uncertain:
                attempted, tip = self._uncertain
                self._uncertain = None
                if attempted == messages and _sha256_at(connection, tip.position) == tip.sha256:
                    return tip
            return self._commit(connection, messages)
        except sqlite3.Error as error:
            self._reopen_next_time()
            remedy = "check that the disk has room and that this user may write there"
            raise JournalError(f"{self._path.name} could not be written: {error}; {remedy}") from error

    def _commit(self, connection: sqlite3.Connection, messages: tuple[Message, ...]) -> Tip:
        # IMMEDIATE takes the write lock first, so that the tip read next is the one this batch follows.
        connection.execute("BEGIN IMMEDIATE")
        before, last_ms = _last(connection)
        assert before.position >= self._known, "batches that were written are gone from the journal"
        body, last_ms = pack(messages, last_ms)
        tip = Tip(before.position + 1, _link(before.position + 1, before.sha256, body))
        row = (tip.position, tip.sha256, before.sha256, len(messages), last_ms, self._compress(body))
        connection.execute("INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?)", row)
        self._uncertain = (messages, tip)
        connection.execute("COMMIT")
        self._uncertain, self._known = None, tip.position
        return tip

    def _reopen_next_time(self) -> None:
        # After an I/O error the connection's own view of the file is not to be trusted; the file's is.
        if self._writer is not None:
            with contextlib.suppress(sqlite3.Error):
                self._writer.close()
            self._writer = None

    def read(self, after: int = 0, limit_messages: int | None = None) -> Iterator[Batch]:
        """The batches after position `after`, in order, until `limit_messages` is reached or passed.

        Each batch is a short read of its own, so that a slow reader never holds up the writer's checkpoints.
        Raises JournalError where a body cannot be read back.
        """
        position, seen = after, 0
        decompress = zstandard.ZstdDecompressor().decompress
        while limit_messages is None or seen < limit_messages:
            row = self._row(position + 1)
            if row is None:
                return
            position, sha256, previous, count, compressed = row
            try:
                messages = unpack(decompress(compressed, max_output_size=_LARGEST_BODY_BYTES))
            except (ValueError, zstandard.ZstdError) as error:
                raise JournalError(f"batch {position} of {self._path.name} cannot be read: {error}") from error
            seen += count
            yield Batch(position, messages, sha256, previous)

    def tip(self) -> Tip:
        """The last batch and its hash; `GENESIS` while there is none."""
        return _last(self._reader)[0]

    def holds(self, tip: Tip) -> bool:
        """Whether a place is one of this journal."""
        return tip == GENESIS or _sha256_at(self._reader, tip.position) == tip.sha256

    def verify_chain(self, after: int = 0) -> Broken | None:
        """The first batch that was altered, removed or put in later; None where all after a position are as written."""
        expected = Tip(after, _sha256_at(self._reader, after) or b"") if after else GENESIS
        decompress = zstandard.ZstdDecompressor().decompress
        positions = self._reader.execute("SELECT count(*), coalesce(max(position), 0) FROM batch").fetchone()
        for position in range(after + 1, positions[1] + 1):
            row = self._row(position)
            if row is None:
                return Broken(position, "it is missing")
            _, sha256, previous, count, compressed = row
            if previous != expected.sha256:
                return Broken(position, "it does not follow the batch before it")
            try:
                body = decompress(compressed, max_output_size=_LARGEST_BODY_BYTES)
                messages = unpack(body)
            except (ValueError, zstandard.ZstdError) as error:
                return Broken(position, f"its body cannot be read: {error}")
            if _link(position, previous, body) != sha256 or len(messages) != count:
                return Broken(position, "its messages are not the ones that were written")
            expected = Tip(position, sha256)
        return None if positions[0] == positions[1] else Broken(0, "there are batches before the first position")

    def close(self) -> None:
        """Close the file; every batch appended is already on disk."""
        self._reopen_next_time()
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _row(self, position: int) -> tuple[int, bytes, bytes, int, bytes] | None:
        query = "SELECT position, sha256, previous_sha256, messages, body FROM batch WHERE position = ?"
        row: tuple[int, bytes, bytes, int, bytes] | None = self._reader.execute(query, (position,)).fetchone()
        return row


def _link(position: int, previous_sha256: bytes, body: bytes) -> bytes:
    digest = hashlib.sha256(position.to_bytes(8, "big") + previous_sha256)
    digest.update(body)
    return digest.digest()


def _last(connection: sqlite3.Connection | Readers) -> tuple[Tip, int]:
    query = "SELECT position, sha256, last_arrival_ms FROM batch ORDER BY position DESC LIMIT 1"
    row = connection.execute(query).fetchone()
    return (Tip(row[0], row[1]), row[2]) if row else (GENESIS, 0)


def _sha256_at(connection: sqlite3.Connection | Readers, position: int) -> bytes | None:
    row = connection.execute("SELECT sha256 FROM batch WHERE position = ?", (position,)).fetchone()
    return row[0] if row else None
