"""A gateway's files without its broker: contracts, journal and block store in a folder, and messages to put in."""

import json
import random
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from contracts.readings import Columns
from gateway.blocks import BlockStore
from gateway.book import load_book
from gateway.journal import Journal
from gateway.message import Message
from gateway.payloads import Layout
from gateway.project import Progress, Projector

START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
MINUTE_MS = 60_000
FOR_EVER = 2**50

TERMS = """
terms: 1
id: {id}
version: {version}
provider: {{name: Maker}}
customer: {{name: User}}
currency: EUR
timezone: UTC
valid: {{from: {begins}}}
period: month
devices: [{devices}]
channels:
  flow: {{unit: m3/h, resolution: {resolution}}}
  pages: {{}}
"""


def terms(
    contract: str = "AIR",
    version: int = 1,
    begins: str = "2026-01-01",
    devices: str = "dev-1",
    resolution: str = "0.01",
) -> str:
    """A contract's text; `devices` are ids with commas between."""
    listed = ", ".join(f"{{id: {device.strip()}}}" for device in devices.split(","))
    return TERMS.format(id=contract, version=version, begins=begins, devices=listed, resolution=resolution)


def telemetry(content: Any, arrival_ms: int, device: str = "dev-1") -> Message:
    """Telemetry as a device sends it."""
    return Message(f"telemetry/{device}", json.dumps(content).encode(), arrival_ms)


def flow(minute: int, value: float, arrival_ms: int | None = None, device: str = "dev-1", **more: Any) -> Message:
    """One reading of the channel flow, taken so many minutes after the start and arriving at once unless told."""
    time_ms = START_MS + minute * MINUTE_MS
    return telemetry({"t": time_ms, "v": {"flow": value}, **more}, arrival_ms or time_ms + 40, device)


def status(arrival_ms: int, device: str = "dev-1", retained: bool = False, **content: Any) -> Message:
    """A status message."""
    return Message(f"status/{device}", json.dumps(content).encode(), arrival_ms, retained=retained)


def event(arrival_ms: int, device: str = "dev-1", **content: Any) -> Message:
    """An event as a technician's tool reports it."""
    return Message(f"event/{device}", json.dumps(content).encode(), arrival_ms)


def a_busy_day(seed: int, count: int = 300) -> list[Message]:
    """Messages of a day with everything in it: disorder, repetition, conflicts, restarts, nonsense and strangers."""
    chance = random.Random(seed)
    messages: list[Message] = []
    for number in range(count):
        arrival_ms = START_MS + number * 2 * MINUTE_MS
        minute = number * 2 - chance.choice([0, 0, 0, 1, 7, 200])
        boot: dict[str, Any] = {"boot": chance.choice("abc")} if chance.random() < 0.3 else {}
        one = {"t": START_MS + minute * MINUTE_MS, "v": {"flow": chance.randrange(900) / 7}, **boot}
        other = {"t": START_MS + (minute - 1) * MINUTE_MS, "v": {"flow": 1e300, "pages": number, "noise": 1}}
        messages.append(
            chance.choice(
                [
                    telemetry(one, arrival_ms),
                    telemetry([one, other, one], arrival_ms),
                    telemetry([one, {"t": 17, "v": {"flow": 2}}, {"v": {"pages": "many"}}], arrival_ms),
                    telemetry({"v": {"flow": number}}, arrival_ms),
                    telemetry(one, arrival_ms, device="stranger"),
                    Message("telemetry/dev-1", b'{"t": ', arrival_ms),
                    status(arrival_ms, online=chance.random() < 0.5, meter=chance.choice("KL"), t=arrival_ms - 5),
                    event(arrival_ms, type="serviced", by="Ann", id=f"service-{number % 5}"),
                    messages[-1] if messages else telemetry(one, arrival_ms),
                ]
            )
        )
    return messages


@dataclass
class Site:
    """The open files of a gateway in a folder."""

    folder: Path
    journal: Journal
    store: BlockStore

    @classmethod
    def open(cls, folder: Path, **contracts: str) -> Self:
        """Open the files; the contracts are texts by the name of their file."""
        terms_folder = folder / "contracts"
        terms_folder.mkdir(parents=True, exist_ok=True)
        for name, text in contracts.items():
            (terms_folder / f"{name}.yaml").write_text(text)
        return cls(folder, Journal.open(folder / "journal.db"), BlockStore.open(folder / "blocks.db"))

    def projector(self) -> Projector:
        """A projector by the contracts that are in the folder now."""
        book, problems = load_book(self.folder / "contracts")
        assert not problems, problems
        return Projector(self.journal, self.store, book, Layout())

    def receive(self, *messages: Message) -> None:
        """Journal these messages as one batch."""
        self.journal.append(messages)

    def project(self, limit_messages: int = 20_000) -> list[Progress]:
        """Project all there is, so many messages at a time."""
        projector, steps = self.projector(), []
        while step := projector.project_next(limit_messages):
            steps.append(step)
        return steps

    def flows(self, device: str = "dev-1", upto: int | None = None) -> Columns:
        """All readings of the channel flow."""
        return self.store.read(device, "flow", 0, FOR_EVER, upto)

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything in the block store but the positions at which hours were projected: those depend on the steps."""
        with sqlite3.connect(self.folder / "blocks.db") as db:
            names = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
            tables = {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in names}
        db.close()
        tables |= {name: sorted(row[:2] for row in tables[name]) for name in ("dirty", "touched")}
        return tables

    def close(self) -> None:
        """Close the files."""
        self.store.close()
        self.journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
