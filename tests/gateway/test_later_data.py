"""Later data: a final statement never changes, and original + adjustments = recomputation, always (semantics §8)."""

import json
import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.adjusting import CLOSING, amounts_of, key_of
from contracts.compute import compute
from contracts.contract import read_contract
from contracts.table import read_table
from tests.gateway.history import DAY_MS, DAYS, HOUR_MS, START_MS, TERMS, History, history, random_messages

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
