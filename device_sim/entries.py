"""What people enter in simulated time, as it goes out on `event/{device}` (interfaces, MQTT) when it is entered."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from device_sim.days import placed_ms, wall_clock
from device_sim.event_spec import Decision, EventSpec, Excuse, Objection, PlannedWork
from device_sim.scenario import Scenario
from device_sim.telemetry import ReadingSet


@dataclass(frozen=True, slots=True)
class Entry:
    """An event at the moment somebody enters it; `payload` is the JSON object that is sent."""

    entered_ms: int
    payload: Mapping[str, object]


def entries(scenario: Scenario, device_id: str, start_ms: int, end_ms: int, period_start_ms: int) -> tuple[Entry, ...]:
    """What is entered about a device in [start_ms, end_ms), in order of time, placed from the start of the period."""
    zone = scenario.timezone
    found = []
    for event in scenario.events:
        if event.device == device_id:
            begins_ms = placed_ms(period_start_ms, event.at, event.workday, zone)
            ahead_ms = (event.announced or 0) if isinstance(event, PlannedWork) else 0
            payload = _payload(event, begins_ms, f"-{wall_clock(period_start_ms, zone).date()}")
            found.append(Entry(begins_ms - ahead_ms, payload))
    within = [one for one in found if start_ms <= one.entered_ms < end_ms]
    return tuple(sorted(within, key=lambda one: one.entered_ms))


def between(stream: Iterable[ReadingSet], entered: Iterable[Entry]) -> Iterator[ReadingSet | Entry]:
    """The stream with each entry before the first set that leaves the device after it."""
    waiting = iter(entered)
    upcoming = next(waiting, None)
    for one in stream:
        while upcoming is not None and upcoming.entered_ms <= one.ready_ms:
            yield upcoming
            upcoming = next(waiting, None)
        yield one
    if upcoming is not None:
        yield upcoming
    yield from waiting


def _payload(event: EventSpec, begins_ms: int, period: str) -> dict[str, object]:
    """The event as it is sent; ids carry the period, so that next month's workshop day is another one."""
    said: dict[str, object] = {} if event.id is None else {"id": event.id + period}
    said["type"] = event.type
    if isinstance(event, PlannedWork | Excuse):
        said |= {"start": begins_ms, "end": begins_ms + event.lasts}
    else:
        said["t"] = begins_ms
    if isinstance(event, PlannedWork) and event.announced is not None:
        said["announced"] = begins_ms - event.announced
    if isinstance(event, Decision | Objection):
        said["of"] = event.of + period
    if isinstance(event, Decision):
        said["verdict"] = event.verdict
    said |= {"by": event.by, "side": event.side}
    return said if event.reason is None else said | {"reason": event.reason}
