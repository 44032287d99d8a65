"""The state between two statements: what a statement opens with is what the one before closed with (semantics §8).

As JSON it is a closed record: balances, sums of the year, earlier credits, service meters, and for each device where
its channels and meters stand. Together with the readings of a period it is all that is needed to compute the period.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from contracts.counter import Baseline, Counting, Low
from contracts.judging import Key
from contracts.language.terms import Terms
from contracts.metering import DeviceState, keys_of
from contracts.meters import MeterState
from contracts.periods import rfc3339
from contracts.readings import Ints, decimal_texts, exact_ticks
from contracts.sides.carried import State
from contracts.sides.carried_document import carried_document, read_carried
from contracts.sides.service import ServiceState
from contracts.table import checked_time
from contracts.timeline import FALSE, TRUE, Held

SCHEMA = "fairmeter.state/1"


def state_document(terms: Terms, state: State) -> dict[str, Any]:
    """The state as JSON."""
    return {
        "schema": SCHEMA,
        "contract": terms.id,
        "at": rfc3339(state.at),
        **carried_document(state.carried),
        "devices": {device.id: _device(terms, device.id, state.devices[device.id]) for device in terms.devices},
    }


def read_state(terms: Terms, document: Mapping[str, Any]) -> State:
    """The state from its JSON; raises ValueError, KeyError or TypeError where it is not one of this contract."""
    if document["schema"] != SCHEMA or document["contract"] != terms.id:
        raise ValueError(f"this is not a state of {terms.id}")
    at = checked_time(document["at"])
    entries: Mapping[str, Any] = document["devices"]
    held: dict[Key, Held] = {}
    for device, entry in entries.items():
        for channel, reading in entry["channels"].items():
            if channel in terms.channels:
                held[device, channel] = _read_held(terms, channel, reading)
    devices = {}
    for device in (device.id for device in terms.devices):
        entry = entries.get(device, {"in_force": False, "boot": None, "meters": {}})
        mine = {key: held[key] for key in keys_of(terms, device) if key in held}
        meters = {
            name: _read_meter(terms, name, meter) for name, meter in entry["meters"].items() if name in terms.meters
        }
        services = {duty: _read_service(service) for duty, service in entry.get("services", {}).items()}
        devices[device] = DeviceState(at, entry["in_force"], entry["boot"], mine, {}, meters, services)
    return State(at, devices, read_carried(document))


def _device(terms: Terms, device: str, state: DeviceState) -> dict[str, Any]:
    held = {channel: state.held.get((device, channel)) for channel in terms.channels}
    meters = {name: _meter(terms, name, state.meters[name]) for name in terms.meters if name in state.meters}
    return {
        "in_force": state.entered,
        "boot": state.boot,
        "channels": {channel: _held(terms, channel, reading) for channel, reading in held.items() if reading},
        "meters": {name: meter for name, meter in meters.items() if meter},
        "services": {duty: _service(service) for duty, service in sorted(state.services.items())},
    }


def _service(state: ServiceState) -> dict[str, Any]:
    """A service's own meter: use since the last one in the meter's integers, and what is overdue since when."""
    moments = {"since": state.since, "due": state.due, "refused": state.refused}
    return {"done": state.done} | {name: rfc3339(ms) for name, ms in moments.items() if ms is not None}


def _read_service(entry: Mapping[str, Any]) -> ServiceState:
    moments = {name: checked_time(entry[name]) for name in ("due", "refused") if name in entry}
    return ServiceState(checked_time(entry["since"]), int(entry["done"]), moments.get("due"), moments.get("refused"))


def _value(terms: Terms, channel: str, ticks: int) -> str:
    array: Ints = np.array([ticks], np.int64)
    return decimal_texts(array, terms.channels[channel].resolution)[0]


def _held(terms: Terms, channel: str, held: Held) -> dict[str, str]:
    return {"time": rfc3339(held[0]), "value": _value(terms, channel, held[1])}


def _read_ticks(terms: Terms, channel: str, value: str) -> int:
    ticks = exact_ticks(str(Decimal(value)), terms.channels[channel].resolution)
    if ticks is None:
        raise ValueError(f"{value} is not a value of {channel}")
    return ticks


def _read_held(terms: Terms, channel: str, reading: Mapping[str, str]) -> Held:
    return checked_time(reading["time"]), _read_ticks(terms, channel, reading["value"])


def _meter(terms: Terms, name: str, state: MeterState) -> dict[str, Any]:
    channel = terms.meters[name].counter
    if channel is None:
        if state.before is None:
            return {}
        known, until = state.before
        return {"before": {"holds": known == TRUE, "until": rfc3339(until)}}
    counting, document = state.counting, dict[str, Any]()
    if counting.baseline:
        baseline = counting.baseline
        document["baseline"] = _held(terms, channel, (baseline.time, baseline.ticks))
    if counting.low:
        low = counting.low
        value = _value(terms, channel, low.ticks)
        document["waiting"] = {"value": value, "first": rfc3339(low.first), "latest": rfc3339(low.latest)}
    for announced in ("restarted", "exchanged"):
        if getattr(counting, announced):
            document[announced] = True
    return document


def _read_meter(terms: Terms, name: str, document: Mapping[str, Any]) -> MeterState:
    channel = terms.meters[name].counter
    if channel is None:
        before = document.get("before")
        state = (TRUE if before["holds"] else FALSE, checked_time(before["until"])) if before else None
        return MeterState(before=state)
    baseline, waiting = document.get("baseline"), document.get("waiting")
    start = Baseline(*_read_held(terms, channel, baseline)) if baseline else None
    low = None
    if waiting:
        ticks = _read_ticks(terms, channel, waiting["value"])
        low = Low(ticks, checked_time(waiting["first"]), checked_time(waiting["latest"]), 0)
    counting = Counting(start, low, document.get("restarted", False), document.get("exchanged", False))
    return MeterState(counting=counting)
