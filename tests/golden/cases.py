"""The golden cases: a folder each, with `terms.yaml`, `readings.csv` and the `statement.json` they must give.

Where people said something, `events.yaml` holds it. The readings are few enough to work through with a pencil;
`test_golden` and `test_two_sided` do, and say how each figure comes about.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.canonical import readable
from contracts.compute import compute
from contracts.contract import read_contract
from contracts.event_text import read_events
from contracts.events import Event
from contracts.language.terms import Terms
from contracts.table import read_table

FOLDER = Path(__file__).parent

TWO_SIDED = {
    "uptime_exact": "2026-01",
    "uptime_millisecond": "2026-01",
    "silence": "2026-01",
    "excuse_worked": "2026-01",
    "outage_over_midnight": "2026-02",
    "level_while": "2026-01-05",
    "redundant": "2026-01-05",
    "response": "2026-02",
    "obligations": "2026-01",
    "bonus": "2026-01",
    "earn_back": "2026-04",
    "instead_of": "2026-01",
    "rolling_cap": "2026-04",
    "gain_share": "2026-01",
    "contested": "2026-01",
    "quarter": "2026-03",
}
"""Cases of promises, worked out in `test_two_sided`; the others in `test_golden`."""

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
    **TWO_SIDED,
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

    @property
    def files(self) -> set[str]:
        """What its folder holds."""
        events = (FOLDER / self.name / "events.yaml").exists()
        return {"terms.yaml", "readings.csv", "statement.json"} | ({"events.yaml"} if events else set())

    def events(self, terms: Terms) -> tuple[Event, ...]:
        """What people said; nothing where there is no file of it."""
        if "events.yaml" not in self.files:
            return ()
        found, problems = read_events(self.text("events.yaml"), f"{self.name}/events.yaml", terms)
        assert not problems, problems
        return found

    def document(self, period: str | None = None) -> dict[str, Any]:
        """The statement as it is computed now, without what depends on the release of the time zone rules.

        The evidence's header names that release, so its digest and sums change with it; no figure does.
        """
        agreed = read_contract(self.text("terms.yaml"), f"{self.name}/terms.yaml")
        table = read_table(self.text("readings.csv"), f"{self.name}/readings.csv")
        statement = compute(agreed, table, period or self.period, events=self.events(agreed.terms))
        for release in ("root_sha256", "locator"):
            del statement["evidence"][release]
        return statement

    def computed(self) -> str:
        """The same as the text of its file."""
        return readable(self.document()).decode()


CASES = [Case(name, period) for name, period in PERIODS.items()]
