"""What it costs to draw a month: `python -m tests.bench.series [devices] [days]` prints time and processor time.

The machines and the contract of `tests.bench.live`, drawn hour by hour from nothing, without an InfluxDB; then the
hour under way once more, as it is drawn again while readings come.
"""

import sys
import tempfile
import time
from pathlib import Path

from contracts.contract import read_contract
from contracts.periods import period_at
from gateway.influx.drawing import points_of
from gateway.influx.hours import Walk
from gateway.influx.points import lines
from gateway.meter import Source
from tests.bench.blocks import MINUTE_MS, START_MS
from tests.bench.live import TERMS, month
from tests.gateway.site import Site


def main(count: int, days: int) -> None:
    """Print the figures for so many devices over so many days."""
    devices = [f"m{number}" for number in range(count)]
    text = TERMS.format(devices=", ".join(f"{{id: {device}}}" for device in devices))
    contract = read_contract(text, "bench.yaml")
    period = period_at(contract.terms, START_MS)
    now = START_MS + days * 24 * 60 * MINUTE_MS - 17 * MINUTE_MS
    with tempfile.TemporaryDirectory() as folder, Site.open(Path(folder), bench=text) as site:
        projector = site.projector()
        for device in devices:
            site.receive(*month(device, days))
        while projector.project_next():
            pass
        source = Source(site.store, contract.terms)
        walk = Walk(contract, period, source.first_opening(period), source)
        begin, spent, written = time.perf_counter(), time.process_time(), 0
        while ends := walk.edges(now)[:24]:
            for before, standing in list(walk.standings(source, ends, "open")):
                written += len(lines(points_of(walk, before, standing, standing.until)))
                walk.keep(standing.mark)
        took, spent = time.perf_counter() - begin, time.process_time() - spent
        hours = days * 24 - 1
        print(f"{hours} hours of {count} devices drawn from nothing: {took:.1f} s, {spent:.1f} s of processor time")
        print(f"{1000 * spent / hours:.1f} ms an hour, {written / 1e6:.1f} MB of lines")
        begin = time.perf_counter()
        for before, standing in walk.standings(source, [now], "open"):
            lines(points_of(walk, before, standing, standing.until))
        print(f"the hour under way again: {1000 * (time.perf_counter() - begin):.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10, int(sys.argv[2]) if len(sys.argv) > 2 else 31)
