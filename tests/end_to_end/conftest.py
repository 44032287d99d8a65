"""What the end-to-end tests stand on: a real broker for each, and folders that tell the tests' days apart."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.broker import EmbeddedBroker


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    """The embedded broker, new for each test."""
    async with EmbeddedBroker(tmp_path / "broker") as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands find their modules compiled, as on a user's computer, wherever these tests run."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        environment.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("compiled")))
        yield


@pytest.fixture(autouse=True)
def quiet_clients() -> None:
    """aiomqtt warns of many publishes at once, which is what these tests are about."""
    logging.getLogger("mqtt").setLevel(logging.ERROR)
