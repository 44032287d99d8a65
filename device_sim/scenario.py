"""A scenario: which machines there are, what goes wrong with them, and what people say, written for any month.

A fault or an event is placed by its offset from the start of the period (`at: 5d3h` is 03:00 local on the sixth day),
so the same file works for every month; `workday: true` moves one that falls on a weekend to the same hour of the next
Monday.
"""

from collections.abc import Collection
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BeforeValidator, Field, ValidationError

from device_sim.days import placed_ms
from device_sim.event_spec import Decision, EventSpec, Objection, PlannedWork
from device_sim.fault_spec import (
    BadZero,
    Breakdown,
    ClockSkew,
    Closed,
    Conflict,
    CounterReset,
    Duration,
    Fault,
    Id,
    Stuck,
    Text,
)
from device_sim.machines import MODELS, Machine, channels
from device_sim.telemetry import Kind

MAX_CHARACTERS = 200_000
MAX_DEVICES = 1_000
MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in a scenario: where it stands, and how to mend it. `line` is None where no line can be named."""

    path: str
    line: int | None
    message: str
    remedy: str

    def __str__(self) -> str:
        """One line for people."""
        where = "" if self.line is None else f"line {self.line}: "
        return f"{where}{self.path}: {self.message}; {self.remedy}"


def _zone(text: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(text))
    except (KeyError, OSError, ValueError) as unknown:  # a name that is unknown, a folder, or a way out of the folder
        raise ValueError(f"{text!r} is no IANA time zone, such as Europe/Brussels") from unknown


Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]


class DeviceSpec(Closed):
    """One simulated device: `id` is also its MQTT client id; `seed` makes it differ from others of its model."""

    id: Id
    model: Literal["printer", "compressor", "van", "truck"]
    seed: Annotated[int, Field(ge=0)]
    interval: Duration = 60_000
    boot: Text = "b1"
    meter: Text | None = None
    firmware: Text | None = None


class Scenario(Closed):
    """Machines that stand in one time zone, their faults, and what people enter about them."""

    name: Text
    timezone: Zone = ZoneInfo("Europe/Brussels")
    devices: Annotated[list[DeviceSpec], Field(min_length=1, max_length=MAX_DEVICES)]
    faults: Annotated[list[Fault], Field(max_length=10_000, default_factory=list)]
    events: Annotated[list[EventSpec], Field(max_length=10_000, default_factory=list)]

    def device(self, device_id: str) -> DeviceSpec:
        """The device of this id; KeyError for one the scenario does not have."""
        for device in self.devices:
            if device.id == device_id:
                return device
        raise KeyError(device_id)

    def machine(self, device_id: str, period_start_ms: int | None = None) -> Machine:
        """The machine behind a device, with its breakdowns if they are placed from the start of a period."""
        device = self.device(device_id)
        broken = () if period_start_ms is None else self._broken(device_id, period_start_ms)
        return Machine(device.model, device.seed, self.timezone, device.interval, broken)

    def _broken(self, device_id: str, period_start_ms: int) -> tuple[tuple[int, int], ...]:
        """When a device stands broken down; breakdowns that overlap are one."""
        spans = []
        for fault in self.faults:
            if isinstance(fault, Breakdown) and fault.device == device_id:
                start_ms = placed_ms(period_start_ms, fault.at, fault.workday, self.timezone)
                spans.append((start_ms, start_ms + fault.lasts))
        united: list[tuple[int, int]] = []
        for span in sorted(spans):
            if united and span[0] <= united[-1][1]:
                united[-1] = (united[-1][0], max(united[-1][1], span[1]))
            else:
                united.append(span)
        return tuple(united)


Place = tuple[str | int, ...]


def read_scenario(text: str) -> tuple[Scenario | None, tuple[Problem, ...]]:
    """The scenario of a YAML text, or everything that is wrong with it, at once."""
    if len(text) > MAX_CHARACTERS:
        return _refused(None, f"is longer than {MAX_CHARACTERS} characters", "split it into several scenarios")
    try:
        if hostile := _hostile(text):
            return _refused(None, *hostile)
        raw, tree = yaml.safe_load(text), yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        message = f"is not readable YAML: {getattr(error, 'problem', None) or error}"
        return _refused(mark.line + 1 if mark else None, message, "mend the text at this place")
    try:
        scenario = Scenario.model_validate(raw)
    except ValidationError as error:
        return None, tuple(_problem(detail, tree) for detail in error.errors())
    found = [Problem(_path(at), _line(tree, at), message, remedy) for at, message, remedy in _contradictions(scenario)]
    return (None, tuple(found)) if found else (scenario, ())


def _hostile(text: str) -> tuple[str, str] | None:
    """What would make a short text endless to read, and its remedy: aliases, and parts within parts within parts."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            return "uses a YAML alias (*name)", "write the part out where it is needed"
        if depth > MAX_DEPTH:
            return f"is nested more than {MAX_DEPTH} deep", "look for a bracket that is not closed"
    return None


def _refused(line: int | None, message: str, remedy: str) -> tuple[None, tuple[Problem, ...]]:
    return None, (Problem("(file)", line, message, remedy),)


def shipped(name: str) -> Scenario:
    """A scenario that comes with the product: `office-printer`, `compressed-air` or `demo`."""
    file = resources.files("device_sim").joinpath("scenarios", f"{name}.yaml")
    scenario, problems = read_scenario(file.read_text("utf-8"))
    assert scenario is not None, problems
    return scenario


def _contradictions(scenario: Scenario) -> list[tuple[Place, str, str]]:
    """What is wrong between parts that are each right: place, message, remedy."""
    found: list[tuple[Place, str, str]] = []
    models: dict[str, str] = {}
    for index, device in enumerate(scenario.devices):
        if device.id in models:
            found.append((("devices", index, "id"), f"{device.id!r} appears twice", "give each device its own id"))
        models[device.id] = device.model
    for index, fault in enumerate(scenario.faults):
        place: Place = ("faults", index)
        if fault.device not in models:
            message = f"no device is called {fault.device!r}"
            found.append(((*place, "device"), message, f"use one of {', '.join(models)}"))
            continue
        if isinstance(fault, Stuck | CounterReset | BadZero | Conflict):
            possible = _possible_channels(fault, models[fault.device])
            if fault.channel not in possible:
                message = f"a {fault.kind} cannot happen to {fault.channel!r} of a {models[fault.device]}"
                found.append(((*place, "channel"), message, f"use one of {', '.join(possible)}"))
        if isinstance(fault, Breakdown) and MODELS[models[fault.device]].standing is None:
            message = f"a breakdown of a {models[fault.device]} cannot be placed"
            able = ", ".join(name for name, model in MODELS.items() if model.standing is not None)
            found.append(((*place, "kind"), message, f"let it happen to one of {able}"))
        if isinstance(fault, ClockSkew) and (fault.ahead > 0) == (fault.behind > 0):
            found.append((place, "the clock is neither ahead nor behind, or both", "give one of ahead and behind"))
        if isinstance(fault, Conflict) and fault.ticks == 0:
            found.append(((*place, "ticks"), "the same value is no conflict", "give a number of ticks other than 0"))
    return found + _contradictory_events(scenario, models)


def _contradictory_events(scenario: Scenario, models: Collection[str]) -> list[tuple[Place, str, str]]:
    """Events about nothing: a device or an event that is not there, or work announced before there was a period."""
    found: list[tuple[Place, str, str]] = []
    sides = {event.id: event.side for event in scenario.events if event.id is not None}
    seen: set[str | None] = set()
    for index, event in enumerate(scenario.events):
        place: Place = ("events", index)
        if event.device not in models:
            message = f"no device is called {event.device!r}"
            found.append(((*place, "device"), message, f"use one of {', '.join(models)}"))
        if event.id is not None and event.id in seen:
            found.append(((*place, "id"), f"{event.id!r} appears twice", "give each event its own id"))
        seen.add(event.id)
        if isinstance(event, Decision | Objection) and event.of not in sides:
            known = ", ".join(sides) or "the events, which have none yet"
            found.append(((*place, "of"), f"no event has the id {event.of!r}", f"use one of {known}"))
        elif isinstance(event, Objection) and sides[event.of] == event.side:
            found.append(((*place, "side"), "nobody contests what the own side has said", "name the other side"))
        if isinstance(event, PlannedWork) and (event.announced or 0) > event.at:
            found.append(((*place, "announced"), "is before the period starts", "announce it later, or plan it later"))
    return found


def _possible_channels(fault: Stuck | CounterReset | BadZero | Conflict, model: str) -> list[str]:
    """Any sensor can stick; only registers are reset or misread as zero; a flag has no second value in conflict."""
    allowed = {
        "stuck": {Kind.REGISTER, Kind.GAUGE, Kind.FLAG},
        "counter_reset": {Kind.REGISTER},
        "bad_zero": {Kind.REGISTER},
        "conflict": {Kind.REGISTER, Kind.GAUGE},
    }
    return [channel.name for channel in channels(model).values() if channel.kind in allowed[fault.kind]]


_REMEDIES = {
    "extra_forbidden": "remove it, or look for a slip of the pen",
    "missing": "add it",
    "union_tag_invalid": "use one of the kinds named",
    "string_type": "put it in quotes",
}


def _problem(detail: Any, tree: yaml.Node | None) -> Problem:
    """A validation error as a person should read it."""
    place = detail["loc"]
    if place[:1] in (("faults",), ("events",)):  # after the index pydantic names the kind, a level no file has
        place = (*place[:2], *place[3:])
    message = (
        "is not a known key" if detail["type"] == "extra_forbidden" else detail["msg"].removeprefix("Value error, ")
    )
    remedy = _REMEDIES.get(detail["type"], "write it as described")
    if detail["type"] == "union_tag_not_found":
        remedy = f"add `{'type' if place[0] == 'events' else 'kind'}`"
    return Problem(_path(place), _line(tree, place), message, remedy)


def _path(place: Place) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".") or "(file)"


def _line(tree: yaml.Node | None, place: Place) -> int | None:
    """The line of the innermost part of the place that the text has."""
    node, line = tree, None if tree is None else tree.start_mark.line + 1
    for part in place:
        step: tuple[yaml.Node, yaml.Node] | None = None
        if isinstance(node, yaml.MappingNode):
            step = next(((key, value) for key, value in node.value if key.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            step = (node.value[part], node.value[part])
        if step is None:
            break
        line, node = step[0].start_mark.line + 1, step[1]
    return line
