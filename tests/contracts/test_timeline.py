"""What held when: three-valued logic over time, with nothing lost and nothing counted twice."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.periods import Span
from contracts.timeline import (
    FALSE,
    TRUE,
    UNKNOWN,
    Timeline,
    conjunction,
    constant,
    disjunction,
    negation,
    only_long,
    track,
)
from tests.contracts.samples import series

SPAN = Span(1000, 1100)
MOMENTS = np.arange(SPAN.start, SPAN.end, dtype=np.int64)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Draw a timeline of the span, equal neighbours included."""
    starts = sorted({SPAN.start, *draw(st.lists(st.integers(SPAN.start, SPAN.end - 1), max_size=12))})
    states = draw(st.lists(st.sampled_from([FALSE, UNKNOWN, TRUE]), min_size=len(starts), max_size=len(starts)))
    return Timeline(SPAN, np.array(starts, np.int64), np.array(states, np.int8))


def every_ms(timeline: Timeline) -> list[int]:
    """The state at each millisecond of the span."""
    return [int(state) for state in timeline.at(MOMENTS)]


@given(st.lists(timelines(), min_size=1, max_size=4))
def test_all_any_and_not_obey_de_morgan(parts: list[Timeline]) -> None:
    """Whether a contract says `not any` or `all not`, it means the same, unknown time included."""
    not_any = negation(disjunction(parts))
    all_not = conjunction([negation(part) for part in parts])
    assert every_ms(not_any) == every_ms(all_not)


@given(timelines(), timelines())
def test_unknown_and_false_is_false(one: Timeline, other: Timeline) -> None:
    """At each millisecond, `all` is the least certain truth and `any` the greatest (semantics §4)."""
    pairs = list(zip(every_ms(one), every_ms(other), strict=True))
    assert every_ms(conjunction([one, other])) == [min(pair) for pair in pairs]
    assert every_ms(disjunction([one, other])) == [max(pair) for pair in pairs]
    assert every_ms(negation(one)) == [{FALSE: TRUE, UNKNOWN: UNKNOWN, TRUE: FALSE}[state] for state, _ in pairs]


@given(timelines(), timelines())
def test_a_timeline_divides_its_span(one: Timeline, other: Timeline) -> None:
    """True, false and unknown time add up to the whole, after any combination."""
    for timeline in (one, one.merged(), conjunction([one, other]), only_long(one, 7, None)):
        assert sum(timeline.time_in(state) for state in (FALSE, UNKNOWN, TRUE)) == SPAN.length_ms
        assert (timeline.lengths() > 0).all()
        assert timeline.starts[0] == SPAN.start


@given(timelines())
def test_time_until_a_moment_is_the_time_before_it(timeline: Timeline) -> None:
    """Shares of a counter's step are measured to the millisecond, at the very end of the span too."""
    states = every_ms(timeline)
    moments = np.arange(SPAN.start, SPAN.end + 1, dtype=np.int64)
    for state in (FALSE, UNKNOWN, TRUE):
        counted = [states[: moment - SPAN.start].count(state) for moment in moments.tolist()]
        assert timeline.time_until(state, moments).tolist() == counted


@given(timelines(), st.integers(1, 60), st.one_of(st.none(), st.integers(900, 999)))
def test_for_keeps_a_long_run_from_its_start_and_drops_a_short_one(
    timeline: Timeline, least_ms: int, since: int | None
) -> None:
    """A run of true counts from its first millisecond if it lasts, and not at all if it does not; unknown ends it."""
    states = every_ms(timeline)
    expected, start = list(states), 0
    while start < len(states):
        end = start
        while end < len(states) and states[end] == states[start]:
            end += 1
        length = end - start + (SPAN.start - since if start == 0 and since is not None else 0)
        if states[start] == TRUE and length < least_ms:
            expected[start:end] = [FALSE] * (end - start)
        start = end
    assert every_ms(only_long(timeline, least_ms, since)) == expected


@given(
    st.dictionaries(st.integers(900, 1150), st.integers(-5, 5), max_size=12),
    st.one_of(st.none(), st.integers(1, 80)),
)
def test_a_value_holds_until_the_next_reading_at_most_its_hold(values: dict[int, int], hold_ms: int | None) -> None:
    """After `max_hold` a channel is unknown; only readings make it known (semantics §3)."""
    before = max((time for time in values if time < SPAN.start), default=None)
    held = None if before is None else (before, values[before])
    found = track(series({t: v for t, v in values.items() if t >= SPAN.start}), held, SPAN, hold_ms)
    known = Timeline(SPAN, found.starts, np.where(found.known, TRUE, UNKNOWN).astype(np.int8))
    for ms in MOMENTS.tolist():
        last = max((time for time in values if time <= ms), default=None)
        is_known = last is not None and (hold_ms is None or ms < last + hold_ms)
        place = int(np.searchsorted(found.starts, ms, side="right")) - 1
        assert bool(found.known[place]) == is_known
        if is_known and last is not None:
            assert found.ticks[place] == values[last]
    assert known.time_in(TRUE) + known.time_in(UNKNOWN) == SPAN.length_ms


def test_a_constant_is_the_same_throughout() -> None:
    """A meter without `only_when` counts all of its time."""
    assert constant(SPAN, TRUE).time_in(TRUE) == SPAN.length_ms
