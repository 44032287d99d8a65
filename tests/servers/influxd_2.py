"""A real InfluxDB 2.x: the `influxd` that is found if it is one, or a server that runs already.

Its buckets get the names that they have on 1.8, `database/policy`, which are names like any other here. A server that
runs already is named by FAIRMETER_TEST_INFLUX_URL, _ORG and _TOKEN, a token that may make buckets and tokens.
"""

import json
import os
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.influxd import BUCKET, PASSWORD, USER, Influxd, program

GIVEN = "FAIRMETER_TEST_INFLUX_"


def influxd(folder: Path) -> Influxd:
    """The InfluxDB of this computer, in the version that is found, not yet started."""
    told = subprocess.run([program(), "--help"], capture_output=True, text=True, check=False)
    return Influxd2(folder, org="fairmeter") if "--bolt-path" in told.stdout else Influxd(folder)


def given(folder: Path) -> Influxd | None:
    """The InfluxDB that runs already; None where none is named."""
    url = os.environ.get(f"{GIVEN}URL")
    if not url:
        return None
    org, token = (os.environ.get(f"{GIVEN}{each}", "") for each in ("ORG", "TOKEN"))
    return Given(folder, org=org, token=token, address=url.rstrip("/"))


@dataclass
class Influxd2(Influxd):
    """One InfluxDB 2.x in a folder."""

    def make(self, bucket: str, keep_hours: int | None = None) -> None:
        """Make an empty bucket."""
        rules = [{"type": "expire", "everySeconds": 3_600 * (keep_hours or 0)}]
        self.api("POST", "buckets", {"orgID": self._org_id(), "name": bucket, "retentionRules": rules})

    def drop(self, bucket: str) -> None:
        """Remove a bucket with all it holds."""
        (found,) = self.api("GET", f"buckets?{urllib.parse.urlencode({'name': bucket})}")["buckets"]
        self.api("DELETE", f"buckets/{found['id']}")

    def remove(self, bucket: str, measurement: str) -> None:
        """Remove every point of a measurement, and with them what types its fields have."""
        where = urllib.parse.urlencode({"org": self.org, "bucket": bucket})
        everything = {"start": "1970-01-01T00:00:00Z", "stop": "2200-01-01T00:00:00Z"}
        self.api("POST", f"delete?{where}", {**everything, "predicate": f'_measurement="{measurement}"'})

    def stranger(self) -> str:
        """The token of somebody who may read the names of tasks, and nothing else."""
        rights = [{"action": "read", "resource": {"type": "tasks"}}]
        token: str = self.api("POST", "authorizations", {"orgID": self._org_id(), "permissions": rights})["token"]
        return token

    def ask(self, query: str, *, known: bool = True, **parameters: Any) -> bytes:  # noqa: ARG002
        """There is no InfluxQL for administrators here."""
        pytest.skip(f"not here: InfluxDB 2.x has no {' '.join(query.split()[:3])}")

    def api(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the server answers to its administrator, or, before there is one, to anybody."""
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v2/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def _org_id(self) -> str:
        (found,) = self.api("GET", f"orgs?{urllib.parse.urlencode({'org': self.org})}")["orgs"]
        identity: str = found["id"]
        return identity

    def _options(self) -> Sequence[str | Path]:
        files = [f"--{name}-path={self.folder / name}" for name in ("bolt", "engine", "sqlite")]
        return *files, f"--http-bind-address=127.0.0.1:{self.port}", "--reporting-disabled", "--log-level=warn"

    def _set_up(self) -> None:
        if self.api("GET", "setup")["allowed"]:
            user = {"username": USER, "password": PASSWORD, "token": self.token}
            self.api("POST", "setup", {**user, "org": self.org, "bucket": BUCKET})


@dataclass
class Given(Influxd2):
    """An InfluxDB 2.x that somebody else has started, and will stop."""

    address: str = ""

    @property
    def url(self) -> str:
        """Where it is."""
        return self.address

    def start(self) -> None:
        """It runs already."""

    def stop(self, *, kill: bool = False) -> None:
        """It runs on."""
