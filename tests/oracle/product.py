"""The one place where the oracle's tests meet the product."""

from typing import Any

from contracts.compute import compute
from contracts.contract import read_contract
from contracts.table import read_table


def compute_from_texts(terms_yaml: str, readings_csv: str, period: str) -> dict[str, Any]:
    """Return the statement the product computes from the text of a contract and of a readings file."""
    return compute(read_contract(terms_yaml, "terms.yaml"), read_table(readings_csv, "readings.csv"), period)
