"""Later data: a final statement never changes, and original + adjustments = recomputation, always (semantics §8)."""

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.adjusting import CLOSING, adjusted, amounts_of, key_of
from contracts.compute import compute
from contracts.contract import read_contract
from contracts.table import read_table
from gateway.message import Message
from tests.gateway.history import DAY_MS, DAYS, HOUR_MS, START_MS, TERMS, History, history, random_messages
from tests.gateway.site import telemetry

Amounts = dict[tuple[str, Any], Decimal]


def lived(happened: History, seed: int) -> None:
    """Let everything arrive in its order, closing at random moments on the way, and at last for good."""
    chance = random.Random(seed)
    waiting = random_messages(seed)
    now = START_MS
    while waiting or now < START_MS + (DAYS + 6) * DAY_MS:
        now += chance.choice([3 * HOUR_MS, 11 * HOUR_MS, DAY_MS])
        arrived = [message for message in waiting if message.arrival_ms < now]
        waiting = waiting[len(arrived) :]
        happened.receive(*arrived)
        happened.close_all(now)


def paid(statements: list[dict[str, Any]]) -> Amounts:
    """What the parties know of each period's lines in the end: as stated, and every adjustment since."""
    found: Amounts = defaultdict(Decimal)
    for document in statements:
        for key, amount in amounts_of(document).items():
            found[document["period"]["name"], key] += amount
        for row in document["adjustments"]:
            found[row["period"], (row["line"], row["device"], row["kind"])] += Decimal(row["amount"])
    return {key: amount for key, amount in found.items() if amount}


def recomputed(happened: History) -> Amounts:
    """The same by one computation of each period from everything that ever arrived."""
    contract = read_contract(TERMS, "terms.yaml")
    lines = ["device,channel,time,value,arrival"]
    for batch in happened.site.journal.read():
        for message in batch.messages:
            kind, device = message.topic.split("/")
            if kind == "telemetry":
                said = json.loads(message.payload)
                lines += [f"{device},{c},{said['t']},{v},{message.arrival_ms}" for c, v in said["v"].items()]
    table = read_table("\n".join(lines) + "\n", "readings.csv")
    events = happened.site.store.contract_events("HIS-1")
    found: Amounts = {}
    for document in happened.statements():
        name = document["period"]["name"]
        if name != CLOSING:
            again = compute(contract, table, name, events=events)
            found |= {(name, key_of(line)): Decimal(line["amount"]) for line in again["lines"]}
    return {key: amount for key, amount in found.items() if amount}


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_original_and_adjustments_are_the_recomputation(seed: int) -> None:
    """Whatever comes late, each line as stated plus its adjustments is what all data together give."""
    with history() as happened:
        lived(happened, seed)
        statements = happened.statements()
        assert [document["number"] for document in statements] == list(range(1, len(statements) + 1))
        assert len([d for d in statements if d["period"]["name"] != CLOSING]) == DAYS
        assert paid(statements) == recomputed(happened)
        for document in statements:
            report = happened.verified(document)
            assert report.verified, [str(finding) for finding in report.findings][:5]


FIRST_OUTAGE = telemetry({"t": START_MS, "v": {"fault": 0, "count": 1}}, START_MS + 50, "m1")
OUT = telemetry({"t": START_MS + HOUR_MS, "v": {"fault": 1}}, START_MS + HOUR_MS + 50, "m1")
BACK = telemetry({"t": START_MS + 3 * HOUR_MS, "v": {"fault": 0}}, START_MS + 3 * HOUR_MS + 50, "m1")


def said(arrival_ms: int, **content: Any) -> Message:
    """What a person says of m1."""
    return Message("event/m1", json.dumps({"by": "Ann", **content}).encode(), arrival_ms)


def claim(arrival_ms: int) -> Message:
    """The provider's excuse for the outage."""
    span = {"start": START_MS + HOUR_MS, "end": START_MS + 3 * HOUR_MS}
    return said(arrival_ms, id="flood", type="force_majeure", side="provider", **span)


def contest(arrival_ms: int) -> Message:
    """The customer's word against it."""
    return said(arrival_ms, id="no", type="contested", of="flood", side="customer", t=arrival_ms)


def test_a_claim_that_comes_late_may_be_contested_until_the_statement_that_takes_it_in() -> None:
    """An excuse entered after the period was final changes nothing while the other side says no in time."""
    with history() as happened:
        happened.receive(FIRST_OUTAGE, OUT, BACK)
        happened.close_all(START_MS + DAY_MS + 3 * HOUR_MS)
        happened.receive(claim(START_MS + DAY_MS + 4 * HOUR_MS), contest(START_MS + DAY_MS + 5 * HOUR_MS))
        happened.close_all(START_MS + 2 * DAY_MS + 3 * HOUR_MS)
        first, second = happened.statements()
        assert first["guarantees"][0]["excused_ms"] == 0
        assert second["adjustments"] == []


def test_a_contest_after_the_statement_that_took_the_claim_in_changes_nothing() -> None:
    """What is final is disputed by a settlement; a contest that comes too late moves no money."""
    with history() as happened:
        happened.receive(FIRST_OUTAGE, OUT, BACK)
        happened.close_all(START_MS + DAY_MS + 3 * HOUR_MS)
        happened.receive(claim(START_MS + DAY_MS + 4 * HOUR_MS))
        happened.close_all(START_MS + 2 * DAY_MS + 3 * HOUR_MS)
        assert {row["line"] for row in happened.statements()[1]["adjustments"]} >= {"uptime"}
        happened.receive(contest(START_MS + 2 * DAY_MS + 4 * HOUR_MS))
        happened.close_all(START_MS + 3 * DAY_MS + 3 * HOUR_MS)
        assert happened.statements()[2]["adjustments"] == []


def test_what_is_said_after_the_correction_window_corrects_nothing() -> None:
    """An event is later data like a reading: beyond `corrections` it is refused, and no period is computed again."""
    with history() as happened:
        happened.receive(FIRST_OUTAGE, OUT, BACK)
        happened.close_all(START_MS + 4 * DAY_MS)
        happened.receive(claim(START_MS + 3 * HOUR_MS + 4 * DAY_MS + 1))
        assert happened.site.store.contract_events("HIS-1") == []
        happened.close_all(START_MS + 5 * DAY_MS)
        assert [row for document in happened.statements() for row in document["adjustments"]] == []


def test_an_adjustment_altered_and_signed_again_is_found() -> None:
    """Whoever holds the statements before computes each adjustment again: another sum, or one left out, is named."""
    with history() as happened:
        happened.receive(FIRST_OUTAGE, OUT, BACK)
        happened.close_all(START_MS + DAY_MS + 3 * HOUR_MS)
        happened.receive(claim(START_MS + DAY_MS + 4 * HOUR_MS))
        happened.close_all(START_MS + 2 * DAY_MS + 3 * HOUR_MS)
        second = happened.statements()[1]
        assert happened.verified(second).verified
        for forged in forgeries(second):
            report = happened.verified(happened.closer.signer.sign(forged))
            assert any("adjustments" in finding.where for finding in report.findings), report.findings


def forgeries(statement: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The statement with another adjustment, consistent in itself: line and total follow."""
    row = statement["adjustments"][0]
    dearer = {**row, "was": str(Decimal(row["was"]) - 1), "amount": str(Decimal(row["amount"]) + 1)}
    for rows in ([], [dearer, *statement["adjustments"][1:]]):
        own = {**statement, "lines": [line for line in statement["lines"] if line["kind"] != "adjustment"]}
        yield adjusted(read_contract(TERMS, "terms.yaml").terms, own, rows, statement["restated"])
