"""Uptime and levels: what the provider promised of agreed time, and what it kept (semantics §6).

An outage is a maximal run of false within service hours; one shorter than `ignore_below` counts as up, a longer one in
full. Excused downtime leaves the agreed time, and so does unknown time unless the terms say that it is down or up. The
percentage is an exact ratio, compared unrounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contracts.language.promises import Guarantee
from contracts.periods import Span
from contracts.sides.carried import Figures
from contracts.sides.excuses import Excuse, Interval, apply_excuses, merged
from contracts.sides.stretches import Stretches, length_ms, overlap, united, without
from contracts.sides.watch import Watch, stretches_in
from contracts.timeline import FALSE, TRUE, UNKNOWN, Timeline, constant, overlay


@dataclass(frozen=True, slots=True)
class Kept:
    """A promise over the time of one period: its figures, and the intervals in which it was not simply kept."""

    figures: Figures
    intervals: list[Interval]


def measure(
    promise: Guarantee, truth: Timeline, agreed: Stretches, excuses: list[Excuse], dark: Mapping[str, Stretches]
) -> Kept:
    """What became of a promise: `truth` is its condition, `agreed` the service hours.

    `dark` is when the customer broke an obligation to keep the device connected, by obligation.
    """
    unknown = overlap(stretches_in(truth, UNKNOWN), agreed)
    bad = stretches_in(truth, FALSE)
    if promise.unknown == "down":
        bad = united([*bad, *unknown])
    runs = overlap(bad, agreed)
    outages = tuple(run for run in runs if run.length_ms >= promise.ignore_below)
    pieces = apply_excuses(promise, outages, excuses)
    excused_ms = sum(piece.span.length_ms for piece in pieces if piece.state == "excused")
    service_ms, unknown_ms = length_ms(agreed), length_ms(unknown)
    figures = Figures(
        service_ms=service_ms,
        agreed_ms=service_ms - excused_ms - (unknown_ms if promise.excluded else 0),
        excused_ms=excused_ms,
        down_ms=length_ms(outages) - excused_ms,
        unknown_ms=unknown_ms,
        hidden_ms=length_ms(overlap(unknown, united(span for each in dark.values() for span in each))),
    )
    return Kept(figures, merged([*pieces, *_silence(without(unknown, outages), dark)]))


def _silence(unknown: Stretches, dark: Mapping[str, Stretches]) -> list[Interval]:
    """Unknown time as intervals; where the customer did not keep the device connected, that is the reason."""
    found, rest = [], unknown
    for duty, stretches in dark.items():
        found += [Interval(span, "unknown", f"obligation:{duty}") for span in overlap(rest, stretches)]
        rest = without(rest, stretches)
    return found + [Interval(span, "unknown") for span in rest]


def truth_of(promise: Guarantee, watched: Mapping[Watch, Timeline], agreed: Stretches) -> tuple[Timeline, Stretches]:
    """A device's condition, and the service hours in which it is agreed.

    Of a level with `while`: where that is known false nothing is agreed, where it is unknown all is unknown.
    """
    truth = watched[promise.id, "holds"]
    gate = watched.get((promise.id, "while"))
    if gate is None:
        return truth, agreed
    starts, (truth_at, gate_at) = overlay(truth, gate)
    asked = gate.states[gate_at]
    states = np.where(asked == TRUE, truth.states[truth_at], np.where(asked == FALSE, TRUE, UNKNOWN)).astype(np.int8)
    return Timeline(truth.span, starts, states).merged(), without(agreed, stretches_in(gate, FALSE))


def together(truths: Sequence[Timeline], span: Span, least: int) -> Timeline:
    """Redundant devices as one: true where at least so many are, false where no more can be, else unknown.

    A device that is not in force at a moment is not available then.
    """
    whole = [_over(truth, span) for truth in truths] or [constant(span, FALSE)]
    starts, places = overlay(*whole)
    states = np.stack([truth.states[place] for truth, place in zip(whole, places, strict=True)])
    up, perhaps = (states == TRUE).sum(axis=0), (states != FALSE).sum(axis=0)
    found = np.where(up >= least, TRUE, np.where(perhaps < least, FALSE, UNKNOWN)).astype(np.int8)
    return Timeline(span, starts, found).merged()


def _over(truth: Timeline, span: Span) -> Timeline:
    """A timeline stretched over a longer span, false outside its own."""
    starts, states = truth.starts, truth.states
    if truth.span.start > span.start:
        starts, states = np.concatenate([[span.start], starts]), np.concatenate([[FALSE], states])
    if truth.span.end < span.end:
        starts, states = np.concatenate([starts, [truth.span.end]]), np.concatenate([states, [FALSE]])
    return Timeline(span, starts, states.astype(np.int8))
