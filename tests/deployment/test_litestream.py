"""The continuous backup: Litestream from a wheel, with the configuration that the stack mounts, beside a writer."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.journal import Journal
from gateway.ledger import Ledger
from gateway.message import Message
from tests.deployment.stack import ROOT, mounted, native, services

LITESTREAM = Path(sys.executable).with_name("litestream")
READING = b'{"t":%d,"v":{"pressure":7.02,"air_flow":41.5}}'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a journal and a ledger, and the folder of the backup beside it."""
    folder = tmp_path / "data"
    folder.mkdir()
    Journal.open(folder / "journal.sqlite").close()
    Ledger.open(folder / "ledger.sqlite").close()
    return folder


def configured(data: Path) -> tuple[Path, dict[str, str]]:
    """The mounted configuration with our folder instead of the container's, and its environment."""
    text = mounted("litestream", "/etc/litestream.yml").read_text()
    places = {f"path: /data/{name}": f"path: {data / name}" for name in ("journal.sqlite", "ledger.sqlite")}
    file = data.parent / "litestream.yml"
    file.write_text(native(text, places))
    default = services()["litestream"]["environment"]["BACKUP_URL"]
    assert default == "${BACKUP_URL:-file:///backup}"
    own = {"BACKUP_URL": f"file://{data.parent / 'backup'}", "BACKUP_ENDPOINT": "", "BACKUP_REGION": ""}
    assert own.keys() <= services()["litestream"]["environment"].keys()
    return file, {**os.environ, **own}


@contextmanager
def replicating(data: Path) -> Iterator[None]:
    """Litestream as its container starts it, until the block ends."""
    file, environment = configured(data)
    command = services()["litestream"]["command"]
    words = [str(file) if word == "/etc/litestream.yml" else word for word in command]
    with (data.parent / "litestream.log").open("ab") as log:
        process = subprocess.Popen([LITESTREAM, *words], env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0, (data.parent / "litestream.log").read_text()


def restore(data: Path, name: str) -> Path | None:
    """A file of the backup, restored by the command that the documentation gives; None where there is none yet."""
    file, environment = configured(data)
    restored = data.parent / f"restored-{time.monotonic_ns()}-{name}"
    command = [str(each) for each in (LITESTREAM, "restore", "-config", file, "-o", restored, data / name)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if "no matching backup files" in ran.stderr:
        return None
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return restored


@contextmanager
def writing(journal: Journal) -> Iterator[None]:
    """A gateway that commits batch after batch until the block ends."""
    stopped = threading.Event()
    failed: list[BaseException] = []

    def write() -> None:
        number = 0
        try:
            while not stopped.is_set():
                messages = [
                    Message(f"telemetry/comp-{number % 7}", READING % (number + each), number) for each in range(50)
                ]
                journal.append(tuple(messages))
                number += 50
                time.sleep(0.005)
        except BaseException as error:  # shown by the test that waits
            failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        assert failed == []


def until(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    """Wait until it is so, and fail if it is not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.1)


def test_the_version_that_is_tested_is_the_one_of_the_stack() -> None:
    """The wheel's Litestream is the image's: both read this configuration, and each other's backups."""
    ran = subprocess.run([LITESTREAM, "version"], capture_output=True, text=True, check=True)
    assert services()["litestream"]["image"] == f"litestream/litestream:{ran.stdout.strip().removeprefix('v')}"


def test_a_restored_journal_is_whole_while_the_gateway_writes(data: Path) -> None:
    """Restored at any moment, the journal is a journal: its chain holds from the first batch to a recent one."""
    with Journal.open(data / "journal.sqlite") as journal, replicating(data), writing(journal):
        until(lambda: journal.tip().position > 100)
        written = journal.tip()
        until(lambda: _restored_tip(data) >= written.position)
        file = restore(data, "journal.sqlite")
        assert file is not None
        with Journal.open(file) as restored:
            assert restored.verify_chain() is None
            tip = restored.tip()
            assert written.position <= tip.position <= journal.tip().position
            theirs = next(batch for batch in journal.read(after=tip.position - 1))
            assert (theirs.position, theirs.sha256) == (tip.position, tip.sha256)


def test_after_a_lost_disk_the_gateway_goes_on_with_what_was_restored(data: Path) -> None:
    """The documented commands bring journal and ledger back; they take more, and the backup goes on from there."""
    with Journal.open(data / "journal.sqlite") as journal:
        with replicating(data), writing(journal):
            until(lambda: journal.tip().position > 50)
        with replicating(data):  # a restart of the backup goes on where it was
            journal.append((Message("telemetry/comp-1", READING % 1, 10**9),))
            tip = journal.tip()
            until(lambda: _restored_tip(data) == tip.position)
        assert journal.verify_chain() is None
    shutil.rmtree(data)
    data.mkdir()
    file, environment = configured(data)
    for words in documented_restore():
        ours = [word.replace("/etc/litestream.yml", str(file)).replace("/data/", f"{data}/") for word in words]
        subprocess.run([str(LITESTREAM), *ours], env=environment, check=True, capture_output=True)
    with Ledger.open(data / "ledger.sqlite") as ledger, Journal.open(data / "journal.sqlite") as again:
        assert ledger.all(None) == []
        assert again.tip() == tip
        with replicating(data):
            for number in range(3):
                again.append((Message("telemetry/comp-1", READING % number, 10**9),))
            until(lambda: _restored_tip(data) == tip.position + 3)
        assert again.verify_chain() is None


def documented_restore() -> list[list[str]]:
    """What the documentation gives Litestream to do after a loss."""
    lines = (ROOT / "docs/deployment.md").read_text().splitlines()
    begin = "docker compose --profile backup run --rm --no-deps litestream "
    found = [line.removeprefix(begin).split() for line in lines if line.startswith(begin)]
    assert [words[0] for words in found] == ["restore", "restore"]
    return found


def _restored_tip(data: Path) -> int:
    """How far the journal in the backup reaches."""
    file = restore(data, "journal.sqlite")
    if file is None:
        return 0
    with Journal.open(file) as journal:
        return journal.tip().position
