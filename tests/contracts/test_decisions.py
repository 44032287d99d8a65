"""What people decide of readings set aside, and say of exchanged meters: the bill is another from there on."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.compute import compute
from contracts.contract import Contract
from contracts.counter import (
    ACCEPTED,
    DISCARDED,
    NOT_READ_OUT,
    READ_ERROR,
    READ_OUT,
    TOO_FAST,
    Announcements,
    Counting,
    Register,
    cases,
    count_steps,
)
from contracts.events import Docket
from contracts.readings import Decision
from contracts.sides.told import Exchange, MeterId, Told, changed_moments, told_of
from tests.contracts.samples import HOUR, JANUARY, contract, csv, ms, series
from tests.contracts.sides.promised import told

RATE = Fraction(10, 1000)
LIMITED = Register(rate=RATE)
RESETS = Register(rate=RATE, reset_below=Fraction(50))
WRAPS = Register(rate=RATE, width=1000)


@dataclass(frozen=True, slots=True)
class Found:
    """What a register's readings gave: (from, to, ticks) of each step, and of breaks and flags the time and reason."""

    steps: list[tuple[int, int, int]]
    flags: list[tuple[int, str]]
    breaks: list[tuple[int, int, str]]
    cases: int
    state: Counting


def counted(
    register: Register,
    values: dict[int, int],
    decided: dict[int, bool] | None = None,
    exchanged: dict[int, tuple[int, int]] | None = None,
) -> Found:
    """Readings by seconds, put through the rules with what people said: accepted or not, or (old, new) registers."""
    decisions = tuple(Decision(second * 1000, accepted) for second, accepted in (decided or {}).items())
    exchanges = tuple(Exchange(second * 1000, "p", *read) for second, read in (exchanged or {}).items())
    said = Announcements((), (), exchanges, decisions)
    found = count_steps(register, Counting(), series({second * 1000: ticks for second, ticks in values.items()}), said)
    starts, ends, ticks = (each.tolist() for each in found.arrays())
    return Found(
        [(start // 1000, end // 1000, step) for start, end, step in zip(starts, ends, ticks, strict=True)],
        [(flag.first // 1000, flag.reason) for flag in found.flags],
        [(each.time // 1000, each.counted, each.reason) for each in found.breaks],
        len(list(cases(found.flags))),
        found.state,
    )


JUMP = {0: 100, 10: 9_000, 20: 9_050, 30: 9_100}


def test_undecided_a_jump_is_one_case_and_bills_nothing() -> None:
    """Three readings that explain each other are put before a person once."""
    found = counted(LIMITED, JUMP)
    assert (found.steps, found.cases) == ([], 1)
    assert found.flags == [(10, TOO_FAST), (20, TOO_FAST), (30, TOO_FAST)]


def test_accepting_a_higher_value_bills_its_step() -> None:
    """The register really ran so far; what follows is judged from there, so the case is decided as a whole."""
    found = counted(LIMITED, JUMP, {10: True})
    assert found.steps == [(0, 10, 8_900), (10, 20, 50), (20, 30, 50)]
    assert (found.flags, found.cases, found.breaks) == ([], 0, [(10, 8_900, ACCEPTED)])


def test_accepting_a_lower_value_makes_it_the_baseline_and_bills_nothing() -> None:
    """A register set back by hand: from there it counts on."""
    found = counted(LIMITED, {0: 9_000, 10: 200, 20: 230}, {10: True})
    assert (found.steps, found.flags) == ([(10, 20, 30)], [])
    assert found.breaks == [(10, 0, ACCEPTED)]


def test_discarding_is_as_if_it_had_never_come() -> None:
    """Counting goes on from the old baseline, and nobody is asked again."""
    found = counted(LIMITED, {0: 100, 10: 9_000, 20: 150}, {10: False})
    assert found.steps == counted(LIMITED, {0: 100, 20: 150}).steps == [(0, 20, 50)]
    assert (found.flags, found.cases) == ([(10, DISCARDED)], 0)


def test_accepting_the_middle_of_a_case_leaves_the_rest_to_the_rules() -> None:
    """The first jump stays set aside; from the accepted one on the register counts."""
    found = counted(LIMITED, JUMP, {20: True})
    assert found.steps == [(0, 20, 8_950), (20, 30, 50)]
    assert found.flags == [(10, TOO_FAST)]


def test_a_waiting_low_reading_can_be_accepted() -> None:
    """A person knows that it was set back: it waits for no further proof."""
    found = counted(RESETS, {0: 9_000, 10: 20, 20: 45}, {10: True})
    assert (found.steps, found.flags) == ([(10, 20, 25)], [])


def test_a_waiting_low_reading_can_be_discarded() -> None:
    """Then it is no reset, and what follows is judged from the old baseline."""
    found = counted(RESETS, {0: 9_000, 10: 20, 20: 9_010}, {10: False})
    assert (found.steps, found.flags) == ([(0, 20, 10)], [(10, DISCARDED)])


def test_accepting_while_another_waits_shows_that_one_to_be_an_error() -> None:
    """Low, then a jump that a person accepts: the low one was never the register."""
    found = counted(RESETS, {0: 100, 10: 20, 20: 5_000}, {20: True})
    assert (found.steps, found.flags) == ([(0, 20, 4_900)], [(10, READ_ERROR)])


@pytest.mark.parametrize("accepted", [True, False])
def test_a_decision_about_a_good_reading_changes_nothing(accepted: bool) -> None:
    """Only what was set aside is a person's to decide; a wrap that the register's width explains is not."""
    assert counted(LIMITED, {0: 100, 10: 150}, {10: accepted}) == counted(LIMITED, {0: 100, 10: 150})
    assert counted(WRAPS, {0: 990, 10: 15}, {10: accepted}) == counted(WRAPS, {0: 990, 10: 15})


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(-60, 600)), min_size=1, max_size=12),
    st.sampled_from([LIMITED, RESETS, WRAPS]),
    st.data(),
)
def test_a_discarded_reading_might_as_well_not_have_come(
    moves: list[tuple[int, int]], register: Register, data: st.DataObject
) -> None:
    """Where a reading was set aside at once, discarding it gives the steps of a register that never sent it."""
    values, second, ticks = {0: 500}, 0, 500
    for seconds, change in moves:
        second, ticks = second + seconds, max(0, ticks + change)
        values[second] = ticks
    flagged = [when for when, reason in counted(register, values).flags if reason == TOO_FAST]
    if not flagged:
        return
    gone = data.draw(st.sampled_from(flagged))
    without = {when: value for when, value in values.items() if when != gone}
    assert counted(register, values, {gone: False}).steps == counted(register, without).steps


def test_an_exchanged_meter_bills_the_old_ones_last_step_and_starts_from_the_new() -> None:
    """950 to 990 on the old one is billed; the new one begins at 7, not at 950."""
    found = counted(LIMITED, {0: 950, 20: 17, 30: 30}, exchanged={10: (990, 7)})
    assert found.steps == [(0, 10, 40), (10, 20, 10), (20, 30, 13)]
    assert found.breaks == [(10, 40, READ_OUT)]


def test_an_old_register_that_cannot_be_right_bills_nothing() -> None:
    """A closing register below the last reading, or beyond what the meter can run, is a slip of the pen."""
    for old in (900, 5_000):
        found = counted(LIMITED, {0: 950, 20: 17}, exchanged={10: (old, 7)})
        assert found.steps == [(10, 20, 10)]
        assert found.breaks == [(10, 0, NOT_READ_OUT)]


# --- as a statement shows them --------------------------------------------------------------------------------------


def limited(**head: str) -> Contract:
    """A register that runs at most 100 pages an hour."""
    body = "channels: {pages: {unit: page}}\nmeters: {pages: {counter: pages, max_rate: 100/h}}\n"
    return contract(f"{body}charges: [{{id: pages, meter: pages, price: {{per_unit: 1.00}}}}]", **head)


def decision(hour: int, verdict: str, more: str = "") -> str:
    """A decision about the reading of an hour of January."""
    time = JANUARY + hour * HOUR
    said = f"type: decision, device: m1, channel: pages, time: {time}, verdict: {verdict}"
    return f"- {{ {said}{more}, by: Ann, side: provider, reason: seen, entered: @01-20T00:00 }}\n"


def billed(lines: list[tuple[int, int]], events: str, agreed: Contract | None = None) -> dict[str, Any]:
    """The statement of January from (hour, value)."""
    agreed = agreed or limited()
    table = csv("".join(f"m1,pages,{JANUARY + hour * HOUR},{value}\n" for hour, value in lines))
    return compute(agreed, table, "2026-01", events=told(agreed.terms, events))


def test_a_conflicts_second_value_can_be_put_in_place_of_the_first() -> None:
    """Until somebody decides the first stands, and the second is listed; then it is the other way round."""
    lines = [(0, 0), (1, 10), (1, 40), (2, 50)]
    before, after = billed(lines, "[]"), billed(lines, decision(1, "accept", ", value: 40"))
    assert [each["disposition"] for each in before["review"]] == ["conflicting"]
    assert after["review"] == []
    assert [each["usage"][0]["counts"]["conflicting"] for each in (before, after)] == [1, 1]
    assert before["total"] == after["total"] == "50.00"
    at_the_end = billed(lines[:3], decision(1, "accept", ", value: 40"))
    assert (billed(lines[:3], "[]")["total"], at_the_end["total"]) == ("10.00", "40.00")


def test_a_discarded_conflict_is_listed_no_more() -> None:
    """The first value stands for good."""
    statement = billed([(0, 0), (1, 10), (1, 40)], decision(1, "discard"))
    assert (statement["review"], statement["total"]) == ([], "10.00")


def test_a_reading_refused_for_its_clock_can_be_accepted() -> None:
    """Ten minutes ahead of its arrival it is kept aside; a person lets it stand."""
    arrival = JANUARY + HOUR - 10 * 60_000
    text = (
        f"device,channel,time,value,arrival\nm1,pages,{JANUARY},0,{JANUARY}\nm1,pages,{JANUARY + HOUR},60,{arrival}\n"
    )
    agreed = limited()
    totals = [
        compute(agreed, csv(text), "2026-01", events=told(agreed.terms, events))["total"]
        for events in ("[]", decision(1, "accept"), decision(1, "discard"))
    ]
    assert totals == ["0.00", "60.00", "0.00"]


def test_the_last_word_on_a_reading_holds() -> None:
    """Accepted, and a day later discarded: discarded, in whatever order the file has them."""
    lines, later = [(0, 0), (1, 5_000), (2, 30)], decision(1, "discard").replace("01-20", "01-21")
    for events in (decision(1, "accept") + later, later + decision(1, "accept")):
        assert billed(lines, events)["total"] == "30.00"
    assert billed(lines, decision(1, "accept"))["total"] == "5000.00"


def test_an_accepted_jump_is_a_break_on_the_statement() -> None:
    """Who accepted it stands among the events, and what was counted beside the meter."""
    statement = billed([(0, 0), (1, 5_000)], decision(1, "accept"))
    (found,) = statement["usage"][0]["breaks"]
    assert (found["counted"], found["reason"]) == ("5000", ACCEPTED)
    assert [(each["type"], each["by"]) for each in statement["events"]] == [("decision", "Ann")]
    assert statement["review"] == []


EXCHANGED = "- { type: meter_exchanged, device: m1, time: @01-01T02:00, old: 55, new: 7, by: Ann, side: provider }\n"


def test_a_person_explains_the_new_meter_id_nearest_to_it() -> None:
    """What the device announced within a day of it is the same exchange, at the device's own moment."""
    terms = limited().terms
    docket = Docket.of(told(terms, EXCHANGED))
    ids = [MeterId(ms(f"2026-01-{moment}Z"), "K2", "K1") for moment in ("01T03:00", "01T12:00", "04T00:00")]
    found = told_of(terms, docket, "m1", ids)
    assert [each.time for each in found.exchanges] == [ids[0].time]
    assert found.meter_ids == (ids[1].time, ids[2].time)
    alone = told_of(terms, docket, "m1", ids[2:])
    assert [each.time for each in alone.exchanges] == [JANUARY + 2 * HOUR]
    assert (alone.exchanges[0].old, alone.exchanges[0].new) == (55, 7)


def test_an_exchange_bills_across_both_meters() -> None:
    """40 to 55 on the old one, 7 to 20 on the new: 28 pages."""
    statement = billed([(1, 40), (3, 20)], EXCHANGED)
    assert (statement["total"], statement["usage"][0]["closing"]) == ("28.00", "20")
    assert statement["usage"][0]["breaks"][0]["reason"] == READ_OUT


def test_what_changed_tells_from_when_on_a_device_is_metered_again() -> None:
    """The moments at which two accounts of a device differ, and none where they do not."""
    before = Told((5,), (), (10, 20), (), {"pages": (Decision(30, True), Decision(40, False))})
    now = Told(
        (5, 6), (Exchange(8, "pages", 1, 2),), (10,), (25,), {"pages": (Decision(30, False), Decision(40, False))}
    )
    assert changed_moments(before, before) == set()
    assert changed_moments(before, now) == {6, 8, 20, 25, 30}
