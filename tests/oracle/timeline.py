"""Conditions over time, piece by piece: true, false, or None for unknown (semantics §4)."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from tests.oracle.events import Event
from tests.oracle.reading import Held, Source
from tests.oracle.terms import COMPARISONS, Terms, duration_ms, named, resolution, sources

State = bool | None


@dataclass(frozen=True, slots=True)
class Piece:
    """An interval [start, end) in which nothing the condition looks at changes."""

    start: int
    end: int
    state: State

    @property
    def length(self) -> int:
        """Return its length in milliseconds."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class World:
    """Everything there is to look at: the terms, what each channel was known to be, and what people said."""

    terms: Terms
    held: dict[Source, list[Held]]
    events: list[Event]

    def ticks_at(self, source: Source, moment: int) -> int | None:
        """Return the value of a channel at a moment, in ticks, or None where it is unknown."""
        values = self.held.get(source, [])
        index = bisect_right(values, moment, key=lambda held: held.start) - 1
        if index < 0 or moment >= values[index].end:
            return None
        return values[index].ticks


def cuts(world: World, looked_at: set[Source], start: int, end: int) -> list[int]:
    """Return every moment in [start, end] at which a channel looked at can change, with both edges."""
    moments = {start, end}
    for source in looked_at:
        for held in world.held.get(source, []):
            moments |= {moment for moment in (held.start, held.end) if start < moment < end}
    return sorted(moments)


def timeline(world: World, condition: Any, measured: str, start: int, end: int) -> list[Piece]:
    """Return a condition over [start, end), cut into pieces; neighbours may have the same state."""
    moments = cuts(world, sources(world.terms, condition, measured), start, end)
    states = states_at(world, condition, measured, moments)
    return [Piece(a, b, state) for a, b, state in zip(moments[:-1], moments[1:], states, strict=True)]


def states_at(world: World, condition: Any, measured: str, moments: list[int]) -> list[State]:
    """Return the state of a condition between each of the moments and the next."""
    condition = named(world.terms, condition)
    if "condition" in condition:
        states = states_at(world, condition["condition"], measured, moments)
    elif "not" in condition:
        states = [opposite(state) for state in states_at(world, condition["not"], measured, moments)]
    elif "all" in condition:
        parts = [states_at(world, part, measured, moments) for part in condition["all"]]
        states = [all_of(at_once) for at_once in zip(*parts, strict=True)]
    elif "any" in condition:
        parts = [states_at(world, part, measured, moments) for part in condition["any"]]
        states = [opposite(all_of([opposite(s) for s in at_once])) for at_once in zip(*parts, strict=True)]
    else:
        source = (condition.get("device", measured), condition["channel"])
        states = [compare(world, condition, source, moment) for moment in moments[:-1]]
    if "for" in condition:
        states = long_enough(states, moments, duration_ms(condition["for"]))
    return states


def opposite(state: State) -> State:
    """Return the contrary; that of unknown is unknown."""
    return None if state is None else not state


def all_of(states: Sequence[State]) -> State:
    """Return false if one is false, else unknown if one is unknown, else true."""
    if False in states:
        return False
    return None if None in states else True


def compare(world: World, condition: Terms, source: Source, moment: int) -> State:
    """Return whether a channel's value meets a comparison at a moment."""
    ticks = world.ticks_at(source, moment)
    if ticks is None:
        return None
    value = ticks * number(resolution(world.terms, source[1]))
    [(word, bound)] = [(word, condition[word]) for word in COMPARISONS if word in condition]
    if word == "between":
        return number(bound[0]) <= value <= number(bound[1])
    limit = number(bound)
    return {
        "above": value > limit,
        "at_least": value >= limit,
        "below": value < limit,
        "at_most": value <= limit,
        "is": value == limit,
    }[word]


@cache
def number(text: str) -> Fraction:
    """Return the exact number a text writes."""
    return Fraction(text)


def long_enough(states: list[State], moments: list[int], least_ms: int) -> list[State]:
    """Turn every run of true that is shorter than `for` into false."""
    kept = list(states)
    index = 0
    while index < len(states):
        after = index + 1
        if states[index] is True:
            while after < len(states) and states[after] is True:
                after += 1
            if moments[after] - moments[index] < least_ms:
                kept[index:after] = [False] * (after - index)
        index = after
    return kept


def state_at(pieces: list[Piece], moment: int) -> State:
    """Return the state at one moment; unknown outside the timeline."""
    return next((piece.state for piece in pieces if piece.start <= moment < piece.end), None)
