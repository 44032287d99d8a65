"""How an event stands between the two sides, and from when on it changes what is owed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import CLAIMS, TYPES, Docket, Event, Side
from contracts.periods import Span
from tests.contracts.sides.promised import amounts, figures, lived, promising, row

SIDES: tuple[Side, Side] = ("provider", "customer")


def event(kind: str, side: Side, **said: Any) -> Event:
    """An event of that kind, by that side, entered when it happened."""
    known: dict[str, Any] = {"id": "e", "start": 100, "end": 200, "by": "Ann", "entered": 100, **said}
    return Event(type=kind, side=side, **known)


def reply(kind: str, side: Side, entered: int, verdict: str | None = None) -> Event:
    """What a side says of the event `e`."""
    identity = f"{kind}-{side}-{entered}"
    return event(kind, side, id=identity, of="e", start=entered, end=entered, entered=entered, verdict=verdict)


WORK = event("planned", "provider")


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("side", SIDES)
def test_what_helps_its_own_author_is_a_claim(kind: str, side: Side) -> None:
    """Everything else is stated, and counts as it is; a claim counts too, and says whose it is."""
    said = event(kind, side)
    docket = Docket.of([said])
    assert docket.standing(said) == (f"claimed by {side}" if kind in CLAIMS[side] else "stated")
    assert docket.counts(said)


@pytest.mark.parametrize(
    ("replies", "standing", "counts"),
    [
        ([], "claimed by provider", True),
        ([("contested", "customer", 1, None)], "contested", False),
        ([("contested", "provider", 1, None)], "claimed by provider", True),
        ([("contested", "customer", 1, None), ("decision", "customer", 2, "accept")], "contested", False),
        ([("contested", "customer", 1, None), ("decision", "provider", 2, "accept")], "contested", False),
        (
            [("contested", "customer", 1, None), ("decision", "provider", 2, "accept"),
             ("decision", "customer", 3, "accept")], "accepted", True,
        ),
        (
            [("contested", "customer", 1, None), ("decision", "provider", 2, "discard"),
             ("decision", "customer", 3, "accept")], "contested", False,
        ),
        ([("decision", "provider", 2, "discard"), ("decision", "customer", 3, "discard")], "discarded", False),
        ([("decision", "customer", 3, "discard")], "claimed by provider", True),
        (
            [("decision", "provider", 2, "accept"), ("decision", "customer", 3, "accept"),
             ("decision", "customer", 9, "discard"), ("contested", "customer", 4, None)], "contested", False,
        ),
    ],
)  # fmt: skip
def test_a_contested_claim_counts_once_both_sides_accept_it(
    replies: list[tuple[str, Side, int, str | None]], standing: str, counts: bool
) -> None:
    """One side alone neither makes it stand nor takes it away; the latest word of each side holds."""
    said = [reply(*each) for each in replies]
    for order in (said, said[::-1]):
        docket = Docket.of([*order, WORK])
        assert (docket.standing(WORK), docket.counts(WORK)) == (standing, counts)


@given(st.permutations([WORK, *(reply("decision", side, at, "accept") for side in SIDES for at in (3, 5))]))
def test_the_order_in_which_events_arrive_changes_nothing(events: list[Event]) -> None:
    """A docket is the same however its file is sorted."""
    assert Docket.of(events) == Docket.of(sorted(events, key=lambda each: each.id))


def test_an_event_of_no_device_is_about_all() -> None:
    """Planned work on the whole site concerns each machine."""
    docket = Docket.of([WORK, event("planned", "provider", id="m2's", device="m2")])
    assert [each.id for each in docket.standing_of("m1", "planned")] == ["e"]
    assert [each.id for each in docket.standing_of("m2", "planned")] == ["e", "m2's"]
    assert docket.standing_of("m1", "excused") == ()


@pytest.mark.parametrize(
    ("span", "touches"), [((0, 100), False), ((0, 101), True), ((199, 300), True), ((200, 300), False)]
)
def test_a_period_has_the_events_that_reach_into_it_and_what_was_said_of_them(
    span: tuple[int, int], touches: bool
) -> None:
    """A contest entered months later still belongs to the work it is about."""
    contest = reply("contested", "customer", 10_000)
    found = Docket.of([WORK, contest]).touching(Span(*span))
    assert {each.id for each in found.events} == ({"e", contest.id} if touches else set())
    assert found.counts(WORK) != touches


def test_a_settlement_belongs_to_the_time_at_which_the_other_side_accepted_it() -> None:
    """Proposed in one period, accepted in another: it enters the statement of that one."""
    proposed = event("settlement", "provider", period="2026-01", line="rent", end=100)
    accepted = reply("decision", "customer", 500, "accept")
    own = reply("decision", "provider", 300, "accept")
    assert Docket.of([proposed]).settled_at(proposed) is None
    assert Docket.of([proposed, own]).settled_at(proposed) is None
    docket = Docket.of([proposed, own, accepted])
    assert docket.settled_at(proposed) == 500
    assert [bool(docket.touching(Span(*span)).events) for span in ((0, 500), (500, 501))] == [False, True]


# --- planned work, as it is entered and contested -------------------------------------------------------------------

AGREED = promising(
    "guarantees: [{id: uptime, available_when: {channel: up, is: 1}, target: 99.5, unknown: excluded, "
    "planned: {allowance: 4h, notice: 48h}, credits: {tiers: [{below: 99.5, percent: 10}], of: [rent]}}]"
)
DOWN = {"up": {"01-01T00:00": 1, "01-10T08:00": 0, "01-10T14:00": 1}}


def planned(entered: str, more: str = "", start: str = "01-10T08:00", end: str = "01-10T14:00", name: str = "w") -> str:
    """Planned work on the machine."""
    when = f"start: @{start}, end: @{end}, entered: @{entered}"
    return f"- {{ id: {name}, type: planned, device: m1, {when}, by: Ann, side: provider{more} }}\n"


def said_of(kind: str, side: str, more: str = "") -> str:
    """What a side says of that work."""
    return f"- {{ type: {kind}, of: w, time: @01-12T00:00, by: {side}, side: {side}, reason: as agreed{more} }}\n"


ACCEPT, CONTEST = ", verdict: accept", said_of("contested", "customer")


@pytest.mark.parametrize(
    ("events", "excused"),
    [
        (planned("01-08T08:00"), 4),  # exactly 48 hours ahead, up to the allowance
        (planned("01-08T08:00:00.001"), 0),  # a millisecond late
        (planned("01-09T00:00", ", announced: @01-07T00:00"), 0),  # announced in time, but only the provider says so
        (planned("01-09T00:00", ", announced: @01-07T00:00") + said_of("decision", "provider", ACCEPT), 0),
        (planned("01-09T00:00", ", announced: @01-07T00:00") + said_of("decision", "customer", ACCEPT), 4),
        (planned("01-09T00:00", ", announced: @01-08T09:00") + said_of("decision", "customer", ACCEPT), 0),
        (planned("01-01T00:00") + CONTEST, 0),
        (planned("01-01T00:00") + CONTEST + said_of("decision", "provider", ACCEPT), 0),
        (
            planned("01-01T00:00")
            + CONTEST
            + said_of("decision", "provider", ACCEPT)
            + said_of("decision", "customer", ACCEPT),
            4,
        ),
        (planned("01-01T00:00", end="01-10T09:30"), 1.5),
        (planned("01-01T00:00", start="01-10T13:00", end="01-10T20:00"), 1),  # worked during the rest: that is up
        (planned("01-01T00:00", end="01-10T10:00") + planned("01-01T00:00", start="01-10T09:00", name="v"), 4),
    ],
)
def test_planned_work_excuses_what_was_entered_in_time_and_stands(events: str, excused: float) -> None:
    """Six hours down, four of them allowed for planned work that was announced two days ahead."""
    statement = lived(AGREED, DOWN, events)
    assert figures(row(statement, "uptime")) == [744 - excused, excused, 6 - excused, 0]
    # 3.72 of 744 hours down are allowed; less with less agreed.
    assert bool(amounts(statement, "credit")) == (6 - excused > (744 - excused) * 0.005)


def test_the_allowance_is_used_in_order_of_time_also_by_what_is_excused_otherwise() -> None:
    """Four hours from 8:00 on; the flood of the first two uses them too, and is the second reason there."""
    flood = "- { id: f, type: force_majeure, start: @01-10T08:00, end: @01-10T10:00, by: A, side: provider }\n"
    found = row(lived(AGREED, DOWN, planned("01-01T00:00") + flood), "uptime")
    assert [(each["start"][11:16], each["state"], each["reason"]) for each in found["intervals"]] == [
        ("08:00", "excused", "force_majeure:f, planned:w"),
        ("10:00", "excused", "planned:w"),
        ("12:00", "down", None),
    ]


def test_the_statement_shows_each_event_and_how_it_stands() -> None:
    """A contested event is listed with the contest, and counts for nothing."""
    events = lived(AGREED, DOWN, planned("01-01T00:00") + CONTEST)["events"]
    assert [(each["type"], each["standing"], each["counts"], each["of"]) for each in events] == [
        ("planned", "contested", False, None), ("contested", "stated", True, "w"),
    ]  # fmt: skip
