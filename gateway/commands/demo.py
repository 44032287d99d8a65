"""`fairmeter demo`: the whole line on one machine, from a device's message to a statement that verifies."""

import asyncio
import contextlib
import json
import logging
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.text import Text

from contracts.explain.page import statement_text
from contracts.periods import local_date, rfc3339
from gateway.broker import BrokerError, EmbeddedBroker
from gateway.clock import now_ms
from gateway.commands.operation import alone, one_heap
from gateway.demo import MARK, SCENARIO, Prepared, prepare
from gateway.ledger import Issued
from gateway.output import fail, log_to_stderr, paper, print_text, progress_bar, say, talk
from gateway.service import Gateway, running
from gateway.settings import load_settings
from gateway.stores import Stores

LIVE_INTERVAL_S = 5
GOODBYE_WITHIN_S = 10


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="end when last month's statements are final and verified")
    ] = False,
    data: Annotated[Path | None, typer.Option(help="folder to use and keep; default: a fresh temporary one")] = None,
) -> None:
    """See the main job work: broker, simulated fleet and gateway together, last month in seconds, then live."""
    log_to_stderr(logging.WARNING)
    one_heap()
    folder = _folder(data)
    try:
        with alone(folder):
            verified = asyncio.run(_demo(folder, once))
    except (BrokerError, FleetFault) as error:
        fail(str(error))
    except KeyboardInterrupt:
        verified = True
    say(f"Everything is in {folder}" + ("" if data else "; remove it when you have seen enough"))
    if not verified:
        raise typer.Exit(1)


class FleetFault(Exception):  # noqa: N818 - whose fault it is says it best
    """The simulated fleet ended before its time; the message says where to look."""


def _folder(data: Path | None) -> Path:
    if data is None:
        return Path(tempfile.mkdtemp(prefix="fairmeter-demo-"))
    if (data / MARK).exists():
        with alone(data):  # an earlier demo's folder, if none runs there: a demo begins afresh
            shutil.rmtree(data)
    elif any(path.is_file() for path in data.rglob("*")):  # folders alone are where something is mounted
        fail(f"{data} holds something else than a demo; name an empty folder")
    data.mkdir(parents=True, exist_ok=True)
    return data.resolve()


async def _demo(folder: Path, once: bool) -> bool:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with EmbeddedBroker(folder / "broker") as broker:
        prepared = prepare(folder, broker.port, now_ms())
        say(f"Broker on port {broker.port}. Contracts in {folder / 'contracts'} begin on {prepared.month.first}.")
        with Stores.open(load_settings(prepared.settings)) as stores:
            watch = _Watch()
            gateway = Gateway(stores, closing=False, on_progress=watch.projected)
            async with running(gateway):
                work = asyncio.create_task(_show(gateway, prepared, broker.port, watch, once, stopped))
                waiting = asyncio.create_task(stopped.wait())
                await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if not work.done():
                    say("Stopping ...")
                    work.cancel()
                return await _outcome(work)


async def _outcome(work: asyncio.Task[bool]) -> bool:
    try:
        return await work
    except asyncio.CancelledError:
        return True  # Ctrl-C is not a failure


async def _show(
    gateway: Gateway, prepared: Prepared, port: int, watch: "_Watch", once: bool, stopped: asyncio.Event
) -> bool:
    month = prepared.month
    fleet = _Fleet(port, month.span.start)
    await gateway.source.subscribed()
    published = await _history(fleet, watch, month.name, (month.span.start, month.span.end))
    came = f"{published['readings']:,} readings and {published['events']} events of {month.name}"
    say(f"{came} came through MQTT; its statements can be final.")
    issued = await gateway.close_due()
    presented = [await _present(gateway, each) for each in issued]
    verified = all(presented) and len(presented) == len(gateway.stores.book.contracts)
    await _late(gateway, fleet, watch, prepared)
    if not once:
        now = now_ms()
        await _history(fleet, watch, "since then", (month.span.end, now))
        await _live(gateway, fleet, stopped)
    return verified


class _Watch:
    """What the gateway has projected so far."""

    def __init__(self) -> None:
        self.readings = 0
        self.events = 0

    def projected(self, progress: Any) -> None:
        """Count a stretch."""
        self.readings += progress.readings
        refused = sum(each.topic.startswith("event/") for each in progress.rejections)
        self.events += progress.events + refused  # nobody waits for an event that was not understood


class _Fleet:
    """The simulator as a process of its own, as real devices would be."""

    def __init__(self, port: int, period_start_ms: int) -> None:
        self._common = ["--broker", f"mqtt://127.0.0.1:{port}", "--period-start", rfc3339(period_start_ms), "--json"]

    @contextlib.asynccontextmanager
    async def running(self, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """The simulator with these options; stopped at the end if it still runs."""
        command = [sys.executable, "-m", "gateway", "simulate", SCENARIO, *self._common, *options]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), GOODBYE_WITHIN_S)
                except TimeoutError:
                    process.kill()
                    await process.wait()

    async def lines(self, *options: str) -> AsyncIterator[dict[str, Any]]:
        """What the simulator tells of itself, until it ends; it must end well."""
        async with self.running(*options) as process:
            assert process.stdout is not None, "asked for above"
            async for line in process.stdout:
                yield json.loads(line)
            if await process.wait() != 0:
                raise FleetFault("the simulated fleet could not publish; what it said stands above")


async def _history(fleet: _Fleet, watch: _Watch, what: str, span: tuple[int, int]) -> dict[str, Any]:
    """Publish a stretch of the past and wait until the gateway has all of it; a bar shows how far it is."""
    start, end = span
    before, events, began = watch.readings, watch.events, time.monotonic()
    told: dict[str, Any] = {"readings": 0, "events": 0}
    with progress_bar("days") as bar:
        task = bar.add_task(what, total=(end - start) // 86_400_000, note="")

        def show(reached_ms: int) -> None:
            rate = (watch.readings - before) / max(0.001, time.monotonic() - began)
            day = local_date(reached_ms, "Europe/Brussels")
            note = f"· {watch.readings - before:,} readings, {rate:,.0f}/s, {day}"
            bar.update(task, completed=max(0, reached_ms - start + 3_600_000) // 86_400_000, note=note)

        async for line in fleet.lines("--from", rfc3339(start), "--until", rfc3339(end)):
            told = line
            if "reached_ms" in line:
                show(line["reached_ms"])
        while watch.readings - before < told["readings"] or watch.events - events < told["events"]:
            await asyncio.sleep(0.05)
        show(end - 3_600_000)
    return told


async def _present(gateway: Gateway, issued: Issued) -> bool:
    """Print a final statement, say where it lies, and verify it from its files alone, as either party would."""
    stores = gateway.stores
    folder = stores.closer.folder(issued.document)
    paper.print()
    print_text((folder / "statement.txt").read_text())
    key = stores.settings.data / "keys" / "public.pem"
    words = ["verify", str(folder / "statement.json"), str(folder / "evidence"), "--key", str(key)]
    say(f"\nThe statement and its evidence: {folder}")
    say(f"Verifying with nothing but these files: fairmeter {' '.join(words)}")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    verified = process.returncode == 0
    talk.print(told.decode().rstrip(), style="green" if verified else "red", markup=False)
    return verified


async def _late(gateway: Gateway, fleet: _Fleet, watch: _Watch, prepared: Prepared) -> None:
    """Send what the fleet held back: it changes no final statement, and is shown as later data."""
    before = watch.readings
    span = prepared.month.span
    told: dict[str, Any] = {"readings": 0}
    async for line in fleet.lines("--late", "--from", rfc3339(span.start), "--until", rfc3339(span.end)):
        told = line
    while watch.readings - before < told["readings"]:
        await asyncio.sleep(0.05)
    say(f"\nA late batch of {told['readings']} readings arrived. The final statements stay as they are:")
    for contract_id in gateway.stores.closer.contract_ids():
        for later in await gateway.in_thread(lambda name: list(gateway.stores.closer.later_data(name)), contract_id):
            what = f"{later.readings} readings of {later.device} for {later.period}"
            say(f"  later data of {contract_id}: {what}, to be an adjustment on the next statement")


async def _live(gateway: Gateway, fleet: _Fleet, stopped: asyncio.Event) -> None:
    """Time goes on: every few seconds a reading, and the statement so far of the month that runs."""
    first = await _so_far(gateway)  # the month until now is metered once, hour by hour; from then on only what is new
    say(f"\nTime goes on: a reading every {LIVE_INTERVAL_S} s. Ctrl-C ends it.")
    async with fleet.running("--live", "--interval", str(LIVE_INTERVAL_S)) as process:
        assert process.stdout is not None, "asked for above"
        reading = asyncio.create_task(_drain(process.stdout))
        with Live(first, console=paper, refresh_per_second=2, vertical_overflow="crop") as screen:
            while not stopped.is_set():
                screen.update(await _so_far(gateway))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopped.wait(), 1.0)
        reading.cancel()


async def _drain(stream: asyncio.StreamReader) -> None:
    """Read what the fleet says, so that it never waits for us."""
    while await stream.readline():
        pass


async def _so_far(gateway: Gateway) -> Text:
    """The statements so far, and how long it took to compute them."""
    texts, began = [], time.perf_counter()
    documents = await gateway.statements_to_date()
    took_s = time.perf_counter() - began
    for document in documents:
        terms = gateway.stores.book.versions(document["contract"])[-1].terms
        texts.append(statement_text(document, terms))
    now = rfc3339(now_ms())
    return Text("\n".join([*texts, f"{now}  computed in {took_s * 1000:.0f} ms"]))
