"""Dashboards and queries by what Grafana and Flux themselves say is right, as far as no server is needed for it."""

import json
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.grafana import View, interpolated
from tests.dashboards.queries import BOARDS, all_queries

FOLDER = Path(__file__).parent / "schema"
EVERYTHING = ("customer", "contract", "device", "period", "channel", "charge", "currency", "gateway")
VIEW = View(1_767_225_600_000, 1_769_904_000_000, "fairmeter", dict.fromkeys(EVERYTHING, ("a b", "c")))


def said_by(script: str, given: Any) -> Any:
    """What a script of the folder `schema` says of JSON."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node: Debian's package `nodejs` has it")
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip("no types of Grafana: `npm ci --prefix tests/dashboards/schema` installs them")
    done = subprocess.run(
        [node, FOLDER / script], input=json.dumps(given), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # Flux's checker greets first


def test_dashboards_are_of_grafanas_types() -> None:
    """Grafana's own types, of 9 and of the newest, find nothing in the dashboards that they do not know."""
    assert said_by("check.js", BOARDS) == []


def test_grafanas_types_would_find_a_mistake() -> None:
    """A word that is no choice, an option no panel has, and a type of panel that is none are found in both."""
    spoiled = deepcopy(BOARDS["gateway"])
    stat, *_, picture = spoiled["panels"]
    stat["options"]["colorMode"] = "loud"
    stat["fieldConfig"]["defaults"]["units"] = "ms"
    picture["type"] = "graph"
    said = said_by("check.js", {"gateway": spoiled})
    for version in ("grafana9", "newest"):
        ours = " ".join(each for each in said if f"gateway.{version}" in each)
        assert all(word in ours for word in ("colorMode", "units", "graph")), ours


def test_queries_are_right_for_the_flux_of_influxdb_2() -> None:
    """Flux's checker, of the age of InfluxDB 2.7, finds no wrong type, name or argument in any query."""
    queries = list(all_queries())
    wrong = 'from(bucket: "a") |> range(begin: 0)'
    *said, of_wrong = said_by("flux.js", [*(interpolated(query.flux, VIEW) for query in queries), wrong])
    assert {str(query): each for query, each in zip(queries, said, strict=True) if each} == {}
    assert any("begin" in each for each in of_wrong)
