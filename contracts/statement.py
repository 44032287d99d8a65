"""What a period comes to: meters to usage rows, charges to lines, lines to a total (semantics §5 and §8).

`meter_period` measures and `draft` prices; the live view, the final statement, `compute` and `verify` all call these
two and nothing else. What a statement gets later, its number, cut and signature, is its seal and changes no figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from contracts.charges import Charge
from contracts.contract import Contract
from contracts.counter import Break, cases
from contracts.figures import grouped, percent_down, plain
from contracts.judging import Key
from contracts.metering import DeviceState, State, advance, begin_period
from contracts.meters import Totals
from contracts.periods import Period, Span, force_days, in_force, rfc3339
from contracts.pricing import Priced, Share, price_flat, price_quantity
from contracts.readings import Counts, Judged
from contracts.review import Row, flagged, kept_aside
from contracts.terms import Device, Terms
from contracts.units import round_money, round_to, scaled

SCHEMA = "fairmeter.statement/1"


@dataclass(frozen=True, slots=True)
class Input:
    """What a period is computed from: its readings as judged, refusals, and times of new meter ids by device.

    `late` overrides the count of late readings by channel where the order of arrival is recorded elsewhere.
    """

    judged: Mapping[Key, Judged]
    refused: Mapping[Key, int] = field(default_factory=dict)
    exchanges: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    late: Mapping[Key, int] | None = None


@dataclass(frozen=True, slots=True)
class Metered:
    """One device over a period: when it was in force, what its meters measured, what became of its readings."""

    device: Device
    force: Span
    totals: Mapping[str, Totals]
    counts: Mapping[str, Counts]
    refused: Mapping[str, int]
    aside: tuple[Row, ...] = ()


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


def meter_period(terms: Terms, period: Period, opening: State, given: Input) -> tuple[list[Metered], State]:
    """Measure a whole period from its opening state and its readings; gives the closing state too."""
    series = {key: judged.series() for key, judged in given.judged.items()}
    metered, after = [], dict[str, DeviceState]()
    for device in terms.devices:
        state = begin_period(opening.devices[device.id])
        exchanges = given.exchanges.get(device.id, ())
        totals, after[device.id] = advance(
            terms, device, period, state, series, period.span.end, closing=True, exchanges=exchanges
        )
        force = in_force(terms, device, period)
        aside = tuple(kept_aside(terms, device.id, given.judged, force))
        metered.append(Metered(device, force, totals, *tally(terms, device, period, given), aside))
    return metered, State(period.span.end, after)


def tally(terms: Terms, device: Device, period: Period, given: Input) -> tuple[dict[str, Counts], dict[str, int]]:
    """What became of a device's readings, by channel, over its time in force in the period."""
    force = in_force(terms, device, period)
    counts, refused = {}, {}
    for channel in terms.channels:
        key = (device.id, channel)
        counts[channel] = given.judged[key].counts(force.start, force.end) if key in given.judged else Counts()
        if given.late is not None:
            counts[channel] = replace(counts[channel], late=given.late.get(key, 0))
        refused[channel] = given.refused.get(key, 0)
    return counts, refused


def draft(contract: Contract, period: Period, metered: list[Metered], *, status: str) -> dict[str, Any]:
    """The statement of a period without its seal: usage, lines and total. Decimals are text, times RFC 3339."""
    terms = contract.terms
    usage = [_usage(terms, name, device) for name in terms.meters for device in metered if device.force.length_ms > 0]
    lines = [line for charge in terms.charges for line in _lines(terms, charge, period, usage)]
    total = sum((Fraction(line["amount"]) for line in lines), Fraction(0))  # exact, however large
    return {
        "schema": SCHEMA,
        "contract": terms.id,
        "version": terms.version,
        "terms_sha256": contract.sha256,
        "number": None,
        "previous_sha256": None,
        "status": status,
        "issued_at": None,
        "period": {
            "name": period.name,
            "start": rfc3339(period.span.start),
            "end": rfc3339(period.span.end),
            "timezone": period.timezone,
        },
        "currency": terms.currency,
        "usage": [row.row for row in usage],
        "guarantees": [],
        "obligations": [],
        "lines": lines,
        "balances": [],
        "adjustments": [],
        "total": plain(round_money(total, terms.currency, terms.rounding)),
        "review": [row for each in metered for row in (*each.aside, *flagged(terms, each.device.id, each.totals))],
        "input": None,
        "closing_state_sha256": None,
        "evidence": None,
        "signature": None,
    }


def _usage(terms: Terms, name: str, metered: Metered) -> Usage:
    meter, totals = terms.meters[name], metered.totals[name]
    resolution = terms.meter_resolution(name)
    scale = _scale(terms, name)
    on = totals.on + (totals.unknown if meter.unknown == "full" else 0)
    off = totals.off + (totals.unknown if meter.unknown == "off_quality" else 0)
    quantity, off_quality = round_to(on * scale, resolution), round_to(off * scale, resolution)
    excess = sum(max(flag.excess for flag in case) for case in cases(list(totals.flags)))
    row = {
        "meter": name,
        "device": metered.device.id,
        "quantity": plain(quantity),
        "off_quality": plain(off_quality),
        "quarantined": plain(round_to(excess * scale, resolution)),
        "unit": terms.meter_unit(name),
        "opening": _register(terms, name, totals.opening),
        "closing": _register(terms, name, totals.closing),
        "known_ms": totals.known_ms,
        "coverage": percent_down(totals.known_ms, metered.force.length_ms),
        "counts": _counts(terms, name, metered, totals),
        "breaks": [_break(terms, name, each) for each in totals.breaks],
    }
    return Usage(name, metered.device.id, quantity, off_quality, totals.known_ms, metered.force.length_ms, row)


def _scale(terms: Terms, name: str) -> Fraction:
    """The meter's unit in one of its raw integers (see `meters.Totals`)."""
    meter = terms.meters[name]
    if meter.kind == "count":
        return Fraction(1)
    if meter.kind == "duration":
        return Fraction(1, meter.unit_ms)
    assert meter.channel is not None, "a counter or an integral has a channel"
    step = Fraction(terms.channels[meter.channel].resolution)
    return step / meter.per if meter.per else step


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


def _lines(terms: Terms, charge: Charge, period: Period, usage: list[Usage]) -> Iterator[dict[str, Any]]:
    """The lines of one charge: one in all, or one for each device in force."""
    whole = _share(terms, None, period)
    if not whole.days:
        return
    if charge.price.flat is not None and charge.price.per != "device":
        yield _line(terms, charge, None, [], price_flat(charge, whole, terms.currency))
        return
    if charge.pool:
        rows = [row for row in usage if row.meter == charge.meter]
        quantity = sum((_part(charge, row) for row in rows), Decimal(0))
        yield _line(terms, charge, None, rows, price_quantity(terms, charge, quantity, whole))
        return
    for device in terms.devices:
        share = _share(terms, device, period)
        if not share.days:
            continue
        rows = [row for row in usage if row.meter == charge.meter and row.device == device.id]
        if charge.price.flat is not None:
            yield _line(terms, charge, device.id, [], price_flat(charge, share, terms.currency))
        elif rows:
            yield _line(terms, charge, device.id, rows, price_quantity(terms, charge, _part(charge, rows[0]), share))


def _share(terms: Terms, device: Device | None, period: Period) -> Share:
    first, after = force_days(terms, device, period)
    return Share((after - first).days, period.days)


def _part(charge: Charge, row: Usage) -> Decimal:
    return row.off_quality if charge.part == "off_quality" else row.quantity


def _line(terms: Terms, charge: Charge, device: str | None, rows: list[Usage], priced: Priced) -> dict[str, Any]:
    quantity = sum((_part(charge, row) for row in rows), Decimal(0))
    force_ms = sum(row.force_ms for row in rows)
    unit = terms.meter_unit(charge.meter) if charge.meter else None
    steps = [
        {"text": step.text, "amount": None if step.amount is None else plain(step.amount)} for step in priced.steps
    ]
    if len(rows) > 1 and unit:
        steps.insert(0, {"text": _added(charge, rows, quantity, unit), "amount": None})
    return {
        "id": charge.id,
        "device": device,
        "kind": "charge",
        "title": charge.title or charge.id,
        "clause": f"{terms.clause_prefix}, {charge.id}" if terms.clause_prefix else charge.id,
        "quantity": plain(quantity) if charge.meter else None,
        "unit": unit,
        "amount": plain(round_money(priced.exact, terms.currency, terms.rounding)),
        "derivation": steps,
        "coverage": percent_down(sum(row.known_ms for row in rows), force_ms) if force_ms else None,
        "because": [],
    }


def _added(charge: Charge, rows: list[Usage], quantity: Decimal, unit: str) -> str:
    terms = " + ".join(f"{grouped(_part(charge, row))} ({row.device})" for row in rows)
    return f"{terms} = {grouped(quantity)} {unit}"
