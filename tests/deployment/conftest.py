"""Secrets as `make secrets` makes them, and the stack's broker, started natively."""

import getpass
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.link import Connection
from gateway.settings import Settings, load_settings
from tests.deployment.stack import make_secrets, mounted, native, secret_files

SBIN = "/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin:/opt/homebrew/sbin:/opt/homebrew/bin"


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of secrets, with passwords for two devices."""
    folder = tmp_path_factory.mktemp("stack") / "secrets"
    ran = make_secrets(folder, devices="comp-01 comp-02")
    assert ran.returncode == 0, ran.stderr
    return folder


def program(name: str) -> str:
    """A program of Mosquitto; the test is skipped where it is not installed."""
    found = shutil.which(name, path=SBIN)
    if found is None:
        pytest.skip(f"{name} is not installed: Debian's packages mosquitto and mosquitto-clients have it")
    return found


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class StackBroker:
    """Mosquitto with the configuration that the stack mounts; it can be stopped, and started with what it kept."""

    folder: Path
    secrets: Path
    inside: int = field(default_factory=free_port)
    outside: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    def configuration(self) -> str:
        """The mounted configuration, with our places and ports instead of the container's."""
        text = mounted("mosquitto", "/mosquitto/config/mosquitto.conf").read_text()
        files = secret_files("mosquitto", self.secrets)
        files.pop("mosquitto_sub")
        places = {f"/run/secrets/{name}": str(file) for name, file in files.items()}
        acl = "/mosquitto/config/acl"
        places |= {acl: str(mounted("mosquitto", acl)), "/mosquitto/data/": f"{self.folder}/"}
        places |= {"listener 1883": f"listener {self.inside} 127.0.0.1"}
        places |= {"listener 8883": f"listener {self.outside} 127.0.0.1"}
        return native(text, places)

    def start(self) -> None:
        """Start it and wait until it listens."""
        file = self.folder / "mosquitto.conf"
        # In its container it is started as its own user, and so it is here.
        file.write_text(f"{self.configuration()}\nuser {getpass.getuser()}\n")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([program("mosquitto"), "-c", file], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not all(map(_listens, (self.inside, self.outside))):
            assert self._process.poll() is None, (self.folder / "mosquitto.log").read_text()
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it as its container is stopped."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(timeout=30)

    def reload(self) -> None:
        """Have it read its password file again, as `docker compose kill -s HUP mosquitto` does."""
        assert self._process is not None, "it runs"
        self._process.send_signal(signal.SIGHUP)

    def gateway(self, monkeypatch: pytest.MonkeyPatch) -> tuple[Settings, Connection]:
        """The settings that the stack's gateway has, with our address and password file, and its connection."""
        monkeypatch.setenv("FAIRMETER_BROKER__HOST", "127.0.0.1")
        monkeypatch.setenv("FAIRMETER_BROKER__PORT", str(self.inside))
        file = secret_files("fairmeter", self.secrets)["gateway_password"]
        monkeypatch.setenv("FAIRMETER_BROKER__PASSWORD_FILE", str(file))
        settings = load_settings(mounted("fairmeter", "/etc/fairmeter/fairmeter.toml"))
        return settings, settings.connection()

    def password(self, user: str) -> str:
        """The password of a user of the stack, or of a device."""
        own = self.secrets / f"{user}.password"
        return (own if own.exists() else self.secrets / "devices" / own.name).read_text().strip()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def stack_broker(tmp_path: Path, secrets: Path) -> Iterator[StackBroker]:
    """The stack's broker, running."""
    broker = StackBroker(tmp_path, secrets)
    broker.start()
    yield broker
    broker.stop()
