"""The straight line of a small fleet: three days through a real broker, final, chained, and recomputed in every way."""

import asyncio
import json
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from contracts.canonical import sha256
from contracts.compute import compute_period
from contracts.periods import period_named
from contracts.seal import SEAL, statement_sha256
from contracts.state import read_state
from device_sim import truth
from device_sim.faults import told
from device_sim.link import Broker
from device_sim.publish import publish_history, publish_late
from device_sim.scenario import Scenario, read_scenario
from device_sim.telemetry import Fate
from gateway.broker import EmbeddedBroker
from gateway.clock import now_ms
from gateway.close import LaterData
from gateway.commands.statements import verify_files
from gateway.meter import Source
from gateway.service import Gateway
from gateway.stores import Stores
from tests.end_to_end import agreements, independent
from tests.end_to_end.independent import Day
from tests.end_to_end.installation import Installation, distinct, fairmeter, until

ZONE = "Europe/Brussels"
AIR, INK = "AIR-2026-004", "INK-2026-001"
CONTRACTS = (AIR, INK)
CHANNEL = {"printer-01": "pages", "comp-01": "air_flow", "comp-02": "air_flow"}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ThreeDays:
    """What three days of a fleet left behind: statements so far, final ones, and what came too late for them."""

    site: Installation
    days: list[Day]
    so_far: dict[str, list[Document]]
    final: dict[str, list[Document]]
    bytes_when_final: dict[Path, bytes]
    late_readings: int
    later: list[LaterData]

    def folders(self, contract: str) -> list[Path]:
        """The folders of a contract's statements, in order."""
        return [self.site.statement(contract, number) for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> ThreeDays:
    """A fleet's last three whole days, and today so far, through a real broker; then a late batch."""
    return asyncio.run(_three_days(tmp_path_factory.mktemp("line")))


async def _three_days(folder: Path) -> ThreeDays:
    days = [independent.local_day(independent.days_ago(ago, ZONE), ZONE) for ago in (3, 2, 1)]
    fleet = small_fleet()
    start, now = days[0].start, now_ms()
    async with EmbeddedBroker(folder / "broker") as broker:
        contracts = {name: agreements.daily(name, days[0].name) for name in ("compressed-air", "office-printer")}
        site = Installation.make(folder / "site", broker.port, **contracts)
        where = Broker("127.0.0.1", broker.port)
        async with site.serving() as gateway:
            await publish_history(fleet, where, start, now)
            await until_known(gateway, fleet, (start, now), {Fate.SENT})
            await gateway.statements_to_date()
            so_far = {name: _so_far(gateway, name, now) for name in CONTRACTS}
            issued = [each.document for each in await gateway.close_due()]
            kept = {path: path.read_bytes() for path in files_of(site)}
            late = await publish_late(fleet, where, start, now)
            await until_known(gateway, fleet, (start, now), {Fate.SENT, Fate.LATE})
            later = [each for name in CONTRACTS for each in gateway.stores.closer.later_data(name)]
            await gateway.close_due()
    final = {name: [document for document in issued if document["contract"] == name] for name in CONTRACTS}
    return ThreeDays(site, days, so_far, final, kept, late.readings, later)


def small_fleet() -> Scenario:
    """The fleet's machines and faults."""
    fleet, problems = read_scenario(agreements.FLEET)
    assert fleet is not None, problems
    return fleet


async def until_known(gateway: Gateway, fleet: Scenario, span: tuple[int, int], fates: set[Fate]) -> None:
    """Wait until everything that the devices sent is projected."""
    for device, channel in CHANNEL.items():
        sets = (each for each in told(fleet, device, *span, span[0]) if each.fate in fates)
        count = len({(each.t_ms, each.values[channel]) for each in sets})
        await until(lambda d=device, c=channel, n=count: distinct(gateway.stores, d, c) >= n)  # type: ignore[misc]


def _so_far(gateway: Gateway, contract: str, now: int) -> list[Document]:
    blocks = gateway.stores.blocks
    position = blocks.cursor().position
    chain = gateway.view.periods[contract]
    return [live.statement(Source(blocks, live.contract.terms, position), now) for live in chain]


def files_of(site: Installation) -> list[Path]:
    """Every file of every statement."""
    return sorted(path for path in (site.data / "statements").rglob("*") if path.is_file() and path.name != ".lock")


def unsealed(document: Document) -> Document:
    """A statement without its seal: what terms and readings alone decide."""
    return {name: value for name, value in document.items() if name not in SEAL}


def on_disk(folder: Path) -> Document:
    """The statement in a folder."""
    found: Document = json.loads((folder / "statement.json").read_bytes())
    return found


@pytest.mark.parametrize("contract", CONTRACTS)
def test_statements_are_numbered_without_gaps_and_chained(three_days: ThreeDays, contract: str) -> None:
    """Three days make statements 1, 2 and 3, each of which holds the digest of the one before."""
    documents = three_days.final[contract]
    assert [each["number"] for each in documents] == [1, 2, 3]
    assert [each["period"]["name"] for each in documents] == [day.name for day in three_days.days]
    digests = [statement_sha256(each) for each in documents]
    assert [each["previous_sha256"] for each in documents] == [None, *digests[:2]]
    assert [on_disk(folder) for folder in three_days.folders(contract)] == documents


@pytest.mark.parametrize("contract", CONTRACTS)
def test_each_period_opens_as_the_one_before_it_closed(three_days: ThreeDays, contract: str) -> None:
    """The opening state in a statement's evidence is, byte for byte, the closing state that the last one signed."""
    evidence = [folder / "evidence" for folder in three_days.folders(contract)]
    closing = [(folder / "closing.json").read_bytes() for folder in evidence]
    opening = [(folder / "opening.json").read_bytes() for folder in evidence]
    assert opening[1:] == closing[:2]
    signed = [each["closing_state_sha256"] for each in three_days.final[contract]]
    assert [sha256(each) for each in closing] == signed


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_statement_so_far_shows_what_becomes_final(three_days: ThreeDays, contract: str) -> None:
    """Just before a period closes, the live view has every figure of the final statement."""
    so_far, final = three_days.so_far[contract], three_days.final[contract]
    assert [each["status"] for each in so_far] == ["provisional"] * 3 + ["open"]
    for provisional, closed in zip(so_far[:3], final, strict=True):
        for part in ("period", "usage", "lines", "total", "review", "balances"):
            assert provisional[part] == closed[part]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_statement_verifies(three_days: ThreeDays, contract: str) -> None:
    """Each statement verifies from its files alone, as the one that follows the statement before."""
    for folder in three_days.folders(contract):
        report = verify_files(folder / "statement.json", folder / "evidence")
        assert (report.findings, report.verified) == ([], True)
        assert ("it continues" in " ".join(report.checks)) is (folder.name != "1")


def test_evidence_by_itself_computes_the_same_statement(three_days: ThreeDays) -> None:
    """`compute` on the evidence of the second day gives every figure that was signed."""
    folder, day = three_days.folders(AIR)[1], three_days.days[1]
    terms = three_days.site.folder / "contracts" / "compressed-air.yaml"
    done = fairmeter("compute", "--terms", terms, "--readings", folder / "evidence", "--period", day.name, "--json")
    assert unsealed(done.json()) == unsealed(on_disk(folder))


def test_a_rebuilt_block_store_gives_the_same_statements(three_days: ThreeDays) -> None:
    """Made again from the journal, the block store gives every statement again as of its journal position."""
    assert three_days.site.run("rebuild").code == 0
    with Stores.open(three_days.site.settings) as stores:
        for contract in CONTRACTS:
            for folder in three_days.folders(contract):
                assert unsealed(computed_again(stores, folder)) == unsealed(on_disk(folder))


def computed_again(stores: Stores, folder: Path) -> Document:
    """A statement's document computed from the block store, up to the journal position at which it was cut."""
    document = on_disk(folder)
    contract = stores.closer.of_statement(document)
    period = period_named(contract.terms, document["period"]["name"])
    source = Source(stores.blocks, contract.terms, document["input"]["batch"])
    opening = read_state(contract.terms, json.loads((folder / "evidence" / "opening.json").read_bytes()))
    cut = document["input"]
    given = source.period(period)
    again = compute_period(contract, period, opening, given, status="final", keep=lambda _: None, cut=cut)
    return again.document


def test_a_late_reading_never_changes_a_final_statement(three_days: ThreeDays) -> None:
    """What arrives after a statement is final alters none of its files, and is shown as later data of its period."""
    assert {path: path.read_bytes() for path in files_of(three_days.site)} == three_days.bytes_when_final
    assert three_days.late_readings == 20 * 6
    assert three_days.later == [LaterData(AIR, 2, three_days.days[1].name, "comp-02", three_days.late_readings)]
    shown = three_days.site.run("statement", "show", AIR, 2)
    assert "Later data: 120 readings of comp-02 arrived after this statement was final." in shown.out


def test_the_accounting_identity_is_printed(three_days: ThreeDays) -> None:
    """The statement shows what became of each decoded reading, and the list of rejected what became of each message."""
    for folder, document in zip(three_days.folders(INK), three_days.final[INK], strict=True):
        (row,) = [each for each in document["usage"] if each["meter"] == "pages"]
        counts = [row["counts"][name] for name in ("accepted", "duplicate", "conflicting", "quarantined")]
        printed = (folder / "statement.txt").read_text().split("READINGS")[1].splitlines()
        line = next(each for each in printed if each.startswith("pages"))
        numbers = [int(re.sub(r"\D", "", cell)) for cell in re.split(r" {2,}|\|", line)[2:] if cell.strip()]
        assert (numbers[0], numbers[1:5]) == (sum(counts), counts)
    days = three_days.site.run("rejected", "--json").json()["counts"]
    assert days
    for counted in days.values():
        assert counted["received"] == counted["decoded"] + counted["rejected"]


def test_an_undisturbed_day_is_billed_as_it_happened(three_days: ThreeDays) -> None:
    """On the day without faults, pages and cubic metres are exactly what the machines did."""
    fleet, day = small_fleet(), three_days.days[2]
    rows = {(row["meter"], row["device"]): row for each in three_days.final.values() for row in each[2]["usage"]}
    printed = truth.pages_printed(fleet.machine("printer-01"), day.start, day.end)
    pages = rows["pages", "printer-01"]
    # A step belongs to the later reading's time: the page printed around midnight counts where its report falls.
    assert int(pages["closing"]) - int(pages["opening"]) == int(pages["quantity"])
    last_minute = truth.pages_printed(fleet.machine("printer-01"), day.end - 60_000, day.end)
    before = truth.pages_printed(fleet.machine("printer-01"), day.start - 60_000, day.start)
    assert int(pages["quantity"]) == printed - last_minute + before
    for device in ("comp-01", "comp-02"):
        air = truth.air_delivered(fleet.machine(device), day.start, day.end)
        row = rows["volume", device]
        assert Fraction(row["quantity"]) == independent.rounded(air.in_spec_m3, "0.01")
        assert Fraction(row["off_quality"]) == independent.rounded(air.off_spec_m3, "0.01")
        assert (row["known_ms"], row["coverage"]) == (day.length_ms, "100.0000")


def test_the_first_day_tells_what_went_wrong(three_days: ThreeDays) -> None:
    """A gap is unknown time, a conflict and a bad zero are kept aside, and nothing of it is billed."""
    rows = {(row["meter"], row["device"]): row for each in three_days.final.values() for row in each[0]["usage"]}
    # The last report before the gap of three hours holds for its two minutes: those are known all the same.
    assert rows["volume", "comp-01"]["known_ms"] == three_days.days[0].length_ms - 3 * 3_600_000
    assert rows["volume", "comp-01"]["counts"]["gaps"] == 1
    assert rows["volume", "comp-02"]["counts"]["conflicting"] == 1
    assert rows["pages", "printer-01"]["counts"]["quarantined"] == 1
    review = [(row["channel"], row["disposition"]) for each in three_days.final.values() for row in each[0]["review"]]
    assert sorted(review) == [("air_flow", "conflicting"), ("pages", "quarantined")]
