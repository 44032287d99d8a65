"""The one place where the oracle's tests meet the product."""

from typing import Any

from contracts.compute import compute
from contracts.contract import read_contract
from contracts.event_text import read_events
from contracts.table import read_table


def compute_from_texts(terms_yaml: str, readings_csv: str, period: str, events: str = "[]") -> dict[str, Any]:
    """Return the statement the product computes from the texts of a contract, of readings and of events."""
    contract = read_contract(terms_yaml, "terms.yaml")
    found, problems = read_events(events, "events.json", contract.terms)
    assert problems == []
    return compute(contract, read_table(readings_csv, "readings.csv"), period, events=found)
