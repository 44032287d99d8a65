"""A statement printed for a test, and the agreement most of them read."""

from typing import Any
from zoneinfo import ZoneInfo

from contracts.contract import Contract
from contracts.explain.layout import WIDTH
from contracts.explain.page import statement_text
from tests.contracts.sides.promised import Changes, lived

UPTIME = """
guarantees:
  - id: uptime
    title: The press can run
    available_when: {channel: up, is: 1}
    target: 99
    unknown: excluded
    credits: {tiers: [{below: 99, percent: 10}], of: [rent]}
"""
ALWAYS: Changes = {"up": {"2025-12-31T00:00": 1}}
OUT: Changes = {"up": {"2025-12-31T00:00": 1, "01-12T08:00": 0, "01-12T20:30": 1}}
FORCE = "{type: force_majeure, id: flood, device: m1, start: @01-12T07:00, end: @01-12T19:00, by: Bob, "
FORCE += "side: provider, reason: The river rose}"
HELD = """
channels: {up: {max_hold: 400d}, load: {max_hold: 400d}}
charges: [{id: rent, price: {flat: 100.00, per: device}}]
"""
BRUSSELS = ZoneInfo("Europe/Brussels")


def text_of(agreed: Contract, statement: dict[str, Any]) -> str:
    """The statement as it is printed, with no line wider than the page."""
    text = statement_text(statement, agreed.terms)
    assert max(map(len, text.splitlines())) <= WIDTH
    return text


def printed(agreed: Contract, changes: Changes, events: str = "[]", period: str = "2026-01") -> str:
    """The text of a period's statement, its lines joined to be searched for sentences."""
    return " ".join(text_of(agreed, lived(agreed, changes, events, period)).split())


def section(text: str, title: str) -> list[str]:
    """The lines of one section of a statement, its title and rule left out."""
    return next(part for part in text.split("\n\n") if part.startswith(title)).splitlines()[2:]
