"""What held when: step functions over time, in three-valued logic (semantics §3 and §4).

A `Track` is a channel's value over a span, known or not; a `Timeline` is a condition's truth over a span. Both are
arrays of the moments at which something begins, the first at the span's start, each holding until the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from contracts.periods import Span
from contracts.readings import Flags, Ints, Series

FALSE, UNKNOWN, TRUE = 0, 1, 2

States = npt.NDArray[np.int8]
Held = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The truth of a condition over a span: FALSE, UNKNOWN or TRUE from each start to the next."""

    span: Span
    starts: Ints
    states: States

    def lengths(self) -> Ints:
        """Milliseconds that each stretch lasts."""
        return lasting(self.starts, self.span)

    def time_in(self, state: int) -> int:
        """Milliseconds spent in a state."""
        return int(self.lengths()[self.states == state].sum())

    def at(self, moments: Ints) -> States:
        """The state at each moment of the span."""
        return self.states[np.searchsorted(self.starts, moments, side="right") - 1]

    def time_until(self, state: int, moments: Ints) -> Ints:
        """Milliseconds spent in a state from the span's start to each moment (the span's end included)."""
        lengths = np.where(self.states == state, self.lengths(), 0)
        before = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        place = np.maximum(np.searchsorted(self.starts, moments, side="right") - 1, 0)
        return before[place] + np.where(self.states[place] == state, moments - self.starts[place], 0)

    def merged(self) -> Timeline:
        """The same with equal neighbours joined: every stretch is as long as its state lasts."""
        keep = np.concatenate([[True], self.states[1:] != self.states[:-1]])
        return Timeline(self.span, self.starts[keep], self.states[keep])


@dataclass(frozen=True, slots=True)
class Track:
    """The value of a channel over a span, in ticks, where it is known."""

    span: Span
    starts: Ints
    ticks: Ints
    known: Flags

    def knowledge(self) -> Timeline:
        """When the value is known: TRUE or UNKNOWN."""
        return Timeline(self.span, self.starts, np.where(self.known, TRUE, UNKNOWN).astype(np.int8))


def track(series: Series, held: Held | None, span: Span, hold_ms: int | None) -> Track:
    """A channel's value over a span: each reading holds until the next, at most `hold_ms` (None: without end).

    `held` is the last reading before the span.
    """
    inside = series.between(span.start, span.end)
    times, ticks = inside.times, inside.ticks
    if held is not None and not (len(times) and times[0] == span.start):
        times, ticks = np.concatenate([[held[0]], times]), np.concatenate([[held[1]], ticks])
    if not len(times):
        return Track(span, np.array([span.start]), np.zeros(1, np.int64), np.zeros(1, np.bool_))
    following = np.concatenate([times[1:], [span.end]])
    if times[0] <= span.start and (hold_ms is None or (following - times <= hold_ms).all()):
        return Track(span, np.maximum(times, span.start), ticks, np.ones(len(times), np.bool_))  # no gap anywhere
    expiry = following if hold_ms is None else np.minimum(times + hold_ms, following)
    starts = np.stack([times, expiry], axis=1).ravel()
    ends = np.stack([expiry, following], axis=1).ravel()
    values = np.repeat(ticks, 2)
    known = np.tile([True, False], len(times))
    starts = np.maximum(starts, span.start)
    real = starts < ends
    starts, values, known = starts[real], values[real], known[real]
    if not len(starts) or starts[0] > span.start:
        starts = np.concatenate([[span.start], starts])
        values, known = np.concatenate([[0], values]), np.concatenate([[False], known])
    return Track(span, starts, values, known)


def lasting(starts: Ints, span: Span) -> Ints:
    """Milliseconds from each start to the next, the last to the span's end."""
    return np.concatenate([starts[1:], [span.end]]) - starts


def constant(span: Span, state: int) -> Timeline:
    """The same state over the whole span."""
    return Timeline(span, np.array([span.start], np.int64), np.array([state], np.int8))


def overlay(*parts: Timeline | Track) -> tuple[Ints, list[npt.NDArray[Any]]]:
    """The starts of all parts together, and for each part the place of its stretch at each of them."""
    starts = parts[0].starts
    for part in parts[1:]:
        if len(part.starts) != len(starts) or not np.array_equal(part.starts, starts):
            starts = np.union1d(starts, part.starts)
    return starts, [np.searchsorted(part.starts, starts, side="right") - 1 for part in parts]


def conjunction(timelines: list[Timeline]) -> Timeline:
    """True where all are; false where any is: unknown and false is false."""
    starts, places = overlay(*timelines)
    states = [timeline.states[place] for timeline, place in zip(timelines, places, strict=True)]
    return Timeline(timelines[0].span, starts, np.minimum.reduce(states))


def disjunction(timelines: list[Timeline]) -> Timeline:
    """True where any is; false where all are: unknown or true is true."""
    starts, places = overlay(*timelines)
    states = [timeline.states[place] for timeline, place in zip(timelines, places, strict=True)]
    return Timeline(timelines[0].span, starts, np.maximum.reduce(states))


def negation(timeline: Timeline) -> Timeline:
    """True where the other is false; unknown stays unknown."""
    return Timeline(timeline.span, timeline.starts, (TRUE - timeline.states).astype(np.int8))


def only_long(timeline: Timeline, least_ms: int, true_since: int | None) -> Timeline:
    """Runs of true shorter than `least_ms` become false; a run that began at `true_since` is as long as that makes it.

    The last run is judged by what the span shows of it.
    """
    runs = timeline.merged()
    lengths = runs.lengths()
    if true_since is not None and runs.states[0] == TRUE:
        lengths = lengths.copy()
        lengths[0] += timeline.span.start - true_since
    states = np.where((runs.states == TRUE) & (lengths < least_ms), FALSE, runs.states).astype(np.int8)
    return Timeline(timeline.span, runs.starts, states)
