"""Grafana's own description of its HTTP interface (Swagger 2), by which requests and answers are checked.

It is that of 9.0, which left two things out that are in every Grafana since: its health, and alert rules; these are
described here in the same form.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

FILE = Path(__file__).parents[3] / "shared" / "grafana" / "openapi-9.0.json"

_RULE_UID = {"name": "UID", "in": "path", "type": "string", "required": True}
_GROUP = [{"name": name, "in": "path", "type": "string", "required": True} for name in ("FolderUID", "Group")]


def _body(definition: str) -> dict[str, Any]:
    return {"name": "Body", "in": "body", "schema": {"$ref": f"#/definitions/{definition}"}}


def _answers(code: str, definition: str) -> dict[str, Any]:
    refused = {each: {"schema": {"$ref": "#/definitions/ErrorResponseBody"}} for each in ("400", "401", "403", "404")}
    return {code: {"schema": {"$ref": f"#/definitions/{definition}"}}, **refused}


PATHS: dict[str, Any] = {
    "/health": {"get": {"responses": {"200": {"schema": {"type": "object", "required": ["database", "version"]}}}}},
    "/v1/provisioning/alert-rules": {
        "post": {"parameters": [_body("ProvisionedAlertRule")], "responses": _answers("201", "ProvisionedAlertRule")}
    },
    "/v1/provisioning/alert-rules/{UID}": {
        "get": {"parameters": [_RULE_UID], "responses": _answers("200", "ProvisionedAlertRule")},
        "put": {
            "parameters": [_RULE_UID, _body("ProvisionedAlertRule")],
            "responses": _answers("200", "ProvisionedAlertRule"),
        },
    },
    "/v1/provisioning/folder/{FolderUID}/rule-groups/{Group}": {
        "get": {"parameters": _GROUP, "responses": _answers("200", "AlertRuleGroup")},
        "put": {"parameters": [*_GROUP, _body("AlertRuleGroup")], "responses": _answers("200", "AlertRuleGroup")},
    },
}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
DEFINITIONS: dict[str, Any] = {
    "ProvisionedAlertRule": {
        "type": "object",
        "required": "orgID folderUID ruleGroup title condition data noDataState execErrState for".split(),
        "properties": {
            "id": {"type": "integer"},
            "uid": {"type": "string", "pattern": r"^[\w-]{1,40}$"},
            "orgID": {"type": "integer"},
            "folderUID": {"type": "string"},
            "ruleGroup": {"type": "string", "minLength": 1, "maxLength": 190},
            "title": {"type": "string", "minLength": 1, "maxLength": 190},
            "condition": {"type": "string"},
            "data": {"type": "array", "items": {"$ref": "#/definitions/AlertQuery"}},
            "updated": {"type": "string"},
            "noDataState": {"enum": ["Alerting", "NoData", "OK"]},
            "execErrState": {"enum": ["OK", "Alerting", "Error"]},
            "for": {"type": "string", "pattern": r"^([0-9]+[smhd])+$"},
            "annotations": _TEXTS,
            "labels": _TEXTS,
            "provenance": {"type": "string"},
            "isPaused": {"type": "boolean"},
        },
    },
    "AlertRuleGroup": {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "folderUid": {"type": "string"},
            "interval": {"type": "integer"},
            "rules": {"type": "array", "items": {"$ref": "#/definitions/ProvisionedAlertRule"}},
        },
    },
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked: its path as described, and what is said of parameters, body and answers."""

    path: str
    method: str
    described: dict[str, Any]
    values: dict[str, str]


class Description:
    """What Grafana says it understands and answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._definitions = {**document["definitions"], **DEFINITIONS}
        # Grafana passes over what it does not know, so a misspelt field would do nothing, silently.
        self._closed = {name: _closed(each) for name, each in self._definitions.items()}
        paths = {**document["paths"], **PATHS}
        # Where two paths fit, the one with fewer places to fill is meant: `/teams/search`, not `/teams/{team_id}`.
        self._paths = sorted(paths.items(), key=lambda each: each[0].count("{"))

    def operation(self, method: str, path: str) -> Operation:
        """What is described for a method and path; AssertionError where nothing is."""
        for pattern, methods in self._paths:
            found = re.fullmatch(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(pattern)), path)
            if found and method.lower() in methods:
                return Operation(pattern, method, methods[method.lower()], found.groupdict())
        raise AssertionError(f"Grafana does not describe {method} {path}")

    def check_request(self, operation: Operation, query: dict[str, str], body: object) -> None:
        """Raise AssertionError or ValidationError where a request is not one that Grafana describes."""
        parameters = operation.described.get("parameters", [])
        known = {each["name"]: each for each in parameters if each["in"] == "query"}
        assert query.keys() <= known.keys(), f"{operation.path} knows no {query.keys() - known.keys()}"
        for name, value in query.items():
            assert known[name]["type"] != "integer" or value.isdigit(), f"{name} is a number, not {value!r}"
        described = [each for each in parameters if each["in"] == "body"]
        assert (body is not None) == bool(described), f"{operation.method} {operation.path}: a body or none?"
        for each in described:
            self._check(body, each["schema"], closed=True)

    def check_answer(self, operation: Operation, status: int, body: object) -> None:
        """Raise where an answer is not one that Grafana describes: the server of a test must not make them up."""
        answers = operation.described["responses"]
        assert str(status) in answers, f"{operation.method} {operation.path} does not answer {status}"
        answer = answers[str(status)]
        if "$ref" in answer:
            answer = self._document["responses"][answer["$ref"].rsplit("/")[-1]]
        if "schema" in answer:
            self._check(body, answer["schema"], closed=False)

    def _check(self, value: object, schema: dict[str, Any], *, closed: bool) -> None:
        definitions = self._closed if closed else self._definitions
        jsonschema.Draft4Validator({**schema, "definitions": definitions}).validate(value)


def _closed(definition: dict[str, Any]) -> dict[str, Any]:
    known = definition.get("properties")
    return (
        {**definition, "additionalProperties": False}
        if known and "additionalProperties" not in definition
        else definition
    )


@cache
def read_description() -> Description:
    """The description in the folder beside the project; the test is skipped where it is not there."""
    if not FILE.is_file():
        pytest.skip(f"Grafana's description is not here: {FILE.name} belongs into shared/grafana beside the project")
    return Description(json.loads(FILE.read_text("utf-8")))
