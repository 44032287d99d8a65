"""From the readings of one device to the quantities of its meters, stretch by stretch (semantics §3).

`advance` takes where every meter of a device stood and the readings that follow, and gives what to add and where they
stand now. Stretches may be hours, days or whole periods: their totals add up to the same integers however a period is
cut, which is what lets a late reading be metered again from its hour on. Rounding comes once, at the period's end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from contracts.counter import Baseline, Counting
from contracts.judging import Key, Runs, Verdict, Window, judge_condition, runs_at
from contracts.language.conditions import Condition
from contracts.language.terms import Device, Terms
from contracts.meters import METERING, MeterState, Sight, Totals
from contracts.periods import Period, Span, in_force
from contracts.readings import NO_BOOT, NOTHING, Series
from contracts.sides.service import ServiceState, serve
from contracts.sides.stretches import Stretches
from contracts.sides.told import NOTHING_TOLD, Told
from contracts.sides.watch import ALIVE, Watch, watches, watches_life
from contracts.timeline import Held, Timeline


@dataclass(frozen=True, slots=True)
class DeviceState:
    """Where the meters of one device stand at a moment; everything before it is metered."""

    at: int
    entered: bool = False  # has it been in force yet?
    boot: str | None = None  # the last one its telemetry named
    held: Mapping[Key, Held] = field(default_factory=dict)
    runs: Mapping[Condition, int] = field(default_factory=dict)
    meters: Mapping[str, MeterState] = field(default_factory=dict)
    services: Mapping[str, ServiceState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a device's meters measured over a stretch, and what its promises saw: conditions, and overdue services."""

    totals: Mapping[str, Totals]
    watched: Mapping[Watch, Timeline] = field(default_factory=dict)
    overdue: Mapping[str, Stretches] = field(default_factory=dict)


def keys_of(terms: Terms, device: str) -> set[Key]:
    """Every (device, channel) whose readings the meters of a device look at, all its own channels included."""
    conditions = [c for meter in terms.meters.values() for c in (meter.condition, meter.only_when) if c is not None]
    conditions += watches(terms).values()
    pairs = {(other or device, channel) for condition in conditions for other, channel in terms.compared(condition)}
    watched = {other for other, channel in pairs if terms.hold_ms(channel) is None}
    return pairs | {(each, channel) for each in {device, *watched} for channel in terms.channels}


def opening_devices(terms: Terms, first: Period, readings: Mapping[Key, Series]) -> dict[str, DeviceState]:
    """How each device opens a contract's first period: what the readings before it left behind.

    A value may still hold from before, and may be a counter's first baseline.
    """
    devices = {}
    for device in terms.devices:
        mine = {key: readings[key] for key in keys_of(terms, device.id) if key in readings}
        devices[device.id] = _pass(device.id, DeviceState(0), mine, first.span.start)
    return devices


def begin_period(state: DeviceState) -> DeviceState:
    """A period starts: runs of `for`, gaps and steps under way are seen from here on alone (semantics §4)."""
    return replace(state, runs={}, meters={name: _fresh(meter) for name, meter in state.meters.items()})


def advance(
    terms: Terms,
    device: Device,
    period: Period,
    state: DeviceState,
    readings: Mapping[Key, Series],
    end: int,
    *,
    closing: bool,
    told: Told = NOTHING_TOLD,
) -> tuple[Stretch, DeviceState]:
    """Go on from where `state` stands to `end` within the period, metering while the device is in force.

    `readings` are those that stand, from `state.at` on. Unless `closing`, metering stops at the last moment that is
    settled, and the state says where. `told` is what was said of the device.
    """
    force = in_force(terms, device, period)
    stretch = Stretch(dict.fromkeys(terms.meters, Totals()))
    if state.at < min(end, force.start):
        state = _pass(device.id, state, readings, min(end, force.start))
    if state.at == force.start and force.length_ms and not state.entered:
        state = _enter_force(terms, device.id, state, readings)
    until = min(end, force.end)
    if state.entered and state.at < until:
        closes = closing or until == force.end
        stretch, state = _meter(terms, device.id, state, readings, until, closes, told)
    if force.end <= state.at < end:
        state = _pass(device.id, state, readings, end)
    return stretch, state


def _pass(device: str, state: DeviceState, readings: Mapping[Key, Series], end: int) -> DeviceState:
    """Move on without metering: while a device is not in force, only its last values and its boot are kept."""
    _, boot = _restarts(device, state, readings, end)
    return replace(state, at=end, boot=boot, held=_held_at(state, readings, end), runs={})


def _enter_force(terms: Terms, device: str, state: DeviceState, readings: Mapping[Key, Series]) -> DeviceState:
    """The device joins: a reading that still holds is each counter's first baseline, else its next one will be."""
    window = _window(terms, state, readings, state.at + 1)
    meters = dict(state.meters)
    for name, meter in terms.meters.items():
        key = (device, meter.counter or "")
        held = state.held.get(key)
        followed = len(window.series.get(key, NOTHING).between(state.at, state.at + 1).times)
        if held and not followed and window.track(*key).known[0]:
            meters[name] = MeterState(counting=Counting(Baseline(*held)))
    services = {duty.id: ServiceState(state.at) for duty in terms.obligations if duty.service is not None}
    return replace(state, entered=True, meters=meters, services=services)


def _meter(
    terms: Terms,
    device: str,
    state: DeviceState,
    readings: Mapping[Key, Series],
    end: int,
    closing: bool,
    told: Told,
) -> tuple[Stretch, DeviceState]:
    if end <= state.at:
        return Stretch(dict.fromkeys(terms.meters, Totals())), state
    window = _window(terms, state, readings, end)
    verdicts = _verdicts(terms, window, device, state.runs, closing)
    settled = min([end, *(verdict.settled for verdict in verdicts.values())])
    if settled < end:
        return _meter(terms, device, state, readings, settled, closing, told)
    moments, boot = _restarts(device, state, readings, end)
    sight = Sight(terms, device, window, verdicts, moments, told, closing)
    totals, meters = {}, {}
    for name, meter in terms.meters.items():
        totals[name], meters[name] = METERING[meter.kind](sight, name, state.meters.get(name, MeterState()))
    overdue, services = _services(sight, state)
    stretch = Stretch(totals, _watched(sight), overdue)
    runs = {} if closing else runs_at(list(verdicts.values()), state.runs, end)
    held = _held_at(state, readings, end)
    return stretch, DeviceState(end, state.entered, boot, held, runs, meters, services)


def _verdicts(terms: Terms, window: Window, device: str, runs: Runs, closing: bool) -> dict[tuple[str, str], Verdict]:
    """Every condition that meters and promises of the device look at; each is judged once, whoever names it."""
    asked = {
        (name, role): condition
        for name, meter in terms.meters.items()
        for role, condition in (("measured", meter.condition), ("only_when", meter.only_when))
        if condition is not None
    }
    asked |= watches(terms)
    judged: dict[Condition, Verdict] = {}
    for condition in asked.values():
        if condition not in judged:
            judged[condition] = judge_condition(window, device, condition, runs, closing)
    return {place: judged[condition] for place, condition in asked.items()}


def _watched(sight: Sight) -> dict[Watch, Timeline]:
    found = {watch: sight.verdicts[watch].timeline.merged() for watch in watches(sight.terms)}
    if watches_life(sight.terms):
        found[ALIVE] = sight.window.alive(sight.device).merged()
    return found


def _services(sight: Sight, state: DeviceState) -> tuple[dict[str, Stretches], dict[str, ServiceState]]:
    overdue, services = {}, {}
    for duty in sight.terms.obligations:
        if duty.service is not None:
            meter = state.meters.get(duty.service.of or "", MeterState())
            before = state.services.get(duty.id, ServiceState(sight.span.start))
            overdue[duty.id], services[duty.id] = serve(sight, duty.service, before, meter, sight.told)
    return overdue, services


def _window(terms: Terms, state: DeviceState, readings: Mapping[Key, Series], end: int) -> Window:
    return Window(terms, Span(state.at, end), readings, state.held)


def _restarts(
    device: str, state: DeviceState, readings: Mapping[Key, Series], end: int
) -> tuple[tuple[int, ...], str | None]:
    """When the device announced a restart up to `end`, by another `boot` on any channel, and the last boot it named.

    The first boot ever seen announces nothing (semantics §3). It is the device that restarts, not a channel: the
    readings of all its channels are taken together, in order of time.
    """
    stretches = [every.between(state.at, end) for (reporter, _), every in readings.items() if reporter == device]
    if all(_names_none_but(state.boot, every) for every in stretches):
        return (), state.boot  # as nearly always
    named = [each.at(each.boots != NO_BOOT) for each in stretches if len(each.boots)]
    names = sorted({each.boot_names[boot] for each in named for boot in np.unique(each.boots).tolist()})
    places = {name: place for place, name in enumerate(names)}
    times = np.concatenate([each.times for each in named])
    boots = np.concatenate([np.array([places.get(n, -1) for n in each.boot_names])[each.boots] for each in named])
    order = np.lexsort((boots, times))
    times, boots = times[order], boots[order]
    before = boots[0] if state.boot is None else places.get(state.boot, -1)
    changes = np.flatnonzero(np.diff(boots, prepend=before))
    return tuple(np.unique(times[changes]).tolist()), names[int(boots[-1])]


def _names_none_but(boot: str | None, series: Series) -> bool:
    place = series.boot_names.index(boot) if boot in series.boot_names else NO_BOOT
    return bool(((series.boots == place) | (series.boots == NO_BOOT)).all())


def _fresh(meter: MeterState) -> MeterState:
    low = meter.counting.low
    counting = replace(meter.counting, low=replace(low, count=0) if low else None, flagged=None)
    return MeterState(counting=counting, before=meter.before)


def _held_at(state: DeviceState, readings: Mapping[Key, Series], end: int) -> dict[Key, Held]:
    latest = {key: series.last_before(end) for key, series in readings.items()}
    return {**state.held, **{key: held for key, held in latest.items() if held is not None}}
