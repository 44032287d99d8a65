"""The view of what is not final: every contract's statement so far, from the first open period to the one that runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from contracts.contract import Contract
from contracts.events import Event
from contracts.periods import Period, next_period
from contracts.units import HOUR_MS
from gateway.live import LivePeriod
from gateway.meter import Source
from gateway.restate import ContractFault, Restatement, handed_over
from gateway.stores import Stores

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class LiveView:
    """The periods that are not final, metered as far as readings go; one for each contract, the newest last."""

    stores: Stores
    periods: dict[str, list[LivePeriod]] = field(default_factory=dict)
    _seen: tuple[list[tuple[str, int]], int] = ([], 0)
    _later: dict[str, tuple[tuple[str, tuple[Event, ...]], Restatement]] = field(default_factory=dict)

    def update(self, now: int, *, reached_only: bool = False) -> dict[str, int]:
        """Meter what is new since the last update, and give the contracts that something new was said or reported of.

        Each with the earliest moment that it can have changed, in ms. `reached_only` leaves the others alone: whole
        hours of silence wait for an update of all.
        """
        blocks = self.stores.blocks
        pairs, since = self._seen
        position = blocks.cursor().position
        if reached_only and position == since:
            return {}
        new = blocks.dirty(since)
        dirty: dict[str, set[int]] = {}
        for device, hour in new:
            dirty.setdefault(device, set()).add(hour)
        reached = self._reached(dirty, since)
        for contract_id in sorted(reached) if reached_only else self.stores.closer.contract_ids():
            try:
                self._follow(contract_id, position, dirty, now)
            except (ContractFault, OSError) as error:
                self.periods.pop(contract_id, None)
                log.error("no statement so far", contract=contract_id, reason=str(error))
        self._seen = (sorted({*pairs, *new}), position)
        return reached

    def _reached(self, dirty: Mapping[str, set[int]], since: int) -> dict[str, int]:
        """The contracts whose devices these are, or of which people said something; the latter may be of any time."""
        found: dict[str, int] = {}
        for contract in self.stores.book.contracts:
            hours = [min(dirty[device.id]) for device in contract.terms.devices if device.id in dirty]
            if hours:
                earliest = min(hours) * HOUR_MS
                found[contract.terms.id] = min(earliest, found.get(contract.terms.id, earliest))
        told_of = self.stores.blocks.contracts_told_of(since) & set(self.stores.closer.contract_ids())
        return found | dict.fromkeys(told_of, 0)

    def at_once(self, contract_id: str, now: int) -> dict[str, Any] | None:
        """The statement so far of one contract, metered in one go; None where the contract is over.

        For whoever asks once: the figures are those of `statements`, since stretches of any length add up.
        """
        position = self.stores.blocks.cursor().position
        self._follow(contract_id, position, None, now)
        return self._newest(contract_id, position, now) if contract_id in self.periods else None

    def forget_dirty(self) -> None:
        """Tell the block store that what was dirty at the last update is metered; for the one view that follows it."""
        self.stores.blocks.clear_dirty(*self._seen)
        self._seen = ([], self._seen[1])

    def statements(self, now: int) -> list[dict[str, Any]]:
        """The statement so far of every contract."""
        position = self._seen[1]  # what the segments hold, and not a reading more
        return [self._newest(contract_id, position, now) for contract_id in self.periods]

    def statement(self, live: LivePeriod, now: int) -> dict[str, Any]:
        """The statement so far of one of the periods."""
        return live.statement(Source(self.stores.blocks, live.contract.terms, self._seen[1]), now)

    def _newest(self, contract_id: str, position: int, now: int) -> dict[str, Any]:
        newest = self.periods[contract_id][-1]
        return newest.statement(Source(self.stores.blocks, newest.contract.terms, position), now)

    def _follow(self, contract_id: str, position: int, dirty: Mapping[str, set[int]] | None, now: int) -> None:
        """Bring a contract's open periods up to date: from the first that is not final to the one that runs now.

        `dirty` are the hours with new readings; None leaves the metering to whoever asks for the statement.
        """
        due = self.stores.closer.next_due(contract_id) or self.stores.closer.closing_due(contract_id)
        if due is None:
            self.periods.pop(contract_id, None)
            return
        contract, first = due
        held = self._beginning(contract, first, position, dirty, now)
        place = 0
        while True:
            live = held[place]
            source = Source(self.stores.blocks, live.contract.terms, position)
            if dirty is None:
                live.hear(source)
            else:
                live.update(source, dirty, now)
            following = next_period(live.contract.terms, live.period)
            until = live.contract.terms.valid.until
            if live.period.span.end > now or (until is not None and following.first >= until):
                break
            place += 1
            after = self.stores.book.contract_for(contract_id, following.first)
            opening = handed_over(live.closing(source), live.contract, after)
            if place == len(held):
                held.append(LivePeriod(after, following, opening, now))
            elif held[place].opening != opening:
                held[place].reopen(Source(self.stores.blocks, held[place].contract.terms, position), opening)
        self.periods[contract_id] = held[: place + 1]

    def _beginning(
        self, contract: Contract, first: Period, position: int, dirty: Mapping[str, set[int]] | None, now: int
    ) -> list[LivePeriod]:
        """The open periods known so far, the first of them with what later data makes of the periods before it."""
        held = [each for each in self.periods.get(contract.terms.id, []) if each.period.first >= first.first]
        later = self._restated(contract, first, position, dirty)
        if not held or held[0].period != first:
            opening = self.stores.closer.opening(contract, first, position, later)
            held = [LivePeriod(contract, first, opening, now)]
        elif held[0].later is not later:
            opening = self.stores.closer.opening(contract, first, position, later)
            held[0].reopen(Source(self.stores.blocks, contract.terms, position), opening)
        held[0].later = later
        source = Source(self.stores.blocks, contract.terms, position)
        held[0].settlements = source.settled_since(self.stores.closer.newest_cut(contract.terms.id))
        return held

    def _restated(
        self, contract: Contract, first: Period, position: int, dirty: Mapping[str, set[int]] | None
    ) -> Restatement:
        """What later data makes of final periods; looked at again only where something arrived for one of them."""
        contract_id = contract.terms.id
        events = tuple(self.stores.blocks.contract_events(contract_id, position))
        known = self._later.get(contract_id)
        reached = {hour * HOUR_MS < first.span.start for hours in (dirty or {}).values() for hour in hours}
        if known is None or known[0] != (first.name, events) or True in reached:
            known = ((first.name, events), self.stores.closer.restatement(contract_id, position))
            self._later[contract_id] = known
        return known[1]
