"""Stretches of time as lists of (start, end) in milliseconds: joined, crossed, taken away, added up."""

from collections.abc import Iterable

Span = tuple[int, int]
Spans = list[Span]


def joined(*several: Iterable[Span]) -> Spans:
    """Return the time in any of the lists; stretches that touch or overlap become one."""
    result: Spans = []
    for start, end in sorted(span for spans in several for span in spans if span[0] < span[1]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def shared(one: Iterable[Span], other: Iterable[Span]) -> Spans:
    """Return the time in both lists."""
    others = list(other)
    return joined((max(a, c), min(b, d)) for a, b in one for c, d in others)


def without(one: Iterable[Span], other: Iterable[Span]) -> Spans:
    """Return the time in the first list that is not in the other."""
    left = joined(one)
    for start, end in other:
        left = [part for a, b in left for part in ((a, min(b, start)), (max(a, end), b)) if part[0] < part[1]]
    return left


def length(spans: Iterable[Span]) -> int:
    """Return how long the stretches of a list, which do not overlap, are together."""
    return sum(end - start for start, end in spans)


def first_of(spans: Iterable[Span], most: int) -> Spans:
    """Return the first `most` milliseconds of the stretches, in order of time."""
    result = []
    for start, end in joined(spans):
        taken = min(end - start, most)
        if taken:
            result.append((start, start + taken))
            most -= taken
    return result
