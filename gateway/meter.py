"""Metering in the gateway: what the core needs to know of a period, read from the block store."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from contracts.events import Docket
from contracts.judging import Key
from contracts.language.terms import Device, Terms
from contracts.metering import opening_devices
from contracts.periods import Period
from contracts.readings import Clock, Decision, Judged, Series, judge
from contracts.sides.carried import State
from contracts.sides.told import MeterId, Told, decisions_of, told_of
from contracts.statement import Input
from gateway.blocks import BlockStore


@dataclass(frozen=True)
class Source:
    """The block store as it stood at a journal position (None: as it stands), in one contract's terms."""

    store: BlockStore
    terms: Terms
    upto: int | None = None

    def pairs(self) -> list[Key]:
        """Every device and channel the contract declares."""
        return [(device.id, channel) for device in self.terms.devices for channel in self.terms.channels]

    @cached_property
    def docket(self) -> Docket:
        """Every event of the contract."""
        return Docket.of(self.store.contract_events(self.terms.id, self.upto))

    @cached_property
    def _decisions(self) -> dict[str, dict[str, tuple[Decision, ...]]]:
        return {device.id: decisions_of(self.terms, self.docket, device.id) for device in self.terms.devices}

    def judged(self, key: Key, start: int, end: int) -> Judged:
        """The readings of a channel in [start, end) with what became of each."""
        decisions = self._decisions.get(key[0], {}).get(key[1], ())
        return judge(self.store.read(*key, start, end, self.upto), Clock.of(self.terms), decisions)

    def settled_since(self, position: int | None) -> frozenset[str]:
        """The settlements that both sides have accepted since a journal position (None: ever)."""
        before = frozenset[str]() if position is None else Source(self.store, self.terms, position).docket.settled()
        return self.docket.settled() - before

    def period(self, period: Period, settlements: Collection[str] = ()) -> Input:
        """Everything a period is computed from; `settlements` are those that its statement brings."""
        span = period.span
        judged = {key: self.judged(key, span.start, span.end) for key in self.pairs()}
        refused = {key: self.store.refused(*key, span.start, span.end, self.upto) for key in self.pairs()}
        found = {key: each for key, each in judged.items() if len(each.columns)}
        meter_ids = {device.id: self.meter_ids(device.id, period) for device in self.terms.devices}
        return Input(found, refused, meter_ids, docket=self.docket.touching(span, settlements))

    def told(self, device: Device, period: Period) -> Told:
        """What was said of a device in a period."""
        docket = self.docket.touching(period.span)
        return told_of(self.terms, docket, device.id, self.meter_ids(device.id, period))

    def meter_ids(self, device: str, period: Period) -> tuple[MeterId, ...]:
        """The new meter ids that a device announced in a period."""
        events = self.store.device_events(device, period.span.start, period.span.end, self.upto)
        said = [(event.time_ms, event.details) for event in events if event.kind == "meter"]
        return tuple(MeterId(time, details["meter"], details["before"]) for time, details in said)

    def first_opening(self, first: Period) -> State:
        """The state with which the contract's first period opens."""
        return State(first.span.start, opening_devices(self.terms, first, self._before(first.span.start)))

    def _before(self, moment: int) -> Mapping[Key, Series]:
        clock = Clock.of(self.terms)
        found = {key: judge(self.store.last_before(*key, moment, clock, self.upto), clock) for key in self.pairs()}
        return {key: judged.series() for key, judged in found.items() if len(judged.columns)}
