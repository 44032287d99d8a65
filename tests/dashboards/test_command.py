"""`fairmeter dashboards push` as somebody types it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboards.description import read_description
from tests.dashboards.grafana_server import INFLUX_TOKEN, TOKEN, FakeGrafana, serving
from tests.gateway.site import terms


@pytest.fixture
def grafana() -> Iterator[FakeGrafana]:
    """A Grafana that nobody has pushed to."""
    with serving(FakeGrafana(read_description())) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with settings, two contracts of one customer, and the tokens."""
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "air.yaml").write_text(terms("AIR"))
    (tmp_path / "contracts" / "print.yaml").write_text(terms("PRINT", devices="dev-2"))
    (tmp_path / "grafana.token").write_text(f"{TOKEN}\n")
    (tmp_path / "influx.token").write_text(f"{INFLUX_TOKEN}\n")
    (tmp_path / "fairmeter.toml").write_text(
        '[influx]\nurl = "http://127.0.0.1:8086"\n[grafana]\ninflux_token_file = "influx.token"\n'
    )
    return tmp_path


def push(site: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command where the settings are."""
    command = [sys.executable, "-m", "gateway", "dashboards", "push", *options]
    return subprocess.run(command, cwd=site, capture_output=True, text=True, check=False, timeout=60)


def test_push_says_what_it_did_and_the_second_time_that_there_is_nothing_to_do(
    grafana: FakeGrafana, site: Path
) -> None:
    """Both contracts' customer gets one folder; the second time, and in a dry run after it, nothing is changed."""
    options = ("--grafana", grafana.url, "--token-file", "grafana.token")
    first = push(site, *options)
    assert (first.returncode, "folder Fairmeter: User: created" in first.stderr) == (0, True), first.stderr
    assert len(grafana.folders) == 2
    again = push(site, *options)
    assert again.returncode == 0
    assert "nothing to change" in again.stderr
    dry = json.loads(push(site, *options, "--dry-run", "--json").stdout)
    assert (dry["changes"], dry["dry_run"], dry["version"]) == (False, True, "9.5.21")


def test_a_fault_is_told_with_its_remedy_and_exit_code(grafana: FakeGrafana, site: Path) -> None:
    """A token that Grafana does not take is exit code 1 with a remedy; a command without a Grafana is exit code 2."""
    (site / "grafana.token").write_text("old")
    refused = push(site, "--grafana", grafana.url, "--token-file", "grafana.token", "--json")
    assert refused.returncode == 1
    assert "does not accept the token" in json.loads(refused.stdout)["fault"]
    assert push(site).returncode == 2
    assert push(site, "--grafana", "grafana.example.com", "--token-file", "grafana.token").returncode == 2
    missing = push(site, "--grafana", grafana.url, "--token-file", "none.token")
    assert (missing.returncode, "none.token cannot be read" in missing.stderr) == (1, True)
