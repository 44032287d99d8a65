"""Random two-sided cases: a contract, readings, events, and the period to judge, all from one number."""

import json
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from tests.oracle.dirty_rows import csv_of
from tests.oracle.lived import Record, Witness, lives, rows_of, spoiled
from tests.oracle.promised import contract_text
from tests.oracle.reading import Row
from tests.oracle.stage import stage_of


@dataclass(frozen=True, slots=True)
class TwoSidedCase:
    """What a party has in hand: terms, readings, events, and the name of a period."""

    terms: str
    rows: list[Row]
    events: list[Record]
    period: str

    def __str__(self) -> str:
        """Write it as the files one would save to look into it."""
        said = f"--- events.json\n{self.events_text()}\n"
        return f"--period {self.period}\n--- terms.yaml\n{self.terms}{said}--- readings.csv\n{csv_of(self.rows)}"

    def events_text(self) -> str:
        """Write the events as a file."""
        return "[\n" + ",\n".join(json.dumps(record, default=as_json) for record in self.events) + "\n]"


def as_json(value: Any) -> Any:
    """Write a decimal as a number."""
    assert isinstance(value, Decimal)
    return int(value) if value == int(value) else float(value)


def case_of(seed: int) -> TwoSidedCase:
    """Return the case of a number, the same on every machine."""
    luck = Random(seed)
    stage = stage_of(luck)
    terms = contract_text(luck, stage)
    found = lives(luck, stage)
    rows = [row for life in found for row in rows_of(luck, stage, life)]
    rows = spoiled(luck, sorted(rows, key=lambda row: row.time))
    witness = Witness(luck, stage, found)
    witness.tell_spans()
    witness.tell_moments()
    witness.tell_of_readings(rows)
    witness.tell_settlements(["base", "volume"])
    luck.shuffle(witness.records)
    period = stage.periods[-1] if luck.random() < 0.7 else luck.choice(stage.periods)
    return TwoSidedCase(terms, rows, witness.records, period)
