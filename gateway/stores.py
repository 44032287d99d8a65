"""The gateway's files, opened together: contracts, journal, blocks, ledger, what the watch said, and the key."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from contracts.problems import Problem
from gateway.blocks import BlockStore
from gateway.book import Book, load_book
from gateway.close import Closer
from gateway.journal import Journal
from gateway.keys import open_signer
from gateway.ledger import Ledger
from gateway.project import Projector
from gateway.settings import Settings
from gateway.watching.record import WatchRecord


@dataclass(frozen=True, slots=True)
class Stores:
    """The gateway's files, open, and the contracts it serves."""

    settings: Settings
    book: Book
    problems: tuple[Problem, ...]
    journal: Journal
    blocks: BlockStore
    ledger: Ledger
    closer: Closer
    watch: WatchRecord

    @classmethod
    @contextlib.contextmanager
    def open(cls, settings: Settings) -> Iterator[Self]:
        """Open, or make, everything under the data folder; close it at the end."""
        book, problems = load_book(settings.contracts)
        data = settings.data
        data.mkdir(parents=True, exist_ok=True)
        with (
            Journal.open(data / "journal.sqlite") as journal,
            BlockStore.open(data / "blocks.sqlite") as blocks,
            Ledger.open(data / "ledger.sqlite") as ledger,
            WatchRecord.open(data / "watch.sqlite") as watch,
        ):
            signer = open_signer(data / "keys")
            closer = Closer(settings.gateway, book, blocks, ledger, signer, data / "statements")
            yield cls(settings, book, tuple(problems), journal, blocks, ledger, closer, watch)

    def projector(self) -> Projector:
        """The one that moves the block store on."""
        return Projector(self.journal, self.blocks, self.book, self.settings.layout())
