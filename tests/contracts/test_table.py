"""Readings from a file: every row is understood, or refused with its line and the reason, and stops no other."""

import pytest

from contracts.problems import ProblemsFound
from contracts.readings import Clock, judge
from contracts.table import EARLIEST_MS, LATEST_MS, checked_time, read_table
from tests.contracts.samples import JANUARY, MINUTE, csv, terms

KEY = ("m1", "pages")


def test_columns_may_stand_in_any_order_and_more_of_them() -> None:
    """A spreadsheet's own columns do not matter, nor its byte order mark and capitals."""
    table = read_table("\ufeffnote,Value, time ,CHANNEL,device\nx,12,1767225600000,pages,m1\n", "r.csv")
    assert table.rows[KEY].times == [JANUARY]
    assert table.rows[KEY].values == ["12"]


def test_a_file_without_the_needed_columns_is_refused_as_a_whole() -> None:
    """The first line names the columns; without them nothing is guessed."""
    with pytest.raises(ProblemsFound, match=r"r\.csv:1:1: the header lacks channel, value\. The first line names"):
        read_table("device,time\nm1,1\n", "r.csv")
    with pytest.raises(ProblemsFound):
        read_table("", "r.csv")


@pytest.mark.parametrize(
    ("time", "ms"),
    [
        ("1767225600000", JANUARY),
        ("2026-01-01T00:00:00Z", JANUARY),
        ("2026-01-01T01:00:00.123+01:00", JANUARY + 123),
        ("2026-01-01T00:00:00.123999Z", JANUARY + 123),
        (str(EARLIEST_MS), EARLIEST_MS),
        (str(LATEST_MS), LATEST_MS),
    ],
)
def test_times_are_milliseconds_or_rfc_3339(time: str, ms: int) -> None:
    """Either spelling of a moment gives the same millisecond."""
    assert checked_time(time) == ms


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("m1,pages,1767225600,1", "looks like seconds"),
        ("m1,pages,1767225600000000,1", "looks like microseconds"),
        ("m1,pages,1767225600000000000,1", "looks like nanoseconds"),
        ("m1,pages,31556889864403199,1", "outside the years 1990 to 2100"),
        ("m1,pages," + "9" * 5000 + ",1", "outside the years"),
        ("m1,pages,-1,1", "outside the years"),
        ("m1,pages,2026-01-01T00:00:00,1", "does not say its offset"),
        ("m1,pages,yesterday,1", "neither milliseconds nor RFC 3339"),
        ("m1,pages,,1", "neither milliseconds nor RFC 3339"),
        ("m1,pages,1767225600000,twelve", "'twelve' is not a number"),
        ("m1,pages,1767225600000,", "'' is not a number"),
        ("m1,pages,1767225600000,NaN", "not a number that can be measured"),
        ("m1,pages,1767225600000,-Infinity", "not a number that can be measured"),
        ("m1,pages,1767225600000,1_000", "not a number"),
        ("m1,pages", "neither milliseconds nor RFC 3339"),
    ],
)
def test_a_row_that_cannot_be_understood_is_refused_with_its_line_and_reason(row: str, reason: str) -> None:
    """Whoever sent it can find it; the rows around it are billed as if it were not there."""
    table = csv(f"m1,pages,{JANUARY},1\n{row}\nm1,pages,{JANUARY + MINUTE},2\n")
    assert table.rows[KEY].values == ["1", "2"]
    assert [refused.problem.line for refused in table.refused] == [3]
    assert reason in table.refused[0].problem.message


def test_a_value_beyond_every_register_is_refused_and_counted() -> None:
    """A number of more than 2⁵³ steps is an error of transmission, shown as rejected in its period."""
    table = csv(f"m1,pages,{JANUARY},1e30\nm1,pages,{JANUARY + 1},5\n")
    read = table.columns(terms())
    assert read[KEY].ticks.tolist() == [5]
    assert table.refused_in(JANUARY, JANUARY + 1) == {KEY: 1}
    assert table.refused_in(JANUARY + 1, JANUARY + 2) == {}


def test_words_for_truth_are_one_and_zero() -> None:
    """A switch may report true and false (semantics §1)."""
    assert csv(f"m1,pages,{JANUARY},true\nm1,pages,{JANUARY + 1},FALSE\n").rows[KEY].values == ["1", "0"]


def test_devices_and_channels_the_contract_does_not_know_are_left_alone() -> None:
    """A file may hold a whole site; a contract bills its own devices only."""
    table = csv(f"m1,pages,{JANUARY},1\nm9,pages,{JANUARY},1\nm1,ink,{JANUARY},1\n")
    assert set(table.columns(terms())) == {KEY}


def test_arrival_decides_which_of_two_values_stands() -> None:
    """Where the file says when a reading arrived, the first to arrive stands, not the first line."""
    lines = (
        f"device,channel,time,value,arrival\nm1,pages,{JANUARY},5,{JANUARY + 9}\nm1,pages,{JANUARY},7,{JANUARY + 8}\n"
    )
    judged = judge(csv(lines).columns(terms())[KEY], Clock(10**9, 10**9))
    assert judged.series().ticks.tolist() == [7]
    bare = judge(csv(f"m1,pages,{JANUARY},5\nm1,pages,{JANUARY},7\n").columns(terms())[KEY], Clock(10**9, 10**9))
    assert bare.series().ticks.tolist() == [5]


def test_quotes_and_empty_lines_are_read_as_spreadsheets_write_them() -> None:
    """A quoted cell, a blank line and Windows line ends are no faults."""
    table = read_table(f'device,channel,time,value\r\n"m1",pages,{JANUARY},"3"\r\n\r\n', "r.csv")
    assert table.rows[KEY].values == ["3"]
    assert table.refused == []
