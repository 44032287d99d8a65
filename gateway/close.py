"""Closing: a period that is over, and whose grace is over, becomes a final statement (semantics §8).

The clock only decides when closing may start. What is in is decided by the journal: everything journalled when
closing starts is projected first, and the statement records the last batch. A crash anywhere leaves either no
statement, or the whole of it: the folder gets its name before the ledger's row, and without a row it is made again.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from contracts.adjusting import CLOSING, adjusted, period_called
from contracts.canonical import readable
from contracts.compute import compute_period
from contracts.contract import Contract
from contracts.explain.page import statement_text
from contracts.language.terms import Terms
from contracts.periods import Period, next_period, period_named, period_of, rfc3339
from contracts.readings import Disposition
from contracts.sides.carried import State
from gateway.archive import Draft
from gateway.blocks import BlockStore
from gateway.book import Book
from gateway.journal import Tip
from gateway.keys import Signer
from gateway.ledger import Issued, Ledger
from gateway.meter import Source
from gateway.restate import ContractFault, Final, KeepPart, Restatement, handed_over, known_periods, restate

log = structlog.get_logger(__name__)


class NotDue(Exception):  # noqa: N818 - an answer, not a failure
    """The period cannot be closed yet; the message says since when it can be."""


@dataclass(frozen=True, slots=True)
class Closer:
    """Everything that closing needs: what is agreed, what was measured, and where statements go."""

    gateway: str
    book: Book
    store: BlockStore
    ledger: Ledger
    signer: Signer
    statements: Path
    _nothing_left: dict[str, int] = field(default_factory=dict)  # contracts that are over, and up to where looked at

    def contract_ids(self) -> list[str]:
        """The contracts served, by id."""
        return sorted({contract.terms.id for contract in self.book.contracts})

    def next_due(self, contract_id: str) -> tuple[Contract, Period] | None:
        """The first period of a contract that has no final statement; None where the contract is over.

        What later data changes after a contract's last period comes on a closing statement (`closing_due`).
        """
        last = self.ledger.last(contract_id)
        if last is not None and last.document["period"]["name"] == CLOSING:
            return None
        if last is None:
            contract = self.book.versions(contract_id)[0]
            return contract, period_of(contract.terms, contract.terms.valid.from_)
        before = self.of_statement(last.document)
        period = next_period(before.terms, period_named(before.terms, last.document["period"]["name"]))
        contract = self.book.contract_for(contract_id, period.first)
        until = contract.terms.valid.until
        if until is not None and period.first >= until:
            return None
        return contract, period_of(contract.terms, period.first)

    def of_statement(self, document: dict[str, Any]) -> Contract:
        """The version of the contract that a statement applied; ContractFault if its text is no longer that."""
        for contract in self.book.versions(document["contract"]):
            if contract.terms.version == document["version"]:
                if contract.sha256 != document["terms_sha256"]:
                    message = "was changed after a final statement used it; restore its text and make a new version"
                    raise ContractFault(f"version {document['version']} of {document['contract']} {message}")
                return contract
        message = "is missing, but a final statement used it; put its file back"
        raise ContractFault(f"version {document['version']} of {document['contract']} {message}")

    def due_at(self, terms: Terms, period: Period) -> int:
        """When the period may be closed: its end and the grace after it, in ms UTC."""
        return period.span.end + (0 if period.name == CLOSING else terms.grace)

    def closing_due(self, contract_id: str) -> tuple[Contract, Period] | None:
        """The closing statement of a contract that is over; None where it runs, or has it."""
        last = self.ledger.last(contract_id)
        if last is None or last.document["period"]["name"] == CLOSING or self.next_due(contract_id) is not None:
            return None
        contract = self.of_statement(last.document)
        return contract, period_called(contract.terms, CLOSING)

    def finals(self, contract_id: str) -> list[Final]:
        """The final periods of a contract in order."""
        return known_periods(self.ledger.all(contract_id), self.of_statement, self.folder)

    def restatement(self, contract_id: str, cut: int, keep: KeepPart | None = None) -> Restatement:
        """What later data up to a journal position makes of a contract's final periods."""
        issued = self.ledger.all(contract_id)
        return restate(self.store, issued, self.finals(contract_id), cut, keep)

    def newest_cut(self, contract_id: str) -> int | None:
        """The journal position at which the newest statement was cut."""
        last = self.ledger.last(contract_id)
        return None if last is None else int(last.document["input"]["batch"])

    def opening(self, contract: Contract, period: Period, upto: int | None, later: Restatement) -> State:
        """The state with which a period opens: what the last one left, later data in earlier ones included."""
        finals = self.finals(contract.terms.id)
        if not finals:
            return Source(self.store, contract.terms, upto).first_opening(period)
        return handed_over(later.state or finals[-1].closing_state(), finals[-1].contract, contract)

    def folder(self, document: dict[str, Any]) -> Path:
        """Where a statement lies on disk."""
        return self.statements.joinpath(document["contract"], str(document["number"]))

    def overdue(self, now_ms: int) -> Iterator[tuple[str, str, int]]:
        """Contracts with more than one period that could be final: their id, the first such period, and how many."""
        for contract_id in self.contract_ids():
            try:
                due = self.next_due(contract_id)
            except ContractFault:
                continue  # closing says what is wrong with it
            if due is None:
                continue
            terms, period = due[0].terms, due[1]
            first, count = period.name, 0
            until = terms.valid.until or date.max
            while self.due_at(terms, period) <= now_ms and period.first < until:
                period, count = next_period(terms, period), count + 1
            if count > 1:
                yield contract_id, first, count

    def close(self, contract_id: str, now_ms: int) -> Issued:
        """Make the next final statement of a contract; raises NotDue before its grace is over.

        Everything journalled must have been projected before.
        """
        due = self.next_due(contract_id) or self.closing_due(contract_id)
        if due is None:
            raise NotDue(f"{contract_id} is over, and its last statement is final")
        contract, period = due
        if now_ms < self.due_at(contract.terms, period):
            when = rfc3339(self.due_at(contract.terms, period))
            what, over = f"period {period.name}", "its grace"
            if period.name == CLOSING:
                what, over = "the closing statement", "the time for corrections"
            raise NotDue(f"{what} of {contract_id} can be closed from {when} on, when {over} is over")
        cut = self.store.cursor()
        if period.name == CLOSING and self._nothing_left.get(contract_id) == cut.position:
            raise NotDue(f"{contract_id} is over, and nothing is left to correct")
        return self._seal(contract, period, cut, now_ms)

    def _seal(self, contract: Contract, period: Period, cut: Tip, now_ms: int) -> Issued:
        with contextlib.closing(Draft(self.statements, contract.terms.id)) as draft:
            return self._write(draft, contract, period, cut, now_ms)

    def _write(self, draft: Draft, contract: Contract, period: Period, cut: Tip, now_ms: int) -> Issued:
        later = self.restatement(contract.terms.id, cut.position, draft.keep_adjustment)
        draft.drop_adjustments_but({each.known.period for each in later.restated})
        source = Source(self.store, contract.terms, cut.position)
        outcome = compute_period(
            contract,
            period,
            self.opening(contract, period, cut.position, later),
            source.period(period, source.settled_since(self.newest_cut(contract.terms.id))),
            status="final",
            keep=draft.keep,
            cut={"gateway": self.gateway, "batch": cut.position, "batch_sha256": cut.sha256.hex()},
        )
        rows, entries = later.rows, later.entries
        document = adjusted(contract.terms, outcome.document, rows, entries)
        if period.name == CLOSING and not document["lines"]:
            self._nothing_left[contract.terms.id] = cut.position
            raise NotDue(f"{contract.terms.id} is over, and nothing is left to correct")
        return self._issue(draft, contract, document, now_ms)

    def _issue(self, draft: Draft, contract: Contract, document: dict[str, Any], now_ms: int) -> Issued:
        """Give a statement its number, its place in the chain and its signature, and enter it into the ledger."""
        last = self.ledger.last(contract.terms.id)
        number = 1 if last is None else last.document["number"] + 1
        sealed = self.signer.sign(
            {
                **document,
                "number": number,
                "previous_sha256": last.sha256 if last else None,
                "issued_at": rfc3339(now_ms),
            }
        )
        text = statement_text(sealed, contract.terms).encode()
        draft.finish(contract.terms.id, number, {"statement.json": readable(sealed), "statement.txt": text})
        issued = self.ledger.add(sealed)
        name = sealed["period"]["name"]
        log.info("statement final", contract=contract.terms.id, number=number, period=name, total=sealed["total"])
        return issued

    def later_data(self, contract_id: str) -> Iterator["LaterData"]:
        """Readings that arrived after the newest statement, for periods that are final: by statement and device.

        They wait for the next statement, where they become adjustments of their own period.
        """
        for issued in self.ledger.all(contract_id):
            yield from self.later_than(issued)

    def later_than(self, issued: Issued) -> Iterator["LaterData"]:
        """The same for one statement; ContractFault where its terms are no longer at hand."""
        contract = self.of_statement(issued.document)
        newest = self.ledger.last(contract.terms.id)
        if issued.document["period"]["name"] != CLOSING and newest is not None:
            period = period_named(contract.terms, issued.document["period"]["name"])
            yield from self._later(contract, period, issued.document, newest.document["input"]["batch"])

    def unserved(self) -> list[str]:
        """Contracts that have final statements and no longer a file in force."""
        return sorted(self.ledger.contracts() - set(self.contract_ids()))

    def _later(self, contract: Contract, period: Period, document: dict[str, Any], since: int) -> Iterator["LaterData"]:
        now = Source(self.store, contract.terms)
        then = Source(self.store, contract.terms, since)
        for device in contract.terms.devices:
            count = 0
            for channel in contract.terms.channels:
                key = (device.id, channel)
                after, before = (each.judged(key, period.span.start, period.span.end) for each in (now, then))
                count += _accepted(after.dispositions) - _accepted(before.dispositions)
            if count:
                yield LaterData(contract.terms.id, document["number"], period.name, device.id, count)


@dataclass(frozen=True, slots=True)
class LaterData:
    """How many readings of a device came too late for the final statement of their period."""

    contract: str
    number: int
    period: str
    device: str
    readings: int


def _accepted(dispositions: np.ndarray[Any, np.dtype[np.int8]]) -> int:
    return int(np.count_nonzero(dispositions == Disposition.ACCEPTED))
