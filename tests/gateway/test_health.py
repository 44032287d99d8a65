"""Whether a gateway is well, as whoever started it asks: from its folder alone."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.broker import EmbeddedBroker
from gateway.clock import now_ms
from gateway.commands.health import _data_folder
from gateway.health import SIGN, SILENT_AFTER_MS, WAITING_AFTER_MS, ailments
from gateway.message import Message
from gateway.settings import load_settings
from gateway.stores import Stores

MINUTE_MS = 60_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a gateway that is well: it showed life a moment ago, and everything is projected."""
    folder = tmp_path / "data"
    with Stores.open(load_settings(None, data=folder, contracts=tmp_path)):
        pass
    (folder / SIGN).touch()
    return folder


def arrived(data: Path, arrival_ms: int) -> None:
    """A message in the journal that nobody has projected."""
    with Stores.open(load_settings(None, data=data, contracts=data.parent)) as stores:
        stores.journal.append((Message("telemetry/comp-01", b'{"v":{"pressure":7}}', arrival_ms),))


def test_a_gateway_that_works_is_well(data: Path) -> None:
    """Nothing is found where it showed life lately and no reading waits; a reading that just came does not count."""
    assert ailments(data, now_ms()) == []
    arrived(data, now_ms())
    assert ailments(data, now_ms()) == []


def test_a_gateway_that_is_silent_is_not(data: Path) -> None:
    """One that gave no sign for more than a minute is named as silent, for how long."""
    assert ailments(data, now_ms() + SILENT_AFTER_MS - 5_000) == []
    (found,) = ailments(data, now_ms() + SILENT_AFTER_MS + MINUTE_MS)
    assert "no sign of life for 12" in found


def test_a_gateway_whose_readings_wait_is_not(data: Path) -> None:
    """Readings that arrived more than five minutes ago and are not metered are named."""
    arrived(data, now_ms() - WAITING_AFTER_MS - MINUTE_MS - 5_000)
    (found,) = ailments(data, now_ms())
    assert found == "readings have waited for 6 minutes to be metered"


def test_a_gateway_whose_disk_is_full_is_not(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may go on showing life, and still cannot acknowledge anything."""
    monkeypatch.setattr("gateway.health.ROOM_BYTES", 2**80)
    (found,) = ailments(data, now_ms())
    assert "its disk is full" in found


def test_a_gateway_whose_files_cannot_be_read_is_not(data: Path) -> None:
    """A journal that is none is named, with who looks closer, instead of a failure of the check itself."""
    (data / "journal.sqlite").write_bytes(b"this is no database, and long enough to be seen as none" * 20)
    (data / "journal.sqlite-wal").unlink(missing_ok=True)
    (found,) = ailments(data, now_ms())
    assert "not a database" in found
    assert "fairmeter doctor" in found


def test_a_gateway_that_never_ran_is_not(tmp_path: Path) -> None:
    """An empty folder is no healthy gateway, and asking leaves nothing behind in it."""
    assert len(ailments(tmp_path, now_ms())) == 1
    assert list(tmp_path.iterdir()) == []


def asked(data: Path) -> int:
    """The exit code of `fairmeter health`."""
    command = [sys.executable, "-m", "gateway", "health", "--data", str(data)]
    return subprocess.run(command, capture_output=True, check=False).returncode


@pytest.mark.parametrize("said", ["option", "variable", "settings", "named settings"])
def test_the_command_finds_the_folder_as_every_command_does(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Option, variable and settings file name the data folder, in this order, as they do for every other command."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / ("fairmeter.toml" if said == "settings" else "other.toml")
    file.write_text('data = "from-file"\n')
    if said == "variable":
        monkeypatch.setenv("FAIRMETER_DATA", "from-variable")
    if said == "named settings":
        monkeypatch.setenv("FAIRMETER_SETTINGS", str(file))
    option = Path("from-option") if said == "option" else None
    expected = {"option": "from-option", "variable": "from-variable"}.get(said, "from-file")
    assert (option or _data_folder(None)) == Path(expected)
    assert load_settings(None, data=option).data == Path(expected)


async def test_the_command_follows_a_running_gateway(tmp_path: Path) -> None:
    """`fairmeter health` fails before the broker lets the gateway in, succeeds while it runs, and fails if it hangs."""
    data = tmp_path / "data"
    (tmp_path / "contracts").mkdir()
    async with EmbeddedBroker(tmp_path / "broker") as broker:
        environment = {**os.environ, "FAIRMETER_BROKER__PORT": str(broker.port)}
        command = [sys.executable, "-m", "gateway", "run", "--data", str(data)]
        (tmp_path / "fairmeter.toml").write_text(f'contracts = "{tmp_path / "contracts"}"\n')
        assert asked(data) == 1
        with subprocess.Popen(
            [*command, "--settings", str(tmp_path / "fairmeter.toml")], env=environment, stderr=subprocess.DEVNULL
        ) as gateway:
            try:
                deadline = time.monotonic() + 90
                while asked(data) != 0:
                    assert gateway.poll() is None
                    assert time.monotonic() < deadline, "it never was well"
                gateway.send_signal(signal.SIGSTOP)  # it hangs, and time passes
                long_ago = time.time() - SILENT_AFTER_MS / 1000 - 5
                os.utime(data / SIGN, (long_ago, long_ago))
                assert asked(data) == 1
            finally:
                gateway.send_signal(signal.SIGCONT)
                gateway.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    gateway.wait(timeout=20)
        assert gateway.returncode == 0
