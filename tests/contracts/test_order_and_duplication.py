"""How readings arrive does not matter: shuffled, in chunks or repeated, they make the same statement (semantics)."""

import copy
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.oracle.dirty_rows import csv_of
from tests.oracle.product import compute_from_texts
from tests.oracle.reading import Row
from tests.oracle.strategies import Case, cases

SIZED = settings(
    max_examples=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def computed(case: Case, rows: list[Row]) -> dict[str, Any]:
    """Return the product's statement of a case from other lines, without the counts that tell how they came."""
    statement = copy.deepcopy(compute_from_texts(case.terms, csv_of(rows), case.period))
    for row in statement["usage"]:
        del row["counts"]["duplicate"], row["counts"]["late"]
    return statement


@SIZED
@given(cases(plain=True), st.randoms(use_true_random=False))
def test_the_order_of_lines_changes_nothing(case: Case, random: Any) -> None:
    """Whatever the network does to the order of readings, the bill stays the same."""
    note(str(case))
    shuffled = list(case.rows)
    random.shuffle(shuffled)
    assert computed(case, shuffled) == computed(case, case.rows)


@SIZED
@given(cases(plain=True), st.lists(st.integers(0, 500), min_size=1, max_size=20))
def test_repeated_lines_change_nothing(case: Case, repeated: list[int]) -> None:
    """A reading delivered again is billed once; only the evidence, which keeps every repetition, tells of it."""
    note(str(case))
    again = [case.rows[index % len(case.rows)] for index in repeated]
    once, more = (computed(case, rows) for rows in (case.rows, case.rows + again))
    del once["evidence"], more["evidence"]
    assert more == once


@SIZED
@given(cases(plain=True), st.integers(1, 7))
def test_chunks_in_any_order_change_nothing(case: Case, size: int) -> None:
    """A device that buffers and sends its batches newest first is billed the same as one that was never offline."""
    note(str(case))
    chunks = [case.rows[start : start + size] for start in range(0, len(case.rows), size)]
    newest_first = [row for chunk in reversed(chunks) for row in chunk]
    assert computed(case, newest_first) == computed(case, case.rows)
