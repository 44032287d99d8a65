"""Hearing events: whether one stands, by what the contracts and the events before it in the journal say.

An event that names no contract is one of every contract that has its device, and stands in each under its own id. The
same event again is not another one; another event under the same id is refused.
"""

from dataclasses import dataclass, field, replace

from contracts.event_text import Fault, Refused, another_content, concerned, reply_fault
from contracts.events import Event
from gateway.blocks import BlockStore
from gateway.book import Book
from gateway.increment import ContractEvent


@dataclass(slots=True)
class Hearing:
    """The events of some batches, in journal order; it only looks things up in the store and the book."""

    store: BlockStore
    book: Book
    heard: dict[tuple[str, str], ContractEvent] = field(default_factory=dict)

    def hear(self, event: Event, position: int) -> None:
        """Take the event for each contract it is about; raises Refused where it does not stand."""
        contracts = self._contracts(event)
        before = [self._known(contract, event.id) for contract in contracts]
        if any(each is not None and not _again(each.event, event) for each in before):
            raise Refused(Fault("id", *another_content(event.id)))
        for contract, known in zip(contracts, before, strict=True):
            if known is None:
                self.heard[contract, event.id] = ContractEvent(contract, position, event)

    def _contracts(self, event: Event) -> list[str]:
        """The contracts that the event is about; a reply is about those of the event it names."""
        if event.contract is None and event.device is None:
            raise Refused(Fault("contract", "it names neither a contract nor a device", "Say which it is about"))
        parties = concerned(event, [contract.terms for contract in self.book.contracts])
        contracts = list(dict.fromkeys(terms.id for terms in parties))
        if event.of is None:
            return contracts
        named = {contract: self._known(contract, event.of) for contract in contracts}
        found = {contract: each.event for contract, each in named.items() if each is not None}
        faults = [reply_fault(event, each) for each in found.values() or [None]]
        if fault := next((each for each in faults if each), None):
            raise Refused(fault)
        return list(found)

    def _known(self, contract: str, identity: str) -> ContractEvent | None:
        return self.heard.get((contract, identity)) or self.store.contract_event(contract, identity)


def _again(before: Event, event: Event) -> bool:
    """Whether it is the same event once more: it may have arrived later, and if it says no time, be of later, too."""
    if before.start == before.entered and event.start == event.entered:
        event = replace(event, start=before.start, end=before.end)
    return replace(event, entered=before.entered) == before
