"""Names that a contract uses and should have declared, checked on the values as written.

Working on the plain values, before any model, lets one run of `check` report a misspelt key and a misspelt name
together, wherever each stands.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from contracts.periods import zone
from contracts.yaml_text import Path

Fault = tuple[Path, str, str]

# More than any agreement needs: each comparison is judged for every reading, and names lead to names.
MAX_CONDITIONS = 500
MAX_COMPARISONS = 1_000
MAX_DEPTH = 40


@dataclass(frozen=True, slots=True)
class Declared:
    """The names a contract declares."""

    devices: Collection[str]
    channels: Collection[str]
    conditions: dict[str, Any]
    meters: dict[str, Any]


def faults(value: Any) -> Iterator[Fault]:
    """Every undeclared, repeated or circular name in a contract, with its path, what is wrong and the remedy."""
    if not isinstance(value, dict):
        return
    devices = [str(device.get("id")) for device in _list(value, "devices") if isinstance(device, dict)]
    declared = Declared(devices, _dict(value, "channels"), _dict(value, "conditions"), _dict(value, "meters"))
    yield from _zone_faults(value)
    yield from _repeated(value, "devices", "list each device once")
    yield from _repeated(value, "charges", "ids name the lines of a statement, so each must be its own")
    for name, condition in declared.conditions.items():
        yield from _condition_faults(condition, ("conditions", name), declared)
    yield from _tangles(declared)
    for name, meter in declared.meters.items():
        yield from _meter_faults(meter, ("meters", name), declared)
    for index, charge in enumerate(_list(value, "charges")):
        yield from _charge_faults(charge, ("charges", index), declared)


def _list(value: dict[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def _dict(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _zone_faults(value: dict[str, Any]) -> Iterator[Fault]:
    name = value.get("timezone")
    if isinstance(name, str):
        try:
            zone(name)
        except (ZoneInfoNotFoundError, ValueError):
            yield ("timezone",), f"`{name}` is not a time zone", "Use an IANA name such as Europe/Brussels"


def _repeated(value: dict[str, Any], key: str, why: str) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, item in enumerate(_list(value, key)):
        name = item.get("id") if isinstance(item, dict) else None
        if isinstance(name, str) and name in seen:
            yield (key, index, "id"), f"the id `{name}` is used twice under {key}", why.capitalize()
        seen.add(str(name))


def _meter_faults(meter: Any, at: Path, declared: Declared) -> Iterator[Fault]:
    if not isinstance(meter, dict):
        return
    for kind in ("counter", "integral"):
        yield from _undeclared((*at, kind), "channel", meter.get(kind), declared.channels)
    for kind in ("duration", "count", "only_when"):
        yield from _condition_faults(meter.get(kind), (*at, kind), declared)


def _charge_faults(charge: Any, at: Path, declared: Declared) -> Iterator[Fault]:
    if not isinstance(charge, dict):
        return
    yield from _undeclared((*at, "meter"), "meter", charge.get("meter"), declared.meters)


def _condition_faults(condition: Any, at: Path, declared: Declared) -> Iterator[Fault]:
    if isinstance(condition, str):
        yield from _undeclared(at, "condition", condition, declared.conditions)
    if not isinstance(condition, dict):
        return
    yield from _undeclared((*at, "channel"), "channel", condition.get("channel"), declared.channels)
    yield from _undeclared((*at, "device"), "device", condition.get("device"), declared.devices)
    yield from _undeclared((*at, "condition"), "condition", condition.get("condition"), declared.conditions)
    for step, part in _parts(condition):
        yield from _condition_faults(part, (*at, *step), declared)


def _parts(condition: Any) -> Iterator[tuple[Path, Any]]:
    if not isinstance(condition, dict):
        return
    for form in ("all", "any"):
        for index, part in enumerate(_list(condition, form)):
            yield (form, index), part
    if "not" in condition:
        yield ("not",), condition["not"]


def _named(condition: Any) -> Iterator[str]:
    """The names a condition refers to, anywhere inside."""
    name = condition.get("condition") if isinstance(condition, dict) else condition
    if isinstance(name, str):
        yield name
    for _, part in _parts(condition):
        yield from _named(part)


def _circle(start: str, conditions: dict[str, Any]) -> list[str]:
    """The shortest way from a condition back to itself, or nothing."""
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:  # grows while it is walked: breadth first
        for name in _named(conditions.get(way[-1])):
            if name == start:
                return [*way, name]
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def _tangles(declared: Declared) -> Iterator[Fault]:
    """Conditions that cannot be unfolded: defined by themselves, or growing beyond all measure."""
    conditions = declared.conditions
    if len(conditions) > MAX_CONDITIONS:
        yield ("conditions",), f"there are {len(conditions):,} conditions", f"Declare at most {MAX_CONDITIONS}"
        return
    circles = {name: circle for name in conditions if (circle := _circle(name, conditions))}
    for name, circle in circles.items():
        message = f"condition `{name}` is defined by itself: {' → '.join(circle)}"
        yield ("conditions", name), message, "Break the circle: a condition must end in comparisons of channels"
    if not circles:
        yield from _excess(declared)


def _excess(declared: Declared) -> Iterator[Fault]:
    """The first condition that unfolds to too many comparisons, or too deeply, once every name is followed."""
    sizes = dict.fromkeys(declared.conditions, (1, 1))
    for _ in range(MAX_DEPTH + 1):  # each round follows names one step further
        sizes = {name: _size(condition, sizes) for name, condition in declared.conditions.items()}
    places: list[tuple[Path, Any]] = [
        (("conditions", name), condition) for name, condition in declared.conditions.items()
    ]
    for name, meter in declared.meters.items():
        kinds = ("duration", "count", "only_when") if isinstance(meter, dict) else ()
        places += [(("meters", name, kind), meter.get(kind)) for kind in kinds]
    for at, condition in places:
        comparisons, depth = _size(condition, sizes)
        if comparisons > MAX_COMPARISONS or depth > MAX_DEPTH:
            said = (
                f"more than {MAX_COMPARISONS:,} comparisons" if depth <= MAX_DEPTH else f"more than {MAX_DEPTH} levels"
            )
            yield at, f"this condition unfolds to {said}", "Say it with fewer conditions"
            return


def _size(condition: Any, sizes: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """How many comparisons a condition unfolds to, and how deeply, as far as the sizes of names are known."""
    name = condition.get("condition") if isinstance(condition, dict) else condition
    if isinstance(name, str):
        comparisons, depth = sizes.get(name, (1, 0))
        return comparisons, min(depth + 1, MAX_DEPTH + 1)
    inner = [_size(part, sizes) for _, part in _parts(condition)] or [(1, 0)]
    comparisons = min(sum(size for size, _ in inner), MAX_COMPARISONS + 1)
    return comparisons, min(max(depth for _, depth in inner) + 1, MAX_DEPTH + 1)


def _undeclared(at: Path, noun: str, name: Any, declared: Collection[str]) -> Iterator[Fault]:
    if not isinstance(name, str) or name in declared:
        return
    names = [str(each) for each in declared]
    near = difflib.get_close_matches(name, names, n=1)
    remedy = f"Did you mean `{near[0]}`?" if near else f"Declare it, or use one of: {', '.join(names) or 'none yet'}"
    yield at, f"{noun} `{name}` is not declared", remedy
