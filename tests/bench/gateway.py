"""The whole gateway beside a client that only receives, in one run; and a month from blocks to a statement.

`python -m tests.bench.gateway [messages]` prints messages/s, processor µs a message and a reading, and peak memory.
"""

import asyncio
import contextlib
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

from contracts.compute import compute_period
from contracts.contract import read_contract
from contracts.evidence import Part
from contracts.periods import period_of
from contracts.statement import draft, meter_period
from gateway.broker import EmbeddedBroker
from gateway.meter import Source
from gateway.project import Progress
from gateway.service import Gateway
from gateway.settings import load_settings
from gateway.stores import Stores
from tests.bench.blocks import messages as month_messages
from tests.bench.receive import DEVICES, Figures, Stopwatch, mosquitto, publisher, receive_only

ARRAY = 20
THIS_MONTH = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)

TERMS = """
terms: 1
id: BENCH
provider: {name: A}
customer: {name: B}
currency: EUR
timezone: UTC
valid: {from: FROM}
period: month
corrections: 3650d
data: {max_hold: 120s}
devices: [DEVICES]
channels:
  air_flow: {unit: m3/h, resolution: 0.01}
  pressure: {unit: bar, resolution: 0.01}
  fault: {unit: "1"}
  run_hours: {unit: h, resolution: 0.01}
conditions: {in_spec: {channel: pressure, at_least: 7.0}}
meters:
  volume: {integral: air_flow, per: 1h, unit: m3, only_when: in_spec}
  running: {counter: run_hours, reset_below: 1, max_rate: 2/h}
charges:
  - {id: volume, meter: volume, pool: true, price: {per_unit: 0.02}}
"""


def single(number: int) -> tuple[str, bytes]:
    """A message of one set of three readings, of this month."""
    at_ms = round(THIS_MONTH.timestamp() * 1000) + number // DEVICES * 60_000
    text = (
        f'{{"t":{at_ms},"v":{{"air_flow":{number % 90}.25,"pressure":7.02,"fault":false}},"seq":{number},"boot":"a1"}}'
    )
    return f"telemetry/comp-{number % DEVICES:02}", text.encode()


def arrays(number: int) -> tuple[str, bytes]:
    """A message of twenty sets of three readings, as a device sends that saves its radio."""
    sets = []
    for place in range(ARRAY):
        at_ms = round(THIS_MONTH.timestamp() * 1000) + (number // DEVICES * ARRAY + place) * 60_000
        sets.append(f'{{"t":{at_ms},"v":{{"air_flow":{number % 90}.25,"pressure":7.02,"fault":false}},"boot":"a1"}}')
    return f"telemetry/comp-{number % DEVICES:02}", f"[{','.join(sets)}]".encode()


@contextlib.asynccontextmanager
async def gateway(port: int, folder: Path, projected: Callable[[Progress], None]) -> AsyncIterator[Gateway]:
    """A whole gateway on an empty data folder: journal, blocks, metering, everything durable."""
    ids = ", ".join(f"{{id: comp-{place:02}}}" for place in range(DEVICES))
    (folder / "contracts").mkdir(parents=True)
    (folder / "contracts" / "bench.yaml").write_text(
        TERMS.replace("DEVICES", ids).replace("FROM", f"{THIS_MONTH:%Y-%m-%d}")
    )
    broker = {"port": port, "client_id": f"bench-{folder.name}"}
    with Stores.open(load_settings(None, data=folder, contracts=folder / "contracts", broker=broker)) as stores:
        running = Gateway(stores, closing=False, on_progress=projected)
        task = asyncio.create_task(running.run())
        await asyncio.sleep(0.5)
        try:
            yield running
        finally:
            running.stop()
            await task


async def whole(port: int, folder: Path, count: int, message: Callable[[int], tuple[str, bytes]], name: str) -> Figures:
    """Receive, journal, acknowledge, decode, project into blocks: until the last message can be metered."""
    watch = Stopwatch(count)
    async with gateway(port, folder, lambda progress: watch.count(progress.messages)):
        async with publisher(port, count, message):
            watch.start()
            await watch.done.wait()
        return watch.figures(name)


async def line(count: int, folder: Path) -> None:
    """The yardstick and the gateway, one after the other, on the same broker."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            port = await stack.enter_async_context(mosquitto(folder))
        except FileNotFoundError:
            port = (await stack.enter_async_context(EmbeddedBroker(folder / "broker"))).port
        yardstick = await receive_only(port, count, single)
        one = await whole(port, folder / "single", count, single, "whole gateway, one set of 3 a message")
        few = max(1, count // 10)
        client_arrays = await receive_arrays(port, few)
        array = await whole(port, folder / "arrays", few, arrays, f"whole gateway, arrays of {ARRAY} sets")
    for figures in (yardstick, one, client_arrays, array):
        print(figures)
    rate = (one.messages / one.wall_s) / (yardstick.messages / yardstick.wall_s)
    more = (one.processor_s / one.messages - yardstick.processor_s / yardstick.messages) * 1e6
    print(f"gateway / client rate {rate:.2f} (goal 0.6), {more:.1f} µs a message more than the client (goal 35)")
    per_reading = array.processor_s / (array.messages * ARRAY * 3) * 1e6
    print(f"arrays of {ARRAY}: {per_reading:.2f} µs a reading in all (goal 4)")


async def receive_arrays(port: int, count: int) -> Figures:
    """The yardstick for arrays."""
    return await receive_only(port, count, arrays)


def month(folder: Path) -> None:
    """A month of one device: read and metered from blocks, and with evidence written."""
    folder.mkdir(parents=True, exist_ok=True)
    terms = TERMS.replace("DEVICES", "{id: comp-01}").replace("FROM", "2026-01-01")
    contracts = folder / "contracts"
    contracts.mkdir()
    (contracts / "bench.yaml").write_text(terms)
    contract = read_contract(terms, "bench")
    with Stores.open(load_settings(None, data=folder, contracts=contracts)) as stores:
        stores.journal.append(tuple(month_messages(31, ARRAY)))
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


def main(count: int) -> None:
    """Everything, in one run."""
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(line(count, Path(name)))
        month(Path(name) / "month")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process {peak_mb:.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
