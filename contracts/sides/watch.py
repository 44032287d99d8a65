"""What promises look at in the readings of one device: the truth of their conditions, stretch by stretch.

A watch is (promise id, role). Its timeline covers the device's time in force; neighbouring stretches join into one, so
that hours metered as they come, and a period metered whole, give the same.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from contracts.language.conditions import Condition
from contracts.language.terms import Terms
from contracts.periods import Span
from contracts.sides.stretches import Stretches
from contracts.timeline import Timeline

Watch = tuple[str, str]

ALIVE: Watch = ("", "alive")


def watches(terms: Terms) -> dict[Watch, Condition]:
    """Every condition that a promise of the contract looks at."""
    found: dict[Watch, object] = {}
    for promise in terms.guarantees:
        found[promise.id, "holds"] = promise.available_when or promise.level
        found[promise.id, "while"] = promise.while_
        if promise.response is not None:
            found[promise.id, "from"] = promise.response.from_
            found[promise.id, "to"] = promise.response.to
    for duty in terms.obligations:
        found[duty.id, "holds"] = duty.limit
        found[duty.id, "while"] = duty.while_
    return {watch: condition for watch, condition in found.items() if isinstance(condition, Condition)}


def watches_life(terms: Terms) -> bool:
    """Does a promise ask whether a device is known at all?"""
    return any(duty.connected is not None for duty in terms.obligations)


def joined(timelines: Iterable[Timeline]) -> Timeline:
    """Timelines of stretches that follow each other, as one."""
    parts = list(timelines)
    span = Span(parts[0].span.start, parts[-1].span.end)
    starts = np.concatenate([part.starts for part in parts])
    states = np.concatenate([part.states for part in parts])
    return Timeline(span, starts, states).merged()


def stretches_in(timeline: Timeline, state: int) -> Stretches:
    """When the timeline is in a state."""
    runs = timeline.merged()
    places = np.flatnonzero(runs.states == state)
    ends = np.append(runs.starts[1:], runs.span.end)
    pairs = zip(runs.starts[places].tolist(), ends[places].tolist(), strict=True)
    return tuple(Span(start, end) for start, end in pairs)
