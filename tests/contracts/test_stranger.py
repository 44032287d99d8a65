"""What a stranger to this software tried, and what it must go on doing: times, forged seals, and a bill of its own."""

import pytest

from contracts.metering import advance, opening_devices
from contracts.periods import period_named
from contracts.readings import Clock, judge
from tests.contracts.samples import HOUR, JANUARY, MINUTE, contract, csv
from tests.contracts.verify.test_verify import SECOND


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


@pytest.mark.parametrize("stretch_ms", [31 * 24 * HOUR, HOUR, 7 * MINUTE])
def test_boots_of_all_channels_together_announce_a_restart(stretch_ms: int) -> None:
    """A device whose parts each name a boot of their own restarts at each change, however a period is metered."""
    agreed = contract("channels: {pages: {}, door: {}}\nmeters: {pages: {counter: pages}}").terms
    rows = "device,channel,time,value,boot\n"
    for minute in range(30):
        pages = 100 + minute if minute < 20 else minute - 15
        rows += f"m1,pages,{JANUARY + minute * MINUTE},{pages},b1\n"
        rows += f"m1,door,{JANUARY + minute * MINUTE + 30_000},1,b2\n"
    series = {key: judge(found, Clock.of(agreed)).series() for key, found in csv(rows).columns(agreed).items()}
    period = period_named(agreed, "2026-01")
    state = opening_devices(agreed, period, series)["m1"]
    printed, at = 0, period.span.start
    while at < period.span.end:
        at = min(at + stretch_ms, period.span.end)
        closing = at == period.span.end
        stretch, state = advance(agreed, agreed.devices[0], period, state, series, at, closing=closing)
        printed += stretch.totals["pages"].on
    assert printed == 19 + 5 + 9
