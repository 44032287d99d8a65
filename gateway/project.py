"""Projecting: from the messages of the journal to the block store, in journal order (architecture, decision 2).

A projection takes the batches after the store's cursor, decodes them, makes ticks of values, judges lateness, and
commits what they come to as one increment. It can be stopped anywhere: what is not committed is projected again.
Nothing that arrived is passed over in silence: each message is counted as decoded or rejected, each reading as
stored, refused or unassigned (semantics §8).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.blocks import BlockStore
from gateway.book import Book
from gateway.gather import Gathering
from gateway.increment import Counts, Rejection
from gateway.journal import Journal, Tip
from gateway.payloads import Layout

# What is held in memory at once, give or take a batch.
MOST_READINGS: Final = 200_000
MOST_PAYLOAD_BYTES: Final = 32 << 20


class ProjectionError(Exception):
    """The block store and the journal or book do not belong together; the message says how to mend it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far projecting has come, and what its last step brought; `rejections` are to be told to their devices."""

    position: int
    messages: int
    readings: int
    events: int
    rejections: tuple[Rejection, ...]


class Projector:
    """The one that moves a block store on along its journal."""

    def __init__(self, journal: Journal, store: BlockStore, book: Book, layout: Layout) -> None:
        self._journal = journal
        self._store = store
        self._book = book
        self._layout = layout

    def needs_rebuild(self) -> bool:
        """Whether the store was made by a book that says otherwise of some device or channel."""
        return self._store.cursor().position > 0 and self._store.fingerprint() != self._book.fingerprint()

    def project_next(self, limit_messages: int = 20_000) -> Progress | None:
        """Project the next batches, about `limit_messages` messages, in one transaction; None where there are none.

        Raises ProjectionError where the store belongs to another journal or book.
        """
        if self.needs_rebuild():
            raise ProjectionError("the contracts name other devices or channels than before; run `fairmeter rebuild`")
        if self._store.fingerprint() != self._book.fingerprint():
            self._store.begin_anew(self._book.fingerprint())
        before = tip = self._store.cursor()
        gathering = Gathering(self._store, self._book, self._layout)
        for batch in self._journal.read(tip.position, limit_messages):
            _check_follows(tip, batch.previous_sha256)
            gathering.take(batch)
            tip = Tip(batch.position, batch.sha256)
            if gathering.readings >= MOST_READINGS or gathering.payload_bytes >= MOST_PAYLOAD_BYTES:
                break
        if tip == before:
            self._check_stands_at(before)
            return None
        increment = gathering.increment(before, tip)
        self._store.commit(increment)
        total = sum(increment.counts.values(), Counts())
        events = len(increment.contract_events)
        return Progress(tip.position, total.received, total.stored, events, tuple(increment.rejections))

    def rebuild(self, report: Callable[[Progress], None] = lambda _: None) -> None:
        """Empty the store and project the whole journal by the present book; `report` is told after each step.

        Interrupted, it goes on with the next `project_next`.
        """
        self._store.begin_anew(self._book.fingerprint())
        while progress := self.project_next():
            report(progress)

    def _check_stands_at(self, cursor: Tip) -> None:
        tip = self._journal.tip()
        if tip.position <= cursor.position:
            _check_follows(cursor, tip.sha256)


def _check_follows(tip: Tip, sha256: bytes) -> None:
    if tip.sha256 != sha256:
        message = f"the block store stands at batch {tip.position} of another journal; run `fairmeter rebuild`"
        raise ProjectionError(message)
