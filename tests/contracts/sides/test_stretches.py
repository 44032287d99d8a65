"""Sets of time against the same sets as plain collections of milliseconds."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from contracts.periods import Span
from contracts.sides.stretches import Stretches, first_ms, length_ms, overlap, united, without

SPANS = st.lists(st.builds(Span, st.integers(0, 40), st.integers(0, 40)), max_size=8)
SETS = SPANS.map(united)


@st.composite
def pieces(draw: st.DrawFn) -> Stretches:
    """Disjoint stretches in order, of which some touch."""
    edges = draw(st.lists(st.integers(0, 40), unique=True, max_size=12).map(sorted))
    return tuple(Span(start, end) for start, end in pairwise(edges) if draw(st.booleans()))


def moments(stretches: Stretches) -> set[int]:
    """Every millisecond in a set."""
    return {at for span in stretches for at in range(span.start, span.end)}


def checked(stretches: Stretches) -> set[int]:
    """The milliseconds of a set that is as a set of time must be: in order, apart, nothing empty."""
    assert all(span.start < span.end for span in stretches)
    assert all(one.end <= other.start for one, other in pairwise(stretches))
    assert length_ms(stretches) == len(moments(stretches))
    return moments(stretches)


@given(SPANS)
def test_time_covered_twice_counts_once(spans: list[Span]) -> None:
    """Overlapping excuses excuse no more than their union, and stretches that touch are one."""
    together = united(spans)
    assert checked(together) == moments(tuple(spans))
    assert all(one.end < other.start for one, other in pairwise(together))


@given(pieces(), pieces())
def test_an_overlap_is_what_is_in_both(one: Stretches, other: Stretches) -> None:
    """Downtime inside an excuse is exactly the time that is both."""
    assert checked(overlap(one, other)) == moments(one) & moments(other)
    edges = {edge for span in (*one, *other) for edge in (span.start, span.end)}
    assert all({span.start, span.end} <= edges for span in overlap(one, other))


@given(pieces(), pieces())
def test_what_is_taken_away_is_gone_and_nothing_else(one: Stretches, other: Stretches) -> None:
    """Unexcused downtime and excused downtime are together the downtime."""
    rest = without(one, other)
    assert checked(rest) == moments(one) - moments(other)
    assert length_ms(rest) + length_ms(overlap(one, other)) == length_ms(one)


@given(pieces(), st.integers(-3, 50))
def test_an_allowance_is_used_up_in_order_of_time(stretches: Stretches, most_ms: int) -> None:
    """Planned work excuses the first so many milliseconds, to the millisecond."""
    assert checked(first_ms(stretches, most_ms)) == set(sorted(moments(stretches))[: max(0, most_ms)])


@given(SETS, SETS, SETS)
def test_sets_of_time_obey_the_laws_of_sets(one: Stretches, two: Stretches, three: Stretches) -> None:
    """It does not matter in which order excuses are put together."""
    assert united((*one, *two)) == united((*two, *one))
    assert overlap(one, two) == overlap(two, one)
    assert overlap(overlap(one, two), three) == overlap(one, overlap(two, three))
    assert without(one, united((*two, *three))) == without(without(one, two), three)


def test_long_lists_take_no_more_than_their_length() -> None:
    """A month in which the machine stopped every minute is set against as many excuses at once."""
    minutes = tuple(Span(at, at + 30) for at in range(0, 60 * 40_000, 60))
    halves = tuple(Span(at + 15, at + 45) for at in range(0, 60 * 40_000, 60))
    assert length_ms(overlap(minutes, halves)) == length_ms(without(minutes, halves)) == 15 * 40_000
