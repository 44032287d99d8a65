"""Every command as a person types it: what it prints and where, what it says, and how it ends.

Data is on stdout, talk on stderr; exit code 0 is fine, 1 says that the input has problems, 2 that the words have.
"""

import asyncio
import csv
import gzip
import json
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from contracts.evidence import pack
from gateway.broker import EmbeddedBroker
from tests.end_to_end import independent
from tests.end_to_end.agreements import tanks
from tests.end_to_end.installation import Finished, Installation, distinct, fairmeter, publish, until

HOUR_MS = 3_600_000
CONTRACT = "TANKS-1"
LITRES = "59.0"


def yesterday() -> str:
    """The day that is billed."""
    return independent.days_ago(1).isoformat()


def noon_ms() -> int:
    """Yesterday's noon."""
    return independent.local_day(independent.days_ago(1), "UTC").start + 12 * HOUR_MS


@pytest.fixture
async def site(broker: EmbeddedBroker, tmp_path: Path) -> Installation:
    """A gateway that received sixty readings of a tank, and something it did not understand, and then stopped."""
    text = tanks(["tank-1"], contract=CONTRACT, begins=yesterday())
    made = Installation.make(tmp_path / "site", broker.port, tanks=text)
    sets = [{"t": noon_ms() + n * 60_000, "v": {"drawn": n}} for n in range(60)]
    async with made.serving() as gateway:
        await publish(broker.port, [("telemetry/tank-1", json.dumps(sets).encode()), ("telemetry/tank-1", b"drawn=9")])
        await until(lambda: distinct(gateway.stores, "tank-1", "drawn") == 60 and gateway.stores.blocks.rejected())
    return made


def test_a_statement_is_closed_shown_exported_and_verified(site: Installation, tmp_path: Path) -> None:
    """From `close` to `verify` of what was exported, and `compute` of the same evidence, each says the same."""
    so_far = site.run("statement", "show", CONTRACT, "--current", "--json")
    assert (so_far.json()["status"], so_far.json()["period"]["name"] > yesterday()) == ("open", True)
    none_yet = site.run("statement", "show", CONTRACT)
    assert (none_yet.code, none_yet.out) == (1, "")
    assert "no final statement yet" in none_yet.said

    made = site.run("statement", "close", CONTRACT, "--json")
    document = made.json()
    assert (made.code, document["status"], document["usage"][0]["quantity"]) == (0, "final", LITRES)
    again = site.run("statement", "close", CONTRACT)
    assert (again.code, again.out) == (1, "")
    assert "can be closed from" in again.said

    (listed,) = site.run("statement", "list", "--json").json()
    assert (listed["number"], listed["period"], listed["total"]) == (1, yesterday(), document["total"])
    shown = site.run("statement", "show", CONTRACT, "1")
    assert shown.out == site.statement(CONTRACT, 1).joinpath("statement.txt").read_text()
    assert "59.0 l × 0.40 EUR" in shown.out

    out = tmp_path / "a folder with a long name, as people have them on their own computers" / "exported"
    exported = site.run("statement", "export", CONTRACT, "1", "--to", out)
    assert (exported.code, exported.out) == (0, "")
    statement, evidence, table = (out / f"{CONTRACT}-1{end}" for end in (".json", "-evidence.zip", ".csv"))
    assert f"fairmeter verify {statement} {evidence} --key {out / 'public.pem'}" in exported.said
    assert next(csv.DictReader(table.read_text().splitlines()))["amount"] == document["total"]

    verified = fairmeter("verify", statement, evidence, "--key", out / "public.pem")
    assert (verified.code, verified.out.splitlines()[-1]) == (0, "VERIFIED")
    terms = site.folder / "contracts" / "tanks.yaml"
    for readings in (evidence, site.statement(CONTRACT, 1) / "evidence"):
        computed = fairmeter("compute", "--terms", terms, "--readings", readings, "--period", yesterday(), "--json")
        assert (computed.code, computed.json()["lines"]) == (0, document["lines"])
    check_alterations(site, out)


def check_alterations(site: Installation, out: Path) -> None:
    """One altered byte, in the evidence or in the statement, is named by part and line, or by field."""
    folder = site.statement(CONTRACT, 1)
    (part,) = (folder / "evidence" / "readings").rglob("*.csv.gz")
    kept = part.read_bytes()
    part.write_bytes(pack(gzip.decompress(kept).replace(b",41.0,", b",47.0,")))
    altered = fairmeter("verify", folder / "statement.json", folder / "evidence", "--json")
    (finding,) = altered.json()["findings"]
    assert (altered.code, altered.json()["verified"]) == (1, False)
    assert finding["where"] == f"readings/tank-1/drawn/{yesterday()}.csv.gz"
    assert "line 43 was altered" in finding["message"]
    part.write_bytes(kept[:40] + bytes([kept[40] ^ 1]) + kept[41:])
    assert f"DIFFERS {finding['where']}" in fairmeter("verify", folder / "statement.json", folder / "evidence").out

    statement = out / f"{CONTRACT}-1.json"
    statement.write_text(statement.read_text().replace(f'"{LITRES}"', '"58.0"', 1))
    forged = fairmeter("verify", statement, out / f"{CONTRACT}-1-evidence.zip")
    assert forged.code == 1
    assert "DIFFERS signature" in forged.out
    assert "DIFFERS usage[drawn].quantity" in forged.out


def test_operators_commands_speak_of_the_whole_gateway(site: Installation) -> None:
    """`rejected` lists what was not understood and adds up; `rebuild` makes the same again; tables are for people."""
    before = site.run("rejected", "--json").json()
    assert [row["reason"] for row in before["rejected"]] == ["the payload is not JSON: Expecting value at character 0"]
    rebuilt = site.run("rebuild")
    assert (rebuilt.code, rebuilt.out) == (0, "")
    assert "batches of the journal" in rebuilt.said
    assert site.run("rejected", "--json").json() == before
    table = site.run("rejected", "--device", "tank-1")
    assert "the payload is not JSON" in table.out
    wrong_day = site.run("rejected", "--day", "tomorrow")
    assert (wrong_day.code, wrong_day.out) == (2, "")


def test_a_contract_or_its_number_that_is_not_there_is_said_so(site: Installation) -> None:
    """Nothing on stdout, exit code 1, and a message that names what was asked for and what there is."""
    for words, said in (
        (("show", "NOBODY-1"), f"the contracts are: {CONTRACT}"),
        (("show", CONTRACT, 7), "no statement 7"),
        (("export", CONTRACT, 7), "no statement 7"),
        (("close", "NOBODY-1"), "not served here"),
    ):
        done = site.run("statement", *words)
        assert (done.code, done.out) == (1, "")
        assert said in done.said


ONE_DAY = tanks(["tank-1"], contract=CONTRACT, begins="2026-01-10")
ROWS = "device,channel,time,value\ntank-1,drawn,2026-01-10T08:00:00Z,10\ntank-1,drawn,1768035600000,25.5\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a contract and readings of one day."""
    (tmp_path / "terms.yaml").write_text(ONE_DAY)
    (tmp_path / "readings.csv").write_text(ROWS)
    return tmp_path


def compute(
    folder: Path, *, terms: str = "terms.yaml", readings: str = "readings.csv", period: str = "2026-01-10"
) -> Finished:
    """Run `compute` on files of the folder."""
    words = ("--terms", folder / terms, "--readings", folder / readings, "--period", period, "--json")
    return fairmeter("compute", *words)


def test_compute_keeps_data_and_talk_apart(files: Path) -> None:
    """What could not be used is said on stderr, by line; the statement alone is on stdout, and its evidence is kept."""
    rows = ROWS + "tank-1,drawn,1768035660,26\ntank-1,drawn,2026-01-10T10:00:00Z,much\ntank-9,drawn,1768035600000,1\n"
    (files / "readings.csv").write_text(rows)
    words = ("--terms", files / "terms.yaml", "--readings", files / "readings.csv", "--period", "2026-01-10")
    done = fairmeter("compute", *words, "--json", "--evidence", files / "evidence")
    assert (done.code, done.json()["lines"][0]["amount"]) == (0, "6.20")
    assert done.json()["usage"][0]["counts"]["rejected"] == 2
    assert "readings.csv:4:" in done.said
    assert "looks like seconds" in done.said
    assert "readings.csv:5:" in done.said
    assert "unassigned: 1 readings of tank-9" in done.said
    again = compute(files, readings="evidence")
    assert (again.code, again.json()) == (0, done.json())
    paper = fairmeter("compute", *words)
    assert "TOTAL" in paper.out


@pytest.mark.parametrize("period", ["2026-01", "2025-12-31", "2026-13-01"])
def test_a_wrong_period_is_said_so(files: Path, period: str) -> None:
    """A period that the contract does not have ends with code 1 and its name, without a statement."""
    done = compute(files, period=period)
    assert (done.code, done.out) == (1, "")
    assert period in done.said
    assert "Traceback" not in done.said


BILLION_LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefghi")
)
STRANGE_CONTRACTS = {
    "binary": bytes(range(256)) * 8,
    "empty": b"",
    "huge": b"# nothing but a remark\n" * 400_000,
    "exploding": BILLION_LAUGHS.encode(),
    "endless": b"[" * 200_000,
    "list": b"- terms: 1\n",
    "truncated": ONE_DAY.encode()[:300] + b'"',
}


def test_a_strange_contract_gets_a_clear_error(tmp_path: Path) -> None:
    """Binary, empty, huge, exploding, endless: each is a problem with a place and a remedy, all of them at once."""
    files = {name: tmp_path / f"{name}.yaml" for name in STRANGE_CONTRACTS}
    for name, content in STRANGE_CONTRACTS.items():
        files[name].write_bytes(content)
    checked = fairmeter("check", *(file for name, file in files.items() if name != "huge"), "--json")
    problems = checked.json()
    assert checked.code == 1
    assert {Path(each["path"]).stem for each in problems} == set(STRANGE_CONTRACTS) - {"huge"}
    assert all(each["message"] and each["remedy"] for each in problems)
    huge = fairmeter("check", files["huge"])
    assert (huge.code, "Traceback" in huge.said) == (1, False)
    assert "bytes" in huge.out + huge.said


def test_check_names_every_problem_with_its_line(tmp_path: Path) -> None:
    """A good contract is told of on stderr and ends with 0; a bad one has all its problems listed, and ends with 1."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(ONE_DAY)
    bad.write_text(ONE_DAY.replace("meter: drawn,", "meter: drown, colour: red,").replace("EUR", "Euro"))
    fine = fairmeter("check", good, "--json")
    assert (fine.code, fine.json()) == (0, [])
    assert CONTRACT in fine.said
    found = fairmeter("check", good, bad)
    lines = found.out.splitlines()
    assert (found.code, len(lines)) == (1, 3)
    assert all(line.startswith(f"{bad}:") for line in lines)
    for word in ("drown", "colour", "currency"):
        assert sum(word in line for line in lines) == 1


def test_unreadable_files_end_with_a_sentence(files: Path) -> None:
    """A file that is missing, a folder, binary or no table ends with code 1 and a sentence, never with a traceback."""
    (files / "binary.csv").write_bytes(b"device,channel,time,value\n\xff\xfe\n")
    (files / "other.csv").write_text("when;what\n1;2\n")
    (files / "damaged.csv").write_bytes(b"\x1f\x8b\x08nonsense")
    (files / "folder").mkdir()
    (files / "statement.json").write_text("{}")
    tries = [compute(files, readings=name) for name in ("no.csv", "binary.csv", "other.csv", "damaged.csv", "folder")]
    tries.append(compute(files, terms="no.yaml"))
    tries.append(fairmeter("verify", files / "statement.json", files / "folder"))
    tries.append(fairmeter("verify", files / "no.json", files / "folder"))
    tries.append(fairmeter("statement", "list", "--settings", files / "no.toml"))
    for done in tries:
        assert (done.code, done.out) == (1, "")
        assert done.said.strip()
        assert "Traceback" not in done.said


def test_wrong_words_end_with_usage() -> None:
    """An unknown command or option, or one that is missing, ends with code 2, and says what there is."""
    for words in (("meter",), ("compute", "--json"), ("simulate", "demo"), ("replay", "x.csv", "--device", "d")):
        done = fairmeter(*words)
        assert (done.code, done.out) == (2, "")
        assert "Usage" in done.said
    helped = fairmeter("--help")
    commands = """demo run health check compute statement event events verify simulate replay rebuild influx rejected
        doctor dashboards schema""".split()
    assert helped.code == 0
    assert [line.split()[0] for line in helped.out.split("Commands")[1].splitlines() if line[2:3].strip()] == commands


def test_the_schema_is_one_that_editors_read() -> None:
    """`schema` prints a JSON Schema that names what a contract must have."""
    done = fairmeter("schema")
    assert done.code == 0
    assert {"terms", "id", "provider", "customer", "devices", "channels"} <= set(done.json()["required"])


def test_a_broker_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """`run` goes on trying where nobody listens, says so with the address, and ends with 0 when it is asked to."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        site = Installation.make(tmp_path / "site", nobody.getsockname()[1])
        command = [sys.executable, "-m", "gateway", "run", "--settings", str(site.settings_file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as gateway:
            assert gateway.stderr is not None
            said: list[str] = []
            while not said or "no connection to the broker" not in said[-1]:
                said.append(gateway.stderr.readline())
                assert said[-1], "it ended without a word of the broker"
            gateway.terminate()
            out, _ = gateway.communicate(timeout=20)
    assert (gateway.returncode, out) == (0, "")
    assert str(site.port) in "".join(said)


async def test_replay_and_simulate_publish_what_they_say(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """A recording and a simulated hour arrive at the gateway, as many readings as the commands report."""
    site = Installation.make(
        tmp_path / "site", broker.port, tanks=tanks(["tank-1"], contract=CONTRACT, begins=yesterday())
    )
    recording = tmp_path / "recording.csv"
    recording.write_text("at,litres\n" + "".join(f"{yesterday()}T08:{n:02}:00Z,{n / 2}\n" for n in range(30)))
    where = ("--broker", f"127.0.0.1:{broker.port}", "--json")
    words = ("--device", "tank-1", "--map", "litres=drawn", "--time", "at")
    span = ("--from", f"{yesterday()}T08:00:00Z", "--until", f"{yesterday()}T09:00:00Z")
    async with site.serving() as gateway:
        replayed = await asyncio.to_thread(fairmeter, "replay", recording, *words, *where)
        simulated = await asyncio.to_thread(fairmeter, "simulate", "office-printer", *span, *where)
        await until(lambda: distinct(gateway.stores, "tank-1", "drawn") == 30)
        await until(lambda: sum(each.readings for each in gateway.stores.blocks.unassigned()) == 60 * 3)
    told = [json.loads(each.out.splitlines()[-1]) for each in (replayed, simulated)]
    assert (replayed.code, told[0]) == (0, {"done": "replay", "messages": 1, "readings": 30})
    assert (simulated.code, told[1]["done"], told[1]["readings"]) == (0, "history", 180)


def test_a_shipped_scenario_is_found_whatever_lies_in_the_folder(tmp_path: Path) -> None:
    """A folder of the same name is not taken for the scenario; what cannot be reached is said instead."""
    (tmp_path / "demo").mkdir()
    done = fairmeter("simulate", "demo", "--broker", "127.0.0.1:1", "--live", cwd=tmp_path)
    assert done.code == 1
    assert "cannot be read" not in done.said
    assert "Traceback" not in done.said
