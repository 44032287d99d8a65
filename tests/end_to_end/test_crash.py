"""A gateway killed at any moment, again and again: nothing acknowledged is lost, nothing is billed twice.

The gateway is a process of its own, killed with SIGKILL at moments drawn from a seed, and started again on its folder.
"""

import asyncio
import contextlib
import json
import random
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

from contracts.seal import statement_sha256
from gateway.broker import EmbeddedBroker
from gateway.commands.statements import verify_files
from gateway.stores import Stores
from tests.end_to_end import independent
from tests.end_to_end.agreements import tanks
from tests.end_to_end.installation import Installation, distinct, publish, until

DAYS = 10
EVERY_MS = 4 * 60_000
A_DAY = 86_400_000 // EVERY_MS
SETS = DAYS * A_DAY + 1  # the last one is the first of today
KILLS = 3
LITRES_A_SET = {"tank-1": Decimal("0.5"), "tank-2": Decimal(1), "tank-3": Decimal("2.5")}
CONTRACTS = {"TANKS-A": ["tank-1", "tank-2"], "TANKS-B": ["tank-3"]}


def telemetry() -> list[tuple[str, bytes]]:
    """Everything the tanks say, one set at a time."""
    start = independent.local_day(independent.days_ago(DAYS), "UTC").start
    messages = []
    for number in range(SETS):
        for device, litres in LITRES_A_SET.items():
            one = {"t": start + number * EVERY_MS, "v": {"drawn": float(number * litres)}}
            messages.append((f"telemetry/{device}", json.dumps(one).encode()))
    return messages


def agree(site: Installation, grace: str) -> None:
    """Both contracts, with a grace that says whether their days can be closed."""
    begins = independent.days_ago(DAYS)
    for name, devices in CONTRACTS.items():
        text = tanks(devices, contract=name, begins=begins).replace("grace: 0s", f"grace: {grace}")
        site.agree(name, text)


@asynccontextmanager
async def process(site: Installation, command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command of the gateway as a process; killed at the end of the block if it still lives."""
    words = [sys.executable, "-m", "gateway", command, "--settings", str(site.settings_file)]
    with (site.folder / "gateway.log").open("ab") as log:
        started = await asyncio.create_subprocess_exec(*words, stdout=log, stderr=log)
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.kill()
        await started.wait()


async def killed(
    site: Installation, command: str, chance: random.Random, at_work: Callable[[], object], within_s: float = 0.12
) -> None:
    """Start a command and kill it a random moment after it got to work."""
    async with process(site, command) as started:
        await until(lambda: at_work() or started.returncode is not None)
        await asyncio.sleep(chance.uniform(0, within_s))


def asked(site: Installation, file: str, query: str) -> int:
    """One number from a file of the gateway, which may be at work."""
    with contextlib.closing(sqlite3.connect(site.data / f"{file}.sqlite", timeout=10)) as db:
        found: int | None = db.execute(query).fetchone()[0]
    return found or 0


async def test_a_killed_gateway_meters_everything_once(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Killed during ingest, projection and closing, it ends with every statement right, chained and verified."""
    chance = random.Random(20260301)
    site = Installation.make(tmp_path / "site", broker.port)
    agree(site, grace="60d")
    async with site.serving():
        pass  # from here on the broker keeps what is published while the gateway is away
    messages = telemetry()
    await publish(broker.port, messages)

    await killed_during_ingest(site, chance, len(messages))
    async with site.serving() as gateway:
        await until(lambda: all(distinct(gateway.stores, device, "drawn") == SETS for device in LITRES_A_SET))

    for _ in range(KILLS):
        await killed(site, "rebuild", chance, lambda: not asked(site, "blocks", "SELECT position FROM cursor"))

    agree(site, grace="0s")
    kills = await killed_during_closing(site, chance)
    async with process(site, "run"):
        await until(lambda: closed(site) == DAYS * len(CONTRACTS))
    assert kills == KILLS
    check_statements(site)


async def killed_during_ingest(site: Installation, chance: random.Random, messages: int) -> None:
    """Kill the gateway while the broker gives it what it missed, each time after it journalled some of it."""

    def received() -> int:
        return asked(site, "journal", "SELECT sum(messages) FROM batch")

    for _ in range(KILLS):
        before = received()
        assert before < messages, "the broker has more to give"
        await killed(site, "run", chance, lambda before=before: received() > before, 0.03)  # type: ignore[misc]


def closed(site: Installation) -> int:
    """How many statements are final."""
    return asked(site, "ledger", "SELECT count(*) FROM statements")


async def killed_during_closing(site: Installation, chance: random.Random) -> int:
    """Kill the gateway while it closes one day after the other; gives how often it was killed before it was done."""
    kills = 0
    while kills < KILLS and (before := closed(site)) < DAYS * len(CONTRACTS):
        await killed(site, "run", chance, lambda before=before: closed(site) > before)  # type: ignore[misc]
        kills += 1
    return kills


def check_statements(site: Installation) -> None:
    """Every day of every contract: its number, its chain, its litres, its files; and nothing beside them."""
    with Stores.open(site.settings) as stores:
        issued = {contract: stores.ledger.all(contract) for contract in CONTRACTS}
        assert stores.journal.verify_chain() is None
    for contract, statements in issued.items():
        assert [each.document["number"] for each in statements] == list(range(1, DAYS + 1))
        digests = [None, *(statement_sha256(each.document) for each in statements)]
        assert [each.document["previous_sha256"] for each in statements] == digests[:-1]
        folders = sorted((site.data / "statements" / contract).iterdir(), key=lambda path: int(path.name))
        assert [path.name for path in folders] == [str(number) for number in range(1, DAYS + 1)]
        for number, (each, folder) in enumerate(zip(statements, folders, strict=True)):
            # The very first reading only says where the register stood.
            expected = {device: LITRES_A_SET[device] * (A_DAY - (number == 0)) for device in CONTRACTS[contract]}
            rows = each.document["usage"]
            assert {row["device"]: Decimal(row["quantity"]) for row in rows} == expected
            assert {row["counts"]["accepted"] for row in rows} == {A_DAY}
            assert json.loads((folder / "statement.json").read_bytes()) == each.document
            assert verify_files(folder / "statement.json", folder / "evidence").findings == []
    left_behind = {path.name for path in (site.data / "statements").iterdir()} - set(CONTRACTS)
    assert left_behind == {".lock"}
