"""How fast the block store is written and read: `python -m tests.bench.blocks [days]` prints processor time.

One compressor reports three channels once a minute, a month long: as arrays of 20 sets, and one set a message.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from contracts.units import HOUR_MS
from gateway.blocks import BlockStore
from gateway.book import Book, load_book
from gateway.journal import Journal
from gateway.message import Message
from gateway.payloads import Layout
from gateway.project import Projector

START_MS = 1_767_225_600_000  # 2026-01-01
MINUTE_MS = 60_000
CHANNELS = ("air_flow", "pressure", "run_hours")
BATCH_MESSAGES = 500

TERMS = """
terms: 1
id: BENCH
provider: {name: A}
customer: {name: B}
currency: EUR
timezone: UTC
valid: {from: 2026-01-01}
period: month
devices: [{id: comp-01}]
channels:
  air_flow: {unit: m3/h, resolution: 0.01}
  pressure: {unit: bar, resolution: 0.01}
  run_hours: {unit: h, resolution: 0.01}
"""


def reading_sets(days: int) -> list[dict[str, object]]:
    """A set a minute: flow and pressure that wander, hours that run."""
    chance = np.random.default_rng(7)
    count = days * 24 * 60
    flow = np.round(600 + 40 * chance.standard_normal(count), 2).tolist()
    pressure = np.round(7.2 + 0.1 * chance.standard_normal(count), 2).tolist()
    return [
        {
            "t": START_MS + place * MINUTE_MS,
            "v": dict(zip(CHANNELS, (flow[place], pressure[place], hours), strict=True)),
        }
        for place, hours in enumerate(np.round(np.arange(count) / 60, 2).tolist())
    ]


def messages(days: int, sets: int) -> Iterator[Message]:
    """The sets in messages of so many, each arriving when its last was measured and a little later."""
    chance = np.random.default_rng(11)
    every = reading_sets(days)
    for place in range(0, len(every), sets):
        part = every[place : place + sets]
        arrival_ms = START_MS + (place + len(part) - 1) * MINUTE_MS + int(chance.integers(20, 90))
        yield Message("telemetry/comp-01", json.dumps(part if sets > 1 else part[0]).encode(), arrival_ms)


def fill(journal: Journal, days: int, sets: int) -> None:
    """Append the messages in batches."""
    every = list(messages(days, sets))
    for place in range(0, len(every), BATCH_MESSAGES):
        journal.append(tuple(every[place : place + BATCH_MESSAGES]))


def timed(work: Callable[[], object], repeats: int) -> float:
    """The least processor time of some runs, in µs."""
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken) * 1e6


def measure(folder: Path, book: Book, days: int, sets: int) -> None:
    """Project a month and read it back; print what each reading took."""
    minutes = days * 24 * 60
    readings = minutes * len(CHANNELS)
    end_ms = START_MS + days * 24 * HOUR_MS
    file = folder / f"blocks-{sets}"
    with Journal.open(folder / f"journal-{sets}") as journal, BlockStore.open(file) as store:
        fill(journal, days, sets)
        write_us = timed(Projector(journal, store, book, Layout()).rebuild, 3)
        read_us = timed(lambda: [store.read("comp-01", channel, START_MS, end_ms) for channel in CHANNELS], 5)
    per_message = f" ({write_us / minutes:.1f} µs a message)" if sets == 1 else ""
    print(
        f"sets of {sets:2}: project {write_us / readings:.2f} µs a reading{per_message}, "
        f"read {read_us / readings:.3f} µs a reading, {file.stat().st_size / readings:.1f} bytes a reading"
    )


def main(days: int) -> None:
    """Measure arrays and single sets."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench.yaml").write_text(TERMS)
        book, problems = load_book(folder)
        assert not problems, problems
        for sets in (20, 1):
            measure(folder, book, days, sets)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
