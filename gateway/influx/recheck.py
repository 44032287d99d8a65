"""The second computation: a final statement from what InfluxDB holds, compared with the one that was sealed.

Terms, events and accepted readings are read back from InfluxDB, measured and priced by the same core. What arrived
after the statement was cut is left out on both sides. Where the two differ, the hours whose readings differ are named
by device and channel: that is an alarm, since people look at InfluxDB and pay by statements.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from contracts.adjusting import adjusted, period_called
from contracts.compute import reckon
from contracts.contract import Contract
from contracts.events import Docket
from contracts.judging import Key
from contracts.periods import Period, rfc3339
from contracts.readings import ARRIVAL_UNKNOWN, NO_BOOT, Columns, Disposition, Ints, Judged, Series
from contracts.sides.carried import State
from contracts.state import read_state
from contracts.statement import Input
from contracts.units import HOUR_MS
from contracts.verify.evidence import Finding
from contracts.verify.statement import differences
from gateway.influx.columns import ReadBackFault
from gateway.influx.readback import REMEDY, ReadBack
from gateway.ledger import Issued
from gateway.meter import Source
from gateway.restate import ContractFault
from gateway.stores import Stores

Report = Callable[[int, int], None]

COMPARED: Final = (
    "version terms_sha256 period currency usage guarantees obligations events lines balances total closing_state_sha256"
).split()
_BY_DISPOSITION: Final = ("duplicate", "conflicting", "late", "quarantined", "rejected")


@dataclass(frozen=True, slots=True)
class Hour:
    """A UTC hour of a channel in which InfluxDB holds other readings than the statement was computed from."""

    device: str
    channel: str
    start_ms: int
    readings: int

    def __str__(self) -> str:
        noun = "reading differs" if self.readings == 1 else "readings differ"
        return f"{self.device}, {self.channel}, hour of {rfc3339(self.start_ms)}: {self.readings} {noun}"


@dataclass(frozen=True, slots=True)
class Second:
    """The second computation of a statement, and where it differs from the first, by hour and by figure."""

    contract: Contract
    document: dict[str, Any]
    hours: tuple[Hour, ...]
    figures: tuple[Finding, ...]

    @property
    def agrees(self) -> bool:
        """Whether InfluxDB says what the statement says."""
        return not self.hours and not self.figures


def second_computation(stores: Stores, readback: ReadBack, issued: Issued, report: Report = lambda *_: None) -> Second:
    """Compute a final statement again from InfluxDB; `report` is told how many channels are read back, and of how many.

    Raises ReadBackFault where InfluxDB does not hold what it takes, Unreachable where it does not answer, and
    ContractFault where the statement's own folder is damaged.
    """
    final = issued.document
    contract = readback.contract(final["contract"], final["version"])
    period = period_called(contract.terms, final["period"]["name"])
    then = Source(stores.blocks, contract.terms, final["input"]["batch"])
    now = Source(stores.blocks, contract.terms)
    judged, hours = dict[Key, Judged](), list[Hour]()
    for place, key in enumerate(pairs := then.pairs()):
        report(place, len(pairs))
        known, known_now = (each.judged(key, period.span.start, period.span.end).series() for each in (then, now))
        held = readback.series(contract, key, period.span)
        if held.boots.max(initial=NO_BOOT) >= len(known_now.boot_names):
            raise ReadBackFault(f"the restart marks of {key[0]} in InfluxDB are not those written; {REMEDY}")
        found = _as_of(held, known, known_now)
        hours += _hours(key, known, found)
        if len(found.times):
            judged[key] = _accepted(found)
    given = _input(stores, readback, issued, judged, (then, now), period)
    opening = _opening(stores, contract, final)
    document = reckon(contract, period, opening, given, status="final").document
    document = adjusted(contract.terms, document, final["adjustments"], final["restated"])
    return Second(
        contract,
        {**final, **{name: document[name] for name in COMPARED}},
        tuple(hours),
        tuple(_figures(final, document)),
    )


def _input(
    stores: Stores,
    readback: ReadBack,
    issued: Issued,
    judged: Mapping[Key, Judged],
    known: tuple[Source, Source],
    period: Period,
) -> Input:
    """Everything a period is computed from; what the block store heard after the cut is left out."""
    then, now = known
    terms, number = then.terms, issued.document["number"]
    since = {event.id for event in now.docket.events} - {event.id for event in then.docket.events}
    docket = Docket.of(event for event in readback.events(terms.id) if event.id not in since)
    before = stores.ledger.find(terms.id, number - 1)
    settled = then.settled_since(before.document["input"]["batch"] if before else None)
    meter_ids = {}
    for device in terms.devices:
        later = {*now.meter_ids(device.id, period)} - {*then.meter_ids(device.id, period)}
        meter_ids[device.id] = tuple(each for each in readback.meter_ids(device.id, period) if each not in later)
    return Input(judged, {}, meter_ids, docket=docket.touching(period.span, settled))


def _opening(stores: Stores, contract: Contract, final: dict[str, Any]) -> State:
    """The state with which the statement's period opened, from its evidence."""
    file = stores.closer.folder(final) / "evidence" / "opening.json"
    try:
        return read_state(contract.terms, json.loads(file.read_bytes()))
    except OSError as error:
        raise ContractFault(f"{file}: {error.strerror}; restore the statement's folder from a copy") from error


def _as_of(found: Series, then: Series, now: Series) -> Series:
    """The readings as they stood when the statement was cut: later arrivals out, later decisions taken back.

    Only the moments of which the block store itself says that something changed since are touched. InfluxDB holds the
    places of restart marks; their names are the block store's.
    """
    changed = _differing(then, now)
    kept, back = ~np.isin(found.times, changed), np.isin(then.times, changed)
    times = np.concatenate([found.times[kept], then.times[back]])
    order = np.argsort(times, kind="stable")
    ticks = np.concatenate([found.ticks[kept], then.ticks[back]])[order]
    boots = np.concatenate([found.boots[kept], then.boots[back]])[order]
    return Series(times[order], ticks, boots, now.boot_names)


def _differing(one: Series, other: Series) -> Ints:
    """The moments at which two series differ, in order."""
    if np.array_equal(one.times, other.times) and np.array_equal(one.ticks, other.ticks):
        return np.empty(0, np.int64)
    common, first, second = np.intersect1d(one.times, other.times, return_indices=True)
    changed = common[one.ticks[first] != other.ticks[second]]
    moments: Ints = np.unique(np.concatenate([np.setxor1d(one.times, other.times), changed]))
    return moments


def _hours(key: Key, known: Series, found: Series) -> Iterator[Hour]:
    hours, readings = np.unique(_differing(known, found) // HOUR_MS, return_counts=True)
    for hour, count in zip(hours.tolist(), readings.tolist(), strict=True):
        yield Hour(*key, hour * HOUR_MS, count)


def _accepted(series: Series) -> Judged:
    """Readings that were accepted before they were written, as the core takes them."""
    size = len(series.times)
    unknown, in_time = np.full(size, ARRIVAL_UNKNOWN, np.int64), np.zeros(size, np.bool_)
    columns = Columns(series.times, series.ticks, unknown, series.boots, in_time, series.boot_names)
    return Judged(columns, np.full(size, Disposition.ACCEPTED, np.int8))


def _figures(final: dict[str, Any], document: dict[str, Any]) -> Iterator[Finding]:
    for name in COMPARED:
        said, again = (_comparable(each[name]) for each in (final, document))
        yield from differences(name, said, again, "InfluxDB gives")


def _comparable(value: Any) -> Any:
    """A part of a statement without what InfluxDB does not hold: how many readings were not accepted, and why."""
    if isinstance(value, list):
        return [_comparable(each) for each in value]
    if isinstance(value, dict) and "counts" in value and isinstance(value["counts"], dict):
        counts = {name: count for name, count in value["counts"].items() if name not in _BY_DISPOSITION}
        return {**value, "counts": counts}
    return value
