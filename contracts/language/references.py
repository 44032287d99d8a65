"""Names that a contract uses and should have declared, checked on the values as written.

Working on the plain values, before any model, lets one run of `check` report a misspelt key and a misspelt name
together, wherever each stands.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from contracts.language.values import COUNTRY
from contracts.language.yaml_text import Path
from contracts.periods import zone
from contracts.sides.service_hours import country_fault

Fault = tuple[Path, str, str]

# More than any agreement needs: each comparison is judged for every reading, and names lead to names.
MAX_CONDITIONS = 500
MAX_COMPARISONS = 1_000
MAX_DEPTH = 40


# Which lists name the lines of a statement, and how one of each is called.
LINES = {"charges": "charge", "guarantees": "guarantee", "obligations": "obligation"}

NOT_LONGER = [("quarter", "quarter"), ("quarter", "year"), ("year", "year")]


@dataclass(frozen=True, slots=True)
class Declared:
    """The names a contract declares."""

    devices: Collection[str]
    channels: Collection[str]
    conditions: dict[str, Any]
    meters: dict[str, Any]
    charges: Collection[str]
    guarantees: dict[str, dict[str, Any]]


def faults(value: Any) -> Iterator[Fault]:
    """Every undeclared, repeated or circular name in a contract, with its path, what is wrong and the remedy."""
    if not isinstance(value, dict):
        return
    declared = Declared(
        [name for _, name, _ in _items(value, "devices")],
        _dict(value, "channels"),
        _dict(value, "conditions"),
        _dict(value, "meters"),
        [name for _, name, _ in _items(value, "charges")],
        {name: guarantee for _, name, guarantee in _items(value, "guarantees")},
    )
    yield from _zone_faults(value)
    yield from _repeated(value, {"devices": "device"}, "List each device once")
    yield from _repeated(value, LINES, "Ids name the lines of a statement, so each must be its own")
    for at, condition in _conditions(value):
        yield from _condition_faults(condition, at, declared)
    yield from _tangles(declared, value)
    yield from _meter_faults(value, declared)
    yield from _guarantee_faults(value, declared)
    yield from _obligation_faults(value, declared)
    for at, code in _countries(value):
        fault = country_fault(code)
        if fault:
            yield at, *fault


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


def _items(value: dict[str, Any], key: str) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """The mappings of a list with the place and the id of each."""
    for index, item in enumerate(_list(value, key)):
        if isinstance(item, dict):
            yield (key, index), str(item.get("id")), item


def _repeated(value: dict[str, Any], lists: dict[str, str], remedy: str) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for key, noun in lists.items():
        for at, name, item in _items(value, key):
            here = f"{noun} {int(at[-1]) + 1}"
            if "id" in item and seen.setdefault(name, here) != here:
                yield (*at, "id"), f"the id `{name}` is used twice: by {seen[name]} and by {here}", remedy


def _conditions(value: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Everything written where a condition belongs, with its place."""
    for name, condition in _dict(value, "conditions").items():
        yield ("conditions", name), condition
    for name, meter in _dict(value, "meters").items():
        yield from _under(("meters", name), meter, ("duration", "count", "only_when"))
    for at, _, guarantee in _items(value, "guarantees"):
        yield from _under(at, guarantee, ("available_when", "level", "while"))
        yield from _under((*at, "response"), guarantee.get("response"), ("from", "to"))
    for at, _, obligation in _items(value, "obligations"):
        yield from _under(at, obligation, ("limit", "while"))


def _under(at: Path, part: Any, keys: Iterable[str]) -> Iterator[tuple[Path, Any]]:
    if isinstance(part, dict):
        yield from (((*at, key), part[key]) for key in keys if key in part)


def _meter_faults(value: dict[str, Any], declared: Declared) -> Iterator[Fault]:
    """Meters that name no channel, and all that names no meter."""
    for name, meter in declared.meters.items():
        for at, channel in _under(("meters", name), meter, ("counter", "integral")):
            yield from _undeclared(at, "channel", channel, declared.channels)
    places: list[tuple[Path, Any, tuple[str, ...]]] = []
    for at, _, charge in _items(value, "charges"):
        price = charge.get("price")
        share = price.get("gain_share") if isinstance(price, dict) else None
        places += [(at, charge, ("meter",)), ((*at, "price", "gain_share"), share, ("meter", "per"))]
    for at, _, obligation in _items(value, "obligations"):
        places += [
            ((*at, "service"), obligation.get("service"), ("of",)),
            ((*at, "minimum_use"), obligation.get("minimum_use"), ("meter",)),
            ((*at, "use_limit"), obligation.get("use_limit"), ("meter", "per")),
        ]
    for at, part, keys in places:
        for place, meter in _under(at, part, keys):
            yield from _undeclared(place, "meter", meter, declared.meters)


def _guarantee_faults(value: dict[str, Any], declared: Declared) -> Iterator[Fault]:
    for at, name, guarantee in _items(value, "guarantees"):
        for key in ("credits", "bonus"):
            for place, charges in _under((*at, key), guarantee.get(key), ("of",)):
                yield from _names(place, "charge", charges, declared.charges)
        for place, others in _under(at, guarantee, ("instead_of",)):
            yield from _names(place, "guarantee", others, declared.guarantees)
            yield from _rivals(place, name, others, declared.guarantees)
        least = guarantee.get("at_least_devices")
        if isinstance(least, int) and least > len(declared.devices):
            message = f"at least {least} devices can never be available: the contract has {len(declared.devices)}"
            yield (*at, "at_least_devices"), message, "Lower it, or list the devices"
        over, period = guarantee.get("over"), value.get("period")
        if (over, period) in NOT_LONGER:
            message = f"over: {over} is not longer than the period, a {period}"
            yield (*at, "over"), message, "Remove it: without it, each period is measured by itself"


def _rivals(at: Path, name: str, others: Any, guarantees: dict[str, dict[str, Any]]) -> Iterator[Fault]:
    """Guarantees that cannot stand instead of one another."""
    for index, other in enumerate(others if isinstance(others, list) else ()):
        if other == name:
            yield (*at, index), f"`{name}` cannot stand instead of itself", "Name the other guarantee, or remove it"
        elif isinstance(other, str) and other in guarantees:
            mine, its = (guarantees[each].get("scope", "device") for each in (name, other))
            if mine != its:
                message = f"`{name}` is measured per {mine} and `{other}` per {its}, so neither replaces the other"
                yield (*at, index), message, "Give both the same scope"


def _obligation_faults(value: dict[str, Any], declared: Declared) -> Iterator[Fault]:
    for at, _, obligation in _items(value, "obligations"):
        for place, names in _under((*at, "consequence"), obligation.get("consequence"), ("excuse", "void_credits")):
            yield from _names(place, "guarantee", names, declared.guarantees)
        for place, names in _under((*at, "minimum_use"), obligation.get("minimum_use"), ("relief",)):
            yield from _names(place, "guarantee", names, declared.guarantees)
            for index, name in enumerate(names if isinstance(names, list) else ()):
                if "response" in declared.guarantees.get(str(name), ()):
                    message = f"`{name}` promises a response, which has no share of downtime to relieve by"
                    yield (*place, index), message, "Name an uptime or a level"


def _countries(value: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Every country named for its holidays."""
    for key in ("guarantees", "obligations"):
        for at, _, promise in _items(value, key):
            for place, named in _under((*at, "service_hours"), promise.get("service_hours"), ("holidays",)):
                for index, code in enumerate(named if isinstance(named, list) else [named]):
                    if isinstance(code, str) and COUNTRY.fullmatch(code):
                        yield (*place, index), code


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


def _tangles(declared: Declared, value: dict[str, Any]) -> Iterator[Fault]:
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
        yield from _excess(declared, value)


def _excess(declared: Declared, value: dict[str, Any]) -> Iterator[Fault]:
    """The first condition that unfolds to too many comparisons, or too deeply, once every name is followed."""
    sizes = dict.fromkeys(declared.conditions, (1, 1))
    for _ in range(MAX_DEPTH + 1):  # each round follows names one step further
        sizes = {name: _size(condition, sizes) for name, condition in declared.conditions.items()}
    for at, condition in _conditions(value):
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


def _names(at: Path, noun: str, names: Any, declared: Collection[str]) -> Iterator[Fault]:
    """What is wrong with a list of names."""
    listed = names if isinstance(names, list) else []
    for index, name in enumerate(listed):
        yield from _undeclared((*at, index), noun, name, declared)
        if isinstance(name, str) and name in listed[:index]:
            yield (*at, index), f"{noun} `{name}` is named twice", "Name it once"


def _undeclared(at: Path, noun: str, name: Any, declared: Collection[str]) -> Iterator[Fault]:
    if not isinstance(name, str) or name in declared:
        return
    names = [str(each) for each in declared]
    near = difflib.get_close_matches(name, names, n=1)
    remedy = f"Did you mean `{near[0]}`?" if near else f"Declare it, or use one of: {', '.join(names) or 'none yet'}"
    yield at, f"{noun} `{name}` is not declared", remedy
