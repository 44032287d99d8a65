"""What a stranger to this software tried, and what it must go on doing: times, forged seals, and a bill of its own."""

import pytest

from tests.contracts.samples import JANUARY, csv
from tests.contracts.test_verify import SECOND


@pytest.mark.parametrize("written", ["2026-01-01t00:00:00z", "2026-01-01T00:00:00.000z", "2026-01-01t05:45:00+05:45"])
def test_a_time_may_be_written_with_small_letters(written: str) -> None:
    """RFC 3339 allows a small t and z, and a reading is not refused for them."""
    table = csv(f"m1,pages,{written},7\n")
    assert (table.refused, table.rows["m1", "pages"].times) == ([], [JANUARY])


@pytest.mark.parametrize("written", ["a1767225600000", ".1767225600000", "1767225600000z"])
def test_a_time_that_is_none_is_refused_in_words(written: str) -> None:
    """A letter before the digits is told as a time that cannot be read, not in the words of a programming language."""
    (refused,) = csv(f"m1,pages,{written},7\n").refused
    assert refused.problem.message == f"the time {written!r} is neither milliseconds nor RFC 3339"


def test_a_final_statement_without_its_signature_is_not_a_computed_one() -> None:
    """Who takes the signature away and calls the statement computed is found by what else the seal left behind."""
    stripped = {**SECOND.document, "signature": None, "status": "computed"}
    found = {finding.where for finding in SECOND.checked(document=stripped).findings}
    assert found == {"number", "previous_sha256", "issued_at"}


def test_a_computed_statement_says_that_nobody_signed_it() -> None:
    """Its figures are checked against its evidence, and the report does not let that pass for a signature."""
    seal = dict.fromkeys(("signature", "number", "previous_sha256", "issued_at"))
    report = SECOND.checked(document={**SECOND.document, **seal, "status": "computed"})
    assert report.verified
    assert "signed by nobody" in report.checks[0]
