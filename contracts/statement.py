"""What a period comes to: meters to usage rows, charges to lines, lines to a total (semantics §5 and §8).

`meter_period` measures and `draft` prices; the live view, the final statement, `compute` and `verify` all call these
two and nothing else. What a statement gets later, its number, cut and signature, is its seal and changes no figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from contracts.balances import Balance
from contracts.contract import Contract
from contracts.events import NO_EVENTS, Docket
from contracts.figures import grouped, percent_down, plain
from contracts.judging import Key
from contracts.language.charges import Charge
from contracts.language.terms import Device, Terms
from contracts.metering import DeviceState, advance, begin_period
from contracts.periods import Period, force_days, in_force, rfc3339
from contracts.pricing import Priced, Share, derivation_of, price_flat, price_gain, price_quantity, statement_line
from contracts.readings import Counts, Judged
from contracts.review import flagged, kept_aside
from contracts.sides.carried import Carried, Promised, State
from contracts.sides.obligations import View
from contracts.sides.outcome import Facts, judge_sides
from contracts.sides.rows import duty_row, event_row, promise_row
from contracts.sides.service_hours import holidays_in
from contracts.sides.settling import settle
from contracts.sides.told import MeterId, told_of
from contracts.units import round_money
from contracts.usage import Metered, Usage, usage_of

SCHEMA = "fairmeter.statement/1"

Holidays = Mapping[str, tuple[date, ...]]


@dataclass(frozen=True, slots=True)
class Input:
    """What a period is computed from: its readings as judged, refusals, new meter ids by device, and its events.

    `late` overrides the count of late readings by channel where the order of arrival is recorded elsewhere; `docket`
    holds the events that touch the period; `holidays` are those of each promise's service hours.
    """

    judged: Mapping[Key, Judged]
    refused: Mapping[Key, int] = field(default_factory=dict)
    meter_ids: Mapping[str, tuple[MeterId, ...]] = field(default_factory=dict)
    late: Mapping[Key, int] | None = None
    docket: Docket = NO_EVENTS
    holidays: Holidays | None = None


def meter_period(
    terms: Terms, period: Period, opening: State, given: Input
) -> tuple[list[Metered], dict[str, DeviceState]]:
    """Measure a whole period from its opening state and its readings; gives where each device stands after, too."""
    series = {key: judged.series() for key, judged in given.judged.items()}
    metered, after = [], dict[str, DeviceState]()
    for device in terms.devices:
        state = begin_period(opening.devices[device.id])
        told = told_of(terms, given.docket, device.id, given.meter_ids.get(device.id, ()))
        stretch, after[device.id] = advance(
            terms, device, period, state, series, period.span.end, closing=True, told=told
        )
        force = in_force(terms, device, period)
        aside = tuple(kept_aside(terms, device.id, given.judged, force, told.decisions))
        counts, refused = tally(terms, device, period, given)
        metered.append(Metered(device, force, stretch.totals, counts, refused, aside, stretch.watched, stretch.overdue))
    return metered, after


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


def holidays_of(terms: Terms, period: Period) -> dict[str, tuple[date, ...]]:
    """The holidays of each promise's service hours in a period and the day before, whose hours may reach into it."""
    before = period.first - timedelta(days=1)
    found = {each.id: holidays_in(each.service_hours, before, period.after) for each in terms.guarantees}
    found |= {each.id: holidays_in(each.service_hours, before, period.after) for each in terms.obligations}
    return {promise: days for promise, days in found.items() if days}


def draft(
    contract: Contract,
    period: Period,
    metered: list[Metered],
    carried: Carried,
    docket: Docket,
    *,
    status: str,
    until: int | None = None,
    holidays: Holidays | None = None,
) -> tuple[dict[str, Any], Carried]:
    """The statement of a period without its seal, and what its charges and promises carry into the next.

    Usage, both sides' promises, lines and total; decimals are text, times RFC 3339. `until` is how far a period has
    come that is not over.
    """
    terms = contract.terms if period.days else _nothing_owed(contract.terms)
    present = [device for device in metered if device.force.length_ms > 0]
    usage = [usage_of(terms, name, device) for name in terms.meters for device in present]
    kept: dict[Promised, Balance] = {}
    charges = [line for charge in terms.charges for line in _lines(terms, charge, period, usage, carried, kept)]
    views = [_view(terms, period, device) for device in present]
    quantities = {(row.meter, row.device): row.quantity for row in usage}
    reached = period.span.end if until is None else until
    closed = holidays_of(terms, period) if holidays is None else holidays
    facts = Facts(terms, period, reached, views, quantities, docket, closed, carried)
    sides = judge_sides(facts)
    settled = settle(facts, sides, charges)
    lines = [*charges, *settled.lines, *settlement_lines(terms, docket)]
    document = {
        **_head(contract, period, status),
        "usage": [row.row for row in usage],
        "guarantees": [promise_row(facts, each) for each in sides.promises],
        "obligations": [duty_row(each) for each in sides.duties],
        "events": [event_row(docket, event) for event in docket.events],
        "lines": lines,
        "balances": list(_balance_rows(terms, kept)),
        "adjustments": [],
        "restated": [],
        "total": total_of(terms, lines),
        "review": [row for each in present for row in (*each.aside, *flagged(terms, each.device.id, each.totals))],
        "input": None,
        "closing_state_sha256": None,
        "evidence": None,
        "signature": None,
    }
    return document, replace(settled.carried, balances={place: each.lots for place, each in kept.items() if each.lots})


def _nothing_owed(terms: Terms) -> Terms:
    """The terms after a contract's last period: nothing is promised any more, only corrected."""
    return terms.model_copy(update={"meters": {}, "charges": (), "guarantees": (), "obligations": ()})


def settlement_lines(terms: Terms, docket: Docket) -> Iterator[dict[str, Any]]:
    """Disputes that both sides have settled, in the period in which the second accepted (semantics §8)."""
    for event in docket.events:
        if event.type == "settlement" and event.amount is not None and docket.settled_at(event) is not None:
            text = f"settled by both sides: {event.reason or 'no reason given'} (entered by {event.by}, {event.side})"
            name, title = event.line or event.id, f"Settlement of {event.period}: {event.line}"
            amount = plain(round_money(Fraction(event.amount), terms.currency, terms.rounding))
            steps = [{"text": text, "amount": plain(event.amount)}]
            because = [{"event": event.id, "period": event.period}]
            yield statement_line(terms, name, event.device, "settlement", title, amount, steps, because=because)


def _head(contract: Contract, period: Period, status: str) -> dict[str, Any]:
    """What a statement is of; its number, its place in the chain and its time of issue come with the seal."""
    start, end = rfc3339(period.span.start), rfc3339(period.span.end)
    return {
        "schema": SCHEMA,
        "contract": contract.terms.id,
        "version": contract.terms.version,
        "terms_sha256": contract.sha256,
        "number": None,
        "previous_sha256": None,
        "status": status,
        "issued_at": None,
        "period": {"name": period.name, "start": start, "end": end, "timezone": period.timezone},
        "currency": contract.terms.currency,
    }


def total_of(terms: Terms, lines: list[dict[str, Any]]) -> str:
    """The sum of rounded lines, by definition; exact, however large."""
    total = sum((Fraction(line["amount"]) for line in lines), Fraction(0))
    return plain(round_money(total, terms.currency, terms.rounding))


def _view(terms: Terms, period: Period, device: Metered) -> View:
    days = _share(terms, device.device, period).days
    return View(device.device.id, device.force, days, device.watched, device.overdue)


def _balance_rows(terms: Terms, kept: Mapping[Promised, Balance]) -> Iterator[dict[str, Any]]:
    meters = {charge.id: charge.meter or "" for charge in terms.charges}
    for (charge, device), balance in kept.items():
        yield balance.row(charge, device or None, terms.meter_resolution(meters[charge]))


def _lines(
    terms: Terms,
    charge: Charge,
    period: Period,
    usage: list[Usage],
    carried: Carried,
    kept: dict[Promised, Balance],
) -> Iterator[dict[str, Any]]:
    """The lines of one charge: one in all, or one for each device in force; balances are put into `kept`."""
    whole = _share(terms, None, period)
    if not whole.days:
        return
    if charge.price.flat is not None and charge.price.per != "device":
        yield _line(terms, charge, None, [], price_flat(charge, whole, terms.currency))
        return
    if charge.price.gain_share is not None:
        yield from _gains(terms, charge, usage)
        return
    if charge.pool:
        rows = [row for row in usage if row.meter == charge.meter]
        yield _metered(terms, charge, None, rows, period, carried, kept)
        return
    for device in terms.devices:
        share = _share(terms, device, period)
        if not share.days:
            continue
        rows = [row for row in usage if row.meter == charge.meter and row.device == device.id]
        if charge.price.flat is not None:
            yield _line(terms, charge, device.id, [], price_flat(charge, share, terms.currency))
        elif rows:
            yield _metered(terms, charge, device, rows, period, carried, kept)


def _metered(
    terms: Terms,
    charge: Charge,
    device: Device | None,
    rows: list[Usage],
    period: Period,
    carried: Carried,
    kept: dict[Promised, Balance],
) -> dict[str, Any]:
    """The line of a quantity: of one device, or (None) of all together."""
    quantity = sum((_part(charge, row) for row in rows), Decimal(0))
    place = (charge.id, device.id if device else "")
    leaves = device is not None and device.until is not None and device.until <= period.after
    lots = carried.balances.get(place, ())
    priced = price_quantity(terms, charge, quantity, _share(terms, device, period), lots, leaves=leaves)
    if priced.balance is not None:
        kept[place] = priced.balance
    return _line(terms, charge, device.id if device else None, rows, priced)


def _gains(terms: Terms, charge: Charge, usage: list[Usage]) -> Iterator[dict[str, Any]]:
    """What was saved against the baseline: a charge of the provider's share, or a credit of what it owes for less."""
    gain = charge.price.gain_share
    assert gain is not None, "called for a gain share"
    by_device: dict[str, list[Usage]] = {}
    for row in usage:
        if row.meter in (gain.meter, gain.per):
            by_device.setdefault(row.device, []).append(row)
    groups = [(None, [row for rows in by_device.values() for row in rows])] if charge.pool else [*by_device.items()]
    for device, rows in groups:
        parts = [[row for row in rows if row.meter == name] for name in (gain.meter, gain.per)]
        used, per = (sum((row.quantity for row in part), Decimal(0)) for part in parts)
        known = [(sum(row.known_ms for row in part), sum(row.force_ms for row in part)) for part in parts]
        measured = all(100 * part >= Fraction(gain.min_coverage) * whole for part, whole in known)
        priced = price_gain(terms, gain, used, per, measured=measured)
        line = _line(terms, charge, device, [], priced)
        lowest = min(known, key=lambda share: Fraction(share[0], share[1] or 1), default=(0, 0))
        yield {
            **line,
            "kind": "credit" if priced.exact < 0 else "charge",
            "coverage": percent_down(*lowest) if lowest[1] else None,
        }


def _share(terms: Terms, device: Device | None, period: Period) -> Share:
    first, after = force_days(terms, device, period)
    return Share((after - first).days, period.days)


def _part(charge: Charge, row: Usage) -> Decimal:
    return row.off_quality if charge.part == "off_quality" else row.quantity


def _line(terms: Terms, charge: Charge, device: str | None, rows: list[Usage], priced: Priced) -> dict[str, Any]:
    quantity = sum((_part(charge, row) for row in rows), Decimal(0))
    force_ms = sum(row.force_ms for row in rows)
    unit = terms.meter_unit(charge.meter) if charge.meter else None
    steps = derivation_of(priced.steps)
    if len(rows) > 1 and unit:
        steps.insert(0, {"text": _added(charge, rows, quantity, unit), "amount": None})
    return statement_line(
        terms,
        charge.id,
        device,
        "charge",
        charge.title or charge.id,
        plain(round_money(priced.exact, terms.currency, terms.rounding)),
        steps,
        because=[],
        quantity=plain(quantity) if charge.meter else None,
        unit=unit,
        coverage=percent_down(sum(row.known_ms for row in rows), force_ms) if force_ms else None,
    )


def _added(charge: Charge, rows: list[Usage], quantity: Decimal, unit: str) -> str:
    terms = " + ".join(f"{grouped(_part(charge, row))} ({row.device})" for row in rows)
    return f"{terms} = {grouped(quantity)} {unit}"
