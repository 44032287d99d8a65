"""Conditions judged over a stretch of time, and over the next: what is already certain, and what is still young.

A condition with `for` may not be certain at the end of a stretch: a run of true that has just begun counts from its
start only once it has lasted. So judging says until when everything is *settled*; metering stops there and goes on
from there with the next stretch. At the edge of a period or of the time in force nothing stays open: each part of a
run is judged alone (semantics §4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cache

import numpy as np

from contracts.language.conditions import Condition
from contracts.language.terms import Terms
from contracts.periods import Span
from contracts.readings import NOTHING, Flags, Ints, Series
from contracts.timeline import (
    FALSE,
    TRUE,
    UNKNOWN,
    Held,
    Timeline,
    Track,
    conjunction,
    disjunction,
    negation,
    only_long,
    overlay,
    track,
)

Key = tuple[str, str]
Runs = Mapping[Condition, int]


@dataclass(frozen=True, slots=True)
class Window:
    """What can be seen of the readings in one span: those inside, and the last of each channel before it."""

    terms: Terms
    span: Span
    series: Mapping[Key, Series]
    held: Mapping[Key, Held]
    tracks: dict[Key, Track] = field(default_factory=dict)

    def track(self, device: str, channel: str) -> Track:
        """The channel's value over the span, by its `max_hold`."""
        key = (device, channel)
        if key not in self.tracks:
            self.tracks[key] = self._track(key)
        return self.tracks[key]

    def _track(self, key: Key) -> Track:
        device, channel = key
        hold_ms = self.terms.hold_ms(channel)
        value = track(self.series.get(key, NOTHING), self.held.get(key), self.span, hold_ms)
        if hold_ms is not None:
            return value
        alive = self.alive(device)
        starts, (mine, its) = overlay(value, alive)
        known = value.known[mine] & (alive.states[its] == TRUE)
        return Track(self.span, starts, value.ticks[mine], known)

    def alive(self, device: str) -> Timeline:
        """When any channel of the device with a `max_hold` of its own is known: TRUE, else UNKNOWN."""
        own = [channel for channel in self.terms.channels if self.terms.hold_ms(channel) is not None]
        reported = [channel for channel in own if (device, channel) in self.series or (device, channel) in self.held]
        return disjunction([self.track(device, channel).knowledge() for channel in reported or own[:1]])


@dataclass(frozen=True, slots=True)
class Verdict:
    """A condition over a span: its timeline, until when it is settled, and what each `for` inside was applied to."""

    timeline: Timeline
    settled: int
    inner: Mapping[Condition, Timeline]


def judge_condition(window: Window, device: str, condition: Condition, runs: Runs, closing: bool) -> Verdict:
    """The truth of a condition of `device` over the window.

    `runs` holds, for each `for` inside, since when it has been true at the window's start; `closing` settles all.
    """
    verdict = _judge_form(window, device, condition, runs, closing)
    if condition.for_ms is None:
        return verdict
    return _judge_run(verdict, condition, condition.for_ms, runs.get(condition), closing)


def _judge_form(window: Window, device: str, condition: Condition, runs: Runs, closing: bool) -> Verdict:
    if condition.channel is not None:
        values = window.track(condition.device or device, condition.channel)
        step = window.terms.channels[condition.channel].resolution
        return Verdict(_compare(values, condition, step), window.span.end, {})
    if condition.condition is not None:
        named = window.terms.conditions[condition.condition]
        return judge_condition(window, device, named, runs, closing)
    parts = [judge_condition(window, device, part, runs, closing) for part in condition.parts()]
    timelines = [part.timeline for part in parts]
    if condition.all_ is not None:
        timeline = conjunction(timelines)
    else:
        timeline = disjunction(timelines) if condition.any_ is not None else negation(timelines[0])
    inner = {condition: runs for part in parts for condition, runs in part.inner.items()}
    return Verdict(timeline, min(part.settled for part in parts), inner)


def _judge_run(verdict: Verdict, condition: Condition, least_ms: int, since: int | None, closing: bool) -> Verdict:
    """Apply `for`: what is inside may be settled only in part, and the run going on there may be too young to tell."""
    runs = verdict.timeline.merged()
    timeline = only_long(runs, least_ms, since)
    settled = verdict.settled
    began = _true_since(runs, settled, since)
    if began is not None and settled - began < least_ms and not closing:
        settled = max(began, runs.span.start)
    return Verdict(timeline, settled, {**verdict.inner, condition: runs})


def _true_since(runs: Timeline, moment: int, since: int | None) -> int | None:
    """When the run of true that reaches `moment` began, or None; `since` is the beginning of the first run."""
    place = int(np.searchsorted(runs.starts, moment)) - 1
    if place < 0:
        return since
    if runs.states[place] != TRUE:
        return None
    return since if place == 0 and since is not None else int(runs.starts[place])


def runs_at(verdicts: list[Verdict], runs: Runs, moment: int) -> dict[Condition, int]:
    """Since when what is inside each `for` has been true, seen from a moment until which all is settled."""
    found = {}
    for verdict in verdicts:
        for condition, inner in verdict.inner.items():
            began = _true_since(inner, moment, runs.get(condition))
            if began is not None:
                found[condition] = began
    return found


def _compare(values: Track, condition: Condition, step: Decimal) -> Timeline:
    holds = _holds(values.ticks, condition, step)
    states = np.where(values.known, np.where(holds, TRUE, FALSE), UNKNOWN).astype(np.int8)
    return Timeline(values.span, values.starts, states)


def _holds(ticks: Ints, condition: Condition, step: Decimal) -> Flags:
    """The comparison in whole ticks: exact, whatever decimals the bound has."""

    if condition.above is not None:
        return ticks > _floor(condition.above, step)
    if condition.at_least is not None:
        return ticks >= _ceiling(condition.at_least, step)
    if condition.below is not None:
        return ticks < _ceiling(condition.below, step)
    if condition.at_most is not None:
        return ticks <= _floor(condition.at_most, step)
    if condition.is_ is not None:
        low, high = _ceiling(condition.is_, step), _floor(condition.is_, step)
    else:
        assert condition.between is not None, "a comparison has one of its six forms"
        low, high = _ceiling(condition.between[0], step), _floor(condition.between[1], step)
    return (ticks >= low) & (ticks <= high)


@cache
def _floor(bound: Decimal, step: Decimal) -> int:
    ratio = Fraction(bound) / Fraction(step)
    return _clip(ratio.numerator // ratio.denominator)


@cache
def _ceiling(bound: Decimal, step: Decimal) -> int:
    ratio = Fraction(bound) / Fraction(step)
    return _clip(-(-ratio.numerator // ratio.denominator))


def _clip(ticks: int) -> int:
    """No reading has more than 2⁵³ ticks, so a bound beyond 2⁶² compares as 2⁶²."""
    return max(-(2**62), min(2**62, ticks))
