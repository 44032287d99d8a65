"""Obligations: what the customer promised, whether it kept it, and when it did not (semantics §7).

Within tolerance there is no breach and nothing is excused; beyond it, every interval out of bounds is the breach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction

from contracts.figures import percent_down, plain
from contracts.language.promises import Obligation
from contracts.periods import Span
from contracts.sides.service_hours import service_stretches
from contracts.sides.stretches import Stretches, length_ms, overlap, united
from contracts.sides.watch import ALIVE, Watch, stretches_in
from contracts.timeline import FALSE, TRUE, UNKNOWN, Timeline
from contracts.units import HOUR_MS, round_to


@dataclass(frozen=True, slots=True)
class View:
    """One device over its time in force in a period: what its promises saw, and its local days in force."""

    device: str
    force: Span
    days: int
    watched: Mapping[Watch, Timeline]
    overdue: Mapping[str, Stretches] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Duty:
    """What became of one obligation, for a device or (None) the contract; `met` None is not measured or not decided.

    `short` is the use that lacks, in the meter's unit; `note` says in words how the limit came about.
    """

    duty: Obligation
    device: str | None
    met: bool | None
    measured: str | None
    limit: str
    unit: str
    stretches: Stretches = ()
    short: Fraction = Fraction(0)
    note: str | None = None

    @property
    def broken(self) -> bool:
        """Is it known not to be kept?"""
        return self.met is False


def keep_within(duty: Obligation, view: View) -> Duty:
    """A limit: a condition kept for all but `tolerance` percent of known time."""
    holds = view.watched[duty.id, "holds"]
    gate = view.watched.get((duty.id, "while"))
    asked = (view.force,) if gate is None else overlap(stretches_in(gate, TRUE), (view.force,))
    out = overlap(stretches_in(holds, FALSE), asked)
    base = length_ms(out) + length_ms(overlap(stretches_in(holds, TRUE), asked))
    if duty.unknown == "breach":
        silent = overlap(stretches_in(holds, UNKNOWN), asked)
        out, base = united([*out, *silent]), base + length_ms(silent)
    limit = plain(duty.tolerance)
    if not base:
        return Duty(duty, view.device, None, None, limit, "%")
    met = 100 * length_ms(out) <= Fraction(duty.tolerance) * base
    measured = percent_down(length_ms(out), base)
    return Duty(duty, view.device, met, measured, limit, "%", () if met else out)


def keep_connected(duty: Obligation, view: View, timezone: str, closed: tuple[date, ...]) -> Duty:
    """Connected: at least one channel of the device known for so many percent of the time."""
    assert duty.connected is not None, "dispatched by kind"
    asked = service_stretches(duty.service_hours, view.force, timezone, closed)
    dark = overlap(stretches_in(view.watched[ALIVE], UNKNOWN), asked)
    whole, known = length_ms(asked), length_ms(asked) - length_ms(dark)
    limit = plain(duty.connected)
    if not whole:
        return Duty(duty, view.device, None, None, limit, "%")
    met = 100 * known >= Fraction(duty.connected) * whole
    return Duty(duty, view.device, met, percent_down(known, whole), limit, "%", () if met else dark)


def keep_serviced(duty: Obligation, view: View) -> Duty:
    """A service: not overdue, or, where the provider comes, access not refused."""
    overdue = overlap(view.overdue.get(duty.id, ()), (view.force,))
    hours = round_to(Fraction(length_ms(overdue), HOUR_MS), Decimal("0.001"))
    return Duty(duty, view.device, not overdue, plain(hours), "0", "h", overdue)


def keep_use_limit(duty: Obligation, device: str, used: Decimal, per: Decimal) -> Duty:
    """A use limit: at most so much of one meter for each unit of another."""
    assert duty.use_limit is not None, "dispatched by kind"
    met = Fraction(used) <= Fraction(duty.use_limit.at_most) * Fraction(per)
    measured = plain(Fraction(used) / Fraction(per)) if per else None
    return Duty(duty, device, met, measured, plain(duty.use_limit.at_most), "")


def owed(at_least: Decimal, share: Fraction, relief: Mapping[str, tuple[int, int]]) -> Fraction:
    """What a minimum use comes to: by days in force, less the downtime of each guarantee that gives relief.

    `relief` holds down and agreed ms by guarantee; nobody owes use of what the other side failed to deliver.
    """
    whole = Fraction(at_least) * share
    down = sum((Fraction(down_ms, agreed_ms) for down_ms, agreed_ms in relief.values() if agreed_ms), Fraction(0))
    return max(Fraction(0), whole * (1 - down))


def keep_minimum(
    duty: Obligation, used: Decimal, limit: Fraction, unit: str, *, decided: bool, note: str | None
) -> Duty:
    """A minimum use: `used` of the `limit` owed; not decided before its period or contract year is over."""
    met = Fraction(used) >= limit if decided else None
    short = max(Fraction(0), limit - Fraction(used)) if met is False else Fraction(0)
    return Duty(duty, None, met, plain(used), plain(limit), unit, (), short, note)
