"""A real InfluxDB 1.8 with the write and query endpoints of 2.x: `go install …/influxd@v1.8.10` builds it.

Its token is `user:password`, its organization `-`, and a bucket is `database/policy`. It can be stopped and started
again with what it holds, and emptied. Where `influxd` is 2.x, or one runs already, that is taken (influxd_2.py).
"""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BUCKET = "fairmeter/autogen"
USER, PASSWORD = "fairmeter", "for-tests-only"
TOKEN = f"{USER}:{PASSWORD}"
READY_WITHIN_S = 60

_CONFIGURATION = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
index-version = "tsi1"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
flux-enabled = true
auth-enabled = true
log-enabled = false
[monitor]
store-enabled = false
[logging]
level = "warn"
"""


def program() -> Path:
    """Where influxd is; the test is skipped where it is not installed."""
    gobin = os.environ.get("GOBIN") or Path(os.environ.get("GOPATH", Path.home() / "go"), "bin")
    found = shutil.which("influxd") or shutil.which(str(Path(gobin, "influxd")))
    if found is None:
        pytest.skip("no influxd: `go install github.com/influxdata/influxdb/cmd/influxd@v1.8.10` builds one")
    return Path(found)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Influxd:
    """One InfluxDB in a folder, on ports that stay the same from start to start."""

    folder: Path
    port: int = field(default_factory=free_port)
    org: str = "-"
    token: str = TOKEN
    _rpc_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What `influx.url` names."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers; on a fresh folder its user and database are made."""
        assert self._process is None, "it runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [program(), *self._options()]
        with (self.folder / "influxd.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, f"influxd ended at once; see {self.folder}/influxd.log"
            assert time.monotonic() < deadline, "influxd does not answer"
            time.sleep(0.05)
        self._set_up()

    def stop(self, *, kill: bool = False) -> None:
        """Stop it; what it holds stays on disk."""
        process, self._process = self._process, None
        if process is not None:
            process.kill() if kill else process.terminate()
            process.wait(timeout=30)

    def wipe(self) -> None:
        """Empty the bucket, as a lost disk would; it runs on."""
        self.drop(BUCKET)
        self.make(BUCKET)

    def make(self, bucket: str, keep_hours: int | None = None) -> None:
        """Make an empty bucket, which keeps its points for ever unless that is said."""
        database, _, policy = bucket.partition("/")
        self.ask(f"CREATE DATABASE {database}")
        if keep_hours is not None:
            self.ask(f"CREATE RETENTION POLICY {policy} ON {database} DURATION {keep_hours}h REPLICATION 1")

    def drop(self, bucket: str) -> None:
        """Remove a bucket with all it holds."""
        self.ask(f"DROP DATABASE {bucket.partition('/')[0]}")

    def remove(self, bucket: str, measurement: str) -> None:
        """Remove every point of a measurement, and with them what types its fields have."""
        self.ask(f"DROP MEASUREMENT {measurement}", db=bucket.partition("/")[0])

    def stranger(self) -> str:
        """The token of somebody who is known and may do nothing."""
        self.ask("CREATE USER nobody WITH PASSWORD 'nobody'")
        return "nobody:nobody"

    def ask(self, query: str, *, known: bool = True, **parameters: Any) -> bytes:
        """Run an InfluxQL statement, as the administrator or, before there is one, as nobody; the JSON answer."""
        user = {"u": USER, "p": PASSWORD} if known else {}
        data = urllib.parse.urlencode({"q": query, **parameters}).encode()
        address = f"{self.url}/query?{urllib.parse.urlencode(user)}"
        try:
            with urllib.request.urlopen(address, data=data, timeout=30) as answer:
                said: bytes = answer.read()
                return said
        except urllib.error.HTTPError as error:
            if known:
                raise
            with error:
                return error.read()

    def _options(self) -> Sequence[str | Path]:
        """How the program is called, with what it reads at its start."""
        configuration = self.folder / "influxdb.conf"
        configuration.write_text(_CONFIGURATION.format(folder=self.folder, port=self.port, rpc_port=self._rpc_port))
        return "-config", configuration

    def _set_up(self) -> None:
        """Its user and its bucket, on a fresh folder."""
        self.ask(f"CREATE USER {USER} WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES", known=False)
        self.make(BUCKET)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=2):
                return True
        except OSError:
            return False
