"""InfluxDB for the tests. Starting one takes seconds, as it compiles its query language first; so one serves them all.

- `influx` is a bucket of one test's own, as settings; what the test writes there nobody else sees.
- `influx_server` is the server behind it, for tests that ask it as an administrator.
- `own_influxd` is a server of one test's own, to be stopped, started and wiped.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from gateway.settings import InfluxSettings
from tests.servers.influxd import BUCKET, TOKEN, Influxd

_NUMBERS: Final = count(1)


@pytest.fixture(scope="session")
def influx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """The InfluxDB that serves all tests of this process."""
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def influx(influx_server: Influxd, tmp_path: Path) -> Iterator[InfluxSettings]:
    """An empty bucket of one test's own."""
    database = f"test{next(_NUMBERS)}"
    influx_server.ask(f"CREATE DATABASE {database}")
    yield settings_of(influx_server, tmp_path, f"{database}/autogen")
    influx_server.ask(f"DROP DATABASE {database}")


@pytest.fixture
def own_influxd(tmp_path: Path) -> Iterator[Influxd]:
    """A running InfluxDB of one test's own."""
    server = Influxd(tmp_path / "influxd")
    server.start()
    yield server
    server.stop()


def settings_of(server: Influxd, folder: Path, bucket: str = BUCKET, token: str = TOKEN) -> InfluxSettings:
    """Settings that reach a bucket of a server; the token's file is in the folder."""
    file = folder / "influx.token"
    file.write_text(f"{token}\n")
    return InfluxSettings(url=server.url, bucket=bucket, token_file=file)
