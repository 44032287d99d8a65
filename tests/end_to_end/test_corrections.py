"""What comes after a statement is final, as both sides live it: later data, a waiver, a settlement, and the proof."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.broker import EmbeddedBroker
from tests.end_to_end.agreements import agreed
from tests.end_to_end.installation import Installation, distinct, fairmeter, publish, until

PRESS = """
devices: [{id: press-1}]
data: {max_hold: 26h}
channels:
  strokes: {}
  fault: {}
meters:
  strokes: {counter: strokes, max_rate: 100/m}
charges:
  - {id: hire, price: {flat: 80.00, per: device}}
  - {id: strokes, meter: strokes, allowance: {included: 100, rollover: {cap: 15}}, price: {per_unit: 0.50}}
guarantees:
  - id: uptime
    available_when: {channel: fault, is: 0}
    target: 95
    unknown: excluded
    credits: {tiers: [{below: 95, percent: 25}], of: [hire]}
"""
PRESS_ID = "PRESS-1"
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
FIRST = TODAY - timedelta(days=3)


def at(day: int, hour: float) -> int:
    """An hour of one of the three days, in ms."""
    return int((FIRST + timedelta(days=day, hours=hour)).timestamp() * 1000)


def said(day: int, hour: float, **values: int) -> tuple[str, bytes]:
    """What the press reports at an hour."""
    return "telemetry/press-1", json.dumps({"t": at(day, hour), "v": values}).encode()


IN_TIME = [
    said(0, 0, strokes=1_000, fault=0),
    said(0, 6, strokes=1_040, fault=1),
    said(0, 12, fault=0),
    said(0, 23, strokes=1_080),
    said(1, 12, strokes=1_260, fault=0),
    said(2, 12, strokes=1_300, fault=0),
]
LATE = said(0, 20, strokes=1_075)
LATER = said(0, 21, fault=1)


@pytest.fixture
async def corrected(broker: EmbeddedBroker, tmp_path: Path) -> Installation:
    """A gateway with one final day, to which things came later, and the next day final after them."""
    text = agreed(PRESS, contract=PRESS_ID, begins=FIRST.date())
    site = Installation.make(tmp_path / "site", broker.port, press=text)
    async with site.serving() as gateway:
        await publish(site.port, IN_TIME)
        await until(lambda: distinct(gateway.stores, "press-1", "strokes") == 5)
    assert site.run("statement", "close", PRESS_ID).code == 0
    async with site.serving() as gateway:
        await publish(site.port, [LATE, LATER])
        await until(lambda: distinct(gateway.stores, "press-1", "fault") == 6)
    waived = ("--by", "J. Claes", "--side", "customer", "--reason", "We had not ordered anything that morning")
    hours = ("--device", "press-1", "--start", at(0, 6), "--end", at(0, 9))
    assert site.run("event", PRESS_ID, "excused", *hours, *waived).code == 0
    assert site.run("statement", "close", PRESS_ID).code == 0
    return site


def document(site: Installation, number: int) -> dict[str, Any]:
    """A final statement."""
    found: dict[str, Any] = json.loads((site.statement(PRESS_ID, number) / "statement.json").read_bytes())
    return found


def amounts(statement: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Id, kind and amount of each line."""
    return [(line["id"], line["kind"], line["amount"]) for line in statement["lines"]]


def test_later_data_enters_the_next_statement_as_adjustments_of_its_own_period(corrected: Installation) -> None:
    """The first day stays as it was stated; the second carries what it should have been, named and traced."""
    first, second = document(corrected, 1), document(corrected, 2)
    # 6 of 24 h down: below 95 %, a quarter of 80.00. Later: down 6-12 and 21-24, of which 6-9 is waived: 15 of 21 h up.
    assert amounts(first) == [
        ("hire", "charge", "80.00"),
        ("strokes", "charge", "0.00"),
        ("uptime", "credit", "-20.00"),
    ]
    assert first["guarantees"][0]["percent"] == "75.0000"
    # Day two: 180 strokes, 100 included, 15 rolled over of the first day's 20: 65 at 0.50. It began in a fault.
    assert amounts(second) == [
        ("hire", "charge", "80.00"),
        ("strokes", "charge", "32.50"),
        ("uptime", "credit", "-20.00"),
    ]
    # The first day's lines are the same money; that it is not the same state is said, with its evidence.
    (restated,) = second["restated"]
    assert (restated["period"], restated["statement"]) == (first["period"]["name"], 1)
    assert restated["because"] == "2 later readings and 1 later event"
    assert second["adjustments"] == []
    assert corrected.run("statement", "show", PRESS_ID, 1).out.startswith(
        (corrected.statement(PRESS_ID, 1) / "statement.txt").read_text()
    )


async def test_a_correction_changes_balances_along_the_chain(corrected: Installation) -> None:
    """A stroke count found later on the first day leaves less to roll over, so the second day costs another sum."""
    async with corrected.serving() as gateway:
        await publish(corrected.port, [said(0, 23.5, strokes=1_090)])
        await until(lambda: distinct(gateway.stores, "press-1", "strokes") == 7)
    assert corrected.run("statement", "close", PRESS_ID).code == 0
    third = document(corrected, 3)
    days = [(FIRST + timedelta(days=day)).date().isoformat() for day in (0, 1)]
    assert [row["period"] for row in third["restated"]] == days
    # The first day used 90 and left 10; the second used 170: 170 - 100 - 10 = 60 at 0.50, where 32.50 was stated.
    (row,) = third["adjustments"]
    assert (row["period"], row["statement"], row["line"], row["was"], row["now"], row["amount"]) == (
        days[1], 2, "strokes", "32.50", "30.00", "-2.50",
    )  # fmt: skip
    assert ("strokes", "adjustment", "-2.50") in amounts(third)
    checked = fairmeter("verify", *files(corrected, 3))
    assert checked.code == 0, checked.out + checked.said


def files(site: Installation, number: int) -> Iterator[Path]:
    """What `verify` is given of a statement."""
    folder = site.statement(PRESS_ID, number)
    return iter((folder / "statement.json", folder / "evidence"))


def test_an_adjustment_verifies_and_an_altered_one_is_named(corrected: Installation) -> None:
    """Whoever holds the files computes the earlier day again; one digit in its evidence is found, part and line."""
    checked = fairmeter("verify", *files(corrected, 2))
    assert checked.code == 0, checked.out + checked.said
    name = document(corrected, 1)["period"]["name"]
    place = f"adjustments/{name}/readings/press-1/fault/{name}.csv.gz"
    part = corrected.statement(PRESS_ID, 2) / "evidence" / place
    text = gzip.decompress(part.read_bytes())
    lines = text.splitlines(keepends=True)
    lines[-1] = lines[-1].replace(b",1,", b",0,")
    part.write_bytes(gzip.compress(b"".join(lines)))
    found = fairmeter("verify", *files(corrected, 2))
    assert found.code == 1
    assert place in found.out + found.said
    assert f"line {len(lines)} was altered" in found.out + found.said


def test_a_dispute_ends_in_a_settlement_both_have_accepted(corrected: Installation) -> None:
    """One side offers, the other accepts; then it enters the next statement, once, with its reason."""
    name = document(corrected, 1)["period"]["name"]
    offer = ("--period", name, "--line", "hire", "--amount", "-12.50", "--reason", "Half a morning lost, as agreed")
    entered = corrected.run("event", PRESS_ID, "settlement", *offer, "--by", "R. Maes", "--side", "provider", "--json")
    assert entered.code == 0, entered.said
    offered = entered.json()["id"]
    accept = ("--of", offered, "--verdict", "accept", "--reason", "Fair", "--by", "J. Claes", "--side", "customer")
    assert corrected.run("event", PRESS_ID, "decision", *accept).code == 0
    assert corrected.run("statement", "close", PRESS_ID).code == 0
    assert ("hire", "settlement", "-12.50") in amounts(document(corrected, 3))
    assert "settlement" not in [kind for _, kind, _ in amounts(so_far(corrected))]
    checked = fairmeter("verify", *files(corrected, 3))
    assert checked.code == 0, checked.out + checked.said


def so_far(site: Installation) -> dict[str, Any]:
    """The statement so far."""
    shown = site.run("statement", "show", PRESS_ID, "--current", "--json")
    assert shown.code == 0, shown.said
    found: dict[str, Any] = shown.json()
    return found
