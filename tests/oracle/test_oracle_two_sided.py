"""Two-sided contracts, computed twice: by the product, and by an oracle written from the rules alone."""

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.oracle import read_terms, statement
from tests.oracle.agreement import differences
from tests.oracle.dirty_rows import csv_of
from tests.oracle.product import compute_from_texts
from tests.oracle.two_sided import case_of


@settings(
    max_examples=120,
    deadline=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.integers(0, 2**48))
def test_the_product_and_the_oracle_agree_on_what_was_promised(seed: int) -> None:
    """Both parties would find the same guarantees, obligations, excuses, credits and surcharges, period by period."""
    case = case_of(seed)
    note(str(case))
    product = compute_from_texts(case.terms, csv_of(case.rows), case.period, case.events_text())
    oracle = statement(read_terms(case.terms), case.rows, case.period, case.events)
    assert differences(product, oracle) == []
