"""What people and devices said, as series: events of contracts, and what devices announce of themselves."""

import json
from collections.abc import Iterator
from typing import Any

from contracts.canonical import canonical
from contracts.events import Docket, Event
from gateway.increment import DeviceEvent
from gateway.influx.points import Point, Value
from gateway.influx.terms import LONGEST_TEXT, pieces

TITLES = {
    "planned": "Planned work",
    "force_majeure": "Force majeure",
    "excused": "Excused",
    "serviced": "Serviced",
    "access_refused": "Access refused",
    "breakdown": "Breakdown",
    "arrived": "Technician arrived",
    "repaired": "Repaired",
    "note": "Note",
    "meter_exchanged": "Meter exchanged",
    "decision": "Decision",
    "contested": "Contested",
    "settlement": "Settlement",
}


def event_points(contract: str, docket: Docket) -> Iterator[Point]:
    """Every event of a contract, at its start, and how it stands between the two sides by now."""
    for event in docket.events:
        yield _event(contract, docket, event)


def _event(contract: str, docket: Docket, event: Event) -> Point:
    tags = {"contract": contract, "device": event.device or "", "type": event.type, "id": event.id}
    standing = docket.standing(event)
    said = [TITLES.get(event.type, event.type), f"on {event.device}" if event.device else "", f"by {event.by}"]
    reason = f"{event.reason}. " if event.reason else ""
    document = canonical(event.document()).decode()
    fields: dict[str, Value] = {
        "title": " ".join(part for part in said if part),
        "text": f"{reason}For the {event.side}; {standing}",
        "by": event.by,
        "side": event.side,
        "standing": standing,
        "counts": int(docket.counts(event)),
        "end_ms": event.end,
        "document": pieces(document, LONGEST_TEXT)[0],
    }
    return Point("event", tags, fields, event.start)


def announced_point(event: DeviceEvent) -> Point:
    """What a device announced: a restart, another meter, its coming and going."""
    details: dict[str, Any] = dict(event.details)
    text = pieces(json.dumps(details, ensure_ascii=False, sort_keys=True), LONGEST_TEXT)[0]
    return Point(
        "announced", {"device": event.device, "kind": event.kind}, {"id": event.id, "details": text}, event.time_ms
    )
