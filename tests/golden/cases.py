"""The golden cases: a folder each, with `terms.yaml`, `readings.csv` and the `statement.json` they must give.

The readings are few enough to work through with a pencil; `test_golden` does, and says how each figure comes about.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.canonical import readable
from contracts.compute import compute
from contracts.contract import read_contract
from contracts.table import read_table

FOLDER = Path(__file__).parent

PERIODS = {
    "flat": "2026-02",
    "per_unit_half_even": "2026-01",
    "graduated": "2026-01",
    "package": "2026-02",
    "rollover": "2026-02",
    "pool": "2026-01",
    "off_quality": "2026-01",
    "resets": "2026-01",
    "count": "2026-01",
    "duration": "2026-01",
    "clock_change_month": "2026-03",
    "week": "2026-W44",
    "day": "2026-10-04",
    "yen": "2026-Q1",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One golden case and the period whose statement it holds."""

    name: str
    period: str

    @property
    def expected(self) -> Path:
        """The file of the statement it must give."""
        return FOLDER / self.name / "statement.json"

    def text(self, file: str) -> str:
        """One of its files."""
        return (FOLDER / self.name / file).read_text(encoding="utf-8")

    def document(self) -> dict[str, Any]:
        """The statement as it is computed now, without what depends on the release of the time zone rules.

        The evidence's header names that release, so its digest and sums change with it; no figure does.
        """
        agreed = read_contract(self.text("terms.yaml"), f"{self.name}/terms.yaml")
        statement = compute(agreed, read_table(self.text("readings.csv"), f"{self.name}/readings.csv"), self.period)
        for release in ("root_sha256", "locator"):
            del statement["evidence"][release]
        return statement

    def computed(self) -> str:
        """The same as the text of its file."""
        return readable(self.document()).decode()


CASES = [Case(name, period) for name, period in PERIODS.items()]
