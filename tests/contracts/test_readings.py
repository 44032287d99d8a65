"""Readings: exact ticks, one value for each moment, and a clock that is believed only within limits."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.readings import (
    MAX_TICKS,
    Clock,
    Counts,
    Disposition,
    decimal_texts,
    exact_ticks,
    judge,
    lateness,
    to_ticks,
)
from tests.contracts.samples import DAY, MINUTE, columns, terms

RESOLUTIONS = [
    Decimal(text) for text in ("0.001", "0.01", "0.1", "0.125", "0.25", "0.5", "1", "2", "3", "7", "10", "60")
]
CLOCK = Clock(5 * MINUTE, 90 * DAY)


def rule(value: Any, resolution: Decimal) -> int | None:
    """The rule of semantics §1 in decimals of many digits, written without regard to speed."""
    with localcontext(Context(prec=900)):
        decimal = Decimal(value) if isinstance(value, str) else Decimal(repr(value))
        ticks = int((decimal / resolution).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
    return ticks if abs(ticks) <= 2**53 else None


@given(st.floats(-1e15, 1e15), st.sampled_from(RESOLUTIONS))
@example(0.145, Decimal("0.01"))
@example(2.675, Decimal("0.01"))
@example(1.005, Decimal("0.01"))
@example(0.5, Decimal(1))
@example(1.5, Decimal(1))
@example(-0.5, Decimal(1))
@example(5e-324, Decimal("0.001"))
@example(2.0**53 / 1000, Decimal("0.001"))
def test_the_fast_path_gives_what_the_decimal_rule_gives(value: float, resolution: Decimal) -> None:
    """A double is the decimal number it prints as; no reading is a tick off because it was computed quickly."""
    ticks, refused = to_ticks([value], resolution)
    assert (None if refused[0] else int(ticks[0])) == rule(value, resolution)


@given(st.integers(-(2**40), 2**40), st.sampled_from(RESOLUTIONS), st.sampled_from(["", "5", "49999", "50001"]))
def test_halves_go_to_the_even_tick(whole: int, resolution: Decimal, more: str) -> None:
    """Values at, just below and just above the middle between two ticks go where the rule says, as text or double."""
    middle = (Decimal(whole) + Decimal(f"0.{more or 0}")) * resolution
    assert int(to_ticks([str(middle)], resolution)[0][0]) == rule(str(middle), resolution)
    assert int(to_ticks([float(middle)], resolution)[0][0]) == rule(float(middle), resolution)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=15, min_value=-(10**12), max_value=10**12))
def test_a_text_is_taken_at_its_word(value: Decimal) -> None:
    """Fifteen decimals of a text are looked at, not what is left of them in a double."""
    assert int(to_ticks([str(value)], Decimal("0.001"))[0][0]) == rule(str(value), Decimal("0.001"))


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (str(2**53), 2**53),
        (str(-(2**53)), -(2**53)),
        (str(2**53 + 1), None),
        (str(-(2**53) - 1), None),
        (f"{2**53}.5", 2**53),  # half-even: 2⁵³ is even
        ("1e300", None),
        ("1e999999", None),
        ("1e-999999", 0),
        (float("nan"), None),
        (float("inf"), None),
        ("NaN", None),
        ("Infinity", None),
        ("", None),
        (2**53 - 1, 2**53 - 1),
        (True, 1),
    ],
)
def test_what_does_not_fit_in_2_to_the_53_ticks_is_refused(value: Any, kept: int | None) -> None:
    """At the exact edge a reading is kept, one tick beyond it is refused; nothing wraps around or becomes a guess."""
    assert exact_ticks(value, Decimal(1)) == kept
    if not isinstance(value, str) or value:
        ticks, refused = to_ticks([value], Decimal(1))
        assert (None if refused[0] else int(ticks[0])) == kept
    assert MAX_TICKS == 2**53


@given(st.lists(st.integers(-MAX_TICKS, MAX_TICKS), min_size=1, max_size=6), st.sampled_from(RESOLUTIONS))
def test_ticks_print_as_the_numbers_they_stand_for(ticks: list[int], resolution: Decimal) -> None:
    """The evidence shows each value exactly, at any size, and reads back as the same ticks."""
    texts = decimal_texts(np.array(ticks, np.int64), resolution)
    with localcontext(Context(prec=60)):
        assert [Decimal(text) for text in texts] == [tick * resolution for tick in ticks]
    assert [exact_ticks(text, resolution) for text in texts] == ticks
    assert not any("E" in text for text in texts)


def test_the_first_value_of_a_moment_stands() -> None:
    """The same again is a duplicate, another value a conflict, and neither ever overwrites the first."""
    judged = judge(columns([100, 100, 100, 200], [7, 7, 8, 9]), CLOCK)
    kinds = [Disposition(kind).name for kind in judged.dispositions]
    assert kinds == ["ACCEPTED", "DUPLICATE", "CONFLICTING", "ACCEPTED"]
    assert judged.series().ticks.tolist() == [7, 9]
    assert judged.counts(0, 1000) == Counts(accepted=2, duplicate=1, conflicting=1)


def test_a_duplicate_is_the_same_tick_not_the_same_text() -> None:
    """7.001 and 7.0 bar on a gauge that shows tenths are one reading."""
    ticks, _ = to_ticks(["7.0", "7.001", "7.06"], Decimal("0.1"))
    judged = judge(columns([100, 100, 100], ticks.tolist()), CLOCK)
    assert [Disposition(kind).name for kind in judged.dispositions] == ["ACCEPTED", "DUPLICATE", "CONFLICTING"]


def test_disorder_is_sorted_and_the_first_to_arrive_still_stands() -> None:
    """Readings are put in order of time; at one moment the order of arrival decides."""
    judged = judge(columns([300, 100, 200, 100], [3, 1, 2, 9]), CLOCK)
    assert judged.series().times.tolist() == [100, 200, 300]
    assert judged.series().ticks.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("lead_ms", "stands"),
    [
        (5 * MINUTE, True),
        (5 * MINUTE + 1, False),
        (0, True),
        (-90 * DAY, True),
        (-90 * DAY - 1, False),
    ],
)
def test_clock_limits_hold_at_their_exact_edges(lead_ms: int, stands: bool) -> None:
    """Five minutes ahead of arrival is believed and a millisecond more is not; likewise ninety days behind."""
    arrival = 10**12
    judged = judge(columns([arrival + lead_ms], [1], [arrival]), CLOCK)
    assert judged.dispositions[0] == (Disposition.ACCEPTED if stands else Disposition.QUARANTINED)
    assert len(judged.series().ticks) == stands


def test_clock_limits_are_those_of_the_terms() -> None:
    """Both limits are agreed, not built in."""
    agreed = terms(data="{max_hold: 2h, clock_ahead: 1m}", more="corrections: 10d")
    assert Clock.of(agreed) == Clock(MINUTE, 10 * DAY)
    assert Clock.of(terms()) == CLOCK


def test_without_a_known_arrival_no_reading_is_too_old_or_late() -> None:
    """A bare file of last year's readings is taken as it is (semantics §1)."""
    judged = judge(columns([100, 5], [1, 2]), CLOCK)
    assert judged.counts(0, 1000) == Counts(accepted=2)
    assert not lateness(np.array([100, 5]), np.array([-1, -1]), CLOCK).any()


def test_a_quarantined_reading_stays_so_when_it_is_sent_again() -> None:
    """A wrong clock cannot be made right by repetition, and the repetition is counted as such."""
    arrival = 10**12
    time = arrival + 6 * MINUTE
    judged = judge(columns([time, time, time], [1, 1, 2], [arrival, arrival + 2 * MINUTE, arrival]), CLOCK)
    assert [Disposition(kind).name for kind in judged.dispositions] == ["QUARANTINED", "DUPLICATE", "CONFLICTING"]
    assert len(judged.series().times) == 0


def test_late_is_earlier_than_the_newest_seen() -> None:
    """A reading that comes after a newer one is late; an equal time is not."""
    times, arrivals = np.array([100, 300, 200, 300, 400, 399]), np.arange(6) + 1000
    assert lateness(times, arrivals, CLOCK).tolist() == [False, False, True, False, False, True]
    assert lateness(times, arrivals, CLOCK, newest=101).tolist() == [True, False, True, False, False, True]


def test_one_clock_in_the_far_future_does_not_make_all_others_late() -> None:
    """What the clock terms refuse counts as never seen (semantics §8)."""
    arrivals = 10**12 + np.arange(3) * MINUTE
    times = np.array([10**12 + DAY, *(arrivals[1:] - 1)])
    assert lateness(times, arrivals, CLOCK).tolist() == [False, False, False]


def test_counts_are_those_of_the_span_alone() -> None:
    """A reading at the end of a period is counted in the next."""
    judged = judge(columns([10, 20, 20, 30], [1, 2, 2, 3]), CLOCK)
    assert judged.counts(10, 30) + judged.counts(30, 40) == judged.counts(0, 100)
    assert judged.counts(10, 30) == Counts(accepted=2, duplicate=1)
    assert judge(columns([], []), CLOCK).counts(0, 100) == Counts()
