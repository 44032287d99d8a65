"""The view of what is not final: every contract's statement so far, from the first open period to the one that runs."""

from dataclasses import dataclass, field
from typing import Any

import structlog

from contracts.contract import Contract
from contracts.periods import Period, next_period
from gateway.live import LivePeriod
from gateway.meter import Source
from gateway.restate import ContractFault, Restatement
from gateway.stores import Stores

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class LiveView:
    """The periods that are not final, metered as far as readings go; one for each contract, the newest last."""

    stores: Stores
    periods: dict[str, list[LivePeriod]] = field(default_factory=dict)
    _seen: tuple[list[tuple[str, int]], int] = ([], 0)

    def update(self, now: int) -> None:
        """Meter what is new since the last update."""
        blocks = self.stores.blocks
        position = blocks.cursor().position
        pairs = blocks.dirty()
        dirty: dict[str, set[int]] = {}
        for device, hour in pairs:
            dirty.setdefault(device, set()).add(hour)
        for contract_id in self.stores.closer.contract_ids():
            try:
                self._follow(contract_id, position, dirty, now)
            except (ContractFault, OSError) as error:
                self.periods.pop(contract_id, None)
                log.error("no statement so far", contract=contract_id, reason=str(error))
        self._seen = (pairs, position)

    def forget_dirty(self) -> None:
        """Tell the block store that what was dirty at the last update is metered; for the one view that follows it."""
        self.stores.blocks.clear_dirty(*self._seen)

    def statements(self, now: int) -> list[dict[str, Any]]:
        """The statement so far of every contract."""
        position = self._seen[1]  # what the segments hold, and not a reading more
        found = []
        for chain in self.periods.values():
            newest = chain[-1]
            found.append(newest.statement(Source(self.stores.blocks, newest.contract.terms, position), now))
        return found

    def _follow(self, contract_id: str, position: int, dirty: dict[str, set[int]], now: int) -> None:
        """Bring a contract's open periods up to date: from the first that is not final to the one that runs now."""
        closer = self.stores.closer
        due = closer.next_due(contract_id)
        if due is None:
            self.periods.pop(contract_id, None)
            return
        contract, first = due
        held = [each for each in self.periods.get(contract_id, []) if each.period.first >= first.first]
        if not held or held[0].period != first:
            held = [LivePeriod(contract, first, closer.opening(contract, first, position, Restatement()))]
        place = 0
        while True:
            live = held[place]
            source = Source(self.stores.blocks, live.contract.terms, position)
            live.update(source, dirty, now)
            if live.period.span.end > now:
                break
            following = next_period(live.contract.terms, live.period)
            until = live.contract.terms.valid.until
            if until is not None and following.first >= until:
                break
            place += 1
            opening = live.closing(source)
            if place == len(held):
                held.append(LivePeriod(self._contract(contract_id, following), following, opening))
            elif held[place].opening != opening:
                held[place].reopen(Source(self.stores.blocks, held[place].contract.terms, position), opening)
        self.periods[contract_id] = held[: place + 1]

    def _contract(self, contract_id: str, period: Period) -> Contract:
        return self.stores.book.contract_for(contract_id, period.first)
