"""Timelines as points: every change, nothing twice, and what later data takes back overwritten."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.compute import Reckoned, reckon
from contracts.contract import Contract, read_contract
from contracts.events import Docket
from contracts.metering import opening_devices
from contracts.periods import Span, period_named, periods_until
from contracts.readings import Clock, judge
from contracts.sides.carried import State
from contracts.sides.told import decisions_of
from contracts.statement import Input
from contracts.table import read_table
from gateway.influx.points import Point
from gateway.influx.progress import breached_ms
from gateway.influx.timelines import WORDS, Course, changes, courses, painted
from tests.golden.cases import CASES, TWO_SIDED, Case

steps = st.dictionaries(st.integers(0, 30), st.integers(0, 2), min_size=1)


def course(states: dict[int, int]) -> Course:
    """A timeline of a condition that changes at these moments."""
    times = sorted({0: 1, **states})
    said = [{0: 1, **states}[time] for time in times]
    return Course("state", (("device", "m1"),), WORDS["state"], np.array(times), np.array(said))


def drawn(bucket: dict[int, str], points: list[Point]) -> dict[int, str]:
    """A bucket after these points: what stood at a moment is replaced, and nothing is ever taken away."""
    return {**bucket, **{point.time_ms: str(point.fields["state"]) for point in points}}


def holding(bucket: dict[int, str], moment: int) -> str:
    """What a panel draws at a moment."""
    return bucket[max(time for time in bucket if time <= moment)]


@given(st.lists(steps, min_size=1, max_size=5))
def test_whatever_came_before_the_bucket_says_what_holds(versions: list[dict[int, int]]) -> None:
    """After each version of a timeline, at every moment, the bucket says what that version says."""
    bucket: dict[int, str] = {}
    known: Course | None = None
    for version in map(course, versions):
        known, points = changes(known, version)
        bucket = drawn(bucket, points)
        for moment in range(32):
            assert holding(bucket, moment) == WORDS["state"][int(version.at(np.array([moment]))[0])]
        assert sorted(bucket) == known.times.tolist()


@given(steps)
def test_what_stands_is_not_written_again(states: dict[int, int]) -> None:
    """The same timeline once more brings no points."""
    known, _ = changes(None, course(states))
    assert changes(known, course(states))[1] == []


def test_a_promise_is_off_where_it_is_not_measured_and_painted_over_where_not_kept() -> None:
    """Service hours from 10 to 20 and 30 to 40; down from 12 to 14 and, over the edge of the span, from 38."""
    up, down = WORDS["timeline"].index("up"), WORDS["timeline"].index("down")
    times, states = painted(Span(0, 50), [(10, 20, up), (30, 40, up), (12, 14, down), (38, 60, down)])
    said = [(time, WORDS["timeline"][state]) for time, state in zip(times.tolist(), states.tolist(), strict=True)]
    assert said == [(0, "off"), (10, "up"), (12, "down"), (14, "up"), (20, "off"), (30, "up"), (38, "down")]


def test_a_span_that_has_not_begun_has_no_more_than_its_beginning() -> None:
    """A device that is not yet in force is off."""
    times, states = painted(Span(10, 10), [(0, 20, 1)])
    assert (times.tolist(), states.tolist()) == ([10], [0])


def reckoned(case: Case) -> tuple[Contract, Reckoned]:
    """The period of a golden case as it is measured, the periods before it included."""
    contract = read_contract(case.text("terms.yaml"), "terms.yaml")
    terms, docket = contract.terms, Docket.of(case.events(contract.terms))
    columns = read_table(case.text("readings.csv"), "readings.csv").columns(terms)
    decisions = {device.id: decisions_of(terms, docket, device.id) for device in terms.devices}
    clock = Clock.of(terms)
    judged = {key: judge(each, clock, decisions[key[0]].get(key[1], ())) for key, each in columns.items()}
    periods = periods_until(terms, period_named(terms, case.period))
    readings = {key: each.series() for key, each in judged.items()}
    state = State(periods[0].span.start, opening_devices(terms, periods[0], readings))
    for period in periods:
        found = reckon(contract, period, state, Input(judged, docket=docket.touching(period.span)), status="computed")
        state = found.closing
    return contract, found


@pytest.mark.parametrize("case", [case for case in CASES if case.name in TWO_SIDED], ids=lambda case: case.name)
def test_the_time_in_each_state_is_that_of_the_statement(case: Case) -> None:
    """Down, excused, unknown and breached last as long as the statement's intervals of each promise and device."""
    contract, found = reckoned(case)
    period = period_named(contract.terms, case.period)
    drawn_courses = list(courses(contract.terms, period, found.metered, found.document, found.holidays))
    timelines = [each for each in drawn_courses if each.measurement == "timeline"]
    rows = [*found.document["guarantees"], *found.document["obligations"]]
    assert len(timelines) == len(rows)
    for course, row in zip(timelines, rows, strict=True):
        tags = dict(course.tags)
        assert (tags["promise"], tags["device"] or None) == (row["id"], row["device"])
        lengths = np.diff(course.times, append=period.span.end)
        for place, word in enumerate(course.words[2:], 2):
            stated = breached_ms(each for each in row["intervals"] if each["state"] == word)
            if word != "kept":
                assert int(lengths[course.states == place].sum()) == stated, (row["id"], word)
