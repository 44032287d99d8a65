"""What the demo prepares: a month to bill, contracts that begin with it, and settings that a later command can use."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources
from pathlib import Path

from contracts.contract import Contract, read_contract
from contracts.periods import Period, local_date, period_of
from gateway.archive import write_durably

EXAMPLES = ("office-printer", "compressed-air", "tyres-by-the-kilometre", "truck-uptime")
SCENARIO = "demo"
MARK = "fairmeter.toml"


@dataclass(frozen=True, slots=True)
class Prepared:
    """The demo's folder: its contracts, its settings file, and the month that will be billed."""

    folder: Path
    settings: Path
    month: Period


def prepare(folder: Path, port: int, now_ms: int) -> Prepared:
    """Copy the example contracts, to begin with the last month whose grace is over, and write settings."""
    contracts = [_example(name) for name in EXAMPLES]
    month = last_due_month(contracts[0], now_ms)
    for name, contract in zip(EXAMPLES, contracts, strict=True):
        write_durably(folder / "contracts" / f"{name}.yaml", beginning(contract.text, month.first).encode())
    text = f"""# The demo's settings: `fairmeter run --settings` this file goes on where the demo ended.
gateway = "demo"
data = "{folder.as_posix()}"
contracts = "{(folder / "contracts").as_posix()}"

[broker]
host = "127.0.0.1"
port = {port}
"""
    write_durably(folder / MARK, text.encode())
    return Prepared(folder, folder / MARK, month)


def _example(name: str) -> Contract:
    file = resources.files("contracts").joinpath("examples", f"{name}.yaml")
    return read_contract(file.read_text("utf-8"), f"{name}.yaml")


def last_due_month(contract: Contract, now_ms: int) -> Period:
    """The last month that is over and whose grace is over too."""
    terms = contract.terms
    month = period_of(terms, local_date(now_ms, terms.timezone))
    while month.span.end + terms.grace > now_ms:
        month = period_of(terms, month.first - timedelta(days=1))
    return month


def demo_month(folder: Path) -> Period:
    """The month that was billed in a demo's folder; OSError or ProblemsFound where it is none."""
    file = folder / "contracts" / f"{EXAMPLES[0]}.yaml"
    terms = read_contract(file.read_text("utf-8"), str(file)).terms
    return period_of(terms, terms.valid.from_)


def beginning(text: str, first: date) -> str:
    """A contract's text with `valid.from` moved to `first`, and an end, if it has one, three years later."""
    moved = re.sub(r"(valid:\s*\{from:\s*)\d{4}-\d{2}-\d{2}", rf"\g<1>{first}", text, count=1)
    return re.sub(
        r"(until:\s*)\d{4}-\d{2}-\d{2}(\s*\})", rf"\g<1>{first.replace(year=first.year + 3)}\g<2>", moved, count=1
    )
