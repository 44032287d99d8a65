"""The gateway as one running thing: how it ends."""

import asyncio
import random
import threading
from pathlib import Path

from gateway.broker import EmbeddedBroker
from gateway.service import Gateway, running
from gateway.settings import load_settings
from gateway.stores import Stores
from tests.gateway.test_live import TERMS, messages


async def test_it_ends_only_after_its_threads_whatever_was_cancelled(tmp_path: Path) -> None:
    """Work that goes on in a thread never finds the files closed under it, which would crash the whole process."""
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "live.yaml").write_text(TERMS)
    async with EmbeddedBroker(tmp_path / "broker") as broker:
        at = {"host": broker.host, "port": broker.port}
        settings = load_settings(None, data=tmp_path / "data", contracts=tmp_path / "contracts", broker=at)
        with Stores.open(settings) as stores:
            stores.journal.append(tuple(messages(random.Random(1))))
            async with running(Gateway(stores, closing=False)) as gateway:
                await gateway.catch_up()
                busy = asyncio.create_task(gateway.statements_to_date())
                await asyncio.sleep(0.2)
                assert not busy.done(), "metering these weeks takes longer than this"
                busy.cancel()
            assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("gateway")]
