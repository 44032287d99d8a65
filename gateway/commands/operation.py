"""Commands that run a gateway and look after its data: run, rebuild, rejected."""

import asyncio
import contextlib
import ctypes
import fcntl
import gc
import os
import signal
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import IO, Annotated, Any, Final

import typer

from contracts.periods import rfc3339
from gateway.clock import now_ms
from gateway.commands.statements import AsJson, DataFolder, SettingsFile, settings_for
from gateway.health import show_life
from gateway.output import fail, print_json, print_table, progress_bar, say
from gateway.service import Gateway
from gateway.settings import Settings
from gateway.stores import Stores

_ARENA_MAX: Final = -8  # M_ARENA_MAX of malloc.h
_NEW_OBJECTS: Final = 20_000  # that garbage is looked for among; each message holds a few until it is on disk


def run(settings: SettingsFile = None, data: DataFolder = None) -> None:
    """Run the gateway: receive, meter, close periods when they are due, until Ctrl-C."""
    chosen = settings_for(settings, data)
    with Stores.open(chosen) as stores, alone(chosen.data):
        for problem in stores.problems:
            say(f"left out: {problem}")
        if not stores.book.contracts:
            say(f"no contract is served: put YAML files into {chosen.contracts} and start again")
        for contract_id in stores.closer.unserved():
            say(f"{contract_id} has final statements but no contract file in force: nothing more of it will be billed")
        for contract_id, name, count in stores.closer.overdue(now_ms()):
            say(f"{contract_id}: {count} periods from {name} on are over and will be final at once")
        say(f"broker {chosen.broker.host}:{chosen.broker.port}, {len(stores.book.contracts)} contracts, {chosen.data}")
        clean = asyncio.run(_serve(Gateway(stores), chosen.data))
    if not clean:
        fail("the journal could not be written at the end; what was not acknowledged will be delivered again")


@contextlib.contextmanager
def alone(data: Path) -> Iterator[None]:
    """Hold a data folder for the one gateway that runs on it; the lock ends with the process, however that ends."""
    with (data / ".running").open("a+") as file:
        if not _locked(file, tries=10):  # a command that looks whether a gateway runs holds it for a moment
            file.seek(0)
            mine = "give this one a data folder and a broker.client_id of its own"
            fail(f"a gateway already runs on {data}, as process {file.read().strip()}; stop it, or {mine}")
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def is_running(data: Path) -> bool:
    """Whether a gateway runs on a data folder."""
    with (data / ".running").open("a+") as file:
        return not _locked(file, tries=1)


def _locked(file: IO[str], tries: int) -> bool:
    for _ in range(tries):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


def _seldom_look_for_garbage() -> None:
    """What was loaded by now stays, and what a message leaves behind goes by itself: there is little to look for."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)


def one_heap() -> None:
    """Let all threads share one heap: with one each, glibc keeps what one has freed from the others, and grows."""
    with contextlib.suppress(AttributeError, OSError):  # other C libraries have no such choice
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


async def _serve(gateway: Gateway, data: Path) -> bool:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, gateway.stop)
    one_heap()
    _seldom_look_for_garbage()
    living = asyncio.create_task(show_life(data, gateway.source.subscribed()))
    try:
        return await gateway.run()
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)


def rebuild(
    influx: Annotated[bool, typer.Option("--influx", help="send everything to InfluxDB again instead")] = False,
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Drop the block store and make it again from the journal; or fill InfluxDB again."""
    if influx:
        _fill_influx(settings_for(settings, data))
        return
    with Stores.open(settings_for(settings, data)) as stores, progress_bar("batches") as bar:
        tip = stores.journal.tip().position
        task = bar.add_task("projecting the journal", total=tip, note="")
        readings = 0

        def report(progress: Any) -> None:
            nonlocal readings
            readings += progress.readings
            bar.update(task, completed=progress.position, note=f"· {readings:,} readings")

        stores.projector().rebuild(report)
        bar.update(task, completed=tip)
    say(f"the block store is what {tip} batches of the journal say")


def _fill_influx(settings: Settings) -> None:
    from gateway.influx import feeding  # noqa: PLC0415 - takes a second to import

    with Stores.open(settings) as stores:
        if is_running(settings.data):
            feeding.fill_again_later(stores)
            say(f"the gateway that runs on {settings.data} sends everything to InfluxDB again")
            return
        if stores.projector().needs_rebuild():
            fail("the contracts name other devices or channels than before; run `fairmeter rebuild` first")
        with progress_bar("hours of a device") as bar:
            total = stores.blocks.touched_hours(0)
            task = bar.add_task("filling InfluxDB", total=total, note="")
            contracts = "· contracts"  # after the readings, what was agreed and how it went
            feeding.fill_again(stores, lambda hours: bar.update(task, advance=hours, note="" if hours else contracts))
            bar.update(task, completed=total)
    say(f"InfluxDB has what {settings.data} has")


def rejected(
    day: Annotated[str | None, typer.Option(help="one UTC day of arrival, such as 2026-01-31")] = None,
    device: Annotated[str | None, typer.Option(help="one device")] = None,
    limit: Annotated[int, typer.Option(min=1, help="how many, the newest first")] = 50,
    settings: SettingsFile = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """List what was not understood, and why; and devices and channels that no contract knows."""
    try:
        chosen_day = date.fromisoformat(day) if day else None
    except ValueError:
        raise typer.BadParameter(f"{day!r} is not a day; write it as 2026-01-31", param_hint="--day") from None
    with Stores.open(settings_for(settings, data)) as stores:
        rows = stores.blocks.rejected(chosen_day, device, limit)
        unassigned = stores.blocks.unassigned()
        counts = stores.blocks.counts()
    names = ("arrival_ms", "topic", "device", "part", "reason", "remedy", "excerpt", "position", "number")
    if as_json:
        listed = [{name: getattr(row, name) for name in names} for row in rows]
        unknown = [
            {
                "device": u.device,
                "channel": u.channel or None,
                "day": str(u.day),
                "readings": u.readings,
                "reason": u.reason,
            }
            for u in unassigned
        ]
        days = {str(d): {name: getattr(c, name) for name in c.__slots__} for d, c in counts.items()}
        print_json({"rejected": listed, "unassigned": unknown, "counts": days})
        return
    cells = [[rfc3339(r.arrival_ms), r.topic[:40], r.part, r.reason, r.remedy] for r in rows]
    print_table(["arrival", "topic", "part", "reason", "remedy"], cells, "Rejected, the newest first")
    if unassigned:
        print_table(["day", "readings", "reason"], [[u.day, u.readings, u.reason] for u in unassigned], "Unassigned")
    total = [[day, c.received, c.decoded, c.rejected, c.stored, c.refused, c.unassigned] for day, c in counts.items()]
    head = ["day of arrival", "received =", "decoded +", "rejected", "readings stored", "refused", "unassigned"]
    print_table(head, total, "Messages and readings")
