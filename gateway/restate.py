"""Final periods computed again with what arrived later, and where a contract stands after them (semantics §8).

Nothing final is changed. The periods that later data touches, and in order each later one whose opening state changes
by it, are computed again; the statement that closes next carries the differences and the evidence of each.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from contracts.adjusting import CLOSING, Restated, stated
from contracts.canonical import readable, sha256
from contracts.compute import Outcome, compute_period
from contracts.contract import Contract
from contracts.events import Docket, Event
from contracts.evidence import Part
from contracts.periods import Period, period_named
from contracts.readings import Judged
from contracts.sides.carried import State
from contracts.state import read_state, state_document
from contracts.statement import Input
from gateway.blocks import BlockStore
from gateway.ledger import Issued
from gateway.meter import Source

KeepPart = Callable[[str, Part], None]
CHAINED = "what the period before leaves to it now"


class ContractFault(Exception):  # noqa: N818 - whose fault it is says it best
    """A contract's file no longer is what a final statement applied; the message says what to restore."""


@dataclass(frozen=True, slots=True)
class Final:
    """A final period: its statement, the contract it applied, and the file of its closing state as known by now."""

    issued: Issued
    contract: Contract
    period: Period
    closing_file: Path
    closing_sha256: str
    cut_before: int | None

    def closing_state(self) -> State:
        """The state with which it closed, checked against the digest that was signed."""
        try:
            data = self.closing_file.read_bytes()
        except OSError as error:
            place = self.closing_file
            raise ContractFault(f"{place}: {error.strerror}; restore the statement's folder from a copy") from error
        if sha256(data) != self.closing_sha256:
            message = "is not the closing state that was signed; restore the statement's folder"
            raise ContractFault(f"{self.closing_file} {message}")
        return read_state(self.contract.terms, json.loads(data))


@dataclass(frozen=True, slots=True)
class Restatement:
    """What later data makes of final periods: those that differ, and the state they leave (None: the one known)."""

    restated: tuple[Restated, ...] = ()
    state: State | None = None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The adjustments, period by period."""
        return [row for each in self.restated for row in each.rows]

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The periods computed again, as the statement that brings the adjustments lists them."""
        return [each.entry() for each in self.restated]


def handed_over(state: State, before: Contract, after: Contract) -> State:
    """The state that one version of a contract leaves, as the next version reads it."""
    if before.sha256 == after.sha256:
        return state
    return read_state(after.terms, state_document(before.terms, state))


def known_periods(
    issued: list[Issued], contract_of: Callable[[dict[str, Any]], Contract], folder: Callable[[dict[str, Any]], Path]
) -> list[Final]:
    """The final periods of a contract in order, each with its newest closing state: its own, or as restated since."""
    found = []
    for place, each in enumerate(issued):
        name = each.document["period"]["name"]
        if name == CLOSING:
            continue
        contract = contract_of(each.document)
        file, digest = folder(each.document) / "evidence" / "closing.json", each.document["closing_state_sha256"]
        for later in issued[place + 1 :]:
            for entry in later.document["restated"]:
                if entry["period"] == name:
                    file = folder(later.document) / "evidence" / "adjustments" / name / "closing.json"
                    digest = entry["closing_state_sha256"]
        before = issued[place - 1].document["input"]["batch"] if place else None
        found.append(Final(each, contract, period_named(contract.terms, name), file, digest, before))
    return found


def restate(
    store: BlockStore, issued: list[Issued], finals: list[Final], cut: int, keep: KeepPart | None = None
) -> Restatement:
    """Compute again every final period that differs by what is in the journal up to `cut`.

    `keep` is given each part of the evidence of a period that is computed again, with the period's name, whether it
    turns out to differ or not; without it no evidence is made, and the figures are for looking at only.
    """
    since = issued[-1].document["input"]["batch"] if issued else cut
    if cut <= since:
        return Restatement()
    restated, state = [], None
    for place, final in enumerate(finals):
        now = Source(store, final.contract.terms, cut)
        then = Source(store, final.contract.terms, since)
        if place == 0:
            state = _other_beginning(final, now, then)
        why = later_data(store, now, then, final.period, cut, since) or (CHAINED if state is not None else None)
        if why is None:
            continue
        if place:
            before = finals[place - 1]
            opening = handed_over(state or before.closing_state(), before.contract, final.contract)
        else:
            opening = state or now.first_opening(final.period)
        later = [each.document for each in issued if each.document["number"] > final.issued.document["number"]]
        outcome = _again(final, opening, now, later, keep)
        known, heard = stated(final.issued.document, later), frozenset(later_events(now, then, final.period))
        one = Restated(known, outcome.document, why, final.issued.sha256, heard)
        same = outcome.document["closing_state_sha256"] == final.closing_sha256
        if one.rows or not same:
            restated.append(one)
        state = None if same else outcome.closing
    return Restatement(tuple(restated), state)


def _other_beginning(final: Final, now: Source, then: Source) -> State | None:
    """The state before a contract's first period, where later data has changed it."""
    states = [each.first_opening(final.period) for each in (now, then)]
    first, second = (readable(state_document(final.contract.terms, state)) for state in states)
    return None if first == second else states[0]


def _again(
    final: Final, opening: State, now: Source, later: Sequence[dict[str, Any]], keep: KeepPart | None
) -> Outcome:
    cuts = [document["input"]["batch"] for document in (final.issued.document, *later)]
    own = Source(now.store, now.terms, cuts[0])  # a settlement stays on the statement that brought it
    given = now.period(final.period, own.settled_since(final.cut_before))
    given = replace(given, docket=_timely(given, now, cuts))
    keep_part = partial(keep, final.period.name) if keep is not None else None
    return compute_period(final.contract, final.period, opening, given, status="restated", keep=keep_part)


def _timely(given: Input, now: Source, cuts: Sequence[int]) -> Docket:
    """The events of a final period: one may be contested until the first statement that took it in is final.

    `cuts` are the journal positions of the period's own statement and of those that could correct it since, in order.
    """
    known = [{event.id for event in Source(now.store, now.terms, cut).docket.events} for cut in cuts]

    def in_time(event: Event) -> bool:
        took_it_in = next((ids for ids in known if event.of in ids), None)
        return event.type != "contested" or took_it_in is None or event.id in took_it_in

    return Docket.of(event for event in given.docket.events if in_time(event))


def later_data(store: BlockStore, now: Source, then: Source, period: Period, cut: int, since: int) -> str | None:
    """What arrived between two positions that can change a period, in words; None where nothing did."""
    span, readings = period.span, 0
    for key in now.pairs():
        if store.later_readings(*key, span.start, span.end, since, cut):
            readings += _changed(*(each.judged(key, span.start, span.end) for each in (now, then)))
    events = len(later_events(now, then, period))
    meters = sum(
        len(set(now.meter_ids(device.id, period)) ^ set(then.meter_ids(device.id, period)))
        for device in now.terms.devices
    )
    parts = [
        f"{count} {noun if count == 1 else noun + 's'}"
        for count, noun in ((readings, "later reading"), (events, "later event"), (meters, "later meter id"))
        if count
    ]
    return " and ".join(parts) or None


def later_events(now: Source, then: Source, period: Period) -> set[str]:
    """The events that touch a period now and did not then; settlements enter another way."""
    said, known = (set(each.docket.touching(period.span, ()).events) for each in (now, then))
    return {event.id for event in said ^ known}


def _changed(now: Judged, then: Judged) -> int:
    """How many readings stand now that did not then, or no longer do."""
    one, other = now.series(), then.series()
    if np.array_equal(one.times, other.times) and np.array_equal(one.ticks, other.ticks):
        return 0
    pairs = [set(zip(each.times.tolist(), each.ticks.tolist(), strict=True)) for each in (one, other)]
    return len(pairs[0] ^ pairs[1])
