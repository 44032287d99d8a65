"""The watch as it runs: what was said is kept over a restart, and reaches whoever listens within a second."""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from contracts.periods import local_date
from gateway.broker import EmbeddedBroker
from gateway.clock import now_ms
from gateway.close import NotDue
from gateway.service import Gateway, running
from gateway.settings import load_settings
from gateway.stores import Stores
from gateway.view import LiveView
from gateway.watch import Breach
from gateway.watching.lookout import Lookout
from tests.contracts.samples import MINUTE, contract_text
from tests.gateway.history import DAY_MS, DAYS, HOUR_MS, START_MS, TERMS, random_messages
from tests.gateway.living import CHANNELS, at
from tests.gateway.site import event, telemetry

UPTIME = """
charges: [{id: rent, price: {flat: 1000.00, per: device}}]
guarantees: [{id: uptime, available_when: {channel: up, is: 1}, target: 99, unknown: excluded}]
"""


@contextmanager
def opened(folder: Path, text: str) -> Iterator[Stores]:
    """The files of a gateway that serves one contract."""
    (folder / "contracts").mkdir(exist_ok=True)
    (folder / "contracts" / "one.yaml").write_text(text)
    with Stores.open(load_settings(None, data=folder / "data", contracts=folder / "contracts")) as stores:
        yield stores


def report(stores: Stores, moment: str, **values: float) -> None:
    """A machine reports values, which are projected."""
    stores.journal.append((telemetry({"t": at(moment), "v": values}, at(moment) + 50, "m1"),))
    project(stores)


def project(stores: Stores) -> None:
    """Project all there is."""
    projector = stores.projector()
    while projector.project_next():
        pass


def letters(stores: Stores) -> list[dict[str, Any]]:
    """What is to be said; it is taken out of the outbox."""
    found = stores.watch.outbox(10_000)
    stores.watch.sent(found[-1][0] if found else 0)
    return [json.loads(payload) for _, _, payload in found]


def said(stores: Stores) -> list[tuple[str, bool]]:
    """What is to be said of breaches, as (event, provisional)."""
    return [(told["event"], told["provisional"]) for told in letters(stores) if told["event"] != "warning"]


def test_a_restart_says_nothing_twice_and_closes_what_ended_meanwhile(tmp_path: Path) -> None:
    """A breach that was said is not said again by the next start, which says that it is over if it is."""
    text = contract_text(CHANNELS + UPTIME)
    with opened(tmp_path, text) as stores:
        watch = Lookout(stores, LiveView(stores))
        report(stores, "01-02T08:00", up=1)
        report(stores, "01-02T09:00", up=0)
        watch.look(at("01-02T09:10"), reached_only=False)
        assert said(stores) == [("opened", True)]
    with opened(tmp_path, text) as stores:
        watch = Lookout(stores, LiveView(stores))
        watch.look(at("01-02T09:20"), reached_only=False)
        assert said(stores) == []
        report(stores, "01-02T09:25", up=1)
    with opened(tmp_path, text) as stores:
        Lookout(stores, LiveView(stores)).look(at("01-02T09:40"), reached_only=False)
        assert said(stores) == [("closed", True)]


def test_an_incident_that_goes_on_into_the_next_period_is_not_warned_of_again(tmp_path: Path) -> None:
    """Each level of a time to respond is told once for the incident, whatever periods it goes through."""
    promise = "guarantees: [{id: fix, response: {from: {event: breakdown}, to: {event: repaired}, within: 10h}}]\n"
    text = contract_text(CHANNELS + promise)
    broke = event(at("01-31T18:00"), "m1", type="breakdown", by="Ann", t=at("01-31T18:00"))
    levels = []
    with opened(tmp_path, text) as stores:
        stores.journal.append((broke,))
        project(stores)
        watch = Lookout(stores, LiveView(stores))
        for moment in ("01-31T23:30", "02-01T01:00", "02-01T02:30"):
            watch.look(at(moment), reached_only=False)
            levels.append([told["level"] for told in letters(stores)])
    with opened(tmp_path, text) as stores:
        watch = Lookout(stores, LiveView(stores))
        for moment in ("02-01T02:40", "02-01T04:30"):
            watch.look(at(moment), reached_only=False)
            levels.append([told["level"] for told in letters(stores) if told["event"] == "warning"])
    assert levels == [[50], [], [80], [], [100]]


def test_only_what_something_reached_is_looked_at_in_between(tmp_path: Path) -> None:
    """A reading has its contract looked at, and no other; without one, none is."""
    other = contract_text(CHANNELS + UPTIME, devices="[{id: m2}]").replace("id: T-1", "id: T-2")
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "other.yaml").write_text(other)
    with opened(tmp_path, contract_text(CHANNELS + UPTIME)) as stores:
        watch = Lookout(stores, LiveView(stores))
        report(stores, "01-02T08:00", up=1)
        whole = watch.look(at("01-02T08:10"), reached_only=False)
        assert [document["contract"] for document in whole] == ["T-1", "T-2"]
        assert watch.look(at("01-02T08:11"), reached_only=True) == []
        report(stores, "01-02T08:12", up=0)
        assert [document["contract"] for document in watch.look(at("01-02T08:12:01"), reached_only=True)] == ["T-1"]
        assert said(stores) == [("opened", True)]


def test_a_late_reading_of_a_period_that_is_over_is_heard_and_its_final_statement_has_the_last_word(
    tmp_path: Path,
) -> None:
    """Until a statement is final, what it will say can change; then what was said is final, and nothing is repeated."""
    with opened(tmp_path, contract_text(CHANNELS + UPTIME)) as stores:
        watch = Lookout(stores, LiveView(stores))
        for moment, up in (("01-02T08:00", 1), ("01-20T09:00", 0), ("01-20T11:00", 1), ("01-31T23:00", 0)):
            report(stores, moment, up=up)
        watch.look(at("01-31T23:30"), reached_only=False)
        assert said(stores) == [("closed", True), ("opened", True)]
        watch.look(at("02-01T00:10"), reached_only=False)
        assert said(stores) == [("closed", True), ("opened", True)], "January's ends, February's begins"
        report(stores, "01-20T10:00", up=1)
        watch.look(at("02-01T00:11"), reached_only=True)
        assert said(stores) == [("closed", True)], "it ended an hour earlier"
        stores.closer.close("T-1", at("02-04T00:01"))
        watch.look(at("02-04T00:02"), reached_only=False)
        assert said(stores) == []
        breaches = [each for each in stores.watch.changes(0)[0] if isinstance(each, Breach)]
        assert {(each.start, each.end, each.provisional) for each in breaches} == {
            (at("01-20T09:00"), at("01-20T10:00"), False),
            (at("01-31T23:00"), at("02-01T00:00"), False),
            (at("02-01T00:00"), None, True),
        }


def test_what_was_final_before_the_watch_began_is_known_and_not_said(tmp_path: Path) -> None:
    """A gateway with a past does not tell of old breaches when it starts to watch, but whoever draws them has them."""
    with opened(tmp_path, contract_text(CHANNELS + UPTIME)) as stores:
        for moment, up in (("01-02T08:00", 1), ("01-20T09:00", 0), ("01-20T11:00", 1)):
            report(stores, moment, up=up)
        stores.closer.close("T-1", at("02-04T00:01"))
        Lookout(stores, LiveView(stores)).look(at("02-04T00:02"), reached_only=False)
        assert said(stores) == []
        (breach,), change = stores.watch.changes(0)
        assert isinstance(breach, Breach)
        assert (breach.start, breach.provisional) == (at("01-20T09:00"), False)
        assert stores.watch.changes(change) == ([], change)


@asynccontextmanager
async def listening(folder: Path, promises: str) -> AsyncIterator[tuple[aiomqtt.Client, AsyncIterator[dict[str, Any]]]]:
    """A running gateway that serves one contract, a client, and what is said of the contract's promises."""
    first = local_date(now_ms(), "UTC").replace(day=1)
    (folder / "contracts").mkdir()
    text = contract_text(CHANNELS + promises, valid=f"{{from: {first}}}")
    (folder / "contracts" / "one.yaml").write_text(text)
    async with EmbeddedBroker(folder / "broker") as broker:
        place = {"host": broker.host, "port": broker.port}
        settings = load_settings(None, data=folder / "data", contracts=folder / "contracts", broker=place)
        with Stores.open(settings) as stores:
            client = aiomqtt.Client(broker.host, broker.port)
            async with running(Gateway(stores, closing=False)) as gateway, client as one, asyncio.timeout(60):
                await gateway.source.subscribed()
                await one.subscribe("contract/T-1/#", qos=1)
                heard = aiter(one.messages)
                await send(one, up=1)
                assert (await anext(heard)).topic.matches("contract/T-1/usage"), "the watch has begun"
                yield one, (json.loads(each.payload) async for each in heard if each.topic.matches("contract/+/breach"))


async def send(client: aiomqtt.Client, **values: float) -> None:
    """A reading of this moment, acknowledged."""
    await client.publish("telemetry/m1", json.dumps({"t": now_ms(), "v": values}), qos=1)


async def test_a_breach_is_told_within_a_second_of_its_reading(tmp_path: Path) -> None:
    """From the broker's acknowledgement of a reading to the word that a promise is broken: a moment; and back again."""
    async with listening(tmp_path, UPTIME) as (client, heard):
        for value, event in ((0, "opened"), (1, "closed")):
            await asyncio.sleep(1)
            await send(client, up=value)
            began = time.monotonic()
            told = await anext(heard)
            waited_s = time.monotonic() - began
            print(f"{event} {1000 * waited_s:.0f} ms after the acknowledgement")
            assert (told["event"], told["promise"], told["device"]) == (event, "uptime", "m1")
            assert waited_s < 10


async def test_warnings_come_while_there_is_still_something_left(tmp_path: Path) -> None:
    """While a machine is down whose budget is some seconds, the levels are told one after the other, to the last."""
    levels: list[int] = []

    async def listen(heard: AsyncIterator[dict[str, Any]]) -> None:
        async for told in heard:
            levels.extend([told["level"]] if told["event"] == "warning" else [])
            if levels[-1:] == [100]:
                return

    async with listening(tmp_path, UPTIME.replace("target: 99", "target: 99.9999")) as (client, heard):
        listener = asyncio.create_task(listen(heard))
        while not listener.done():
            await send(client, up=0)
            await asyncio.sleep(0.3)
        await listener
    print(f"warned at {levels}")
    assert levels == sorted(set(levels))
    assert set(levels) <= {50, 80, 100}


@pytest.mark.parametrize("removed", [False, True])
def test_a_record_that_is_removed_begins_anew(tmp_path: Path, removed: bool) -> None:
    """What holds now is said once more where the record of what was said is gone, and only there."""
    text = contract_text(CHANNELS + UPTIME)
    with opened(tmp_path, text) as stores:
        report(stores, "01-02T08:00", up=1)
        report(stores, "01-02T09:00", up=0)
        Lookout(stores, LiveView(stores)).look(at("01-02T09:10"), reached_only=False)
        assert said(stores) == [("opened", True)]
    if removed:
        (tmp_path / "data" / "watch.sqlite").unlink()
    with opened(tmp_path, text) as stores:
        Lookout(stores, LiveView(stores)).look(at("01-02T09:20"), reached_only=False)
        assert said(stores) == ([("opened", True)] if removed else [])


@pytest.mark.parametrize("seed", range(2))
def test_whatever_arrives_whenever_the_last_word_is_what_the_final_statements_say(seed: int, tmp_path: Path) -> None:
    """Through late readings, events, periods and restarts, listeners end up knowing each breach of each statement."""
    chance = random.Random(seed)
    waiting = random_messages(seed)
    heard: dict[str, dict[str, Any]] = {}
    moment = START_MS
    while moment < START_MS + (DAYS + 5) * DAY_MS:
        with opened(tmp_path, TERMS) as stores:
            watch = Lookout(stores, LiveView(stores))
            for _ in range(chance.randrange(1, 60)):
                moment += chance.choice([MINUTE, 4 * HOUR_MS, 9 * HOUR_MS])
                due = [message for message in waiting if message.arrival_ms <= moment]
                del waiting[: len(due)]
                if due:
                    stores.journal.append(tuple(due))
                    project(stores)
                watch.look(moment, reached_only=chance.random() < 0.7)
                close_due(stores, moment)
            heard |= {told["id"]: told for told in letters(stores)}
    with opened(tmp_path, TERMS) as stores:
        Lookout(stores, LiveView(stores)).look(moment, reached_only=False)
        heard |= {told["id"]: told for told in letters(stores)}
        documents = [issued.document for issued in stores.ledger.all()]
    assert len(documents) >= DAYS
    said = {
        (told["period"], told["promise"], told["device"], told["start"], told["end"])
        for told in heard.values()
        if told["event"] == "closed"
    }
    assert said == {place for document in documents for place in broken(document)}
    assert len(said) > 5
    assert not [told for told in heard.values() if told["event"] == "opened"]


def broken(document: dict[str, Any]) -> Iterator[tuple[str, str, str | None, str, str]]:
    """Every stretch of a statement in which a promise was not kept."""
    period = document["period"]["name"]
    for row in (*document["guarantees"], *document["obligations"]):
        for each in row["intervals"]:
            if each["state"] in ("down", "breach"):
                yield period, row["id"], row["device"], each["start"], each["end"]


def close_due(stores: Stores, moment: int) -> None:
    """Close every period whose grace is over."""
    with contextlib.suppress(NotDue):
        while True:
            stores.closer.close("HIS-1", moment)
