"""Readings that were kept aside and not billed, as a statement shows them to both parties (semantics §1 and §3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from contracts.counter import Flag, cases
from contracts.judging import Key
from contracts.language.terms import Terms
from contracts.meters import Totals
from contracts.periods import Span, rfc3339
from contracts.readings import Decision, Disposition, Flags, Judged, decimal_texts

# More than this many of one kind on one channel are shown as one row with their count.
SINGLY = 20

Row = dict[str, Any]


def kept_aside(
    terms: Terms,
    device: str,
    judged: Mapping[Key, Judged],
    span: Span,
    decisions: Mapping[str, Sequence[Decision]],
) -> Iterator[Row]:
    """Conflicts, and readings quarantined for their clock, of one device over a span, that nobody has decided."""
    for channel in terms.channels:
        if (device, channel) not in judged:
            continue
        found = judged[device, channel]
        low, high = np.searchsorted(found.columns.times, [span.start, span.end])
        if not found.dispositions[low:high].any():
            continue
        inside = np.zeros(len(found.columns), np.bool_)
        inside[low:high] = True
        decided = [decision.time for decision in decisions.get(channel, ()) if _settles(found, decision)]
        if decided:
            inside &= ~np.isin(found.columns.times, decided)
        for disposition, reason in (
            (Disposition.CONFLICTING, "another value for a moment that has one; the first to arrive stands"),
            (Disposition.QUARANTINED, "the device's clock was too far ahead of its arrival, or the reading too old"),
        ):
            where = inside & (found.dispositions == disposition)
            yield from _rows(terms, device, channel, found, where, disposition, reason)


def _settles(found: Judged, decision: Decision) -> bool:
    """Is the decision about a value that came for its moment, and that it can accept or discard?"""
    low, high = np.searchsorted(found.columns.times, [decision.time, decision.time + 1])
    if decision.ticks is None:
        return bool(high > low)
    kept = found.columns.ticks[low:high] == decision.ticks
    stands = found.dispositions[low:high] == Disposition.ACCEPTED
    return bool((kept & (stands if decision.accepted else ~stands)).any())


def flagged(terms: Terms, device: str, totals: Mapping[str, Totals]) -> Iterator[Row]:
    """What the rules of each counter quarantined, by case."""
    for name, measured in totals.items():
        channel = terms.meters[name].counter
        if channel is not None:
            for case in cases(list(measured.flags)):
                yield _case(terms, device, channel, case)


def _rows(
    terms: Terms, device: str, channel: str, found: Judged, where: Flags, disposition: Disposition, reason: str
) -> Iterable[Row]:
    places = np.flatnonzero(where)
    if not len(places):
        return []
    groups = [places] if len(places) > SINGLY else [places[i : i + 1] for i in range(len(places))]
    return [_row(terms, device, channel, found, group, disposition, reason) for group in groups]


def _row(
    terms: Terms,
    device: str,
    channel: str,
    found: Judged,
    places: np.ndarray[tuple[int], np.dtype[np.int64]],
    disposition: Disposition,
    reason: str,
) -> Row:
    times = found.columns.times[places]
    return {
        "device": device,
        "channel": channel,
        "disposition": disposition.name.lower(),
        "first": rfc3339(int(times[0])),
        "latest": rfc3339(int(times[-1])),
        "count": len(places),
        "value": decimal_texts(found.columns.ticks[places[:1]], terms.channels[channel].resolution)[0],
        "reason": reason,
    }


def _case(terms: Terms, device: str, channel: str, case: list[Flag]) -> Row:
    value = decimal_texts(np.array([case[0].ticks], np.int64), terms.channels[channel].resolution)[0]
    return {
        "device": device,
        "channel": channel,
        "disposition": "quarantined",
        "first": rfc3339(case[0].first),
        "latest": rfc3339(case[-1].latest),
        "count": sum(flag.count for flag in case),
        "value": value,
        "reason": case[0].reason,
    }
