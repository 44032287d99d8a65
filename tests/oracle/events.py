"""Events: what people said happened, which of it counts, and what the other side said to it (semantics §6, §8)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.oracle.service_hours import utc_ms

CLAIMS = {
    "provider": {"planned", "force_majeure", "excused", "access_refused", "arrived", "repaired"},
    "customer": {"breakdown", "serviced"},
}
"""What helps its own author."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; a moment has equal `start` and `end`, and no device means all of them."""

    id: str
    type: str
    device: str | None
    start: int
    end: int
    side: str
    entered: int
    record: dict[str, Any]

    def concerns(self, device: str | None) -> bool:
        """Tell whether it is about a device, or, asked for none, about any of the contract."""
        return device is None or self.device is None or self.device == device


def moment(value: Any) -> int:
    """Return milliseconds of a number or of an RFC 3339 text."""
    if str(value).lstrip("-").isdigit():
        return int(value)
    return utc_ms(datetime.fromisoformat(str(value)))


def read_events(records: list[dict[str, Any]]) -> list[Event]:
    """Return events from their records, in order of entry."""
    found = []
    for record in records:
        start = moment(record.get("start", record.get("time")))
        end = moment(record.get("end", start))
        entered = moment(record.get("entered", start))
        found.append(
            Event(record["id"], record["type"], record.get("device"), start, end, record["side"], entered, record)
        )
    return sorted(found, key=lambda event: event.entered)


def verdicts(events: list[Event], event: Event) -> dict[str, str]:
    """Return what each side decided of an event last."""
    decided = [other for other in events if other.type == "decision" and other.record.get("of") == event.id]
    return {decision.side: decision.record["verdict"] for decision in decided}


def standing(events: list[Event], event: Event) -> str:
    """Return how an event stands between the parties."""
    decided = verdicts(events, event)
    if len(decided) == 2 and set(decided.values()) == {"accept"}:
        return "accepted"
    if len(decided) == 2 and set(decided.values()) == {"discard"}:
        return "discarded"
    if any(other.type == "contested" and other.record["of"] == event.id for other in events):
        return "contested"
    return f"claimed by {event.side}" if event.type in CLAIMS[event.side] else "stated"


def counting(events: list[Event], *types: str) -> list[Event]:
    """Return the events of some types that count: neither contested nor discarded, by start and id."""
    chosen = [e for e in events if e.type in types and standing(events, e) not in ("contested", "discarded")]
    return sorted(chosen, key=lambda event: (event.start, event.id))


def announced_in_time(events: list[Event], event: Event, notice_ms: int) -> bool:
    """Tell whether planned work was entered its notice ahead, or announced so and confirmed by the other side."""
    latest = event.start - notice_ms
    if event.entered <= latest:
        return True
    other = "customer" if event.side == "provider" else "provider"
    confirmed = verdicts(events, event).get(other) == "accept"
    return confirmed and "announced" in event.record and moment(event.record["announced"]) <= latest
