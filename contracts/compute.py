"""A statement computed: one period from its opening state, or from files alone, period after period."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts.canonical import readable, sha256
from contracts.contract import Contract
from contracts.events import Docket, Event
from contracts.evidence import Entry, Manifest, Part, header, reading_parts, tzdata_version
from contracts.judging import Key
from contracts.language.terms import Terms
from contracts.metering import opening_devices
from contracts.periods import Period, period_named, periods_until
from contracts.readings import Clock, Ints, Judged, judge
from contracts.sides.carried import State
from contracts.sides.told import decisions_of
from contracts.state import state_document
from contracts.statement import Holidays, Input, draft, holidays_of, meter_period
from contracts.table import Table
from contracts.usage import Metered


@dataclass(frozen=True, slots=True)
class Outcome:
    """A computed period: its statement without a seal, and the state with which the next one opens."""

    document: dict[str, Any]
    closing: State


@dataclass(frozen=True, slots=True)
class Reckoned:
    """A period's statement and closing state before any evidence of it is written."""

    document: dict[str, Any]
    closing: State
    metered: list[Metered]
    holidays: Holidays

    def closing_part(self, terms: Terms) -> Part:
        """The closing state as the evidence holds it."""
        return Part("closing.json", readable(state_document(terms, self.closing)))


def reckon(contract: Contract, period: Period, opening: State, given: Input, *, status: str) -> Reckoned:
    """Measure and price one period from its opening state."""
    terms = contract.terms
    holidays = holidays_of(terms, period) if given.holidays is None else given.holidays
    metered, devices = meter_period(terms, period, opening, given)
    document, carried = draft(
        contract, period, metered, opening.carried, given.docket, status=status, holidays=holidays
    )
    reckoned = Reckoned(document, State(period.span.end, devices, carried), metered, holidays)
    document["closing_state_sha256"] = sha256(reckoned.closing_part(terms).data)
    return reckoned


def compute_period(
    contract: Contract,
    period: Period,
    opening: State,
    given: Input,
    *,
    status: str,
    keep: Callable[[Part], None] | None,
    cut: dict[str, Any] | None = None,
    tzdata: str | None = None,
) -> Outcome:
    """The statement of one period and its evidence, each part of which is handed to `keep` as it is made.

    Without `keep` no evidence is made. `cut` names the journal position up to which readings are in; `tzdata` is the
    version of the time zone rules to name, where it is not the one in use.
    """
    reckoned = reckon(contract, period, opening, given, status=status)
    document = reckoned.document
    if keep is not None:
        head, manifest = _evidence(contract, period, opening, given, reckoned, keep, cut, tzdata or tzdata_version())
        keep(head)
        document["evidence"] = {
            "root_sha256": sha256(head.data),
            "parts": manifest.reading_parts,
            "readings": manifest.readings,
            "events": manifest.events,
            "locator": Entry.of(head).document()["locator"],
        }
    document["input"] = cut
    return Outcome(document, reckoned.closing)


def _evidence(
    contract: Contract,
    period: Period,
    opening: State,
    given: Input,
    reckoned: Reckoned,
    keep: Callable[[Part], None],
    cut: dict[str, Any] | None,
    tzdata: str,
) -> tuple[Part, Manifest]:
    """Make every part of the evidence but the header, which lists them and is given back with their manifest."""
    terms = contract.terms
    lines = [json.dumps(event, ensure_ascii=False, sort_keys=True) for event in event_documents(given)]
    manifest = Manifest(events=len(lines))
    opening_part = Part("opening.json", readable(state_document(terms, opening)))
    events_part = Part("events.jsonl", "".join(f"{line}\n" for line in lines).encode())
    for part in (opening_part, reckoned.closing_part(terms), events_part):
        keep(manifest.take(part))
    inside = {key: _inside(judged, period) for key, judged in given.judged.items()}
    for part in reading_parts(terms, period, inside, flagged_times(terms, reckoned.metered, inside)):
        keep(manifest.take(part))
    devices = reckoned.metered
    late = {(each.device.id, channel): counts.late for each in devices for channel, counts in each.counts.items()}
    rejected = {(each.device.id, channel): count for each in devices for channel, count in each.refused.items()}
    holidays = reckoned.holidays
    return header(
        contract, period, manifest, cut=cut, tzdata=tzdata, holidays=holidays, late=late, rejected=rejected
    ), manifest


def event_documents(given: Input) -> Iterable[dict[str, Any]]:
    """What the evidence of a period holds beside readings: new meter ids the devices announced, and people's events."""
    for device, announced in sorted(given.meter_ids.items()):
        for each in announced:
            yield each.document(device)
    for event in given.docket.events:
        yield event.document()


def compute(
    contract: Contract,
    table: Table,
    period_name: str,
    keep: Callable[[Part], None] = lambda _: None,
    events: Iterable[Event] = (),
) -> dict[str, Any]:
    """A statement from files alone: every period since the contract began, in order, the named one as the result.

    Raises ValueError if the contract has no such period.
    """
    terms = contract.terms
    period = period_named(terms, period_name)
    clock, docket = Clock.of(terms), Docket.of(events)
    decisions = {device.id: decisions_of(terms, docket, device.id) for device in terms.devices}
    judged = {
        key: judge(columns, clock, decisions[key[0]].get(key[1], ())) for key, columns in table.columns(terms).items()
    }
    earlier = periods_until(terms, period)[:-1]
    first = earlier[0] if earlier else period
    devices = opening_devices(terms, first, {key: found.series() for key, found in judged.items()})
    state = State(first.span.start, devices)
    for past in earlier:
        given = Input(judged, docket=docket.touching(past.span))
        state = reckon(contract, past, state, given, status="computed").closing
    refused = table.refused_in(period.span.start, period.span.end)
    given = Input(judged, refused, docket=docket.touching(period.span))
    return compute_period(contract, period, state, given, status="computed", keep=keep).document


def flagged_times(terms: Terms, metered: list[Metered], judged: Mapping[Key, Judged]) -> dict[Key, Ints]:
    """The times of all readings that counters quarantined, by device and channel."""
    found: dict[Key, list[Ints]] = {}
    for each in metered:
        for name, totals in each.totals.items():
            channel = terms.meters[name].counter
            key = (each.device.id, channel or "")
            if not totals.flags or key not in judged:
                continue
            series = judged[key].series()
            for flag in totals.flags:
                stretch = series.between(flag.first, flag.latest + 1)
                found.setdefault(key, []).append(stretch.times[stretch.ticks == flag.ticks])
    return {key: np.concatenate(times) for key, times in found.items()}


def _inside(judged: Judged, period: Period) -> Judged:
    low, high = (int(place) for place in np.searchsorted(judged.columns.times, [period.span.start, period.span.end]))
    return Judged(judged.columns.at(slice(low, high)), judged.dispositions[low:high])
