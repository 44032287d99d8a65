"""Events: what sensors cannot say, by a person with a name, a side and a reason (semantics §6, contract language).

An event that helps its own author is a *claim*. The other side may contest it; a contested one counts only when both
sides have accepted it by a decision. The record here is the same whether it came by file, command, MQTT or API.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from contracts.periods import Span, rfc3339

Side = Literal["provider", "customer"]
Verdict = Literal["accept", "discard"]
Standing = Literal["stated", "claimed by provider", "claimed by customer", "contested", "accepted", "discarded"]

STRETCHES = ("planned", "force_majeure", "excused")
MOMENTS = ("serviced", "access_refused", "breakdown", "arrived", "repaired", "note", "meter_exchanged")
TYPES = (*STRETCHES, *MOMENTS, "decision", "contested", "settlement")

# What helps the side that says it, so that the other side may contest it.
CLAIMS: Mapping[Side, frozenset[str]] = {
    "provider": frozenset({"planned", "force_majeure", "excused", "access_refused", "arrived", "repaired"}),
    "customer": frozenset({"breakdown", "serviced"}),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One event. Times in ms UTC; `end` equals `start` for a moment; `device` None means every device.

    `entered` is when it was entered: its arrival in a gateway, or what a file says. `of` names another event, and
    (`channel`, `start`) with `device` a reading, for decisions; `old` and `new` are registers of an exchanged meter.
    """

    id: str
    type: str
    start: int
    end: int
    by: str
    side: Side
    entered: int
    contract: str | None = None
    device: str | None = None
    reason: str | None = None
    announced: int | None = None
    of: str | None = None
    verdict: Verdict | None = None
    channel: str | None = None
    value: Decimal | None = None
    old: Decimal | None = None
    new: Decimal | None = None
    period: str | None = None
    line: str | None = None
    amount: Decimal | None = None

    @property
    def span(self) -> Span:
        """The stretch it covers; empty for a moment."""
        return Span(self.start, self.end)

    @property
    def is_claim(self) -> bool:
        """Does it help the side that entered it?"""
        return self.type in CLAIMS[self.side]

    @property
    def on_reading(self) -> bool:
        """Is it a decision on a reading that was kept aside?"""
        return self.type == "decision" and self.channel is not None

    def concerns(self, device: str) -> bool:
        """Is it about this device?"""
        return self.device is None or self.device == device

    def document(self) -> dict[str, Any]:
        """The event as evidence holds it: only what was said, times RFC 3339, numbers as text."""
        times: dict[str, Any] = {"time": rfc3339(self.start)}
        if self.type in STRETCHES:
            times = {"start": rfc3339(self.start), "end": rfc3339(self.end)}
        said: dict[str, Any] = {"id": self.id, "type": self.type, "contract": self.contract, "device": self.device}
        said |= times | {"by": self.by, "side": self.side, "reason": self.reason, "entered": rfc3339(self.entered)}
        said |= {"announced": None if self.announced is None else rfc3339(self.announced)}
        said |= {name: getattr(self, name) for name in ("of", "verdict", "channel", "period", "line")}
        numbers = {name: getattr(self, name) for name in ("value", "old", "new", "amount")}
        said |= {name: f"{number:f}" for name, number in numbers.items() if number is not None}
        return {name: value for name, value in said.items() if value is not None}


def in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    """Events by the moment they begin, then by entry."""
    return tuple(sorted(events, key=lambda event: (event.start, event.entered, event.id)))


@dataclass(frozen=True, slots=True)
class Docket:
    """The events of a contract with what the other side said of each."""

    events: tuple[Event, ...]
    contested: frozenset[str]
    verdicts: Mapping[tuple[str, Side], Verdict]

    @staticmethod
    def of(events: Iterable[Event]) -> Docket:
        """Take in events in any order; of several decisions of one side the latest entered holds."""
        ordered = in_order(events)
        by_id = {event.id: event for event in ordered}
        contested, verdicts = set[str](), dict[tuple[str, Side], Verdict]()
        for event in sorted(ordered, key=lambda each: (each.entered, each.id)):
            if event.of is None or event.of not in by_id:
                continue
            if event.type == "contested" and by_id[event.of].is_claim and by_id[event.of].side != event.side:
                contested.add(event.of)
            if event.type == "decision" and event.verdict is not None:
                verdicts[event.of, event.side] = event.verdict
        return Docket(ordered, frozenset(contested), verdicts)

    def standing(self, event: Event) -> Standing:
        """How the event stands between the two sides."""
        both = {self.verdicts.get((event.id, "provider")), self.verdicts.get((event.id, "customer"))}
        if both == {"accept"}:
            return "accepted"
        if both == {"discard"}:
            return "discarded"
        if event.id in self.contested:
            return "contested"
        if self.confirmed(event):
            return "accepted"
        if not event.is_claim:
            return "stated"
        return "claimed by provider" if event.side == "provider" else "claimed by customer"

    def counts(self, event: Event) -> bool:
        """Does it count towards what is owed?"""
        return self.standing(event) not in ("contested", "discarded")

    def confirmed(self, event: Event) -> bool:
        """Has the other side accepted it?"""
        other: Side = "customer" if event.side == "provider" else "provider"
        return self.verdicts.get((event.id, other)) == "accept"

    def standing_of(self, device: str, *types: str) -> tuple[Event, ...]:
        """The events of these types about a device that count, in order."""
        return tuple(
            event for event in self.events if event.type in types and event.concerns(device) and self.counts(event)
        )

    def settled_at(self, settlement: Event) -> int | None:
        """When the other side first accepted a settlement, which settles it for good; None while it has not."""
        accepted = [
            event.entered
            for event in self.events
            if event.type == "decision"
            and event.of == settlement.id
            and event.side != settlement.side
            and event.verdict == "accept"
        ]
        return max(settlement.entered, min(accepted)) if accepted else None

    def settled(self) -> frozenset[str]:
        """The settlements that both sides have accepted."""
        settlements = (event for event in self.events if event.type == "settlement")
        return frozenset(event.id for event in settlements if self.settled_at(event) is not None)

    def touching(self, span: Span, settlements: Collection[str] | None = None) -> Docket:
        """The events that can change what a span comes to: those in it, and what was said of them.

        `settlements` are those that enter with it; without, those that were accepted in the span.
        """
        inside = {event.id for event in self.events if self._touches(event, span)}
        if settlements is not None:
            inside -= {event.id for event in self.events if event.type == "settlement"}
            inside |= set(settlements)
        spoken = {event.id for event in self.events if event.of in inside and event.type in ("decision", "contested")}
        return Docket.of(event for event in self.events if event.id in inside | spoken)

    def _touches(self, event: Event, span: Span) -> bool:
        if event.type in STRETCHES:
            return event.start < span.end and span.start < event.end
        if event.type == "settlement":
            accepted = self.settled_at(event)
            return accepted is not None and span.start <= accepted < span.end
        if event.type == "contested" or (event.type == "decision" and not event.on_reading):
            return False  # it comes along with what it is about
        return span.start <= event.start < span.end


NO_EVENTS = Docket((), frozenset(), {})
