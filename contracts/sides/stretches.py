"""Sets of time: disjoint half-open stretches in order, and what two sets have in common (ms UTC)."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.periods import Span

Stretches = tuple[Span, ...]


def united(spans: Iterable[Span]) -> Stretches:
    """All time in any of the spans; those that touch become one."""
    found: list[Span] = []
    for span in sorted((span for span in spans if span.end > span.start), key=lambda span: span.start):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)


def overlap(one: Stretches, other: Stretches) -> Stretches:
    """The time in both sets; the pieces keep the edges of both."""
    found, place = [], 0
    for span in one:
        while place < len(other) and other[place].end <= span.start:
            place += 1
        at = place
        while at < len(other) and other[at].start < span.end:
            piece = other[at]
            whole = piece.start <= span.start and span.end <= piece.end  # mostly, and no new stretch then
            found.append(span if whole else span.within(piece))
            at += 1
    return tuple(found)


def without(one: Stretches, other: Stretches) -> Stretches:
    """The time in the first set and not in the second."""
    found, place = [], 0
    for span in one:
        while place < len(other) and other[place].end <= span.start:
            place += 1
        start, at = span.start, place
        while at < len(other) and other[at].start < span.end:
            found.append(Span(start, other[at].start))
            start = other[at].end
            at += 1
        found.append(Span(start, span.end))
    return tuple(piece for piece in found if piece.end > piece.start)


def length_ms(stretches: Stretches) -> int:
    """How long they are together."""
    return sum(span.length_ms for span in stretches)


def first_ms(stretches: Stretches, most_ms: int) -> Stretches:
    """The first so many milliseconds of them, the last piece cut."""
    found, left = [], most_ms
    for span in stretches:
        if left <= 0:
            break
        found.append(Span(span.start, min(span.end, span.start + left)))
        left -= span.length_ms
    return tuple(found)
