"""What an operator does wrong, or a disk: every command ends in a sentence with a remedy, and nothing is lost."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from gateway import output
from gateway.broker import EmbeddedBroker
from tests.end_to_end import independent
from tests.end_to_end.agreements import tanks
from tests.end_to_end.installation import Finished, Installation, fairmeter, publish, until
from tests.end_to_end.processes import Watched, watched

MINUTE_MS = 60_000


def ends_in_a_sentence(done: Finished, *words: str) -> bool:
    """It failed, said these words on stderr, and no trace of its own insides; what it said instead is shown."""
    assert done.code == 1
    assert all(word in done.said for word in words), done.said
    assert "Traceback" not in done.said
    assert "│" not in done.said
    return True


@pytest.fixture
async def closed_site(broker: EmbeddedBroker, tmp_path: Path) -> Installation:
    """Two contracts, a tank each; yesterday is final for both."""
    yesterday = independent.days_ago(1)
    texts = {name: tanks([f"tank-{name}"], contract=name.upper(), begins=yesterday) for name in ("a", "b")}
    site = Installation.make(tmp_path / "site", broker.port, **texts)
    noon = independent.local_day(yesterday, "UTC").start + 720 * MINUTE_MS
    rows = [
        (f"telemetry/tank-{name}", b'{"t": %d, "v": {"drawn": %d}}' % (noon + n * MINUTE_MS, n))
        for n in range(3)
        for name in texts
    ]
    async with site.serving() as gateway:
        await publish(broker.port, rows)
        await until(
            lambda: gateway.stores.journal.tip().position and gateway.stores.blocks.read("tank-b", "drawn", 0, 2**42)
        )
        await asyncio.sleep(0.5)
        issued = await gateway.close_due()
    assert [each.document["total"] for each in issued] == ["0.80", "0.80"]
    return site


@contextmanager
def running(site: Installation, folder: Path) -> Iterator[Watched]:
    """`fairmeter run` on the site, once it serves."""
    folder.mkdir()
    with watched(folder, "run", "--settings", site.settings_file) as gateway:
        gateway.wait_until_said("connected to the broker", 20)
        yield gateway


def test_a_changed_contract_stops_neither_the_gateway_nor_its_own_final_statements(
    closed_site: Installation, tmp_path: Path
) -> None:
    """What is final is shown as it was issued, the gateway serves the others, and what to restore is said."""
    file = closed_site.folder / "contracts" / "a.yaml"
    file.write_text(file.read_text().replace("0.40", "0.41"))
    with running(closed_site, tmp_path / "run") as gateway:
        gateway.wait_until_said("restore its text", 20)
    shown = closed_site.run("statement", "show", "A", "1")
    assert (shown.code, shown.out) == (0, (closed_site.statement("A", 1) / "statement.txt").read_text())
    assert "what arrived later cannot be said" in shown.said
    assert ends_in_a_sentence(
        closed_site.run("statement", "show", "A", "--current"), "was changed after a final statement"
    )
    assert closed_site.run("statement", "show", "B", "--current").code == 0


def test_a_contract_file_that_is_gone_is_missed(closed_site: Installation, tmp_path: Path) -> None:
    """Its final statements can still be shown, and the gateway says that nothing more of it will be billed."""
    (closed_site.folder / "contracts" / "a.yaml").unlink()
    with running(closed_site, tmp_path / "run") as gateway:
        gateway.wait_until_said("A has final statements but no contract file", 1)
    assert closed_site.run("statement", "show", "A").out.startswith("STATEMENT 1 · final")
    assert ends_in_a_sentence(closed_site.run("statement", "show", "A", "--current"), "A is not served here")


def test_a_second_gateway_on_the_same_folder_is_refused(closed_site: Installation, tmp_path: Path) -> None:
    """Two gateways would take the broker's session from each other for ever; commands that look go on working."""
    with running(closed_site, tmp_path / "run") as gateway:
        second = closed_site.run("run")
        assert ends_in_a_sentence(second, "a gateway already runs on", f"process {gateway.process.pid}")
        assert closed_site.run("statement", "list").code == 0
        gateway.process.send_signal(signal.SIGKILL)
        gateway.process.wait()
    with running(closed_site, tmp_path / "again"):
        pass


def test_a_lost_closing_state_is_named(closed_site: Installation) -> None:
    """Without the state a statement closed with, the next cannot open; the file to restore is named."""
    (closed_site.statement("A", 1) / "evidence" / "closing.json").unlink()
    assert ends_in_a_sentence(
        closed_site.run("statement", "show", "A", "--current"), "closing.json", "restore the statement's"
    )


def test_a_signing_key_is_never_replaced(closed_site: Installation) -> None:
    """A key that is damaged or gone is asked for: a new one would leave every earlier statement unverifiable."""
    key = closed_site.data / "keys" / "private.pem"
    kept = key.read_bytes()
    key.write_bytes(kept[:40])
    assert ends_in_a_sentence(closed_site.run("statement", "list"), "private.pem is damaged; restore it")
    key.unlink()
    assert ends_in_a_sentence(closed_site.run("statement", "list"), "private.pem is gone", "restore it")
    key.write_bytes(kept)
    assert closed_site.run("statement", "list").code == 0


def test_a_damaged_block_store_is_made_again(closed_site: Installation) -> None:
    """It is only a projection: the message says to remove it, and then `rebuild` makes the same from the journal."""
    before = closed_site.run("rejected", "--json").json()
    for file in closed_site.data.glob("blocks.sqlite-*"):
        file.unlink()
    store = closed_site.data / "blocks.sqlite"
    store.write_bytes(b"garbage " * 1000)
    assert ends_in_a_sentence(closed_site.run("rebuild"), "remove it; it is made again from the journal")
    store.unlink()
    assert closed_site.run("rebuild").code == 0
    assert closed_site.run("rejected", "--json").json() == before


def test_a_folder_that_cannot_be_one_ends_in_a_sentence(closed_site: Installation, tmp_path: Path) -> None:
    """A data folder that is a file is named, with what to check."""
    file = tmp_path / "a-file"
    file.write_text("")
    assert ends_in_a_sentence(closed_site.run("rejected", "--data", file), str(file), "check the name")


def test_what_a_device_wrote_is_shown_as_it_wrote_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brackets in a topic neither style a table nor break it, and no device commands the operator's terminal."""
    monkeypatch.setattr(output, "paper", Console(width=output.WIDEST, soft_wrap=True))
    output.print_table(["topic"], [["telemetry/[/red]"], ["telemetry/[bold]x"], ["clear \x1b[2J\x00 éö"], [None]])
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "topic",
        "telemetry/[/red]",
        "telemetry/[bold]x",
        "clear \\x1b[2J\\x00 éö",
        "",
    ]


def test_damaged_evidence_ends_in_a_sentence(closed_site: Installation, tmp_path: Path) -> None:
    """`compute` names evidence that is not whole, and `verify` an archive that ends too early."""
    folder = closed_site.statement("A", 1)
    terms = closed_site.folder / "contracts" / "a.yaml"
    packed = tmp_path / "evidence.tgz"
    subprocess.run([sys.executable, "-m", "tarfile", "-c", packed, "evidence"], cwd=folder, check=True)
    packed.write_bytes(packed.read_bytes()[:600])
    assert ends_in_a_sentence(fairmeter("verify", folder / "statement.json", packed), "evidence.tgz cannot be read")
    (folder / "evidence" / "opening.json").unlink()
    period = independent.days_ago(1).isoformat()
    words = ("compute", "--terms", terms, "--period", period, "--readings")
    assert ends_in_a_sentence(fairmeter(*words, folder / "evidence"), "is not whole evidence", "opening.json")
    packed = tmp_path / "readings.csv.gz"
    packed.write_bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\xff" * 40)
    assert ends_in_a_sentence(fairmeter(*words, packed), "is damaged", "Use an intact copy")
