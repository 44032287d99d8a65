"""A look at promises: at those that something was reported or said of, or at all.

Silence, the end of a tolerance and the end of a period change a promise without any reading, so all contracts are
looked at again and again; in between, only those that something new has reached. One look is a statement so far, by
the code that will bill it. Periods that are over wait for their final statement, and then say its last word.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from contracts.language.terms import Terms
from gateway.live import LivePeriod
from gateway.outlook import Outlook, Row, outlook
from gateway.stores import Stores
from gateway.view import LiveView
from gateway.watch import Known, Said, payload, step
from gateway.watching.record import Period, WatchError


@dataclass(frozen=True, slots=True)
class _Look:
    """One period looked at: what was known before and is now, and what is to be said."""

    place: Period
    before: Known
    after: Known
    said: list[Said]


@dataclass(slots=True)
class Lookout:
    """The watch over all contracts: what is known of each period that is not final, in memory and in its record."""

    stores: Stores
    view: LiveView
    _known: dict[Period, Known] = field(default_factory=dict)
    _ended: set[Period] = field(default_factory=set)  # periods that were looked at when they were over
    _finals: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known = self.stores.watch.known()
        self._finals = self.stores.watch.finals()

    def look(self, now: int, *, reached_only: bool) -> list[dict[str, Any]]:
        """Look, keep what is to be said, and give the statements so far of the contracts looked at.

        `reached_only`: those alone that something new was reported or said of. To be called by one thread at a time.
        """
        reached = self.view.update(now, reached_only=reached_only)
        if not reached_only:
            self._take_finals(now)
        documents, looked = [], list[_Look]()
        for contract_id in reached if reached_only else list(self.view.periods):
            for live in self._due(contract_id, reached.get(contract_id), now):
                document = self.view.statement(live, now)
                looked.append(self._step(live.contract.terms, document, outlook(live.contract, document, now), now))
                if live is self.view.periods[contract_id][-1]:
                    documents.append(document)
        try:
            self._keep(looked, now)
        except WatchError:
            self._ended.clear()  # so that all of it is looked at again
            raise
        return documents

    def _due(self, contract_id: str, reached: int | None, now: int) -> Iterator[LivePeriod]:
        """The periods to look at: the one that runs, and of those before it what is new since they were over."""
        held = self.view.periods.get(contract_id, [])
        for live in held:
            place = (contract_id, live.period.name)
            over = live.period.span.end <= now
            changed = reached is not None and reached < live.period.span.end
            if live is held[-1] or changed or not over or place not in self._ended:
                yield live
            if over:
                self._ended.add(place)

    def _step(self, terms: Terms, document: Row, seen: Outlook | None, now: int) -> _Look:
        place = (terms.id, document["period"]["name"])
        before = self._known[place] if place in self._known else self.stores.watch.of_period(*place)
        said, after = step(before, terms, document, seen, now)
        return _Look(place, before, after, said)

    def _keep(self, looked: list[_Look], now: int) -> None:
        """On disk first, and only then remembered: what could not be kept is found again."""
        new = [each for each in looked if each.after != each.before or each.place not in self._known]
        if new:
            letters = [(f"contract/{said.contract}/breach", _told(said, now)) for each in new for said in each.said]
            self.stores.watch.keep({each.place: (each.before, each.after) for each in new}, letters)
            self._known.update({each.place: each.after for each in new})

    def _take_finals(self, now: int) -> None:
        """The last word of each period whose statement has become final; what was so before the watch is not said."""
        for contract_id, number in self.stores.ledger.numbers().items():
            versions = self.stores.book.versions(contract_id)
            if not versions or self._finals.get(contract_id, 0) >= number:
                continue
            watched = contract_id in self._finals or any(name == contract_id for name, _ in self._known)
            issued = [each.document for each in self.stores.ledger.all(contract_id)]
            finals = [each for each in issued if each["number"] > self._finals.get(contract_id, 0)]
            looked = [self._step(versions[-1].terms, document, None, now) for document in finals]
            self._keep([each if watched else replace(each, said=[]) for each in looked], now)
            places = [each.place for each in looked]
            self.stores.watch.close_periods(places, contract_id, number)
            self._finals[contract_id] = number
            for place in places:
                self._known.pop(place, None)


def _told(said: Said, now: int) -> bytes:
    return orjson.dumps(payload(said, now))
