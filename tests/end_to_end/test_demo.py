"""`fairmeter demo` as a newcomer runs it: a month in seconds, four statements that verify, and nothing left behind."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from contracts.periods import rfc3339
from device_sim import truth
from device_sim.machines import channels, observe
from device_sim.scenario import shipped
from gateway.broker import EmbeddedBroker
from gateway.commands.statements import verify_files
from tests.end_to_end import independent
from tests.end_to_end.processes import PROC, Watched, named_in_a_command, watched

AIR, INK, TYRES, TRUCK = "AIR-2026-004", "INK-2026-001", "TYR-2026-007", "TRK-2026-002"
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Month:
    """A demo that has ended by itself: what it ran and printed, and the statements it left in its data folder."""

    data: Path
    run: Watched
    statements: dict[str, dict[str, Any]]

    def usage(self, meter: str, device: str) -> dict[str, Any]:
        """A usage row of one of the statements."""
        rows = [row for each in self.statements.values() for row in each["usage"]]
        return next(row for row in rows if (row["meter"], row["device"]) == (meter, device))

    @property
    def span(self) -> tuple[int, int]:
        """The month, in ms."""
        period = self.statements[AIR]["period"]
        start, end = (independent.utc_ms(period[edge].removesuffix("Z")) for edge in ("start", "end"))
        return start, end


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    """`demo --once`, run once for all tests here."""
    folder = tmp_path_factory.mktemp("once")
    data = folder / "demo-data"
    with watched(folder, "demo", "--once", "--data", data) as run:
        assert run.process.wait(180) == 0, run.said.read_text()
    statements = {name: data / "statements" / name / "1" / "statement.json" for name in (AIR, INK, TYRES, TRUCK)}
    yield Month(data, run, {name: json.loads(file.read_bytes()) for name, file in statements.items()})


def test_the_demo_prints_statements_that_verify(month: Month) -> None:
    """All statements are printed, are final, are found VERIFIED, and what came late is shown as later data."""
    printed, said = month.run.out.read_text(), month.run.said.read_text()
    for name, document in month.statements.items():
        folder = month.data / "statements" / name / "1"
        assert (folder / "statement.txt").read_text() in printed
        assert (document["status"], document["number"]) == ("final", 1)
        assert f"fairmeter verify {folder / 'statement.json'} {folder / 'evidence'}" in said
    files = month.data / "statements" / INK / "1"
    assert verify_files(files / "statement.json", files / "evidence").verified
    verdicts = [line for line in (printed + said).splitlines() if line.startswith("VERIFIED")]
    assert len(verdicts) == 4
    assert f"later data of {AIR}: 120 readings of comp-02" in said


def test_the_demo_bills_the_pages_that_were_printed(month: Month) -> None:
    """Through a reset, a bad zero and duplicates, the pages are those the printer printed, and the money follows."""
    pages = truth.pages_printed(shipped("demo").machine("printer-01"), *month.span)
    row = month.usage("pages", "printer-01")
    assert int(row["quantity"]) == pages
    assert row["counts"]["quarantined"] == 1
    assert row["counts"]["duplicate"] > 0
    over = max(0, pages - 1000)
    packages = independent.cents(independent.packages(Fraction(over), "15", "1.00"))
    assert Decimal(month.statements[INK]["total"]) == Decimal("24.90") + packages


def test_the_demo_bills_the_air_that_was_delivered_and_seen(month: Month) -> None:
    """Cubic metres are exactly those delivered, less what a gap and a late batch hid, and the money follows."""
    air = {device: seen(device, month.span) for device in ("comp-01", "comp-02")}
    for device, (in_spec, off_spec, unseen_ms) in air.items():
        row = month.usage("volume", device)
        assert (Fraction(row["quantity"]), Fraction(row["off_quality"])) == (in_spec, off_spec)
        assert row["known_ms"] == month.span[1] - month.span[0] - unseen_ms
        assert row["counts"]["gaps"] == 1
    good = sum((in_spec for in_spec, _, _ in air.values()), Fraction(0))
    poor = sum((off_spec for _, off_spec, _ in air.values()), Fraction(0))
    over = max(Fraction(0), good - Fraction(20_000))
    price = independent.graduated(over, [("20000", "0.021", "0"), (None, "0.018", "0")])
    lines = [Decimal(1800), independent.cents(price), independent.cents(poor * Fraction("0.005"))]
    assert Decimal(month.statements[AIR]["total"]) == sum(lines)


def test_the_demo_bills_the_kilometres_that_were_driven(month: Month) -> None:
    """Through punctures and tunnels, kilometres, harsh brakes and engine hours are those of the machines themselves."""
    scenario, span = shipped("demo"), month.span
    for device in ("van-01", "van-02", "van-03"):
        van = scenario.machine(device, span[0])
        assert Fraction(month.usage("km", device)["quantity"]) == truth.km_driven(van, *span)
        assert Fraction(month.usage("brakes", device)["quantity"]) == truth.harsh_brakes(van, *span)
    truck = scenario.machine("truck-01", span[0])
    assert Fraction(month.usage("km", "truck-01")["quantity"]) == truth.km_driven(truck, *span)
    assert Fraction(month.usage("engine", "truck-01")["quantity"]) == truth.engine_hours_run(truck, *span)


def test_the_demo_shows_what_both_sides_of_the_truck_promised(month: Month) -> None:
    """A breakdown is the provider's, another one half the customer's, planned work excused within its allowance, a
    tunnel nobody's; and a tenth of the fee goes back.
    """
    statement = month.statements[TRUCK]
    uptime, repair = statement["guarantees"]
    broken = shipped("demo").machine("truck-01", month.span[0]).broken
    lost_ms = sum(end - start for start, end in broken if end - start > 5 * MINUTE_MS)
    assert uptime["excused_ms"] + uptime["down_ms"] == lost_ms
    assert {each["reason"].split(":")[0] for each in uptime["intervals"] if each["state"] == "excused"} == {
        "planned",
        "obligation",
    }
    assert uptime["unknown_ms"] == sum(lost - 3 * MINUTE_MS for lost in (24 * MINUTE_MS, 48 * MINUTE_MS))
    assert Decimal(95) < Decimal(uptime["percent"]) < Decimal(uptime["target"])
    assert (uptime["met"], repair["met"]) == (False, False)
    assert {each["id"]: each["met"] for each in statement["obligations"]} == {"inspection": False, "connected": True}
    given_back = {line["id"]: line["amount"] for line in statement["lines"] if line["kind"] == "credit"}
    assert given_back == {"uptime": "-245.00", "repair": "-120.00"}


def test_the_demo_shows_how_the_vans_were_driven(month: Month) -> None:
    """One driver speeds, pays, and loses the credit of a late repair; one brakes too hard; the third does neither."""
    statement = month.statements[TYRES]
    kept = {(each["id"], each["device"]): each["met"] for each in statement["obligations"]}
    assert [kept["speed", f"van-0{place}"] for place in (1, 2, 3)] == [True, True, False]
    assert [kept["braking", f"van-0{place}"] for place in (1, 2, 3)] == [True, False, True]
    van = shipped("demo").machine("van-03", month.span[0])
    speeding_ms = truth.time_above_ms(van, "speed", 110, *month.span)
    lines = {(line["kind"], line["id"], line["device"]): Decimal(line["amount"]) for line in statement["lines"]}
    per_hour = independent.cents(Fraction(6 * speeding_ms, 60 * MINUTE_MS))
    assert lines["surcharge", "speed", "van-03"] == per_hour
    assert lines["surcharge", "braking", "van-02"] == 25
    assert lines["credit", "roadside", "van-01"] == Decimal("-58.33")
    assert lines["credit", "roadside", "van-03"] == 0


def seen(device: str, span: tuple[int, int]) -> tuple[Fraction, Fraction, int]:
    """What a compressor delivered in spec and off, less what was hidden, to 0.01 m³; and for how many ms it was hidden.

    A report holds for two minutes: its own, and one more that it speaks for where the next reports are hidden.
    """
    scenario = shipped("demo")
    machine = scenario.machine(device)
    whole = truth.air_delivered(machine, *span)
    in_spec, off_spec, unseen_ms = whole.in_spec_m3, whole.off_spec_m3, 0
    for hidden in truth.hidden(scenario, device, span[0]):
        lost = truth.air_delivered(machine, hidden.start_ms, hidden.end_ms)
        held = truth.air_delivered(machine, hidden.start_ms - MINUTE_MS, hidden.start_ms)
        in_spec += held.in_spec_m3 - lost.in_spec_m3
        off_spec += held.off_spec_m3 - lost.off_spec_m3
        unseen_ms += hidden.end_ms - hidden.start_ms - MINUTE_MS
    return independent.rounded(in_spec, "0.01"), independent.rounded(off_spec, "0.01"), unseen_ms


@pytest.mark.skipif(not PROC.is_dir(), reason="memory and processes are looked up in /proc")
def test_the_demo_is_small_and_leaves_no_process(month: Month) -> None:
    """At its peak the gateway takes less than 200 MB and the simulator less than 100 MB; in the end nothing runs."""
    assert month.run.peak_mb(" demo --once") < 200
    assert month.run.peak_mb(" simulate ") < 100
    assert any("nats-server" in command for command in month.run.commands.values())
    assert month.run.left_behind() == {}
    assert named_in_a_command(str(month.data)) == {}


def test_the_demo_goes_on_live_until_it_is_interrupted(tmp_path: Path) -> None:
    """Without `--once` time goes on and statements to date are shown; Ctrl-C ends all of it within 15 seconds."""
    data = tmp_path / "demo-data"
    with watched(tmp_path, "demo", "--data", data) as run:
        run.wait_until_said("Time goes on", within_s=180)
        time.sleep(4)
        run.process.send_signal(signal.SIGINT)
        began = time.monotonic()
        code = run.process.wait(30)
        took_s = time.monotonic() - began
    assert (code, took_s < 15) == (0, True), run.said.read_text()
    assert "· open" in run.out.read_text()
    assert "Traceback" not in run.said.read_text()
    if PROC.is_dir():
        assert any("--live" in command for command in run.commands.values())
        assert run.left_behind() == {}
        assert named_in_a_command(str(data)) == {}


async def test_a_simulator_goes_on_where_the_demo_ended(month: Month, tmp_path: Path) -> None:
    """`simulate --after` says what the fleet does from the end of the demo's month on, as it would have by itself."""
    start, end = month.span
    heard: list[dict[str, Any]] = []
    async with EmbeddedBroker(tmp_path / "broker") as broker:
        address = f"mqtt://127.0.0.1:{broker.port}"
        words = ["demo", "--broker", address, "--after", str(month.data), "--until", rfc3339(end + 4 * MINUTE_MS)]
        async with aiomqtt.Client("127.0.0.1", broker.port) as listener:
            await listener.subscribe("telemetry/van-01", qos=1)
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", "simulate", *words)
            async with asyncio.timeout(60):
                message = await anext(aiter(listener.messages))
            heard = json.loads(bytes(message.payload))
            assert await process.wait() == 0
    assert [reading["t"] for reading in heard] == [end, end + 2 * MINUTE_MS]
    # Its registers stand where a breakdown of the demo's month has left them.
    van = shipped("demo").machine("van-01", start)
    ticks = Fraction(str(heard[0]["v"]["odometer"])) / Fraction(1, channels("van")["odometer"].per_unit)
    assert ticks == observe(van, end)["odometer"]
    assert ticks != observe(shipped("demo").machine("van-01", end), end)["odometer"]
