"""Register readings become steps: every rule of semantics §3, and what each protects a party from."""

from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.counter import (
    READ_ERROR,
    TOO_FAST,
    TOO_LOW,
    Announcements,
    Baseline,
    Counting,
    Flag,
    Register,
    Steps,
    cases,
    count_steps,
)
from tests.contracts.samples import series

TEN_A_SECOND = Fraction(10, 1000)
PLAIN = Register()
LIMITED = Register(rate=TEN_A_SECOND)
RESETS = Register(rate=TEN_A_SECOND, reset_below=Fraction(50))
WRAPS = Register(rate=TEN_A_SECOND, width=1000)


@dataclass(slots=True)
class Outcome:
    """What became of a register's readings: (from, to, ticks) of each step, (time, ticks, reason) of each flag."""

    steps: list[tuple[int, int, int]] = field(default_factory=list)
    flags: list[tuple[int, int, str]] = field(default_factory=list)
    total: int = 0
    state: Counting = field(default_factory=Counting)
    raised: list[Flag] = field(default_factory=list)


def counted(
    register: Register,
    values: dict[int, int],
    *,
    restarts: tuple[int, ...] = (),
    exchanges: tuple[int, ...] = (),
    state: Counting | None = None,
) -> Outcome:
    """Readings by seconds, put through the rules."""
    said = Announcements(tuple(second * 1000 for second in restarts), tuple(second * 1000 for second in exchanges))
    readings = series({second * 1000: ticks for second, ticks in values.items()})
    found: Steps = count_steps(register, state or Counting(), readings, said)
    starts, ends, ticks = (each.tolist() for each in found.arrays())
    steps = [(start // 1000, end // 1000, step) for start, end, step in zip(starts, ends, ticks, strict=True)]
    flags = [(flag.first // 1000, flag.ticks, flag.reason) for flag in found.flags]
    return Outcome(steps, flags, sum(ticks), found.state, found.flags)


def test_the_first_reading_bills_nothing() -> None:
    """A register that has run for years before the contract starts from what it shows."""
    found = counted(PLAIN, {0: 812_345})
    assert (found.steps, found.flags) == ([], [])
    assert found.state.baseline == Baseline(0, 812_345)


def test_a_step_belongs_to_the_later_readings_time() -> None:
    """What is the closing value of one period is the opening value of the next; nothing falls between."""
    first = counted(PLAIN, {0: 100, 10: 130})
    second = counted(PLAIN, {20: 150}, state=first.state)
    assert first.steps == [(0, 10, 30)]
    assert second.steps == [(10, 20, 20)]


@pytest.mark.parametrize(("step", "accepted"), [(100, True), (101, True), (102, False), (0, True)])
def test_a_step_is_plausible_up_to_max_rate_and_one_tick(step: int, accepted: bool) -> None:
    """Ten a second for ten seconds, and a tick for rounding: not one more."""
    found = counted(LIMITED, {0: 500, 10: 500 + step})
    assert found.total == (step if accepted else 0)
    assert found.flags == ([] if accepted else [(10, 500 + step, TOO_FAST)])


def test_a_spike_is_quarantined_and_counting_goes_on() -> None:
    """One absurd value costs nobody anything: the register goes on from where it was."""
    found = counted(LIMITED, {0: 500, 10: 9_999_999, 20: 560})
    assert found.steps == [(0, 20, 60)]
    assert found.flags == [(10, 9_999_999, TOO_FAST)]


def test_without_max_rate_any_rise_is_billed() -> None:
    """That is why `check` warns of it."""
    assert counted(PLAIN, {0: 500, 10: 9_999_999}).total == 9_999_499


def test_a_bad_zero_never_becomes_a_huge_recovery() -> None:
    """A register that reads 0 once and then what it was is not billed its whole history (rule 3, read error)."""
    found = counted(RESETS, {0: 100_000, 10: 0, 20: 100_050})
    assert found.steps == [(0, 20, 50)]
    assert found.flags == [(10, 0, READ_ERROR)]


def test_a_bad_zero_without_any_rule_for_resets_is_quarantined() -> None:
    """Where the terms name neither reset nor wrap, a lower value is never believed (rule 5)."""
    for register in (PLAIN, LIMITED):
        found = counted(register, {0: 100_000, 10: 0, 20: 100_050})
        assert found.steps == [(0, 20, 50)]
        assert found.flags == [(10, 0, TOO_LOW)]


def test_a_reset_is_billed_once_the_next_reading_confirms_it() -> None:
    """Low, then rising from there: the low value and the step after it count together, at the later time (rule 3b)."""
    found = counted(RESETS, {0: 100_000, 10: 20, 20: 90})
    assert found.steps == [(0, 20, 90)]
    assert found.flags == []


def test_equal_low_readings_go_on_waiting() -> None:
    """A machine that stands still after a reset is not an error; the next different reading decides (rule 3)."""
    found = counted(RESETS, {0: 100_000, 10: 20, 20: 20, 30: 20, 40: 60})
    assert found.steps == [(0, 40, 60)]
    assert found.flags == []


def test_a_reset_is_plausible_from_its_latest_occurrence_only() -> None:
    """After low readings at 10 s and 40 s, the rise must fit into the time since 40 s."""
    low = {0: 100_000, 10: 20, 40: 20}
    assert counted(RESETS, {**low, 50: 121}).total == 121
    assert counted(RESETS, {**low, 50: 122}).total == 0


def test_while_a_low_reading_waits_nothing_is_billed() -> None:
    """Neither party gains from a reading that may be an error; the state carries the question on."""
    found = counted(RESETS, {0: 100_000, 10: 20})
    assert (found.steps, found.flags) == ([], [])
    assert found.state.low is not None
    assert counted(RESETS, {20: 70}, state=found.state).steps == [(0, 20, 70)]


def test_a_still_lower_reading_takes_the_low_ones_place() -> None:
    """The first low one was an error then; the new one waits (rule 3c)."""
    found = counted(RESETS, {0: 100_000, 10: 40, 20: 5, 30: 60})
    assert found.steps == [(0, 30, 60)]
    assert found.flags == [(10, 40, READ_ERROR)]


def test_a_reading_that_neither_fits_is_quarantined_and_the_low_one_waits_on() -> None:
    """Too high from the low value, too low for the old baseline: set aside (rule 3d)."""
    found = counted(RESETS, {0: 100_000, 10: 20, 20: 5_000, 30: 150})
    assert found.steps == [(0, 30, 150)]
    assert found.flags == [(20, 5_000, TOO_LOW)]


def test_the_old_baseline_is_asked_before_the_low_value() -> None:
    """A reading that both would explain continues the old register: the cheaper of the two for the customer."""
    found = counted(RESETS, {0: 60, 10: 0, 20: 70})
    assert found.steps == [(0, 20, 10)]
    assert found.flags == [(10, 0, READ_ERROR)]


@pytest.mark.parametrize(("low", "waits"), [(49, True), (50, False)])
def test_only_a_value_below_reset_below_can_be_a_reset(low: int, waits: bool) -> None:
    """The limit itself is not below the limit."""
    found = counted(RESETS, {0: 100_000, 10: low})
    assert (found.state.low is not None) == waits
    assert found.flags == ([] if waits else [(10, low, TOO_LOW)])


def test_an_announced_restart_permits_a_reset() -> None:
    """With a new boot, a plausible low value is billed at once (rule 2)."""
    found = counted(RESETS, {0: 100_000, 10: 20, 20: 30}, restarts=(10,))
    assert found.steps == [(0, 10, 20), (10, 20, 10)]


def test_a_restart_does_not_prove_a_reset() -> None:
    """A register that survives a restart goes on as if nothing had been (rule 1 comes first)."""
    assert counted(RESETS, {0: 100, 10: 140}, restarts=(10,)).steps == [(0, 10, 40)]


def test_a_restart_between_two_readings_counts_for_the_next() -> None:
    """A device may say so before its register is read again."""
    assert counted(RESETS, {0: 100_000, 10: 20}, restarts=(4,)).steps == [(0, 10, 20)]


def test_after_a_restart_too_high_a_value_is_not_a_reset() -> None:
    """At or above `reset_below`, or faster than the register can run, it is set aside even after a restart."""
    assert counted(RESETS, {0: 100_000, 10: 50}, restarts=(5,)).flags == [(10, 50, TOO_LOW)]
    assert counted(LIMITED, {0: 100_000, 10: 102}, restarts=(5,)).flags == [(10, 102, TOO_LOW)]
    assert counted(LIMITED, {0: 100_000, 10: 101}, restarts=(5,)).total == 101


def test_a_restart_decides_a_waiting_reading_to_have_been_an_error() -> None:
    """A low value before the restart, a lower one after: the first was never the register (rule 2)."""
    found = counted(RESETS, {0: 100_000, 10: 40, 20: 20}, restarts=(15,))
    assert found.steps == [(0, 20, 20)]
    assert found.flags == [(10, 40, READ_ERROR)]


def test_a_restart_permits_one_reset_only() -> None:
    """Once a reading is accepted the announcement is used up; the next low value must wait again."""
    found = counted(RESETS, {0: 100_000, 10: 40, 20: 10}, restarts=(5,))
    assert found.steps == [(0, 10, 40)]
    assert found.state.low is not None


def test_a_new_meter_is_a_new_baseline_without_a_step() -> None:
    """An exchanged meter bills neither its own history nor its predecessor's."""
    found = counted(LIMITED, {0: 100_000, 10: 7, 20: 17}, exchanges=(5,))
    assert found.steps == [(10, 20, 10)]
    assert found.flags == []


def test_a_new_meter_that_shows_more_bills_nothing_either() -> None:
    """Even a plausible rise is another register's, and no step."""
    assert counted(PLAIN, {0: 100, 10: 900, 20: 903}, exchanges=(5,)).steps == [(10, 20, 3)]


def test_a_register_that_wraps_goes_on_around_its_end() -> None:
    """990 to 15 on a register of 1000 is 25 (rule 4)."""
    assert counted(WRAPS, {0: 990, 10: 15}).steps == [(0, 10, 25)]


@pytest.mark.parametrize(("value", "accepted"), [(91, True), (92, False)])
def test_a_wrap_must_be_plausible(value: int, accepted: bool) -> None:
    """990 to 92 would be 102 in ten seconds, one more than the register can run."""
    found = counted(WRAPS, {0: 990, 10: value})
    assert found.total == (101 if accepted else 0)


def test_a_low_reading_waits_even_where_the_register_can_wrap() -> None:
    """Rule 3 comes before rule 4: what may be a reset is decided by the next reading."""
    both = Register(rate=TEN_A_SECOND, reset_below=Fraction(50), width=1000)
    assert counted(both, {0: 990, 10: 15}).state.low is not None
    assert counted(both, {0: 990, 10: 60}).steps == [(0, 10, 70)]


def test_three_readings_that_explain_each_other_are_one_case() -> None:
    """A person decides once about a register that jumped and went on from there, not once a minute."""
    found = counted(LIMITED, {0: 100, 10: 9000, 20: 9050, 30: 9100, 40: 150})
    assert found.total == 50
    assert [len(case) for case in cases(found.raised)] == [3]
    assert max(flag.excess for flag in found.raised) == 9000


def test_two_or_unrelated_readings_are_cases_of_their_own() -> None:
    """Only three or more in a row, each plausible from the one before, are one case."""
    linked = Flag(0, 0, 1, 9000, 8900, TOO_FAST, linked=True)
    alone = Flag(0, 0, 1, 9000, 8900, TOO_FAST)
    assert [len(case) for case in cases([alone, linked])] == [1, 1]
    assert [len(case) for case in cases([alone, alone, alone])] == [1, 1, 1]
    assert [len(case) for case in cases([alone, linked, linked, alone])] == [3, 1]
    assert list(cases([])) == []


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(-60, 160)), min_size=1, max_size=30),
    st.sampled_from([PLAIN, LIMITED, RESETS, WRAPS]),
    st.sets(st.integers(1, 600), max_size=3),
)
def test_long_runs_taken_at_once_are_what_reading_by_reading_gives(
    moves: list[tuple[int, int]], register: Register, restarts: set[int]
) -> None:
    """The fast way and the rules one by one agree on every step, flag and state."""
    values, second, ticks = {0: 500}, 0, 500
    for seconds, change in moves:
        second, ticks = second + seconds, max(0, ticks + change)
        values[second] = ticks
    whole = counted(register, values, restarts=tuple(sorted(restarts)))
    piece = Outcome()
    times = sorted(values)
    for place, time in enumerate(times):
        before = times[place - 1] if place else -1
        said = tuple(sorted(each for each in restarts if before < each <= time))
        next_one = counted(register, {time: values[time]}, restarts=said, state=piece.state)
        piece = Outcome(
            piece.steps + next_one.steps, piece.flags + next_one.flags, piece.total + next_one.total, next_one.state
        )
    assert (whole.steps, whole.flags, whole.total) == (piece.steps, piece.flags, piece.total)
    assert (whole.state.baseline, whole.state.low) == (piece.state.baseline, piece.state.low)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=40))
def test_an_honest_register_is_billed_its_difference(rises: list[int]) -> None:
    """Whatever the steps, they add up to last minus first: exactly what the customer reads off the machine."""
    values, ticks = {0: 1000}, 1000
    for place, rise in enumerate(rises, start=1):
        ticks += rise
        values[place * 10] = ticks
    for register in (PLAIN, LIMITED, RESETS):
        assert counted(register, values).total == ticks - 1000


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(-200, 160)), min_size=1, max_size=30),
    st.sampled_from([LIMITED, RESETS, WRAPS]),
)
def test_nobody_is_ever_billed_more_than_the_register_can_run(moves: list[tuple[int, int]], register: Register) -> None:
    """Whatever a broken device reports, the sum is bounded by `max_rate` and the time, and no step is negative."""
    values, second, ticks = {0: 500}, 0, 500
    for seconds, change in moves:
        second, ticks = second + seconds, max(0, ticks + change)
        values[second] = ticks
    found = counted(register, values)
    assert all(step >= 0 for _, _, step in found.steps)
    # A confirmed reset bills the low value and the step from it: that value, below 50, is not bounded by the time.
    resets = len(found.steps) * 50 if register.reset_below else 0
    assert found.total <= second * 10 + len(found.steps) + resets
