"""How long a month takes to meter from blocks, with and without evidence: `python -m tests.bench.metering`."""

import tempfile
import time
from pathlib import Path

from contracts.compute import compute_period
from contracts.contract import read_contract
from contracts.evidence import Part
from contracts.periods import period_of
from contracts.statement import draft, meter_period
from gateway.meter import Source
from gateway.settings import load_settings
from gateway.stores import Stores
from tests.bench.blocks import messages

TERMS = """
terms: 1
id: BENCH
provider: {name: A}
customer: {name: B}
currency: EUR
timezone: UTC
valid: {from: 2026-01-01}
period: month
corrections: 3650d
data: {max_hold: 120s}
devices: [{id: comp-01}]
channels:
  air_flow: {unit: m3/h, resolution: 0.01}
  pressure: {unit: bar, resolution: 0.01}
  run_hours: {unit: h, resolution: 0.01}
conditions: {in_spec: {channel: pressure, at_least: 7.0}}
meters:
  volume: {integral: air_flow, per: 1h, unit: m3, only_when: in_spec}
  running: {counter: run_hours, reset_below: 1, max_rate: 2/h}
charges:
  - {id: volume, meter: volume, pool: true, price: {per_unit: 0.02}}
"""


def month(folder: Path) -> None:
    """A month of one device: read and metered from blocks, and with evidence written."""
    contracts = folder / "contracts"
    contracts.mkdir(parents=True)
    (contracts / "bench.yaml").write_text(TERMS)
    contract = read_contract(TERMS, "bench")
    with Stores.open(load_settings(None, data=folder, contracts=contracts)) as stores:
        stores.journal.append(tuple(messages(31, 20)))
        while stores.projector().project_next():
            pass
        period = period_of(contract.terms, contract.terms.valid.from_)
        source = Source(stores.blocks, contract.terms)
        opening = source.first_opening(period)
        meter_period(contract.terms, period, opening, source.period(period))  # libraries load at their first use
        began = time.process_time()
        given = source.period(period)
        metered, _ = meter_period(contract.terms, period, opening, given)
        draft(contract, period, metered, opening.carried, given.docket, status="open")
        read_and_metered = time.process_time() - began
        readings = sum(len(judged.columns) for judged in given.judged.values())

        def keep(part: Part) -> None:
            target = folder / "evidence" / part.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(part.packed())

        began = time.process_time()
        compute_period(contract, period, opening, source.period(period), status="final", keep=keep)
        with_evidence = time.process_time() - began
    print(f"a month of {readings:,} readings: read and metered {read_and_metered / readings * 1e6:.2f} µs a reading")
    print(f"    (goal 0.5); with evidence written {with_evidence / readings * 1e6:.2f} µs a reading (goal 1.5)")


def main() -> None:
    """Measure in a folder that is removed again."""
    with tempfile.TemporaryDirectory() as name:
        month(Path(name))


if __name__ == "__main__":
    main()
