"""Conditions judged over time: comparisons to the tick, `for` at every edge, and what is settled when."""

from typing import Any

import numpy as np
import pytest

from contracts.judging import Verdict, Window, judge_condition, runs_at
from contracts.language.conditions import Condition
from contracts.periods import Span
from contracts.readings import Series
from contracts.timeline import FALSE, TRUE, UNKNOWN, Held
from tests.contracts.samples import series, terms

AGREED = terms(
    """
channels:
  level: {unit: bar, resolution: 0.5, max_hold: 100ms}
  fault: {max_hold: 50ms}
  door:  {max_hold: device}
conditions:
  high: {channel: level, at_least: 2.5}
  calm: {not: high}
  long: {condition: high, for: 30ms}
""",
    devices="[{id: m1}, {id: m2}]",
)
SPAN = Span(1000, 1200)


def judged(
    condition: dict[str, Any] | str,
    readings: dict[tuple[str, str], Series],
    *,
    span: Span = SPAN,
    held: dict[tuple[str, str], Held] | None = None,
    since: int | None = None,
    closing: bool = True,
) -> Verdict:
    """A condition of m1 over a span; `since` is when what its `for` is applied to became true, before the span."""
    asked = Condition.model_validate({"condition": condition} if isinstance(condition, str) else condition)
    runs = {asked: since} if since is not None else {}
    return judge_condition(Window(AGREED, span, readings, held or {}), "m1", asked, runs, closing)


def runs(verdict: Verdict) -> list[tuple[int, str]]:
    """From when on it is what, as text."""
    merged = verdict.timeline.merged()
    names = {FALSE: "false", UNKNOWN: "unknown", TRUE: "true"}
    return [(int(start), names[int(state)]) for start, state in zip(merged.starts, merged.states, strict=True)]


def level(values: dict[int, int]) -> dict[tuple[str, str], Series]:
    """Readings of m1's level, in ticks of half a bar."""
    return {("m1", "level"): series(values)}


@pytest.mark.parametrize(
    ("comparison", "true_at"),
    [
        ({"above": 2.5}, [6, 7]),
        ({"above": "2.4"}, [5, 6, 7]),
        ({"at_least": 2.5}, [5, 6, 7]),
        ({"at_least": "2.6"}, [6, 7]),
        ({"below": 2.5}, [3, 4]),
        ({"below": "2.6"}, [3, 4, 5]),
        ({"at_most": 2.5}, [3, 4, 5]),
        ({"at_most": "2.4"}, [3, 4]),
        ({"is": 2.5}, [5]),
        ({"is": "2.6"}, []),
        ({"between": [2, 3]}, [4, 5, 6]),
        ({"between": ["2.1", "2.9"]}, [5]),
        ({"between": ["2.1", "2.4"]}, []),
        ({"above": "1e18"}, []),
        ({"above": "-1e18"}, [3, 4, 5, 6, 7]),
    ],
)
def test_a_comparison_is_exact_whatever_decimals_its_bound_has(comparison: dict[str, Any], true_at: list[int]) -> None:
    """2.4 bar on a gauge of half bars lies between two of its steps, and no step is taken for another."""
    values = dict(zip(range(1000, 1050, 10), [3, 4, 5, 6, 7], strict=True))
    verdict = judged({"channel": "level", **comparison}, level(values))
    states = verdict.timeline.at(np.array(list(values), np.int64))
    assert [tick for tick, state in zip(values.values(), states, strict=True) if state == TRUE] == true_at


def test_true_and_false_are_one_and_zero() -> None:
    """A condition on a switch may say true (semantics §1)."""
    readings = {("m1", "fault"): series({1000: 1, 1020: 0})}
    assert runs(judged({"channel": "fault", "is": True}, readings))[:2] == [(1000, "true"), (1020, "false")]


def test_silence_is_unknown_and_neither_true_nor_false() -> None:
    """Before the first reading and after its hold, nobody knows; `not` makes no knowledge of it."""
    found = runs(judged("high", level({1010: 5})))
    assert found == [(1000, "unknown"), (1010, "true"), (1110, "unknown")]
    assert runs(judged("calm", level({1010: 5}))) == [(1000, "unknown"), (1010, "false"), (1110, "unknown")]


def test_unknown_and_false_is_false_and_unknown_or_true_is_true() -> None:
    """One part that settles the matter is enough, however silent the other is."""
    readings = {("m1", "fault"): series({1000: 1})}
    high, ok, broken = {"condition": "high"}, {"channel": "fault", "is": 0}, {"channel": "fault", "is": 1}
    assert runs(judged({"all": [high, ok]}, readings)) == [(1000, "false"), (1050, "unknown")]
    assert runs(judged({"any": [high, broken]}, readings)) == [(1000, "true"), (1050, "unknown")]


def test_a_condition_may_look_at_another_device() -> None:
    """A pump is judged by the tank it fills."""
    readings = {("m2", "level"): series({1000: 9})}
    asked = {"channel": "level", "device": "m2", "above": 0}
    assert runs(judged(asked, readings)) == [(1000, "true"), (1100, "unknown")]
    assert runs(judged({"channel": "level", "above": 0}, readings)) == [(1000, "unknown")]


def test_a_value_sent_only_on_change_holds_while_its_device_is_known() -> None:
    """`max_hold: device`: any channel with a hold of its own keeps it known (semantics §3)."""
    readings = {("m1", "door"): series({1000: 1}), ("m1", "fault"): series({1000: 0, 1120: 0})}
    found = runs(judged({"channel": "door", "is": 1}, readings))
    assert found == [(1000, "true"), (1050, "unknown"), (1120, "true"), (1170, "unknown")]


@pytest.mark.parametrize(("end", "counts"), [(1029, False), (1030, True), (1031, True)])
def test_for_holds_at_its_exact_length(end: int, counts: bool) -> None:
    """A run of just 30 ms counts, from its start; one of 29 ms does not."""
    found = runs(judged("long", level({1000: 5, end: 0})))
    assert found[0] == ((1000, "true") if counts else (1000, "false"))


def test_unknown_ends_a_run() -> None:
    """Two short runs with silence between are not one long run."""
    readings = {("m1", "fault"): series({1000: 1, 1020: 0, 1060: 1, 1120: 1})}
    found = runs(judged({"channel": "fault", "is": 1, "for": "55ms"}, readings))
    assert found == [(1000, "false"), (1110, "unknown"), (1120, "false"), (1170, "unknown")]


def test_a_run_is_cut_at_the_edges_of_the_period_and_each_part_judged_alone() -> None:
    """A run of 40 ms across a period's end counts in neither if both parts are shorter than 30 ms (semantics §4)."""
    before = judged("long", level({1180: 5}))
    assert runs(before)[-1] == (1180, "false")
    after = judged("long", level({1220: 0}), span=Span(1200, 1400), held={("m1", "level"): (1180, 5)})
    assert runs(after)[0] == (1200, "false")


def test_a_run_goes_on_over_the_edge_of_a_stretch_within_the_period() -> None:
    """How a period is cut for computing changes nothing: the run is as long as it really was."""
    span, held = Span(1200, 1400), {("m1", "level"): (1185, 5)}
    asked = {"channel": "level", "at_least": 2.5, "for": "30ms"}
    verdict = judged(asked, level({1215: 0}), span=span, held=held, since=1185)
    assert runs(verdict)[:2] == [(1200, "true"), (1215, "false")]
    verdict = judged(asked, level({1214: 0}), span=span, held=held, since=1185)
    assert runs(verdict)[0] == (1200, "false")


@pytest.mark.parametrize(("began", "settled"), [(1190, 1190), (1171, 1171), (1170, 1200)])
def test_a_young_run_is_not_settled_before_it_has_lasted(began: int, settled: int) -> None:
    """Metering stops at a run that may yet turn out long enough, and goes on from its start."""
    verdict = judged("long", level({1110: 0, began: 5}), closing=False)
    assert verdict.settled == settled


def test_at_the_close_everything_is_settled() -> None:
    """A final statement leaves nothing open."""
    assert judged("long", level({1110: 0, 1190: 5}), closing=True).settled == 1200


def test_the_start_of_a_run_that_goes_on_is_remembered() -> None:
    """The next stretch needs to know since when what stands inside `for` has been true."""
    asked = Condition.model_validate({"channel": "level", "at_least": 2.5, "for": "30ms"})
    window = Window(AGREED, SPAN, level({1100: 0, 1120: 5}), {})
    verdict = judge_condition(window, "m1", asked, {}, closing=False)
    assert runs_at([verdict], {}, 1200) == {asked: 1120}
    assert runs_at([verdict], {}, 1110) == {}


def test_a_condition_within_for_within_for_waits_for_both() -> None:
    """A pause of less than the inner `for` breaks a run, and the outer one starts anew."""
    inner = {"channel": "level", "at_least": 2.5, "for": "20ms"}
    found = runs(judged({"all": [inner], "for": "40ms"}, level({1000: 5, 1030: 0, 1040: 5, 1085: 0})))
    assert found[:3] == [(1000, "false"), (1040, "true"), (1085, "false")]
