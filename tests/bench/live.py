"""How soon a late reading shows: `python -m tests.bench.live [devices] [days]` prints time and processor time.

Machines that report three channels once a minute for a month, under a contract with an uptime guarantee and a limit;
then one more reading arrives from the middle of the month, and the statement so far is asked for again.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.contract import read_contract
from contracts.periods import period_at
from gateway.live import LivePeriod
from gateway.message import Message
from gateway.meter import Source
from tests.bench.blocks import CHANNELS, MINUTE_MS, START_MS, reading_sets
from tests.gateway.site import Site, telemetry

TERMS = """
terms: 1
id: BENCH
provider: {{name: A}}
customer: {{name: B}}
currency: EUR
timezone: UTC
valid: {{from: 2026-01-01}}
period: month
devices: [{devices}]
channels:
  air_flow: {{unit: m3/h, resolution: 0.01}}
  pressure: {{unit: bar, resolution: 0.01}}
  run_hours: {{unit: h, resolution: 0.01}}
conditions:
  in_spec: {{channel: pressure, at_least: 7.0, for: 30s}}
meters:
  volume: {{integral: air_flow, per: 1h, unit: m3, only_when: in_spec}}
  running: {{counter: run_hours, reset_below: 1, max_rate: 2/h, unit: h}}
charges:
  - {{id: volume, meter: volume, pool: true, price: {{per_unit: 0.02}}}}
guarantees:
  - id: uptime
    available_when: in_spec
    service_hours: {{days: mon-sat, from: "05:00", to: "23:00"}}
    target: 99
    unknown: excluded
    credits: {{tiers: [{{below: 99, percent: 10}}], of: [volume]}}
obligations:
  - {{id: gentle, limit: {{channel: air_flow, at_most: 790}}, tolerance: 5, consequence: {{excuse: [uptime]}}}}
  - id: service
    service: {{event: serviced, every: 400, of: running, by: customer}}
    consequence: {{excuse: [uptime]}}
"""


def _pressure(minute: int) -> float:
    """Above seven bar but for ten minutes every day and a half."""
    return 6.4 if minute % 2_160 < 10 else 7.1 + minute % 7 / 100


def month(device: str, days: int) -> Iterator[Message]:
    """A month of one device in arrays of an hour."""
    sets: list[dict[str, Any]] = reading_sets(days)
    for place, each in enumerate(sets):
        each["v"]["pressure"] = _pressure(place)
    for start in range(0, len(sets), 60):
        part = sets[start : start + 60]
        yield telemetry(part, part[-1]["t"] + 40, device)


def main(count: int, days: int) -> None:
    """Print the figures for so many devices over so many days."""
    devices = [f"m{number}" for number in range(count)]
    text = TERMS.format(devices=", ".join(f"{{id: {device}}}" for device in devices))
    contract = read_contract(text, "bench.yaml")
    period = period_at(contract.terms, START_MS)
    end = START_MS + days * 24 * 60 * MINUTE_MS
    with tempfile.TemporaryDirectory() as folder, Site.open(Path(folder), bench=text) as site:
        projector = site.projector()
        for device in devices:
            site.receive(*month(device, days))
        while projector.project_next():
            pass
        source = Source(site.store, contract.terms)
        live = LivePeriod(contract, period, source.first_opening(period), end)
        readings = count * days * 24 * 60 * len(CHANNELS)
        begin = time.perf_counter()
        live.update(source, {}, end)
        live.statement(source, end)
        print(f"{readings:,} readings of {count} devices metered from nothing: {time.perf_counter() - begin:.2f} s")
        site.store.clear_dirty(site.store.dirty(), site.store.cursor().position)
        spent = [_once_more(site, live, devices[number % count], number, end) for number in range(20)]
        print(
            f"after one more late reading: {1000 * statistics.median(spent):.1f} ms in the middle, "
            f"{1000 * max(spent):.1f} ms at most, of {len(spent)}"
        )


def _once_more(site: Site, live: LivePeriod, device: str, number: int, end: int) -> float:
    """Seconds from a late reading that is stored to the statement so far."""
    moment = START_MS + (3 + number) * 24 * 60 * MINUTE_MS + 17_000
    site.receive(telemetry({"t": moment, "v": {"air_flow": 17.5, "pressure": 6.1}}, end + number, device))
    site.project()
    pairs = site.store.dirty()
    begin = time.perf_counter()
    source = Source(site.store, live.contract.terms)
    dirty: dict[str, set[int]] = {}
    for who, hour in pairs:
        dirty.setdefault(who, set()).add(hour)
    live.update(source, dirty, end)
    live.statement(source, end)
    spent = time.perf_counter() - begin
    site.store.clear_dirty(pairs, site.store.cursor().position)
    return spent


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10, int(sys.argv[2]) if len(sys.argv) > 2 else 31)
