"""What the end-to-end tests stand on: a real broker for each, and folders that tell the tests' days apart."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.broker import EmbeddedBroker


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    """The embedded broker, new for each test."""
    async with EmbeddedBroker(tmp_path / "broker") as running:
        yield running


@pytest.fixture(autouse=True)
def quiet_clients() -> None:
    """aiomqtt warns of many publishes at once, which is what these tests are about."""
    logging.getLogger("mqtt").setLevel(logging.ERROR)
