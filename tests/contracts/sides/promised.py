"""Two-sided contracts of one machine, told in changes: what it reported, what people said, what the statement says."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from contracts.compute import compute
from contracts.contract import Contract
from contracts.event_text import read_events
from contracts.events import Event
from contracts.language.terms import Terms
from tests.contracts.samples import contract, csv, ms

BASE = """
channels:
  up:    {max_hold: 400d}
  load:  {max_hold: 400d}
  beat:  {max_hold: 1h}
  pages: {unit: page, max_hold: 400d}
meters:
  pages: {counter: pages}
  busy:  {duration: {channel: load, is: 1}}
charges:
  - {id: rent, price: {flat: 100.00, per: device}}
"""
"""A value of `up`, `load` or `pages` holds until the next, one of `beat` for an hour. January has 744 hours."""

Changes = Mapping[str, Mapping[str, Any]]


def at(moment: str) -> int:
    """A moment of 2026, `01-31T12:00`, or of another year if it says so, in milliseconds."""
    return ms(f"{moment if moment[4:5] == '-' else f'2026-{moment}'}Z")


def promising(promises: str, base: str = BASE, **head: str) -> Contract:
    """The contract with the machine above, and these guarantees and obligations."""
    return contract(f"{base}{promises}", **head)


def reported(changes: Changes) -> str:
    """The readings of the machine: by channel (`m2/up` for another machine's), a value at each moment it changed."""
    lines = []
    for where, values in changes.items():
        device, _, channel = where.rpartition("/")
        lines += [f"{device or 'm1'},{channel},{at(moment)},{value}\n" for moment, value in values.items()]
    return "".join(lines)


def told(terms: Terms, events: str) -> tuple[Event, ...]:
    """The events of a file, one a line; times as in `at`, written `@01-31T12:00`."""
    text = re.sub(r"@([0-9T:.-]+)", lambda moment: str(at(moment[1])), events)
    found, problems = read_events(text, "events.yaml", terms)
    assert not problems, problems
    return found


def lived(agreed: Contract, changes: Changes, events: str = "[]", period: str = "2026-01") -> dict[str, Any]:
    """The statement of a period, given what the machine reported and people said."""
    return compute(agreed, csv(reported(changes)), period, events=told(agreed.terms, events))


def row(statement: dict[str, Any], promise: str, device: str | None = "m1") -> dict[str, Any]:
    """What became of a guarantee or obligation on a device."""
    rows = [*statement["guarantees"], *statement["obligations"]]
    (found,) = [each for each in rows if (each["id"], each["device"]) == (promise, device)]
    return dict(found)


def amounts(statement: dict[str, Any], *kinds: str) -> list[tuple[str, str | None, str]]:
    """Lines of these kinds as (id, device, amount), in order."""
    return [(line["id"], line["device"], line["amount"]) for line in statement["lines"] if line["kind"] in kinds]


def texts(statement: dict[str, Any], promise: str) -> list[str]:
    """The derivation of a promise's lines in words."""
    return [step["text"] for line in statement["lines"] if line["id"] == promise for step in line["derivation"]]


def figures(found: Mapping[str, Any], names: Iterable[str] = ("agreed", "excused", "down", "unknown")) -> list[float]:
    """The times of a row in hours: agreed, excused, down, unknown."""
    return [found[f"{name}_ms"] / 3_600_000 for name in names]
