"""InfluxDB for the tests. Starting one takes seconds, as it compiles its query language first; so one serves them all.

- `influx` is a bucket of one test's own, as settings; what the test writes there nobody else sees.
- `influx_server` is the server behind it, for tests that ask it as an administrator.
- `own_influxd` is a server of one test's own, to be stopped, started and wiped.

It is 1.8 or 2.x, whichever `influxd` is found first on the path; or, but for `own_influxd`, one that runs already.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from gateway.settings import InfluxSettings
from tests.servers.influxd import BUCKET, Influxd
from tests.servers.influxd_2 import given, influxd

_NUMBERS: Final = count(1)


@pytest.fixture(scope="session")
def influx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """The InfluxDB that serves all tests of this process."""
    folder = tmp_path_factory.mktemp("influxd")
    server = given(folder) or influxd(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def influx(influx_server: Influxd, tmp_path: Path) -> Iterator[InfluxSettings]:
    """An empty bucket of one test's own."""
    bucket = f"test{next(_NUMBERS)}/autogen"
    influx_server.make(bucket)
    yield settings_of(influx_server, tmp_path, bucket)
    influx_server.drop(bucket)


@pytest.fixture
def own_influxd(tmp_path: Path) -> Iterator[Influxd]:
    """A running InfluxDB of one test's own."""
    server = influxd(tmp_path / "influxd")
    server.start()
    yield server
    server.stop()


def settings_of(server: Influxd, folder: Path, bucket: str = BUCKET, token: str = "") -> InfluxSettings:
    """Settings that reach a bucket of a server; the token's file is in the folder."""
    file = folder / "influx.token"
    file.write_text(f"{token or server.token}\n")
    return InfluxSettings(url=server.url, org=server.org, bucket=bucket, token_file=file)
