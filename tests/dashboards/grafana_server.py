"""A Grafana for tests: a real HTTP server that keeps what it is given, and holds everyone to Grafana's description.

It behaves where Grafana does so in ways that matter to who pushes: a folder is visible to all viewers at first, a
dashboard is saved only over the version one has seen, and a rule's queries come back with what Grafana adds to them.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.dashboards.description import Description, Operation

TOKEN, INFLUX_TOKEN = "glsa_for-tests-only", "reads-only"
CREATOR = 7


class Refusal(Exception):  # noqa: N818 - it is an answer
    """What Grafana answers where it does not do as asked."""

    def __init__(self, code: int, message: str, **more: str) -> None:
        self.code, self.body = code, {"message": message, **more}


@dataclass
class FakeGrafana:
    """What one Grafana holds; `denied` are beginnings of paths that the token may not touch."""

    description: Description
    version: str = "9.5.21"
    url: str = ""
    denied: tuple[str, ...] = ()
    folders: dict[str, dict[str, Any]] = field(default_factory=dict)
    permissions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    teams: list[dict[str, Any]] = field(default_factory=list)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)
    saved: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    intervals: dict[tuple[str, str], int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def answer(self, method: str, target: str, token: str, raw: bytes) -> tuple[int, Any]:
        """The status and body that answer a request; a request or answer that is not described is a fault."""
        parts = urlsplit(target)
        path = parts.path.removeprefix("/api")
        self.asked.append(f"{method} {path}")
        try:
            operation = self.description.operation(method, path)
            body = json.loads(raw) if raw else None
            self.description.check_request(operation, dict(parse_qsl(parts.query)), body)
            self._let_in(path, token)
            status, said = self._do(operation, dict(parse_qsl(parts.query)), body or {})
            self.description.check_answer(operation, status, said)
        except Refusal as refusal:
            return refusal.code, refusal.body
        except Exception as error:  # whatever it is, the test is to fail for it
            self.faults.append(f"{method} {target}: {type(error).__name__}: {error}"[:600])
            return 500, {"message": str(error)[:200]}
        return status, said

    def _let_in(self, path: str, token: str) -> None:
        if path != "/health" and token != f"Bearer {TOKEN}":
            raise Refusal(401, "Invalid API key")
        if self.denied and path.startswith(self.denied):
            raise Refusal(403, "You'll need additional permissions to perform this action")

    def _do(self, operation: Operation, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        values = [unquote(each) for each in operation.values.values()]
        does: dict[str, Callable[..., tuple[int, Any]]] = {
            "GET /health": lambda: (200, {"database": "ok", "version": self.version}),
            "GET /folders/{folder_uid}": lambda uid: (200, _there(self.folders, uid, "folder not found")),
            "POST /folders": lambda: self._new_folder(body),
            "PUT /folders/{folder_uid}": lambda uid: self._change_folder(uid, body),
            "GET /folders/{folder_uid}/permissions": lambda uid: (200, self.permissions[uid]),
            "POST /folders/{folder_uid}/permissions": lambda uid: self._permit(uid, body),
            "GET /teams/search": lambda: self._search_teams(query),
            "POST /teams": lambda: self._new_team(body),
            "GET /datasources/uid/{uid}": lambda uid: (200, _there(self.sources, uid, "Data source not found")),
            "GET /datasources/uid/{uid}/health": self._health,
            "POST /datasources": lambda: self._new_source(body),
            "PUT /datasources/uid/{uid}": lambda uid: self._change_source(uid, body),
            "GET /dashboards/uid/{uid}": lambda uid: (200, _there(self.dashboards, uid, "Dashboard not found")),
            "GET /dashboards/uid/{uid}/versions": lambda uid: (200, self.saved[uid][::-1][: int(query["limit"])]),
            "POST /dashboards/db": lambda: self._save_dashboard(body),
            "GET /v1/provisioning/alert-rules/{UID}": lambda uid: (200, _there(self.rules, uid, "")),
            "POST /v1/provisioning/alert-rules": lambda: self._new_rule(body),
            "PUT /v1/provisioning/alert-rules/{UID}": lambda uid: (200, self._keep_rule({**body, "uid": uid})),
            "GET /v1/provisioning/folder/{FolderUID}/rule-groups/{Group}": self._group,
            "PUT /v1/provisioning/folder/{FolderUID}/rule-groups/{Group}": lambda *key: self._change_group(key, body),
        }
        return does[f"{operation.method} {operation.path}"](*values)

    # --- folders, teams -------------------------------------------------------------------------------------------

    def _new_folder(self, body: dict[str, Any]) -> tuple[int, Any]:
        if body["uid"] in self.folders or any(body["title"] == each["title"] for each in self.folders.values()):
            raise Refusal(409, "a folder with the same name already exists")
        folder = {"id": len(self.folders) + 1, "uid": body["uid"], "title": body["title"], "version": 1}
        self.folders[body["uid"]] = folder
        self.permissions[body["uid"]] = [
            {"role": "Viewer", "permission": 1, "permissionName": "View", "inherited": False},
            {"role": "Editor", "permission": 2, "permissionName": "Edit", "inherited": False},
            {"userId": CREATOR, "teamId": 0, "permission": 4, "permissionName": "Admin", "inherited": False},
        ]
        return 200, folder

    def _change_folder(self, uid: str, body: dict[str, Any]) -> tuple[int, Any]:
        folder = _there(self.folders, uid, "folder not found")
        assert body.get("overwrite") or body["version"] == folder["version"]
        folder.update(title=body["title"], version=folder["version"] + 1)
        return 200, folder

    def _permit(self, uid: str, body: dict[str, Any]) -> tuple[int, Any]:
        for each in body["items"]:
            assert len(each.keys() & {"role", "teamId", "userId"}) == 1, "one permission is for one of these"
            assert each.get("teamId") in {None, *(team["id"] for team in self.teams)}
        self.permissions[uid] = [{**each, "inherited": False} for each in body["items"]]
        return 200, {"message": "Folder permissions updated"}

    def _search_teams(self, query: dict[str, str]) -> tuple[int, Any]:
        found = [each for each in self.teams if each["name"] == query["name"]]
        return 200, {"totalCount": len(found), "teams": found, "page": 1, "perPage": 1000}

    def _new_team(self, body: dict[str, Any]) -> tuple[int, Any]:
        if any(each["name"] == body["name"] for each in self.teams):
            raise Refusal(409, "Team name taken")
        self.teams.append({"id": len(self.teams) + 1, "orgId": 1, "name": body["name"]})
        return 200, {"message": "Team created", "teamId": len(self.teams)}

    # --- data sources ---------------------------------------------------------------------------------------------

    def _new_source(self, body: dict[str, Any]) -> tuple[int, Any]:
        if any(body["name"] == each["name"] for each in self.sources.values()):
            raise Refusal(409, "data source with the same name already exists")
        return self._keep_source(body["uid"], body, "Datasource added")

    def _change_source(self, uid: str, body: dict[str, Any]) -> tuple[int, Any]:
        _there(self.sources, uid, "Data source not found")
        return self._keep_source(uid, body, "Datasource updated")

    def _keep_source(self, uid: str, body: dict[str, Any], message: str) -> tuple[int, Any]:
        self.secrets[uid] = {**self.secrets.get(uid, {}), **body.get("secureJsonData", {})}
        known = {key: value for key, value in body.items() if key != "secureJsonData"}
        fields = dict.fromkeys(self.secrets[uid], True)
        source = {"isDefault": False, **known, "id": 1, "orgId": 1, "readOnly": False, "secureJsonFields": fields}
        self.sources[uid] = source
        return 200, {"id": 1, "name": source["name"], "message": message, "datasource": source}

    def _health(self, uid: str) -> tuple[int, Any]:
        if self.secrets.get(uid, {}).get("token") != INFLUX_TOKEN:
            raise Refusal(400, "error performing flux query: unauthorized: unauthorized access", status="ERROR")
        return 200, {"status": "OK", "message": "3 buckets found"}

    # --- dashboards -----------------------------------------------------------------------------------------------

    def _save_dashboard(self, body: dict[str, Any]) -> tuple[int, Any]:
        given, folder = body["dashboard"], body["folderUid"]
        _there(self.folders, folder, "folder not found")
        uid, there = given["uid"], self.dashboards.get(given["uid"])
        for other in self.dashboards.values():
            same_place = other["meta"]["folderUid"] == folder and other["dashboard"]["title"] == given["title"]
            if same_place and other["dashboard"]["uid"] != uid:
                raise Refusal(412, "A dashboard with the same name in the folder already exists", status="name-exists")
        version = there["dashboard"]["version"] if there else 0
        if there and not body["overwrite"] and given.get("version") != version:
            raise Refusal(412, "The dashboard has been changed by someone else", status="version-mismatch")
        kept = {**deepcopy(given), "id": len(self.dashboards) + 1, "version": version + 1}
        self.dashboards[uid] = {"dashboard": kept, "meta": {"folderUid": folder, "version": version + 1}}
        self.saved.setdefault(uid, []).append({"version": version + 1, "message": body.get("message", "")})
        answer = {"id": str(kept["id"]), "uid": uid, "url": f"/d/{uid}", "status": "success"}
        return 200, {**answer, "version": version + 1, "title": kept["title"]}

    # --- alert rules ----------------------------------------------------------------------------------------------

    def _new_rule(self, body: dict[str, Any]) -> tuple[int, Any]:
        if body["uid"] in self.rules:
            raise Refusal(409, "rule uid taken")
        self.intervals.setdefault((body["folderUID"], body["ruleGroup"]), 60)
        return 201, self._keep_rule(body)

    def _keep_rule(self, body: dict[str, Any]) -> dict[str, Any]:
        assert body["folderUID"] in self.folders and body["orgID"] == 1
        kept = deepcopy(body)
        for query in kept["data"]:
            query["model"] = {"intervalMs": 1000, "maxDataPoints": 43200, **query["model"]}
        whole_minutes, rest = divmod(int(kept["for"].removesuffix("s")), 60)
        kept["for"] = f"{whole_minutes}m" if not rest and whole_minutes else kept["for"]
        kept |= {"id": 1, "provenance": "api", "updated": "2026-01-01T00:00:00Z"}
        self.rules[kept["uid"]] = kept
        return kept

    def _group(self, folder: str, group: str) -> tuple[int, Any]:
        rules = [each for each in self.rules.values() if (each["folderUID"], each["ruleGroup"]) == (folder, group)]
        interval = _there(self.intervals, (folder, group), "")
        return 200, {"title": group, "folderUid": folder, "interval": interval, "rules": rules}

    def _change_group(self, key: tuple[str, ...], body: dict[str, Any]) -> tuple[int, Any]:
        folder, group = key
        _, there = self._group(folder, group)
        assert {each["uid"] for each in body["rules"]} == {each["uid"] for each in there["rules"]}, "others would go"
        self.intervals[folder, group] = body["interval"]
        return 200, body


def _there(held: Any, key: Any, message: str) -> Any:
    """What is held under a key; 404 where nothing is."""
    if key not in held:
        raise Refusal(404, message)
    return held[key]


@contextmanager
def serving(grafana: FakeGrafana) -> Iterator[FakeGrafana]:
    """The Grafana at an address of its own; at the end, whatever was not as described fails the test."""

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

        def do_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            status, body = grafana.answer(
                self.command, self.path, self.headers.get("Authorization", ""), self.rfile.read(length)
            )
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_any  # noqa: N815 - the names are http.server's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - likewise
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    grafana.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield grafana
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert grafana.faults == []
