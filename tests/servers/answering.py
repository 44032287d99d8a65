"""The form in which InfluxDB 2.x answers, where none is run: status, code and message of what is asked of it here.

It brings about what a real one seldom does, such as a full disk. All else is tested against a real InfluxDB, of
whichever version there is (tests/servers/influxd.py).
"""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ORG_ID, BUCKET_ID = "0123456789abcdef", "fedcba9876543210"


@dataclass
class Answering:
    """What it is to answer, and what it was asked: `refuse` names a field whose lines are partly refused."""

    url: str = ""
    buckets: dict[str, int] = field(default_factory=dict)  # seconds kept by name; 0 for ever
    written: list[str] = field(default_factory=list)
    refuse: str | None = None
    failing: tuple[int, str, str] | None = None  # status, code and message of every answer


@contextmanager
def answering() -> Iterator[Answering]:
    """The server on a free port, while the block runs."""
    state = Answering()

    class Request(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, state)

        do_POST = do_PATCH = do_GET  # noqa: N815 - the names that the library looks for

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(request: BaseHTTPRequestHandler, state: Answering) -> None:
    path, query = urlsplit(request.path).path, parse_qs(urlsplit(request.path).query)
    body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
    status, document = _decide(request.command, path, query, body, state)
    data = b"" if document is None else json.dumps(document).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json; charset=utf-8")
    request.send_header("Content-Length", str(len(data)))
    request.send_header("X-Influxdb-Version", "v2.7.12")
    request.end_headers()
    request.wfile.write(data)


def _decide(command: str, path: str, query: dict[str, list[str]], body: bytes, state: Answering) -> tuple[int, Any]:
    known: dict[str, tuple[int, Any]] = {"/ping": (204, None), "/api/v2/setup": (200, {"allowed": False})}
    if path in known:
        return known[path]
    if state.failing is not None:
        status, code, message = state.failing
        return status, {"code": code, "message": message}
    if path == "/api/v2/write":
        return _written(query["bucket"][0], gzip.decompress(body).decode(), state)
    if path == "/api/v2/query":
        return 200, None
    if path == "/api/v2/orgs":
        return 200, {"orgs": [{"id": ORG_ID, "name": query["org"][0]}]}
    return _buckets(command, query, body, state)


def _buckets(command: str, query: dict[str, list[str]], body: bytes, state: Answering) -> tuple[int, Any]:
    said = json.loads(body or b"{}")
    if command == "GET":
        found = [_bucket(name, kept) for name, kept in state.buckets.items() if name == query["name"][0]]
        return 200, {"buckets": found}
    state.buckets[said["name"]] = said["retentionRules"][0]["everySeconds"]
    return 201, _bucket(said["name"], state.buckets[said["name"]])


def _written(bucket: str, text: str, state: Answering) -> tuple[int, Any]:
    if bucket not in state.buckets:
        return 404, {"code": "not found", "message": f'bucket "{bucket}" not found'}
    lines = text.splitlines()
    refused = [line for line in lines if state.refuse is not None and f"{state.refuse}=" in line]
    state.written += [line for line in lines if line not in refused]
    if not refused:
        return 204, None
    reason = f'input field "{state.refuse}" on measurement "m" is type float, already exists as type string'
    partial = f"partial write: field type conflict: {reason} dropped={len(refused)}"
    return 422, {"code": "unprocessable entity", "message": f"failure writing points to database: {partial}"}


def _bucket(name: str, kept: int) -> dict[str, Any]:
    rules = [{"type": "expire", "everySeconds": kept}] if kept else []
    return {"id": BUCKET_ID, "orgID": ORG_ID, "name": name, "type": "user", "retentionRules": rules}
