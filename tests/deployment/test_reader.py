"""The token that Grafana reads with, asked of a server that answers as InfluxDB 2 does to these requests."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from influxdb_client.rest import ApiException

from gateway.deployment.reader import hand_over
from gateway.settings import InfluxSettings

OPERATOR = "the-operators-token"
BUCKET = {"id": "0a1b2c3d4e5f6071", "orgID": "1122334455667788", "name": "fairmeter", "retentionRules": []}


class Authorizations(ThreadingHTTPServer):
    """InfluxDB's buckets and authorizations: tokens are made on request, and only known ones are let in."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.known = {OPERATOR}
        self.made: list[dict[str, Any]] = []
        self.buckets = [BUCKET]


class _Answers(BaseHTTPRequestHandler):
    server: Authorizations

    def do_GET(self) -> None:
        assert self.path.startswith("/api/v2/buckets?name=fairmeter")
        if self._is_let_in():
            self._answer(200, {"buckets": self.server.buckets})

    def do_POST(self) -> None:
        assert self.path == "/api/v2/authorizations"
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._is_let_in():
            self.server.made.append(said)
            token = f"reader-{len(self.server.made)}"
            self.server.known.add(token)
            self._answer(201, {**said, "id": "00000000000000aa", "token": token})

    def _is_let_in(self) -> bool:
        if self.headers["Authorization"].removeprefix("Token ") in self.server.known:
            return True
        self._answer(401, {"code": "unauthorized", "message": "unauthorized access"})
        return False

    def _answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: pytest shows what matters."""


@pytest.fixture
def server() -> Iterator[Authorizations]:
    """A server that listens while a test runs."""
    with Authorizations() as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


def settings(server: Authorizations, folder: Path, token: str = OPERATOR) -> InfluxSettings:
    """The stack's settings for this server."""
    (folder / "operator").write_text(f"{token}\n")
    return InfluxSettings(
        url=f"http://127.0.0.1:{server.server_port}",
        org="fairmeter",
        bucket="fairmeter",
        token_file=folder / "operator",
    )


def test_grafana_gets_a_token_that_reads_one_bucket(server: Authorizations, tmp_path: Path) -> None:
    """What is asked for is reading, of this bucket, and nothing else; the file with it can be read by Grafana."""
    assert hand_over(settings(server, tmp_path), tmp_path / "grafana")
    (asked,) = server.made
    resource = {"type": "buckets", "id": BUCKET["id"], "orgID": BUCKET["orgID"]}
    assert asked["permissions"] == [{"action": "read", "resource": resource}]
    assert asked["orgID"] == BUCKET["orgID"]
    assert (tmp_path / "grafana").read_text() == "reader-1\n"
    assert (tmp_path / "grafana").stat().st_mode & 0o777 == 0o644


def test_a_token_that_is_good_is_kept_and_one_that_is_not_is_replaced(server: Authorizations, tmp_path: Path) -> None:
    """A restart changes nothing; where InfluxDB was made anew and knows no token of old, there is another one."""
    assert hand_over(settings(server, tmp_path), tmp_path / "grafana")
    assert not hand_over(settings(server, tmp_path), tmp_path / "grafana")
    assert len(server.made) == 1
    server.known = {OPERATOR}
    assert hand_over(settings(server, tmp_path), tmp_path / "grafana")
    assert (tmp_path / "grafana").read_text() == "reader-2\n"


def test_what_stands_in_the_way_is_said(server: Authorizations, tmp_path: Path) -> None:
    """A wrong token, a missing bucket and an absent InfluxDB are told apart, and no file is left behind."""
    with pytest.raises(ApiException, match="unauthorized"):
        hand_over(settings(server, tmp_path, "wrong"), tmp_path / "grafana")
    server.buckets = []
    with pytest.raises(LookupError, match="no bucket fairmeter"):
        hand_over(settings(server, tmp_path), tmp_path / "grafana")
    assert not (tmp_path / "grafana").exists()
