"""What devices and people said of one device, as its meters and services need it: exchanges, decisions, maintenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from contracts.events import Docket, Event
from contracts.language.terms import Terms
from contracts.periods import Span, rfc3339
from contracts.readings import Decision, exact_ticks
from contracts.table import checked_time
from contracts.units import DAY_MS


@dataclass(frozen=True, slots=True)
class MeterId:
    """A new meter id that a device announced: when, the id, and the one before."""

    time: int
    meter: str
    before: str

    def document(self, device: str) -> dict[str, str]:
        """As the evidence holds it, beside people's events."""
        said = {"meter": self.meter, "before": self.before}
        return {"type": "meter", "device": device, "time": rfc3339(self.time), **said}

    @staticmethod
    def read(document: Mapping[str, str]) -> MeterId:
        """The same from its document."""
        return MeterId(checked_time(document["time"]), document["meter"], document["before"])


@dataclass(frozen=True, slots=True)
class Exchange:
    """A meter exchanged, with the registers read from the old one and the new, in ticks of the channel."""

    time: int
    channel: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Told:
    """What was said of one device; times in ms UTC, in order.

    `meter_ids` are the moments of new meter ids that no person explained; `decisions` are those on readings kept
    aside, by channel.
    """

    meter_ids: tuple[int, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    serviced: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()
    decisions: dict[str, tuple[Decision, ...]] = field(default_factory=dict)

    def within(self, span: Span) -> Told:
        """What was said of a span; decisions are kept whole, since each names its reading's time."""
        return replace(
            self,
            meter_ids=_inside(self.meter_ids, span),
            exchanges=tuple(each for each in self.exchanges if span.start <= each.time < span.end),
            serviced=_inside(self.serviced, span),
            refused=_inside(self.refused, span),
        )


NOTHING_TOLD = Told()


def _inside(times: tuple[int, ...], span: Span) -> tuple[int, ...]:
    return tuple(time for time in times if span.start <= time < span.end)


def told_of(terms: Terms, docket: Docket, device: str, meter_ids: Iterable[MeterId]) -> Told:
    """What the events that count, and the device's own new meter ids, say of a device.

    A `meter_exchanged` event explains the new meter id nearest to it within a day, and then holds at its moment.
    """
    announced, exchanges = sorted(each.time for each in meter_ids), []
    for event in docket.standing_of(device, "meter_exchanged"):
        near = [time for time in announced if abs(time - event.start) <= DAY_MS]
        time = min(near, key=lambda moment: abs(moment - event.start), default=event.start)
        if near:
            announced.remove(time)
        exchange = _exchange(terms, event, time)
        exchanges += [exchange] if exchange else []
    return Told(
        tuple(announced),
        tuple(sorted(exchanges, key=lambda each: each.time)),
        tuple(event.start for event in docket.standing_of(device, "serviced")),
        tuple(event.start for event in docket.standing_of(device, "access_refused")),
        decisions_of(terms, docket, device),
    )


def _exchange(terms: Terms, event: Event, time: int) -> Exchange | None:
    """The exchange in ticks; of a device with several registers, the event names the channel."""
    registers = sorted({meter.counter for meter in terms.meters.values() if meter.counter})
    channel = event.channel or (registers[0] if len(registers) == 1 else None)
    if channel not in terms.channels or event.old is None or event.new is None:
        return None
    resolution = terms.channels[channel].resolution
    old, new = exact_ticks(f"{event.old:f}", resolution), exact_ticks(f"{event.new:f}", resolution)
    return None if old is None or new is None else Exchange(time, channel, old, new)


def decisions_of(terms: Terms, docket: Docket, device: str) -> dict[str, tuple[Decision, ...]]:
    """What people decided of the device's readings that were kept aside, by channel; the last word on each holds."""
    found: dict[str, dict[tuple[int, int | None], Decision]] = {}
    decided = [event for event in docket.events if event.on_reading and event.device == device]
    for event in sorted(decided, key=lambda each: (each.entered, each.id)):
        channel = event.channel or ""
        if channel in terms.channels and event.verdict is not None:
            resolution = terms.channels[channel].resolution
            ticks = None if event.value is None else exact_ticks(f"{event.value:f}", resolution)
            mine = found.setdefault(channel, {})
            mine[event.start, ticks] = Decision(event.start, event.verdict == "accept", ticks)
    return {channel: tuple(sorted(each.values(), key=lambda d: d.time)) for channel, each in found.items()}


def changed_moments(before: Told, now: Told) -> set[int]:
    """The moments at which two accounts of a device differ: from each on, its meters are to be read again."""
    if before == now:
        return set()
    found = set[int]()
    for name in ("meter_ids", "serviced", "refused"):
        found |= set(getattr(before, name)) ^ set(getattr(now, name))
    found |= {each.time for each in set(before.exchanges) ^ set(now.exchanges)}
    for channel in {*before.decisions, *now.decisions}:
        different = set(before.decisions.get(channel, ())) ^ set(now.decisions.get(channel, ()))
        found |= {each.time for each in different}
    return found
