"""A gateway as an operator has it: a folder with settings, contracts and data, beside a real broker."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiomqtt

from gateway.service import Gateway, running
from gateway.settings import Settings, load_settings
from gateway.stores import Stores

IN_FLIGHT = 100
ALL_TIME_MS = (0, 2**42)


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended: its exit code, the data it printed, and what it said."""

    code: int
    out: str
    said: str

    def json(self) -> Any:
        """The data, where it was asked for as JSON."""
        return json.loads(self.out)


def fairmeter(*words: object, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Finished:
    """Run `fairmeter` with these words and wait for its end."""
    command = [sys.executable, "-m", "gateway", *map(str, words)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, env=env, cwd=cwd)
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


@dataclass(frozen=True, slots=True)
class Installation:
    """One gateway's folder, and the port of the broker it listens to."""

    folder: Path
    port: int

    @classmethod
    def make(cls, folder: Path, port: int, **contracts: str) -> Self:
        """Write the settings, and each contract's text under the name of its file."""
        made = cls(folder, port)
        (folder / "contracts").mkdir(parents=True)
        made.settings_file.write_text(
            f'gateway = "site-7"\ndata = "{made.data}"\ncontracts = "{folder / "contracts"}"\n'
            f'[broker]\nhost = "127.0.0.1"\nport = {port}\nclient_id = "gateway-under-test"\n'
        )
        for name, text in contracts.items():
            made.agree(name, text)
        return made

    @property
    def settings_file(self) -> Path:
        """What `--settings` names."""
        return self.folder / "fairmeter.toml"

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def settings(self) -> Settings:
        """The settings as the gateway reads them."""
        return load_settings(self.settings_file)

    def agree(self, name: str, text: str) -> None:
        """Put a contract into the folder of contracts."""
        (self.folder / "contracts" / f"{name}.yaml").write_text(text)

    def statement(self, contract: str, number: int) -> Path:
        """The folder of a final statement."""
        return self.data / "statements" / contract / str(number)

    def run(self, *words: object) -> Finished:
        """Run a command that reads the settings."""
        return fairmeter(*words, "--settings", self.settings_file)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Gateway]:
        """The gateway, receiving and projecting; it closes nothing before it is told to."""
        with Stores.open(self.settings) as stores:
            async with running(Gateway(stores, closing=False)) as gateway:
                await self._subscribed(stores)
                yield gateway

    async def _subscribed(self, stores: Stores) -> None:
        """Wait until the broker keeps what is published for this gateway: what came before that would be nobody's."""
        before = stores.journal.tip()
        async with asyncio.timeout(20), aiomqtt.Client("127.0.0.1", self.port) as client:
            while stores.journal.tip() == before:
                await client.publish("status/greeter", b'{"online": true}', qos=1)
                await asyncio.sleep(0.05)


def distinct(stores: Stores, device: str, channel: str) -> int:
    """How many different readings of a channel are projected; a redelivered message adds none."""
    columns = stores.blocks.read(device, channel, *ALL_TIME_MS)
    return len(set(zip(columns.times.tolist(), columns.ticks.tolist(), strict=True)))


async def until(reached: Callable[[], object], within_s: float = 30) -> None:
    """Wait until something is so; TimeoutError if it never is."""
    async with asyncio.timeout(within_s):
        while not reached():
            await asyncio.sleep(0.05)


async def publish(port: int, messages: Iterable[tuple[str, bytes]]) -> None:
    """Publish messages at QoS 1, in order, and return once the broker has acknowledged every one."""
    waiting: list[Any] = []
    async with aiomqtt.Client("127.0.0.1", port) as client:
        client.pending_calls_threshold = 2 * IN_FLIGHT
        for topic, payload in messages:
            waiting.append(client.publish(topic, payload, qos=1))
            if len(waiting) == IN_FLIGHT:
                await asyncio.gather(*waiting)
                waiting.clear()
        await asyncio.gather(*waiting)
