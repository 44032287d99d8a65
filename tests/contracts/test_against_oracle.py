"""Every figure of a statement, computed twice: by the product, and by an oracle written separately."""

from hypothesis import HealthCheck, given, note, settings

from tests.oracle import read_terms, statement
from tests.oracle.agreement import differences
from tests.oracle.dirty_rows import csv_of
from tests.oracle.product import compute_from_texts
from tests.oracle.strategies import Case, cases, register_cases

SIZED = settings(
    max_examples=150,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@SIZED
@given(cases())
def test_the_product_and_the_oracle_agree_on_every_figure(case: Case) -> None:
    """Both parties would find the same usage, counts, coverage and amounts, to the millisecond and the cent."""
    note(str(case))
    product = compute_from_texts(case.terms, csv_of(case.rows), case.period)
    oracle = statement(read_terms(case.terms), case.rows, case.period)
    assert differences(product, oracle) == []


@SIZED
@given(register_cases())
def test_the_product_and_the_oracle_agree_on_a_register(case: Case) -> None:
    """Semantics §3: whatever a register shows, both judge each of its readings by the same five rules."""
    note(str(case))
    product = compute_from_texts(case.terms, csv_of(case.rows), case.period)
    oracle = statement(read_terms(case.terms), case.rows, case.period)
    assert differences(product, oracle) == []
