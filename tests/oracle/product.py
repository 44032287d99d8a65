"""The one place where the oracle's tests meet the product."""

from typing import Any

from contracts.compute import compute
from contracts.load import load_terms
from contracts.table import read_readings


def compute_from_texts(terms_yaml: str, readings_csv: str, period: str) -> dict[str, Any]:
    """Return the statement the product computes from the text of a contract and of a readings file."""
    terms, problems = load_terms(terms_yaml, "terms.yaml")
    assert not problems, problems
    readings = read_readings(readings_csv, "readings.csv")
    statement: dict[str, Any] = compute(terms, readings, period)
    return statement
