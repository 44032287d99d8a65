"""What each meter of each device came to in a period, as a statement's usage rows (semantics §3 and §8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from contracts.counter import Break, cases
from contracts.figures import percent_down, plain
from contracts.language.terms import Device, Terms
from contracts.meters import Totals, scale
from contracts.periods import Span, rfc3339
from contracts.readings import Counts
from contracts.review import Row
from contracts.sides.stretches import Stretches
from contracts.sides.watch import Watch
from contracts.timeline import Timeline
from contracts.units import round_to, scaled


@dataclass(frozen=True, slots=True)
class Metered:
    """One device over a period: when it was in force, what its meters measured and its promises saw, and what became
    of its readings.
    """

    device: Device
    force: Span
    totals: Mapping[str, Totals]
    counts: Mapping[str, Counts]
    refused: Mapping[str, int]
    aside: tuple[Row, ...] = ()
    watched: Mapping[Watch, Timeline] = field(default_factory=dict)
    overdue: Mapping[str, Stretches] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """One usage row: the quantity of a meter on a device, rounded once, and how much of the time was known."""

    meter: str
    device: str
    quantity: Decimal
    off_quality: Decimal
    known_ms: int
    force_ms: int
    row: dict[str, Any]


def usage_of(terms: Terms, name: str, metered: Metered) -> Usage:
    """What one meter of a device came to: rounded once, here, and nowhere before."""
    meter, totals = terms.meters[name], metered.totals[name]
    resolution = terms.meter_resolution(name)
    unit = scale(terms, name)
    on = totals.on + (totals.unknown if meter.unknown == "full" else 0)
    off = totals.off + (totals.unknown if meter.unknown == "off_quality" else 0)
    quantity, off_quality = round_to(on * unit, resolution), round_to(off * unit, resolution)
    excess = sum(max(flag.excess for flag in case) for case in cases(list(totals.flags)))
    row = {
        "meter": name,
        "device": metered.device.id,
        "quantity": plain(quantity),
        "off_quality": plain(off_quality),
        "quarantined": plain(round_to(excess * unit, resolution)),
        "unit": terms.meter_unit(name),
        "opening": _register(terms, name, totals.opening),
        "closing": _register(terms, name, totals.closing),
        "known_ms": totals.known_ms,
        "coverage": percent_down(totals.known_ms, metered.force.length_ms),
        "counts": _counts(terms, name, metered, totals),
        "breaks": [_break(terms, name, each) for each in totals.breaks],
    }
    return Usage(name, metered.device.id, quantity, off_quality, totals.known_ms, metered.force.length_ms, row)


def _register(terms: Terms, name: str, ticks: int | None) -> str | None:
    channel = terms.meters[name].counter
    return None if ticks is None or channel is None else plain(scaled(ticks, terms.channels[channel].resolution))


def _break(terms: Terms, name: str, found: Break) -> dict[str, Any]:
    registers = {"from": found.before, "to": found.after, "counted": found.counted}
    shown = {key: _register(terms, name, ticks) for key, ticks in registers.items()}
    return {"time": rfc3339(found.time), **shown, "reason": found.reason}


def _counts(terms: Terms, name: str, metered: Metered, totals: Totals) -> dict[str, int]:
    """Readings of the meter's own channels; what its counter rules quarantined is no longer counted as accepted."""
    channels = terms.meter_channels(name, metered.device.id)
    sums = sum((metered.counts[channel] for channel in channels), Counts())
    flagged = sum(flag.count for flag in totals.flags)
    return {
        "accepted": sums.accepted - flagged,
        "duplicate": sums.duplicate,
        "conflicting": sums.conflicting,
        "late": sums.late,
        "quarantined": sums.quarantined + flagged,
        "rejected": sum(metered.refused.get(channel, 0) for channel in channels),
        "gaps": totals.gaps,
    }
