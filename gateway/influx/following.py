"""One contract followed: its open periods drawn as readings come, its final ones once, and all else that is said of it.

A period that is final is drawn from what its statement was made of: the state it opened with, and the journal up to
its cut. So it looks the same whenever it is drawn.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts.adjusting import CLOSING, period_called
from contracts.events import Docket, Event
from contracts.language.terms import Terms
from contracts.periods import Period, next_period
from contracts.state import read_state
from contracts.units import DAY_MS, HOUR_MS
from gateway.close import Closer
from gateway.influx.agreed import agreed_points
from gateway.influx.drawing import draw
from gateway.influx.events import event_points
from gateway.influx.hours import Walk
from gateway.influx.points import Point
from gateway.influx.sending import Sender
from gateway.influx.statements import statement_point
from gateway.influx.terms import contract_points, period_point
from gateway.influx.written import Place, Written
from gateway.ledger import Issued
from gateway.meter import Source
from gateway.restate import Final, Restatement, handed_over


@dataclass(slots=True)
class Follower:
    """One contract, as far as it is drawn. `drawn` are its final periods that need no drawing any more."""

    closer: Closer
    contract_id: str
    written: Written
    drawn: set[str]
    statements_url: str | None = None
    _position: int = 0
    _docket: Docket | None = None
    _walks: list[Walk] = field(default_factory=list)
    _later: tuple[str, Docket, Restatement] | None = None
    _finals: list[Final] = field(default_factory=list)
    _final: tuple[Final, Walk] | None = None

    def take(self, touched: Mapping[str, int], position: int) -> bool:
        """What came up to a journal position: the earliest moment that readings touched, by device.

        Goes back to where it changes a period; says whether it changes one.
        """
        self._position, changed = position, False
        for place, walk in enumerate(self._walks):
            reached = [moment for device, moment in touched.items() if device in walk.reporters]
            if not reached:
                continue
            changed = True
            if min(reached) + HOUR_MS > walk.period.span.start:
                walk.back(min(reached))
            elif place == 0:
                self._later = None  # a final period has changed; where that changes this one, it begins anew
        return changed

    def look(self, now_ms: int) -> None:
        """What was said since, and which periods are final by now; raises ContractFault where a final's terms are gone.

        Goes back to where it changes a period.
        """
        known = {} if self._docket is None else {event.id for event in self._docket.events}
        self._docket = Docket.of(self.closer.store.contract_events(self.contract_id, self._position))
        said = {event.id: event for event in self._docket.events}
        moments = [_reaches(event, said) for name, event in said.items() if name not in known]
        for walk in self._walks:
            for moment in moments:
                walk.back(moment)
            walk.hear(self._source(walk.contract.terms))
        self._finals = self.closer.finals(self.contract_id)
        self._begin(now_ms)

    def step(self, sender: Sender, now_ms: int) -> bool:
        """Draw at most a day of the open periods; says whether they are drawn up to now."""
        if self._later is None:
            self.look(now_ms)
        for place, walk in enumerate(self._walks):
            status = "open" if now_ms < walk.period.span.end else "provisional"
            self.written.send(sender, self._frame(walk.contract.terms, walk.period, status))
            if not draw(walk, self._source(walk.contract.terms), self.written, sender, now_ms, status):
                return False
            self._go_on(place, now_ms)
        return True

    def tell(self, sender: Sender) -> None:
        """Send what is said of the contract as a whole: its versions, its events, and its final statements."""
        versions = self.closer.book.versions(self.contract_id)
        groups = [(("contract", each.terms.version), list(contract_points(each))) for each in versions]
        if self._docket is not None:
            events = event_points(self.contract_id, self._docket)
            groups += [((f"event {point.tags['id']}", 0), [point]) for point in events]
        for issued in self.closer.ledger.all(self.contract_id):
            groups += self._statement(issued)
        self.written.send(sender, groups)

    def step_back(self, sender: Sender) -> bool:
        """Draw at most a day of a final period that is not drawn yet, the newest first; says whether all are."""
        if self._final is None:
            left = [each for each in self._finals if each.period.name not in self.drawn]
            if not left:
                return True
            self.drawn.add(left[-1].period.name)  # also where that fails: its files will not mend by themselves
            self._final = (left[-1], final_walk(self.closer, left[-1]))
        final, walk = self._final
        terms, end = final.contract.terms, final.period.span.end
        self.written.send(sender, self._frame(terms, final.period, "final"))
        source = Source(self.closer.store, terms, final.issued.document["input"]["batch"])
        if draw(walk, source, self.written, sender, end, "final"):
            sender.send([drawn_point(terms, final.period)])
            self.written.forget(final.period.name)
            self._final = None
        return False

    # --- inside ---------------------------------------------------------------------------------------------------

    def _source(self, terms: Terms) -> Source:
        return Source(self.closer.store, terms, self._position)

    def _begin(self, now_ms: int) -> None:
        """Have the first period that is not final in its place, if it has begun, with what it begins with."""
        due = self.closer.next_due(self.contract_id)
        if due is None or due[1].span.start > now_ms:
            self._walks, self._later = [], None
            return
        contract, first = due
        later = self._restated(first)
        opening = self.closer.opening(contract, first, self._position, later)
        walks = [walk for walk in self._walks if walk.period.first >= first.first]
        if not walks or walks[0].period != first:
            walks = [Walk(contract, first, opening, self._source(contract.terms))]
        settled = self._source(contract.terms).settled_since(self.closer.newest_cut(self.contract_id))
        walks[0].begin(opening, (later.rows, later.entries), settled)
        self._walks = walks

    def _go_on(self, place: int, now_ms: int) -> None:
        """Have the period after this one in its place, if it has begun: it opens with what this one leaves."""
        walk = self._walks[place]
        following, until = next_period(walk.contract.terms, walk.period), walk.contract.terms.valid.until
        closing = walk.closing()
        if closing is None or following.span.start > now_ms or (until is not None and following.first >= until):
            del self._walks[place + 1 :]
            return
        contract = self.closer.book.contract_for(self.contract_id, following.first)
        opening = handed_over(closing, walk.contract, contract)
        if place + 1 == len(self._walks):
            self._walks.append(Walk(contract, following, opening, self._source(contract.terms)))
        self._walks[place + 1].begin(opening)

    def _restated(self, first: Period) -> Restatement:
        """What later data makes of final periods; looked at again where something arrived for one of them."""
        assert self._docket is not None, "looked at before"
        if self._later is None or self._later[:2] != (first.name, self._docket):
            later = self.closer.restatement(self.contract_id, self._position)
            self._later = (first.name, self._docket, later)
        return self._later[2]

    def _frame(self, terms: Terms, period: Period, status: str) -> Iterator[tuple[Place, list[Point]]]:
        """A period itself, and what was agreed for it; the latter is the same however the period goes."""
        yield ("period", period.span.start), [period_point(terms, period, status)]
        place = (f"agreed {terms.version}", period.span.start)
        if place not in self.written:
            yield place, list(agreed_points(terms, period))

    def _statement(self, issued: Issued) -> Iterator[tuple[Place, list[Point]]]:
        contract = self.closer.of_statement(issued.document)
        period = period_called(contract.terms, issued.document["period"]["name"])
        yield ("statement", issued.issue), [statement_point(issued, period, self.statements_url)]
        if period.name == CLOSING:
            yield ("period", period.span.start), [period_point(contract.terms, period, "final")]


def final_walk(closer: Closer, final: Final) -> Walk:
    """A final period to be walked as its statement was computed; its own files say what it opened with."""
    document, contract = final.issued.document, final.contract
    file = closer.folder(document) / "evidence" / "opening.json"
    opening = read_state(contract.terms, json.loads(file.read_bytes()))
    source = Source(closer.store, contract.terms, document["input"]["batch"])
    walk = Walk(contract, final.period, opening, source)
    walk.begin(opening, (document["adjustments"], document["restated"]), source.settled_since(final.cut_before))
    return walk


def drawn_point(terms: Terms, period: Period) -> Point:
    """The note that all hours of a final period are in InfluxDB."""
    return Point("period", {"contract": terms.id, "period": period.name}, {"drawn": 1}, period.span.start)


def _reaches(event: Event, said: Mapping[str, Event]) -> int:
    """From when on an event can change what a period comes to: a day before it, or before what it is about.

    A meter exchanged explains what the device announced within a day of it.
    """
    about = said.get(event.of or "", event)
    return min(event.start, about.start) - DAY_MS
