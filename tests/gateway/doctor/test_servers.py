"""The doctor at InfluxDB and Grafana, and the command as somebody types it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.book import load_book
from gateway.doctor.finding import Finding
from gateway.doctor.grafana import grafana as look_at_grafana
from gateway.doctor.influx import influx as look_at_influx
from gateway.influx.cursor import Cursor, Refusal
from gateway.influx.server import Influx
from gateway.settings import GrafanaSettings, InfluxSettings, Settings
from tests.dashboards.description import read_description
from tests.dashboards.grafana_server import INFLUX_TOKEN, TOKEN, FakeGrafana, serving
from tests.gateway.conftest import free_port
from tests.gateway.site import terms

Found = dict[str, Finding]


def at_influx(influx: InfluxSettings, data: Path) -> Found:
    """What the doctor finds at an InfluxDB, by what it looked at."""
    settings = Settings(data=data, influx=influx)
    return {each.what: each for each in look_at_influx(settings, time.time_ns() // 1_000_000)}


def test_an_influxdb_that_works_is_well(influx: InfluxSettings, tmp_path: Path) -> None:
    """Version, token, bucket, writing and reading back are all tried out."""
    with Influx.open(influx) as opened:
        opened.write(f"telemetry,device=dev-1 flow=2.5,boot#=1i {time.time_ns() // 1_000_000}\n".encode())
    found = at_influx(influx, tmp_path)
    assert {what: each.result for what, each in found.items()} == {
        "InfluxDB": "ok",
        "InfluxDB bucket": "ok",
        "InfluxDB fields": "ok",
    }


def test_a_wrong_token_a_missing_bucket_and_no_server_are_named(influx: InfluxSettings, tmp_path: Path) -> None:
    """Each is a fault with a remedy of its own."""
    wrong = tmp_path / "wrong.token"
    wrong.write_text("nobody:knows")
    token = at_influx(influx.model_copy(update={"token_file": wrong}), tmp_path)["InfluxDB"]
    bucket = at_influx(influx.model_copy(update={"bucket": "other/autogen"}), tmp_path)["InfluxDB"]
    gone = at_influx(influx.model_copy(update={"url": f"http://127.0.0.1:{free_port()}"}), tmp_path)["InfluxDB"]
    unread = at_influx(influx.model_copy(update={"token_file": tmp_path / "none"}), tmp_path)["InfluxDB"]
    assert {each.result for each in (token, bucket, gone, unread)} == {"fault"}
    assert "influx.token_file" in token.remedy
    assert "fairmeter influx init" in bucket.remedy
    assert "start it" in gone.remedy
    assert "let this user read it" in unread.remedy


def test_what_another_writer_left_in_another_type_is_named(influx: InfluxSettings, tmp_path: Path) -> None:
    """A channel that somebody wrote as text is named with its device, before a reading of ours is refused for it."""
    with Influx.open(influx) as opened:
        opened.write(f'telemetry,device=dev-1 flow="2.5",pages=7.0 {time.time_ns() // 1_000_000}\n'.encode())
    finding = at_influx(influx, tmp_path)["InfluxDB fields"]
    assert (finding.result, "flow of dev-1" in finding.said, "pages" in finding.said) == ("fault", True, False)
    assert "other writer" in finding.remedy


def test_what_influxdb_refused_is_shown(influx: InfluxSettings, tmp_path: Path) -> None:
    """Points that the gateway could not write are counted, with a series and the reason."""
    with Cursor.open(tmp_path / "influx.sqlite") as cursor:
        cursor.refuse([Refusal("telemetry,device=dev-1 flow", "field type conflict", 12, 0, 1)])
    finding = at_influx(influx, tmp_path)["InfluxDB refused"]
    assert (finding.result, "12 points" in finding.said, "flow" in finding.said) == ("fault", True, True)


# --- Grafana ------------------------------------------------------------------------------------------------------


@pytest.fixture
def grafana() -> Iterator[FakeGrafana]:
    """A Grafana that nobody has pushed to."""
    with serving(FakeGrafana(read_description())) as running:
        yield running


@pytest.fixture
def site(grafana: FakeGrafana, tmp_path: Path) -> Settings:
    """Settings that name that Grafana, and a contract."""
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "air.yaml").write_text(terms())
    tokens = {"grafana.token": TOKEN, "influx.token": INFLUX_TOKEN}
    for name, token in tokens.items():
        (tmp_path / name).write_text(token)
    (tmp_path / "fairmeter.toml").write_text(
        f"""
contracts = "contracts"
[broker]
port = {free_port()}
[influx]
url = "http://127.0.0.1:{free_port()}"
token_file = "influx.token"
[grafana]
url = "{grafana.url}"
token_file = "grafana.token"
"""
    )
    return Settings(
        contracts=tmp_path / "contracts",
        influx=InfluxSettings(url="http://127.0.0.1:8086", token_file=tmp_path / "influx.token"),
        grafana=GrafanaSettings(url=grafana.url, token_file=tmp_path / "grafana.token"),
    )


def at_grafana(site: Settings) -> Found:
    """What the doctor finds at a Grafana, by what it looked at."""
    return {each.what: each for each in look_at_grafana(site, load_book(site.contracts)[0])}


def test_a_grafana_without_the_dashboards_is_told_to_get_them(grafana: FakeGrafana, site: Settings) -> None:
    """What is missing there is a warning with the command that brings it, and nothing is written."""
    found = at_grafana(site)
    assert {what: each.result for what, each in found.items()} == {
        "Grafana": "ok",
        "Grafana data source": "warning",
        "Grafana dashboards": "warning",
    }
    assert "fairmeter dashboards push" in found["Grafana dashboards"].remedy
    assert all(each.startswith("GET ") for each in grafana.asked)


def test_an_old_grafana_a_wrong_token_and_a_missing_right_are_named(grafana: FakeGrafana, site: Settings) -> None:
    """Each is a fault with a remedy of its own."""
    grafana.denied = ("/folders",)
    assert "role Admin" in at_grafana(site)["Grafana"].remedy
    grafana.version = "8.3.1"
    assert "update it" in at_grafana(site)["Grafana"].remedy
    grafana.version, grafana.denied = "11.2.0", ()
    assert site.grafana.token_file is not None
    site.grafana.token_file.write_text("old")
    finding = at_grafana(site)["Grafana"]
    assert (finding.result, "Service accounts" in finding.remedy) == ("fault", True)


# --- the command --------------------------------------------------------------------------------------------------


def test_the_command_prints_what_result_and_remedy_and_fails_at_a_fault(site: Settings, tmp_path: Path) -> None:
    """Findings on stdout, also as JSON; exit code 1 where there is a fault; settings that are wrong are one."""
    assert site.grafana.url
    command = [sys.executable, "-m", "gateway", "doctor"]
    ran = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    found = {each["what"]: each for each in json.loads(ran.stdout)}
    assert ran.returncode == 1
    assert {"contracts", "disk", "clock", "broker", "journal", "keys", "InfluxDB", "Grafana"} <= found.keys()
    assert (found["broker"]["result"], found["InfluxDB"]["result"]) == ("fault", "fault")
    (tmp_path / "fairmeter.toml").write_text("colour = 3")
    wrong = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (wrong.returncode, "`colour` is not a setting" in wrong.stdout) == (1, True)
