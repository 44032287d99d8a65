"""The doctor at a gateway's own files, whole and damaged, and at its clock."""

import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from gateway.book import load_book
from gateway.doctor import files
from gateway.doctor.clock import clock, judged
from gateway.doctor.examination import examine
from gateway.doctor.finding import Finding
from gateway.settings import BrokerSettings, Settings
from gateway.stores import Stores
from tests.gateway.conftest import free_port
from tests.gateway.site import START_MS, flow, terms

MONTHS_LATER_MS = START_MS + 90 * 86_400_000


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    """A gateway's folder with readings, and two final statements of them."""
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "air.yaml").write_text(terms())
    settings = Settings(
        data=tmp_path / "data", contracts=tmp_path / "contracts", broker=BrokerSettings(port=free_port())
    )
    with Stores.open(settings) as stores:
        for minute in range(5):
            stores.journal.append((flow(minute, 2.5),))
        stores.projector().rebuild()
        for _ in range(2):
            stores.closer.close("AIR", MONTHS_LATER_MS)
    return settings


def found(settings: Settings) -> dict[str, Finding]:
    """What the doctor finds, by what it looked at; of several of one kind the first that is not well."""
    return {each.what: each for each in sorted(examine(settings), key=lambda each: each.result == "fault")}


def test_a_whole_data_folder_is_well(site: Settings) -> None:
    """Where nothing is wrong with the files, the doctor says so, and has changed nothing in them."""
    before = {path: path.read_bytes() for path in site.data.rglob("*.pem")}
    results = {what: each.result for what, each in found(site).items()}
    assert results == {
        "contracts": "ok", "disk": "ok", "clock": "ok", "broker": "fault", "gateway": "warning", "journal": "ok",
        "block store": "ok", "ledger": "ok", "keys": "ok",
    }  # fmt: skip
    assert {path: path.read_bytes() for path in site.data.rglob("*.pem")} == before


def test_a_new_place_is_told_what_is_missing_and_nothing_is_made_there(tmp_path: Path) -> None:
    """Before the first start there is nothing wrong but that nothing is there, and the doctor makes nothing."""
    results = found(Settings(data=tmp_path / "data", contracts=tmp_path, broker=BrokerSettings(port=free_port())))
    assert {what for what, each in results.items() if each.result == "fault"} == {"broker"}
    assert results["contracts"].result == "warning"
    assert list(tmp_path.iterdir()) == []


def test_a_contract_that_is_left_out_is_a_fault(site: Settings) -> None:
    """A file that cannot be served is named with place and remedy: nothing of it would be billed."""
    (site.contracts / "other.yaml").write_text(terms("OTHER").replace("currency: EUR", "currency: euros"))
    finding = found(site)["contracts"]
    assert (finding.result, "other.yaml:" in finding.said, bool(finding.remedy)) == ("fault", True, True)


def test_an_altered_batch_is_found(site: Settings) -> None:
    """A batch of the journal that somebody changed is named by its position."""
    with sqlite3.connect(site.data / "journal.sqlite") as journal:
        journal.execute("DROP TRIGGER batch_is_never_changed")
        journal.execute("UPDATE batch SET body = (SELECT body FROM batch WHERE position = 2) WHERE position = 4")
    journal.close()
    finding = found(site)["journal"]
    assert (finding.result, "batch 4 was altered" in finding.said) == ("fault", True)


def test_a_block_store_of_other_contracts_or_another_journal_is_named(site: Settings) -> None:
    """What was projected by other contracts is a warning, from another journal a fault; both say what mends it."""
    (site.contracts / "more.yaml").write_text(terms("MORE", devices="dev-7"))
    assert found(site)["block store"].result == "warning"
    with sqlite3.connect(site.data / "blocks.sqlite") as blocks:
        blocks.execute("UPDATE cursor SET sha256 = zeroblob(32)")
    blocks.close()
    finding = found(site)["block store"]
    assert (finding.result, "fairmeter rebuild" in finding.remedy) == ("fault", True)


def test_an_altered_or_missing_statement_is_named(site: Settings) -> None:
    """A changed row of the ledger, and a statement without its files, are named by number and contract."""
    (site.data / "statements" / "AIR" / "1" / "statement.json").unlink()
    assert "statement 1 of AIR has no files" in found(site)["ledger"].said
    with sqlite3.connect(site.data / "ledger.sqlite") as ledger:
        ledger.execute("""UPDATE statements SET document = replace(document, '"currency"', '"Currency"')
            WHERE number = 2""")
    ledger.close()
    ledger_faults = [each.said for each in examine(site) if (each.what, each.result) == ("ledger", "fault")]
    assert "statement 2 of AIR was altered" in ledger_faults


def test_a_key_that_did_not_sign_is_a_fault_and_one_that_others_read_a_warning(site: Settings) -> None:
    """The key beside the data must be the one by which the newest statement verifies, and its owner's alone."""
    private, public = site.data / "keys" / "private.pem", site.data / "keys" / "public.pem"
    private.chmod(0o644)
    assert found(site)["keys"].result == "warning"
    private.unlink()
    finding = found(site)["keys"]
    assert (finding.result, "is gone" in finding.said) == ("fault", True)
    public.unlink()
    assert found(site)["keys"].result == "fault", "a new key would not verify what was signed"


def test_a_file_that_is_no_database_is_a_fault_and_the_rest_is_looked_at(site: Settings) -> None:
    """One damaged file does not keep the doctor from the others."""
    (site.data / "journal.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 99)
    results = {what: each.result for what, each in found(site).items()}
    assert (results["journal"], results["ledger"], results["keys"]) == ("fault", "ok", "ok")


def test_room_on_the_disk_is_judged(tmp_path: Path) -> None:
    """A full disk is a fault, one that is nearly full a warning."""
    assert [files.room(tmp_path, size << 20).result for size in (100, 1_000, 10_000)] == ["fault", "warning", "ok"]


def test_a_folder_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    """Where nothing can be written, nothing would be acknowledged; here a file stands in the folder's place."""
    (tmp_path / "data").write_text("")
    finding = files.disk(tmp_path / "data")
    assert (finding.result, "cannot be written" in finding.said) == ("fault", True)


# --- the clock ----------------------------------------------------------------------------------------------------


@pytest.fixture
def noon() -> Iterator[str]:
    """A server for which it is always noon of the first of January."""

    class Noon(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(204)
            self.send_header("Date", format_datetime(datetime.fromtimestamp(START_MS / 1000, UTC), usegmt=True))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Noon)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("off_s", "result"), [(0, "ok"), (1, "ok"), (-20, "warning"), (20, "warning"), (90, "fault")])
def test_the_clock_is_compared_with_servers(off_s: int, result: str, noon: str, tmp_path: Path) -> None:
    """A clock that differs from a server's by seconds is a warning, by a minute a fault, and says which way."""
    found = list(clock(tmp_path, {"InfluxDB": noon, "Grafana": "http://127.0.0.1:9"}, lambda: START_MS + off_s * 1000))
    assert [each.result for each in found] == [result]
    assert result == "ok" or ("ahead of" if off_s > 0 else "behind") in found[0].said
    assert judged("x", 0).result == "ok"


def test_a_clock_behind_the_last_arrival_was_put_back(site: Settings) -> None:
    """No message can have arrived later than now."""
    found = list(clock(site.data, {}, lambda: START_MS))
    assert [(each.result, "put back" in each.said) for each in found] == [("fault", True)]


def test_the_chain_can_be_checked_from_any_place(site: Settings) -> None:
    """The last batches are checked by themselves; the book of the site is whole."""
    assert load_book(site.contracts)[1] == []
    with Stores.open(site) as stores:
        tip = stores.journal.tip()
        assert [stores.journal.verify_chain(after) for after in range(tip.position + 1)] == [None] * (tip.position + 1)
        assert stores.journal.holds(tip)
