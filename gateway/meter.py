"""Metering in the gateway: what the core needs to know of a period, read from the block store."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.events import Event
from contracts.judging import Key
from contracts.metering import State, opening_state
from contracts.periods import Period, rfc3339
from contracts.readings import Clock, Judged, Series, judge
from contracts.statement import Input
from contracts.terms import Terms
from gateway.blocks import BlockStore


@dataclass(frozen=True, slots=True)
class Source:
    """The block store as it stood at a journal position (None: as it stands), in one contract's terms."""

    store: BlockStore
    terms: Terms
    upto: int | None = None

    def keys(self) -> list[Key]:
        """Every device and channel the contract declares."""
        return [(device.id, channel) for device in self.terms.devices for channel in self.terms.channels]

    def judged(self, key: Key, start: int, end: int) -> Judged:
        """The readings of a channel in [start, end) with what became of each."""
        return judge(self.store.read(*key, start, end, self.upto), Clock.of(self.terms))

    def period(self, period: Period) -> Input:
        """Everything a period is computed from."""
        span = period.span
        judged = {key: self.judged(key, span.start, span.end) for key in self.keys()}
        refused = {key: self.store.refused(*key, span.start, span.end, self.upto) for key in self.keys()}
        found = {key: each for key, each in judged.items() if len(each.columns)}
        exchanges = {device.id: self.exchanges(device.id, span.start, span.end) for device in self.terms.devices}
        return Input(found, refused, exchanges)

    def exchanges(self, device: str, start: int, end: int) -> tuple[int, ...]:
        """The times at which a device announced a new meter id."""
        events = self.store.device_events(device, start, end, self.upto)
        return tuple(event.time_ms for event in events if event.kind == "meter")

    def events(self) -> tuple[Event, ...]:
        """Every event of the contract, in order of entry."""
        return tuple(self.store.contract_events(self.terms.id, self.upto))

    def meter_ids(self, period: Period) -> Iterator[dict[str, Any]]:
        """The new meter ids that devices announced in the period, as the evidence holds them."""
        for device in self.terms.devices:
            for event in self.store.device_events(device.id, period.span.start, period.span.end, self.upto):
                if event.kind == "meter":
                    time = rfc3339(event.time_ms)
                    said = {"device": device.id, "time": time, "type": "meter", "id": event.id}
                    yield {**said, "details": event.details}

    def first_opening(self, first: Period) -> State:
        """The state with which the contract's first period opens."""
        return opening_state(self.terms, first, self._before(first.span.start))

    def _before(self, moment: int) -> Mapping[Key, Series]:
        clock = Clock.of(self.terms)
        found = {key: judge(self.store.last_before(*key, moment, clock, self.upto), clock) for key in self.keys()}
        return {key: judged.series() for key, judged in found.items() if len(judged.columns)}
