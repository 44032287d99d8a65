"""docker-compose.yml: what it mounts is there, what it opens is closed to the world, and no secret stands in it."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.settings import load_settings
from tests.deployment.stack import COMPOSE, ROOT, compose, mounted, services

NAMES = sorted(services())
RUNNING = {"mosquitto", "influxdb", "grafana", "fairmeter", "device_sim", "litestream"}
ONCE = {"grafana_token", "device_sim_month"}
IMAGE = re.compile(r"(?P<name>[a-z0-9/._-]+):(?P<tag>\d+\.\d+\.\d+)")
DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")
SECRETIVE = re.compile(r"PASSWORD|TOKEN|SECRET|KEY|CREDENTIAL", re.IGNORECASE)


def settled(text: str) -> str:
    """A value as it is where nothing is set in the environment."""
    return DEFAULT.sub(r"\1", text)


def test_the_stack_has_every_service_that_the_design_names() -> None:
    """Broker, gateway, InfluxDB and Grafana start by themselves; the fleet and the backup only when asked for."""
    assert set(NAMES) == RUNNING | ONCE
    profiles = {name: service.get("profiles", []) for name, service in services().items()}
    assert {name for name, asked in profiles.items() if asked == ["sim"]} == {"device_sim", "device_sim_month"}
    assert {name for name, asked in profiles.items() if asked == ["backup"]} == {"litestream"}
    assert {name for name, asked in profiles.items() if not asked} == RUNNING - {"device_sim", "litestream"} | {
        "grafana_token"
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_image_is_of_a_known_version(name: str) -> None:
    """No image changes by itself: each is pinned to a whole version."""
    image = IMAGE.fullmatch(services()[name]["image"])
    assert image, services()[name]["image"]
    version = tuple(map(int, image["tag"].split(".")))
    wanted = {"eclipse-mosquitto": (2,), "influxdb": (2, 7), "grafana/grafana": (11,)}.get(image["name"], (0,))
    assert version >= wanted
    assert image["name"] not in ("eclipse-mosquitto", "influxdb") or version[: len(wanted)] == wanted


@pytest.mark.parametrize("name", NAMES)
def test_everything_mounted_is_there(name: str) -> None:
    """A path on the computer is a file or folder of the repository and cannot be written; the rest are volumes."""
    for volume in services()[name].get("volumes", []):
        source, _, target = settled(volume).partition(":")
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert target.endswith(":ro"), volume
        else:
            assert source in compose()["volumes"], source


@pytest.mark.parametrize("name", NAMES)
def test_nothing_listens_to_the_world(name: str) -> None:
    """Every port is open on this computer only, unless its owner says otherwise, and the unencrypted one is not."""
    for port in services()[name].get("ports", []):
        address, outside, inside = settled(port).rsplit(":", 2)
        assert (address, outside) == ("127.0.0.1", inside)
        assert inside != "1883"


@pytest.mark.parametrize("name", NAMES)
def test_every_service_runs_with_the_least_it_needs(name: str) -> None:
    """Nobody is root, can become it, or has a capability; what is ours cannot write to its own image."""
    service = services()[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name != "grafana":  # its image runs as its own user
        uid, _, gid = service["user"].partition(":")
        assert int(uid) >= 1000
        assert uid == gid
    if service["image"].startswith("fairmeter:"):
        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp"]
    assert "privileged" not in service
    assert "network_mode" not in service


@pytest.mark.parametrize("name", sorted(RUNNING - {"device_sim", "litestream"}))
def test_every_server_says_whether_it_is_well(name: str) -> None:
    """What others wait for has a health check, asked within the container, with a limit."""
    check = services()[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= check.keys()
    assert services()[name]["restart"] == "unless-stopped"


def test_services_start_in_an_order_in_which_each_finds_what_it_needs() -> None:
    """One waits until another is well or done, never only until it was started; the gateway does not need InfluxDB."""
    waits = {name: service.get("depends_on", {}) for name, service in services().items()}
    for name, needed in waits.items():
        for other, how in needed.items():
            expected = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert how["condition"] == expected, (name, other)
            # What only a profile starts must not be missed where the profile is off.
            assert how.get("required", True) == (services()[other].get("profiles") is None)
    assert set(waits["fairmeter"]) == {"mosquitto", "device_sim_month"}
    assert set(waits["grafana"]) == {"influxdb", "grafana_token"}
    assert set(waits["device_sim"]) == set(waits["litestream"]) == {"fairmeter"}


def test_no_secret_stands_in_the_file() -> None:
    """What is secret is named by the file it stands in, and every secret that is declared is used by someone."""
    for name, service in services().items():
        for key, value in service.get("environment", {}).items():
            if SECRETIVE.search(key):
                assert str(value).startswith("/run/secrets/"), (name, key)
        declared = [each if isinstance(each, str) else each["source"] for each in service.get("secrets", [])]
        assert set(declared) <= compose()["secrets"].keys()
        said = " ".join(map(str, (service.get("environment", {}), service.get("command"), service.get("entrypoint"))))
        given = {each if isinstance(each, str) else each["target"] for each in service.get("secrets", [])}
        assert set(re.findall(r"/run/secrets/(\w+)", said)) <= given, name
    used = {word for word in compose()["secrets"] if len(re.findall(rf"\b{word}\b", COMPOSE.read_text())) > 1}
    assert used == compose()["secrets"].keys()


def test_only_who_writes_to_influxdb_has_its_token() -> None:
    """Grafana gets a token that reads; the one that may do everything is InfluxDB's, the gateway's and the maker's."""
    with_token = {name for name, service in services().items() if "influxdb_token" in service.get("secrets", [])}
    assert with_token == {"influxdb", "fairmeter", "grafana_token"}


def test_the_gateways_settings_are_the_stacks() -> None:
    """The settings file that is mounted names the broker, the InfluxDB and the secrets of this stack."""
    settings = load_settings(mounted("fairmeter", "/etc/fairmeter/fairmeter.toml"))
    assert settings.broker.host in services()
    assert settings.influx.url == "http://influxdb:8086"
    environment = services()["influxdb"]["environment"]
    assert settings.influx.org == environment["DOCKER_INFLUXDB_INIT_ORG"]
    assert settings.influx.bucket == environment["DOCKER_INFLUXDB_INIT_BUCKET"]
    for file in (settings.broker.password_file, settings.influx.token_file):
        assert file is not None
        assert file.parent == Path("/run/secrets")
        assert file.name in services()["fairmeter"]["secrets"]
    targets = [settled(volume).split(":")[1] for volume in services()["fairmeter"]["volumes"]]
    assert {str(settings.data), str(settings.contracts)} < set(targets)


def test_what_grafana_is_provisioned_with_is_where_its_files_say() -> None:
    """Grafana finds its data source, the token that was made for it, its dashboards, and the page it begins with."""
    files = mounted("grafana", "/etc/grafana/provisioning")
    (source,) = yaml.safe_load((files / "datasources/fairmeter.yaml").read_text())["datasources"]
    gateway = load_settings(mounted("fairmeter", "/etc/fairmeter/fairmeter.toml")).influx
    assert source["uid"] == "fairmeter-influxdb"
    assert source["url"] == gateway.url
    said = source["jsonData"]
    assert (said["version"], said["organization"], said["defaultBucket"]) == ("Flux", gateway.org, gateway.bucket)
    written = services()["grafana_token"]["entrypoint"][-1]
    assert source["secureJsonData"] == {"token": f"$__file{{{written}}}"}
    folder = str(Path(written).parent)
    assert f"tokens:{folder}" in services()["grafana_token"]["volumes"]
    assert f"tokens:{folder}:ro" in services()["grafana"]["volumes"]
    (provider,) = yaml.safe_load((files / "dashboards/fairmeter.yaml").read_text())["providers"]
    dashboards = mounted("grafana", provider["options"]["path"])
    home = Path(services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert (dashboards / home.name).is_file()


def plugin() -> list[str]:
    """Docker's own reader of compose files; skipped where it is not installed, as it needs no engine but is rare."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            ran = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False)
            if ran.returncode == 0 and not ran.stdout.startswith("1."):
                return command
    pytest.skip("not here: Docker's compose plugin, which would read docker-compose.yml as the engine does")


def configuration(*words: str) -> dict[str, Any]:
    """The file as Docker's own reader understands it."""
    import json  # noqa: PLC0415 - for this alone

    command = [*plugin(), "-f", str(COMPOSE), *words, "config", "--format", "json"]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


@pytest.mark.parametrize("profiles", [(), ("sim",), ("backup",), ("sim", "backup")], ids=str)
def test_docker_itself_reads_the_file(profiles: tuple[str, ...]) -> None:
    """Docker accepts the file with every choice of profiles, without a warning."""
    started = set(configuration(*(word for name in profiles for word in ("--profile", name)))["services"])
    asked = {name for name in NAMES if set(services()[name].get("profiles", profiles)) & set(profiles)}
    always = {name for name in NAMES if "profiles" not in services()[name]}
    assert started == always | {name for name in asked if "profiles" in services()[name]}
