"""What holds of every two-sided statement, whatever was promised and whatever happened."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.compute import compute
from contracts.contract import Contract, read_contract
from contracts.event_text import read_events
from contracts.figures import percent_down
from contracts.periods import rfc3339
from contracts.table import read_table
from tests.contracts.samples import ms
from tests.contracts.sides.promised import BASE, lived, promising
from tests.oracle.dirty_rows import csv_of
from tests.oracle.two_sided import case_of

SIZED = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KINDS = ["charge", "surcharge", "credit", "bonus", "earn_back"]


@SIZED
@given(st.integers(0, 10**6))
def test_the_figures_of_a_statement_explain_each_other(seed: int) -> None:
    """A reader who adds up intervals, lines and totals finds what is printed."""
    case = case_of(seed)
    agreed = read_contract(case.terms, "terms.yaml")
    events, _ = read_events(case.events_text(), "events.json", agreed.terms)
    statement = compute(agreed, read_table(csv_of(case.rows), "readings.csv"), case.period, events=events)
    promised = {each.id: each for each in agreed.terms.guarantees}
    period = (ms(statement["period"]["start"]), ms(statement["period"]["end"]))
    for row in [*statement["guarantees"], *statement["obligations"]]:
        check_intervals(row, period)
    for row in statement["guarantees"]:
        check_times(row, excluded=promised[row["id"]].excluded)
    check_lines(statement)


def check_intervals(row: dict[str, Any], period: tuple[int, int]) -> None:
    """They lie in the period, in order, apart, and neighbours differ."""
    spans = [(ms(each["start"]), ms(each["end"]), each["state"], each["reason"]) for each in row["intervals"]]
    assert all(period[0] <= start < end <= period[1] for start, end, _, _ in spans)
    for (_, end, *one), (start, _, *other) in pairwise(spans):
        assert end < start or (end == start and one != other)


def check_times(row: dict[str, Any], *, excluded: bool) -> None:
    """The sums are those of the intervals, and the percentage is that of the sums."""
    lengths = dict.fromkeys(("down", "excused", "unknown"), 0)
    for each in row["intervals"]:
        lengths[each["state"]] += ms(each["end"]) - ms(each["start"])
    if row["over"] is None:
        assert (lengths["down"], lengths["excused"]) == (row["down_ms"], row["excused_ms"])
    agreed, down = row["agreed_ms"], row["down_ms"]
    assert 0 <= down <= agreed
    if row["kind"] == "response":
        assert row["met"] == (down == 0)
        assert down == sum(incident["beyond_ms"] for incident in row["incidents"])
        return
    assert agreed == row["service_ms"] - row["excused_ms"] - (row["unknown_ms"] if excluded else 0)
    assert row["percent"] == (percent_down(agreed - down, agreed) if agreed else None)
    if row["met"] is not None:
        assert row["met"] == (100 * (agreed - down) >= Decimal(row["target"]) * agreed)


def check_lines(statement: dict[str, Any]) -> None:
    """The total is the sum of the lines, each on its side, and credits of percentages never exceed what is charged."""
    lines = statement["lines"]
    assert Decimal(statement["total"]) == sum(Decimal(line["amount"]) for line in lines)
    gains = {"saved", *(line["id"] for line in lines if line["kind"] == "charge")}
    promised = [line for line in lines if line["id"] not in gains]
    assert [KINDS.index(line["kind"]) for line in promised] == sorted(KINDS.index(line["kind"]) for line in promised)
    for line in promised:
        amount = Decimal(line["amount"])
        assert amount <= 0 if line["kind"] == "credit" else amount >= 0
        assert line["because"]
    # What is beyond a time to respond is of no charge, and a quarter's credit is of all its charges.
    shares = {row["id"] for row in statement["guarantees"] if row["kind"] != "response" and not row["over"]}
    given_back = -sum(Decimal(line["amount"]) for line in promised if line["kind"] == "credit" and line["id"] in shares)
    charged = sum(max(Decimal(0), Decimal(line["amount"])) for line in lines if line["kind"] == "charge")
    assert given_back <= charged


# --- a week and its days --------------------------------------------------------------------------------------------

PROMISES = """
guarantees:
  - id: uptime
    available_when: {channel: up, is: 1}
    target: 90
    unknown: excluded
    service_hours: {from: "05:00", to: "02:30"}
  - {id: quality, level: {channel: up, is: 1}, while: {channel: beat, at_least: 1}, target: 90}
"""
FLOOD = "- { id: f, type: force_majeure, start: @03-27T11:00, end: @03-28T03:00, by: Ann, side: provider }\n"


def agreed_by(period: str) -> Contract:
    """The same promises, settled by the week or by the day, around a change of clocks."""
    return promising(PROMISES, BASE, period=period, timezone="Europe/Brussels", valid="{from: 2026-03-23}")


BY_DAY, BY_WEEK = agreed_by("day"), agreed_by("week")
MOMENTS = st.integers(-300, 7 * 24 * 60 + 300).map(lambda minute: ms("2026-03-22T23:00Z") + minute * 60_000)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(MOMENTS, st.integers(0, 1), max_size=12), st.dictionaries(MOMENTS, st.integers(0, 1), max_size=40)
)
def test_the_times_of_a_week_are_the_sums_of_its_days(up: dict[int, int], beat: dict[int, int]) -> None:
    """Cut at local midnights, one of which has 23 hours to its day: agreed, excused, down and unknown add up."""
    changes = {
        "up": {text(at): value for at, value in up.items()},
        "beat": {text(at): value for at, value in beat.items()},
    }
    days = [lived(BY_DAY, changes, FLOOD, f"2026-03-{day}") for day in range(23, 30)]
    week = lived(BY_WEEK, changes, FLOOD, "2026-W13")
    for name in ("service_ms", "agreed_ms", "excused_ms", "down_ms", "unknown_ms"):
        for place, row in enumerate(week["guarantees"]):
            assert row[name] == sum(day["guarantees"][place][name] for day in days), name


def text(moment: int) -> str:
    """A moment as `promised` writes it."""
    return rfc3339(moment).removesuffix("Z")
