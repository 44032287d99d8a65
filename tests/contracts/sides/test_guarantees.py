"""Uptime and levels: every millisecond is up, down, excused or unknown, and nothing moves it the wrong way."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.language.promises import Guarantee
from contracts.periods import Span
from contracts.sides.carried import Figures
from contracts.sides.credits import Basis, from_tiers
from contracts.sides.excuses import Excuse
from contracts.sides.guarantees import Kept, measure, together, truth_of
from contracts.sides.stretches import Stretches, length_ms, united
from contracts.timeline import FALSE, TRUE, UNKNOWN, Timeline
from tests.contracts.samples import terms
from tests.contracts.sides.promised import BASE, figures, lived, promising, row

LENGTH = 60
STATES = st.lists(st.sampled_from([FALSE, FALSE, UNKNOWN, TRUE, TRUE]), min_size=LENGTH, max_size=LENGTH)
SOME_TIME = st.lists(st.builds(Span, st.integers(0, LENGTH), st.integers(0, LENGTH)), max_size=4).map(united)
WHOLE: Stretches = (Span(0, LENGTH),)
AGREED = terms(BASE)


def timeline(states: list[int], start: int = 0) -> Timeline:
    """A state at each millisecond."""
    span = Span(start, start + len(states))
    return Timeline(span, np.arange(span.start, span.end), np.array(states, np.int8)).merged()


def uptime(**keys: Any) -> Guarantee:
    """A guarantee of uptime with a tier at every tenth percent, so that no loss of uptime goes unseen."""
    tiers = [{"below": f"{below}.5", "percent": str(100 - below)} for below in range(0, 100, 10)]
    agreed = {"available_when": {"channel": "up", "is": 1}, "target": "99", "unknown": "excluded"}
    return Guarantee.model_validate({"id": "uptime", **agreed, "credits": {"tiers": tiers, "of": ["rent"]}, **keys})


@dataclass(frozen=True, slots=True)
class Case:
    """A promise, a machine's hour of sixty milliseconds, the service hours in it, and excuses."""

    promise: Guarantee
    states: list[int]
    service: Stretches
    excuses: list[Excuse]

    def kept(self, *, states: list[int] | None = None, excuses: list[Excuse] | None = None) -> Kept:
        """What became of the promise, with other states or excuses if given."""
        excuses = self.excuses if excuses is None else excuses
        return measure(self.promise, timeline(self.states if states is None else states), self.service, excuses, {})


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw any promise and any hour."""
    keys: dict[str, Any] = {"unknown": draw(st.sampled_from(["excluded", "down", "up"]))}
    keys["ignore_below"] = f"{draw(st.integers(0, 4))}ms"
    if draw(st.booleans()):
        keys["planned"] = {"allowance": f"{draw(st.integers(0, 20))}ms"}
    reasons = [("obligation:cool", False), ("force_majeure:f", False), ("planned:p", True), ("planned:q", True)]
    excuses = [Excuse(name, draw(SOME_TIME), planned) for name, planned in reasons if draw(st.booleans())]
    return Case(uptime(**keys), draw(STATES), draw(SOME_TIME), [each for each in excuses if each.stretches])


def by_hand(case: Case) -> tuple[int, int, int, int]:
    """Agreed, excused, down and unknown time, counted millisecond by millisecond."""
    served = {at for span in case.service for at in range(span.start, span.end)}
    bad = {FALSE, UNKNOWN} if case.promise.unknown == "down" else {FALSE}
    out = set[int]()
    # A run of bad time ends where it gets better and where the service hours end.
    windows = sorted((at - place, at) for place, at in enumerate(sorted(served)))
    for _, group in groupby(windows, key=lambda pair: pair[0]):
        for is_bad, run in groupby([at for _, at in group], key=lambda at: case.states[at] in bad):
            moments = list(run)
            out |= set(moments) if is_bad and len(moments) >= case.promise.ignore_below else set()
    covered = {
        each.reason: {at for span in each.stretches for at in range(span.start, span.end)} for each in case.excuses
    }
    planned = sorted(at for at in out if any(at in when for name, when in covered.items() if name[0] == "p"))
    allowance = case.promise.planned.allowance if case.promise.planned else 0
    excused = {at for at in out if any(at in when for name, when in covered.items() if name[0] != "p")}
    excused |= set(planned[:allowance])
    unknown = {at for at in served if case.states[at] == UNKNOWN}
    agreed = len(served) - len(excused) - (len(unknown) if case.promise.unknown == "excluded" else 0)
    return agreed, len(excused), len(out - excused), len(unknown)


@given(cases())
def test_the_figures_are_those_counted_by_the_millisecond(case: Case) -> None:
    """Outages, `ignore_below`, excuses and the allowance: a pencil and patience give the same."""
    found = case.kept().figures
    assert (found.agreed_ms, found.excused_ms, found.down_ms, found.unknown_ms) == by_hand(case)


@given(cases())
def test_all_service_time_is_up_down_excused_or_unknown(case: Case) -> None:
    """Nothing is lost between the figures and nothing counted twice; intervals say the same as the sums."""
    kept = case.kept()
    found = kept.figures
    lengths = dict.fromkeys(("down", "excused", "unknown"), 0)
    for interval in kept.intervals:
        lengths[interval.state] += interval.span.length_ms
    assert (lengths["down"], lengths["excused"]) == (found.down_ms, found.excused_ms)
    assert length_ms(united(each.span for each in kept.intervals)) == sum(lengths.values())
    assert sum(lengths.values()) <= found.service_ms
    if case.promise.unknown == "excluded":
        up = found.agreed_ms - found.down_ms
        assert up >= 0
        assert up + found.down_ms + found.excused_ms + found.unknown_ms == found.service_ms
        assert lengths["unknown"] == found.unknown_ms
    starts = [each.span.start for each in kept.intervals]
    assert starts == sorted(starts)


def share_of(found: Figures) -> Fraction:
    """The uptime; the whole where nothing is agreed, since nothing is owed for it then."""
    return Fraction(1) if found.share is None else found.share


@given(cases(), SOME_TIME)
def test_an_excuse_never_lowers_an_uptime(case: Case, more: Stretches) -> None:
    """Whatever else excuses the time, one excuse more is never to the provider's harm."""
    further = [*case.excuses, Excuse("excused:e", more)]
    assert share_of(case.kept(excuses=further).figures) >= share_of(case.kept().figures)


@given(cases(), SOME_TIME)
def test_more_downtime_never_lowers_a_credit(case: Case, more: Stretches) -> None:
    """A provider never gains by letting a machine stand still, also not by using up excuses with it."""
    worse = [FALSE if any(s.start <= at < s.end for s in more) else state for at, state in enumerate(case.states)]
    before, after = (owed(case, case.kept(states=states).figures) for states in (case.states, worse))
    assert after >= before


def owed(case: Case, found: Figures) -> Fraction:
    """The credit before any cap, of 1000."""
    if found.share is None:
        return Fraction(0)
    credit = from_tiers(AGREED, case.promise, "m1", found.share, Basis({}), Fraction(1000))
    return credit.exact if credit else Fraction(0)


@given(cases(), st.integers(1, LENGTH - 1))
def test_the_parts_of_a_period_add_up_to_the_whole(case: Case, cut: int) -> None:
    """Cut anywhere, the figures are sums: but for outages that the cut makes too short to count, and the allowance."""
    promise = case.promise.model_copy(update={"ignore_below": 0, "planned": None})
    excuses = [each for each in case.excuses if not each.planned]
    whole = measure(promise, timeline(case.states), case.service, excuses, {}).figures
    parts = [
        measure(promise, timeline(case.states[start:end], start), inside(case.service, start, end), excuses, {}).figures
        for start, end in ((0, cut), (cut, LENGTH))
    ]
    assert parts[0] + parts[1] == whole


def inside(stretches: Stretches, start: int, end: int) -> Stretches:
    """The part of a set of time within bounds."""
    return tuple(span for span in (each.within(Span(start, end)) for each in stretches) if span.length_ms)


@given(st.lists(STATES, min_size=1, max_size=4), st.integers(1, 4))
def test_redundant_machines_are_available_while_enough_of_them_are(machines: list[list[int]], least: int) -> None:
    """True where so many are up, false where no more than that can be, and unknown only where it is."""
    found = together([timeline(states) for states in machines], WHOLE[0], least)
    for at, state in enumerate(found.at(np.arange(LENGTH))):
        now = [states[at] for states in machines]
        best, worst = sum(each != FALSE for each in now), sum(each == TRUE for each in now)
        assert state == (TRUE if worst >= least else FALSE if best < least else UNKNOWN)


def test_a_machine_that_has_not_joined_is_not_available() -> None:
    """Two machines promised, one of them from the half on: until then there are not two."""
    found = together([timeline([TRUE] * LENGTH), timeline([TRUE] * 30, 30)], WHOLE[0], 2)
    assert (found.starts.tolist(), found.states.tolist()) == ([0, 30], [FALSE, TRUE])
    assert together([], WHOLE[0], 1).states.tolist() == [FALSE]


@given(STATES, STATES)
def test_a_level_is_agreed_only_while_it_is_asked_for(level: list[int], gate: list[int]) -> None:
    """Where `while` is false nothing is measured; where it is unknown, all is unknown."""
    promise = Guarantee.model_validate(
        {"id": "q", "level": {"channel": "up", "is": 1}, "while": {"channel": "load", "is": 1}, "target": "99"}
    )
    watched = {("q", "holds"): timeline(level), ("q", "while"): timeline(gate)}
    found = measure(promise, *truth_of(promise, watched, WHOLE), [], {}).figures
    pairs = list(zip(level, gate, strict=True))
    assert found.service_ms == sum(asked != FALSE for asked in gate)
    assert found.agreed_ms == sum(asked == TRUE and held != UNKNOWN for held, asked in pairs)
    assert found.down_ms == pairs.count((FALSE, TRUE))
    assert found.unknown_ms == found.service_ms - found.agreed_ms


GUARANTEE = "{id: uptime, available_when: {channel: up, is: 1}, target: 99.5, unknown: excluded, ignore_below: 60s"


@pytest.mark.parametrize(("end", "down_ms"), [("12:00:59.999", 0), ("12:01:00.000", 60_000)])
def test_an_outage_counts_from_ignore_below_on_and_then_in_full(end: str, down_ms: int) -> None:
    """Sixty seconds are not shorter than sixty seconds."""
    agreed = promising(f"guarantees: [{GUARANTEE}}}]")
    changes = {"up": {"01-01T00:00": 1, "01-10T12:00": 0, f"01-10T{end}": 1}}
    assert row(lived(agreed, changes), "uptime")["down_ms"] == down_ms


def test_where_nothing_is_agreed_nothing_is_measured() -> None:
    """A machine silent all month, unknown excluded: no percentage, neither kept nor missed, and no coverage."""
    agreed = promising(f"guarantees: [{GUARANTEE}, credits: {{tiers: [{{below: 99.5, percent: 10}}], of: [rent]}}}}]")
    statement = lived(agreed, {"up": {}})
    found = row(statement, "uptime")
    assert (found["percent"], found["met"], found["coverage"]) == (None, None, "0.0000")
    assert figures(found) == [0, 0, 0, 744]
    assert [line["kind"] for line in statement["lines"]] == ["charge"]


@pytest.mark.parametrize(
    ("unknown", "expected"), [("excluded", [720, 0, 0, 24]), ("up", [744, 0, 0, 24]), ("down", [744, 0, 24, 24])]
)
def test_the_terms_say_where_unknown_time_goes(unknown: str, expected: list[float]) -> None:
    """A day of silence is nobody's, the customer's or the provider's; it is shown in every case."""
    promise = GUARANTEE.replace("excluded", unknown).replace("channel: up", "channel: steady")
    base = BASE.replace("channels:", "channels:\n  steady: {max_hold: 24h}")
    beats = {f"01-{day:02}T00:00": 1 for day in range(1, 32) if day != 10}
    found = row(lived(promising(f"guarantees: [{promise}}}]", base), {"steady": beats}), "uptime")
    assert figures(found) == expected
    assert [each["state"] for each in found["intervals"]] == ["down" if unknown == "down" else "unknown"]


def test_a_percentage_is_compared_unrounded_and_shown_rounded_down() -> None:
    """99.98999… shows as 99.9899, and misses a target of 99.99 however it is shown."""
    agreed = promising(f"guarantees: [{GUARANTEE.replace('99.5', '99.99')}}}]")
    changes = {"up": {"01-01T00:00": 1, "01-10T12:00": 0, "01-10T12:04:27.841": 1}}
    found = row(lived(agreed, changes), "uptime")
    # 744 h × 0.01 % = 267.84 s; one millisecond more is down.
    assert (found["down_ms"], found["percent"], found["met"]) == (267_841, "99.9899", False)
