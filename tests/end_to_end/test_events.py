"""Events as people enter them and devices report them: by command beside a running gateway, by MQTT, and in a file."""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gateway.broker import EmbeddedBroker
from gateway.stores import Stores
from tests.end_to_end import independent
from tests.end_to_end.agreements import tanks
from tests.end_to_end.installation import Finished, Installation, fairmeter, publish, until

CONTRACT = "TANKS-1"
DEVICE = "tank-1"
BEGINS = independent.days_ago(3)


def moment(days: int = 1, hours: int = 12) -> str:
    """That hour, so many days ago."""
    return f"{independent.days_ago(days)}T{hours:02}:00:00Z"


@pytest.fixture
def site(tmp_path: Path) -> Installation:
    """A gateway's folder, with a contract of two tanks that began three days ago; nothing runs, no broker either."""
    return Installation.make(tmp_path / "site", 1, tanks=tanks([DEVICE, "tank-2"], contract=CONTRACT, begins=BEGINS))


def enter(site: Installation, kind: str, *words: object, by: str = "Ann Smits", side: str = "provider") -> Finished:
    """Enter an event as somebody types it."""
    return site.run("event", CONTRACT, kind, "--by", by, "--side", side, *words)


def listed(site: Installation) -> dict[str, dict[str, Any]]:
    """The events of the contract by their id."""
    return {row["id"]: row for row in site.run("events", CONTRACT, "--json").json()}


EVERY_KIND: dict[str, tuple[object, ...]] = {
    "planned": ("--start", moment(-2, 8), "--end", moment(-2, 12), "--announced", moment(2)),
    "force_majeure": ("--start", moment(2, 8), "--end", moment(2, 12), "--reason", "flood in the cellar"),
    "excused": ("--device", DEVICE, "--start", moment(2, 8), "--end", moment(2, 12)),
    "serviced": ("--device", DEVICE),
    "access_refused": ("--device", DEVICE, "--at", moment()),
    "breakdown": ("--device", DEVICE, "--at", moment()),
    "arrived": ("--device", DEVICE, "--at", moment()),
    "repaired": ("--device", DEVICE, "--at", moment()),
    "note": ("--reason", "the key is with the porter"),
    "meter_exchanged": ("--device", DEVICE, "--at", moment(), "--channel", "drawn", "--old", "812.5", "--new", "0"),
    "settlement": ("--period", independent.days_ago(2), "--line", "drawn", "--amount", "-4.00", "--reason", "agreed"),
}


def test_every_kind_can_be_typed_and_stands(site: Installation) -> None:
    """Each command prints the id and how the event stands, and the list shows all of them, for people and as JSON."""
    for kind, words in EVERY_KIND.items():
        done = enter(site, kind, "--id", kind, *words)
        claimed = kind in ("planned", "force_majeure", "excused", "access_refused", "arrived", "repaired")
        assert (done.code, done.out) == (0, f"{kind}  {kind}, {'claimed by provider' if claimed else 'stated'}\n"), kind
    contested = enter(site, "contested", "--of", "excused", "--json", by="Cy", side="customer").json()
    assert (contested["of"], contested["standing"]) == ("excused", "stated")
    words = ("--of", "excused", "--verdict", "accept", "--reason", "we looked again")
    assert enter(site, "decision", *words, by="Cy", side="customer").out.endswith("excused  excused, contested\n")
    assert enter(site, "decision", *words).out.endswith("excused  excused, accepted\n")
    words = ("--device", DEVICE, "--channel", "drawn", "--time", moment(), "--value", "5.5", "--verdict", "discard")
    waiting = enter(site, "decision", *words, "--reason", "read again")
    assert waiting.code == 0
    assert "no reading of tank-1 drawn at that time has arrived" in waiting.said

    rows = listed(site)
    assert len(rows) == len(EVERY_KIND) + 4
    assert (rows["excused"]["standing"], rows["excused"]["counts"], rows["excused"]["device"]) == (
        "accepted",
        True,
        DEVICE,
    )
    assert (rows["meter_exchanged"]["old"], rows["settlement"]["amount"]) == ("812.5", "-4.00")
    assert rows["planned"]["announced"] == f"{independent.days_ago(2)}T12:00:00.000Z"
    assert rows["serviced"]["start"] == rows["serviced"]["end"] <= rows["serviced"]["entered"]
    day = site.run("events", CONTRACT, "--period", independent.days_ago(1), "--json").json()
    assert {"breakdown", "meter_exchanged"} <= {row["id"] for row in day}
    assert not {"planned", "excused", "serviced"} & {row["id"] for row in day}
    table = site.run("events", CONTRACT).out
    assert "flood in the cellar" in table
    assert "claimed by provider" in table


REFUSED = [
    (("serviced", "--device", DEVICE, "--side", "provider"), "`by` is missing"),
    (("servced", "--device", DEVICE, "--by", "Ann", "--side", "provider"), "not a type of event. Did you mean"),
    (("serviced", "--device", "tank-9", "--by", "Ann", "--side", "provider"), f"{CONTRACT} names no device tank-9"),
    (("serviced", "--at", moment(-1), "--by", "Ann", "--side", "provider"), "after it was entered"),
    (("excused", "--start", moment(1, 9), "--end", moment(1, 8), "--by", "A", "--side", "provider"), "it ends at"),
    (("note", "--id", "one", "--reason", "other words", "--by", "Ann", "--side", "provider"), "already has the id one"),
    (("contested", "--of", "one", "--by", "Ann", "--side", "customer"), "one is no claim"),
    (("settlement", "--period", BEGINS, "--line", "drown", "--amount", "1", "--reason", "x", "--by", "Ann",
      "--side", "provider"), "has no line drown"),
]  # fmt: skip


def test_what_cannot_stand_is_refused_and_journalled_as_rejected(site: Installation) -> None:
    """The command says why and what to do, ends with 1, and what was typed is listed among the rejected messages."""
    assert enter(site, "note", "--id", "one", "--reason", "words").code == 0
    for words, said in REFUSED:
        done = site.run("event", CONTRACT, *words)
        assert (done.code, done.out) == (1, ""), words
        assert said in done.said
        assert "journalled as rejected" in done.said
    nobody = site.run("event", "NOBODY-1", "note", "--by", "Ann", "--side", "customer")
    assert (nobody.code, "there is no contract NOBODY-1" in nobody.said) == (1, True)
    assert [row["id"] for row in listed(site).values()] == ["one"]
    rejected = site.run("rejected", "--json").json()["rejected"]
    assert len(rejected) == len(REFUSED) + 1
    assert all(row["reason"] and row["remedy"] and CONTRACT in row["excerpt"] for row in rejected[1:])
    assert site.run("rebuild").code == 0
    assert site.run("rejected", "--json").json()["rejected"] == rejected
    assert [row["id"] for row in listed(site).values()] == ["one"]


def test_the_same_event_typed_twice_is_one(site: Installation) -> None:
    """A command repeated from the shell's history says that the event is known, and adds nothing."""
    words = ("--device", DEVICE, "--at", moment())
    first, again = enter(site, "serviced", *words), enter(site, "serviced", *words)
    assert (first.code, again.code, again.out) == (0, 0, first.out)
    assert "was entered before" in again.said
    assert len(listed(site)) == 1


def test_a_contest_of_what_is_final_is_refused(site: Installation) -> None:
    """Until its statement is final a claim can be contested; then it is a matter for a settlement."""
    assert enter(site, "excused", "--id", "old", "--start", moment(3, 8), "--end", moment(3, 9)).code == 0
    assert enter(site, "excused", "--id", "new", "--start", moment(2, 8), "--end", moment(2, 9)).code == 0
    assert site.run("statement", "close", CONTRACT).code == 0
    late = enter(site, "contested", "--of", "old", side="customer")
    assert (late.code, late.out) == (1, "")
    assert "statement 1 for" in late.said
    assert "settlement" in late.said
    assert enter(site, "contested", "--of", "new", side="customer").code == 0
    assert enter(site, "excused", "--id", "later", "--start", moment(3, 8), "--end", moment(3, 9)).code == 0
    assert enter(site, "contested", "--of", "later", side="customer").code == 0, "no statement holds it yet"
    standing = {row["id"]: row["standing"] for row in listed(site).values()}
    assert [standing[each] for each in ("old", "new", "later")] == ["claimed by provider", "contested", "contested"]


def test_a_list_that_is_not_there_is_said_so(site: Installation) -> None:
    """A wrong contract, a wrong period and no event at all are told apart."""
    assert site.run("events", CONTRACT, "--json").json() == []
    assert f"the contracts are: {CONTRACT}" in site.run("events", "NOBODY-1").said
    wrong = site.run("events", CONTRACT, "--period", "2026-W01")
    assert (wrong.code, wrong.out, "is not a period of" in wrong.said) == (1, "", True)
    assert site.run("event", CONTRACT).code == 2


# --- beside a running gateway ---------------------------------------------------------------------------------------


def stands(stores: Stores, identity: str) -> bool:
    """Whether the contract has an event of that id."""
    return any(event.id == identity for event in stores.blocks.contract_events(CONTRACT))


async def test_devices_report_events_and_are_told_what_cannot_stand(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """What a technician's tool publishes stands at once, a redelivery adds nothing, and a fault comes back by topic."""
    text = tanks([DEVICE], contract=CONTRACT, begins=BEGINS)
    site = Installation.make(tmp_path / "site", broker.port, tanks=text)
    good = json.dumps({"id": "s-1", "type": "serviced", "t": moment(), "by": "R. Maes", "note": "filters changed"})
    async with site.serving() as gateway, aiomqtt.Client("127.0.0.1", broker.port) as tool:
        await tool.subscribe(f"feedback/{DEVICE}", qos=1)
        await publish(broker.port, [(f"event/{DEVICE}", good.encode())] * 3)
        await until(lambda: stands(gateway.stores, "s-1"))
        await publish(broker.port, [(f"event/{DEVICE}", good.replace("Maes", "Mees").encode())])
        async with asyncio.timeout(20):
            told = json.loads(bytes((await anext(aiter(tool.messages))).payload))
        await publish(broker.port, [("event/tank-9", good.encode())])
        await until(lambda: len(gateway.stores.blocks.rejected()) == 2)
        (event,) = gateway.stores.blocks.contract_events(CONTRACT)
        assert (event.by, event.side, event.device, event.reason) == ("R. Maes", "provider", DEVICE, "filters changed")
        assert told["topic"] == f"event/{DEVICE}"
        assert (told["reason"], bool(told["remedy"])) == ("another event already has the id s-1", True)


async def test_a_running_gateway_notices_what_is_entered(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """What is entered in another process while the gateway receives goes into the same journal and is judged."""
    text = tanks([DEVICE], contract=CONTRACT, begins=BEGINS)
    site = Installation.make(tmp_path / "site", broker.port, tanks=text)
    noon = datetime.now(UTC) - timedelta(minutes=10)
    readings = [
        (f"telemetry/{DEVICE}", json.dumps({"t": int(noon.timestamp() * 1000) + n, "v": {"drawn": n}}).encode())
        for n in range(300)
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "run", "--settings", str(site.settings_file), stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        while b"connected to the broker" not in (said := await process.stderr.readline()):
            assert said, "it ended before it was connected"
        sending = asyncio.create_task(publish(broker.port, readings))
        done = await asyncio.to_thread(enter, site, "serviced", "--id", "s-2", "--device", DEVICE)
        bad = await asyncio.to_thread(enter, site, "serviced", "--id", "s-2", "--device", DEVICE, "--reason", "again")
        await sending
    finally:
        process.terminate()
        await process.communicate()
    assert (done.code, done.out) == (0, "s-2  serviced, stated\n")
    assert (bad.code, "already has the id s-2" in bad.said) == (1, True)
    assert process.returncode == 0
    with Stores.open(site.settings) as stores:
        assert stores.journal.verify_chain() is None
        assert stands(stores, "s-2")
        assert stores.blocks.counts()
    assert [row["reason"] for row in site.run("rejected", "--json").json()["rejected"]] == [
        "another event already has the id s-2"
    ]


# --- in a file ------------------------------------------------------------------------------------------------------


def test_compute_takes_what_people_said_from_a_file(tmp_path: Path) -> None:
    """Events in a file change the statement as the rules say, and a faulty file ends the command with every line."""
    (tmp_path / "terms.yaml").write_text(tanks([DEVICE], contract=CONTRACT, begins="2026-01-10"))
    rows = "".join(
        f"{DEVICE},drawn,2026-01-10T{hour:02}:00:00Z,{value}\n" for hour, value in ((8, 10), (9, 25), (10, 5))
    )
    (tmp_path / "readings.csv").write_text("device,channel,time,value\n" + rows)
    events = tmp_path / "events.yaml"
    words = ("--terms", tmp_path / "terms.yaml", "--readings", tmp_path / "readings.csv", "--period", "2026-01-10")
    events.write_text(
        f"- {{id: x, type: meter_exchanged, device: {DEVICE}, time: 2026-01-10T09:30:00Z, old: 30, new: 2,"
        " by: R. Maes, side: provider}\n- {id: n, type: note, time: 2026-01-10T12:00:00Z, by: Cy, side: customer}\n"
    )
    plain = fairmeter("compute", *words, "--json").json()
    done = fairmeter("compute", *words, "--events", events, "--json")
    assert done.code == 0
    # 15 before the exchange, 5 to the old meter's end, 3 from the new one's beginning.
    quantities = [each["usage"][0]["quantity"] for each in (plain, done.json())]
    assert [float(quantity) for quantity in quantities] == [15, 23]
    assert [row["id"] for row in done.json()["events"]] == ["x", "n"]

    events.write_text("- {type: note, by: Cy, side: customer}\n- {type: not, time: 2026-01-10T12:00:00Z, by: Cy}\n")
    bad = fairmeter("compute", *words, "--events", events, "--json")
    assert (bad.code, bad.out) == (1, "")
    for place in ("events.yaml:1:3: `time` is missing", "events.yaml:2:3: `side` is missing", "events.yaml:2:4: 'not'"):
        assert place in bad.said
    missing = fairmeter("compute", *words, "--events", tmp_path / "no.yaml")
    assert (missing.code, missing.out, "no.yaml" in missing.said) == (1, "", True)
