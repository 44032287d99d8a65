"""How events stand between the two sides: stated, claimed, contested, accepted, discarded."""

from typing import Any

import pytest

from contracts.event_text import read_event
from contracts.events import MOMENTS, STRETCHES, Docket, Event
from contracts.periods import rfc3339
from tests.contracts.samples import HOUR, JANUARY, MINUTE


def told(kind: str, side: str, identity: str = "e", minute: int = 0, **more: Any) -> Event:
    """An event of the first hour of January."""
    at = rfc3339(JANUARY + minute * MINUTE)
    times = {"start": at, "end": rfc3339(JANUARY + HOUR)} if kind in STRETCHES else {"time": at}
    return read_event({"id": identity, "type": kind, "by": "Ann", "side": side, "entered": at, **times, **more})


def decided(side: str, verdict: str, minute: int) -> Event:
    """That side's word on the event `e`."""
    return told("decision", side, f"{side}-{minute}", minute, of="e", verdict=verdict, reason="looked at again")


def contested(side: str) -> Event:
    """That side's doubt of the event `e`."""
    return told("contested", side, f"doubt of {side}", 1, of="e")


@pytest.mark.parametrize("kind", [*STRETCHES, *(kind for kind in MOMENTS if kind != "meter_exchanged")])
def test_what_helps_its_own_author_is_a_claim(kind: str) -> None:
    """A reader of a statement sees which events are one side's word for its own good."""
    helps_provider = {"planned", "force_majeure", "excused", "access_refused", "arrived", "repaired"}
    helps_customer = {"breakdown", "serviced"}
    for side, helped in (("provider", helps_provider), ("customer", helps_customer)):
        event = told(kind, side)
        expected = f"claimed by {side}" if kind in helped else "stated"
        assert Docket.of([event]).standing(event) == expected
        assert Docket.of([event]).counts(event)


def test_a_contested_claim_counts_again_once_both_sides_accept_it() -> None:
    """One side's word settles nothing; both together do, and the latest word of each holds."""
    claim = told("excused", "provider")
    said = [claim, contested("customer")]
    assert Docket.of(said).standing(claim) == "contested"
    assert not Docket.of(said).counts(claim)
    said.append(decided("provider", "accept", 2))
    assert Docket.of(said).standing(claim) == "contested"
    said.append(decided("customer", "discard", 3))
    assert Docket.of(said).standing(claim) == "contested"
    said.append(decided("customer", "accept", 4))
    assert (Docket.of(said).standing(claim), Docket.of(reversed(said)).counts(claim)) == ("accepted", True)
    said += [decided("customer", "discard", 5), decided("provider", "discard", 6)]
    assert (Docket.of(said).standing(claim), Docket.of(said).counts(claim)) == ("discarded", False)


def test_nobody_contests_what_helps_the_other_side_not() -> None:
    """A doubt from the wrong side, or of what is no claim, changes nothing even where it slipped in."""
    own, remark = told("excused", "provider"), told("note", "provider")
    assert Docket.of([own, contested("provider")]).counts(own)
    assert Docket.of([remark, contested("customer")]).standing(remark) == "stated"


def test_a_settlement_stands_from_the_other_sides_acceptance() -> None:
    """Money that one side wrote down is not owed until the other has agreed, and enters when it did."""
    settlement = told("settlement", "provider", reason="x", period="2026-01", line="pages", amount="-5.00")
    assert Docket.of([settlement]).settled_at(settlement) is None
    assert Docket.of([settlement, decided("provider", "accept", 3)]).settled_at(settlement) is None
    agreed = Docket.of([settlement, decided("customer", "accept", 7)])
    assert agreed.settled_at(settlement) == JANUARY + 7 * MINUTE
    taken_back = Docket.of([*agreed.events, decided("customer", "discard", 9)])
    assert taken_back.settled_at(settlement) is None
