"""What a device, a stranger or an author of contracts gets wrong: each is told why, and nobody else loses anything."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gateway.broker import EmbeddedBroker
from tests.end_to_end import independent
from tests.end_to_end.agreements import tanks
from tests.end_to_end.independent import Day
from tests.end_to_end.installation import Installation, distinct, fairmeter, publish, until

MINUTE_MS = 60_000


def noon() -> int:
    """Yesterday's noon, UTC, in ms."""
    return yesterday().start + 12 * 60 * MINUTE_MS


def yesterday() -> Day:
    """The day that is billed."""
    return independent.local_day(independent.days_ago(1), "UTC")


def drawn(t: object, value: object) -> bytes:
    """A payload with one reading, as a device would write it."""
    return json.dumps({"t": t, "v": {"drawn": value}}).encode()


# What each device sends between two good readings, and what it must be told. A device's id says what is wrong.
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated": (lambda: drawn(noon(), 17)[:-6], "the JSON ends too early"),
    "oversized": (lambda: b"[" + b",".join([drawn(noon(), 17)] * 16_000) + b"]", "more than the gateway takes"),
    "not-utf-8": (lambda: b'{"v": {"drawn": 17}, "boot": "\xff"}', "not UTF-8"),
    "too-deep": (lambda: b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
    "a-list-of-values": (lambda: b'{"v": [17, 18]}', '"v" is not an object'),
    "a-text": (lambda: b'"17 litres"', "not a JSON object"),
    "no-json": (lambda: b"drawn=17", "not JSON"),
    "nothing-at-all": (lambda: b"", "the payload is empty"),
    "an-empty-list": (lambda: b"[]", "the list is empty"),
    "in-seconds": (lambda: drawn(noon() // 1000, 17), "in seconds, not milliseconds"),
    "in-microseconds": (lambda: drawn(noon() * 1000, 17), "in microseconds, not milliseconds"),
    "year-million": (lambda: drawn(31_494_784_780_800_000, 17), "not between the years 1990 and 2100"),
    "year-million-text": (lambda: drawn("+1000000-01-01T00:00:00Z", 17), "not RFC 3339"),
    "without-zone": (lambda: drawn("2026-01-01T00:00:00", 17), "the time has no zone"),
    "number-as-text": (lambda: drawn(noon(), "17"), "a number as text"),
    "not-a-number": (lambda: drawn(noon(), float("nan")), "not a measurement"),
    "without-value": (lambda: drawn(noon(), None), "the value is null"),
    "key-twice": (lambda: b'{"v": {"drawn": 17, "drawn": 18}}', "given twice"),
    "too-large": (lambda: drawn(noon(), 1e30), "more than 2^53 steps"),
    "one-of-three": (lambda: b"[%b,%b]" % (drawn(noon(), 15), drawn(noon(), "x")), "the value is text"),
}
ODD_TOPICS = ("telemetry/pömp№7%$&", "telemetry/" + "x" * 200)
STRANGER = "stranger-9"
BROKEN = "terms: 1\nid: BROKEN-1\nvalid: {from: 2026-13-01}\nperiod: fortnight\n"


@dataclass(frozen=True, slots=True)
class RoughDay:
    """What came of a day on which every device sent something nobody understands."""

    site: Installation
    feedback: dict[str, list[dict[str, Any]]]
    usage_told: dict[str, Any]
    statement: dict[str, Any]
    listed: dict[str, Any]


@pytest.fixture(scope="module")
def rough_day(tmp_path_factory: pytest.TempPathFactory) -> RoughDay:
    """Each device sends a good reading, something bad, and a good reading; a stranger and odd topics come as well."""
    return asyncio.run(_rough_day(tmp_path_factory.mktemp("rough")))


async def _rough_day(folder: Path) -> RoughDay:
    async with EmbeddedBroker(folder / "broker") as broker:
        begins = yesterday().name
        contract = tanks(BAD, contract="TANKS-1", begins=begins)
        site = Installation.make(folder / "site", broker.port, tanks=contract, broken=BROKEN)
        messages: list[tuple[str, bytes]] = []
        for device, (make, _) in BAD.items():
            payloads = (drawn(noon() - MINUTE_MS, 10), make(), drawn(noon() + MINUTE_MS, 27.5))
            messages += [(f"telemetry/{device}", payload) for payload in payloads]
        messages += [(f"telemetry/{STRANGER}", drawn(noon() + n * MINUTE_MS, 100 + 3 * n)) for n in range(4)]
        messages += [(topic, drawn(noon(), 1)) for topic in ODD_TOPICS]
        async with site.serving() as gateway, listening(broker.port, "feedback/+") as heard:
            await publish(broker.port, messages)
            await until(lambda: all(distinct(gateway.stores, device, "drawn") >= 2 for device in BAD))
            await until(lambda: set(heard) >= {f"feedback/{device}" for device in BAD})
            async with listening(broker.port, "contract/+/usage") as told:
                await until(lambda: "contract/TANKS-1/usage" in told)
            issued = await gateway.close_due()
        listed = site.run("rejected", "--json", "--limit", "200").json()
    feedback = {topic.removeprefix("feedback/"): said for topic, said in heard.items()}
    return RoughDay(site, feedback, told["contract/TANKS-1/usage"][0], issued[0].document, listed)


@asynccontextmanager
async def listening(port: int, topics: str) -> AsyncIterator[dict[str, list[dict[str, Any]]]]:
    """What is said on these topics while the block runs, retained messages first."""
    heard: dict[str, list[dict[str, Any]]] = {}
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(topics, qos=1)

        async def collect() -> None:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                heard.setdefault(str(message.topic), []).append(json.loads(message.payload))

        collecting = asyncio.create_task(collect())
        try:
            yield heard
        finally:
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)


@pytest.mark.parametrize("device", BAD)
def test_a_bad_payload_is_listed_and_answered_with_its_reason(rough_day: RoughDay, device: str) -> None:
    """The list of rejected and the device itself get the same reason, and a way to mend it."""
    reason = BAD[device][1]
    (row,) = [row for row in rough_day.listed["rejected"] if row["device"] == device]
    assert reason in row["reason"]
    assert row["remedy"]
    (answer,) = rough_day.feedback[device]
    assert (answer["reason"], answer["remedy"]) == (row["reason"], row["remedy"])
    assert answer["topic"] == f"telemetry/{device}"


@pytest.mark.parametrize("device", BAD)
def test_good_readings_beside_bad_ones_are_metered(rough_day: RoughDay, device: str) -> None:
    """From 10 to 27.5 litres were drawn, whatever else the device sent in between."""
    (row,) = [row for row in rough_day.statement["usage"] if row["device"] == device]
    assert (row["quantity"], row["opening"], row["closing"]) == ("17.5", "10.0", "27.5")
    assert row["counts"]["accepted"] == (3 if device == "one-of-three" else 2)


def test_every_message_is_decoded_or_rejected(rough_day: RoughDay) -> None:
    """The accounting identity of messages holds over all of it, each bad payload once."""
    counts = rough_day.listed["counts"].values()
    assert sum(each["received"] for each in counts) == sum(each["decoded"] + each["rejected"] for each in counts)
    decoded_all_the_same = {"one-of-three", "too-large"}  # the message is understood, one value in it is not
    too_long = 1  # a device id of 200 characters
    assert sum(each["rejected"] for each in counts) == len(BAD) - len(decoded_all_the_same) + too_long


def test_a_topic_with_odd_characters_is_kept(rough_day: RoughDay) -> None:
    """A device with an odd name is unassigned like any other; one with an endless name is rejected with the reason."""
    unassigned = {row["device"] for row in rough_day.listed["unassigned"]}
    assert ODD_TOPICS[0].removeprefix("telemetry/") in unassigned
    (row,) = [row for row in rough_day.listed["rejected"] if row["topic"] == ODD_TOPICS[1]]
    assert "200 characters" in row["reason"]


def test_a_contract_with_problems_is_left_out_and_the_others_go_on(rough_day: RoughDay) -> None:
    """The broken file is reported with its lines, by the running gateway and by `check`; the good one was billed."""
    assert rough_day.statement["contract"] == "TANKS-1"
    with_reasons = fairmeter("check", rough_day.site.folder / "contracts" / "broken.yaml", "--json")
    problems = with_reasons.json()
    assert with_reasons.code == 1
    assert {"period", "devices", "channels"} <= {word for each in problems for word in each["message"].split("`")}
    assert {3, 4} <= {each["line"] for each in problems}
    assert all(each["remedy"] for each in problems)


def test_usage_to_date_is_retained_for_whoever_comes_later(rough_day: RoughDay) -> None:
    """`contract/{id}/usage` holds the statement so far in short: a subscriber gets it at once."""
    told = rough_day.usage_told
    assert (told["contract"], told["currency"]) == ("TANKS-1", "EUR")
    assert {row["device"] for row in told["usage"]} == set(BAD)
    assert {row["id"] for row in told["lines"]} == {"drawn"}


async def test_a_stranger_is_kept_and_billed_once_a_contract_names_it(
    rough_day: RoughDay, broker: EmbeddedBroker
) -> None:
    """An unassigned device is listed; after its contract is there, a restart makes a statement of what it sent."""
    (listed,) = [row for row in rough_day.listed["unassigned"] if row["device"] == STRANGER]
    assert (listed["readings"], listed["channel"]) == (4, None)
    assert listed["reason"] == f"no contract names the device {STRANGER}"
    site = Installation(rough_day.site.folder, broker.port)
    site.settings_file.write_text(site.settings_file.read_text().replace(str(rough_day.site.port), str(broker.port)))
    site.agree("stranger", tanks([STRANGER], contract="STRANGER-1", begins=yesterday().name))
    before = site.statement("TANKS-1", 1).joinpath("statement.json").read_bytes()
    async with site.serving() as gateway:
        issued = await gateway.close_due()
    assert [each.document["contract"] for each in issued] == ["STRANGER-1"]
    assert issued[0].document["usage"][0]["quantity"] == "9.0"
    unassigned = {row["device"] for row in site.run("rejected", "--json").json()["unassigned"]}
    assert unassigned == {row["device"] for row in rough_day.listed["unassigned"]} - {STRANGER}
    assert site.statement("TANKS-1", 1).joinpath("statement.json").read_bytes() == before
