"""Maintenance that falls due by use or by days: when it was overdue, stretch by stretch (semantics §7).

Use is counted on the meter's own readings since the last `serviced`, else since the device's time in force began. The
customer's service is a breach from the moment it is due, the provider's from the moment access was refused; both last
until the next `serviced`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from contracts.language.promises import Service
from contracts.meters import MeterState, Sight, accepted_steps, scale
from contracts.periods import Span
from contracts.readings import Ints
from contracts.sides.service_hours import same_time_later
from contracts.sides.stretches import Stretches, united
from contracts.sides.told import Told
from contracts.timeline import TRUE, lasting, overlay


@dataclass(frozen=True, slots=True)
class ServiceState:
    """Where one service stands: use since the last one in the meter's integers, when that was, what is overdue."""

    since: int
    done: int = 0
    due: int | None = None
    refused: int | None = None


@dataclass(frozen=True, slots=True)
class Growth:
    """How a meter grew over a stretch: from each start to its end by a rate, or at once where they are equal."""

    starts: Ints
    ends: Ints
    amounts: Ints

    def between(self, after: int, until: int, need: int) -> tuple[int, int | None]:
        """What was added in (after, until], and the first moment at which that came to `need`."""
        if self.starts is self.ends:
            return self._steps(after, until, need)
        added, reached = 0, None
        for start, end, rate in zip(self.starts.tolist(), self.ends.tolist(), self.amounts.tolist(), strict=True):
            low, high = max(start, after), min(end, until)
            part = rate * max(0, high - low)
            if reached is None and part > 0 and added + part >= need:
                reached = max(low, low + -(-(need - added) // rate))
            added += part
        return added, reached

    def _steps(self, after: int, until: int, need: int) -> tuple[int, int | None]:
        low, high = np.searchsorted(self.ends, [after, until], side="right")
        sums = np.cumsum(self.amounts[low:high])
        there = np.flatnonzero((sums >= need) & (self.amounts[low:high] > 0))
        reached = int(self.ends[low + there[0]]) if len(there) else None
        return int(sums[-1]) if len(sums) else 0, reached


_NONE = np.zeros(0, np.int64)


def growth(sight: Sight, name: str, state: MeterState) -> Growth:
    """How the meter grew over a stretch, where its `only_when` held; before it the meter stood at `state`."""
    meter = sight.terms.meters[name]
    gate = sight.gate(name)
    if meter.kind == "counter":
        ends, ticks = accepted_steps(sight, name, state)
        return Growth(ends, ends, ticks)
    if meter.kind == "count":
        moments = sight.beginnings(name, state)[0]
        held = moments[gate.at(moments) == TRUE]
        return Growth(held, held, np.ones(len(held), np.int64))
    if meter.kind == "integral":
        track = sight.window.track(sight.device, meter.integral or "")
        starts, (at, gate_at) = overlay(track, gate)
        rates = np.where(track.known[at] & (gate.states[gate_at] == TRUE), track.ticks[at], 0)
    else:
        measured = sight.measured(name)
        starts, (at, gate_at) = overlay(measured, gate)
        rates = ((measured.states[at] == TRUE) & (gate.states[gate_at] == TRUE)).astype(np.int64)
    grown = rates != 0
    ends = starts + lasting(starts, sight.span)
    return Growth(starts[grown], ends[grown], rates[grown])


def serve(
    sight: Sight, service: Service, state: ServiceState, meter: MeterState, told: Told
) -> tuple[Stretches, ServiceState]:
    """When the service was in breach over a stretch, and where it stands after."""
    span, breaches = sight.span, []
    grown = growth(sight, service.of, meter) if service.of else Growth(_NONE, _NONE, _NONE)
    need = _need(sight, service)
    after = span.start - 1
    for moment in [time for time in told.serviced if span.start <= time < span.end]:
        state = _wait(sight, service, state, told, grown, need, after, moment)
        breaches.append(_breach(service, state, span.start, moment))
        state, after = ServiceState(moment), moment
    state = _wait(sight, service, state, told, grown, need, after, span.end)
    breaches.append(_breach(service, state, span.start, span.end))
    return united(breaches), state


def _need(sight: Sight, service: Service) -> int | None:
    """The use at which it is due, in the meter's integers."""
    if service.every is None or service.of is None:
        return None
    need = Fraction(service.every) / scale(sight.terms, service.of)
    return -(-need.numerator // need.denominator)


def _wait(
    sight: Sight,
    service: Service,
    state: ServiceState,
    told: Told,
    grown: Growth,
    need: int | None,
    after: int,
    until: int,
) -> ServiceState:
    """Go on without a service up to `until`: use is added, and it may fall due, or access be refused."""
    dues = [] if state.due is None else [state.due]
    if need is not None:
        added, reached = grown.between(after, until, need - state.done)
        state = replace(state, done=state.done + added)
        dues += [] if reached is None else [reached]
    if service.or_days is not None:
        by_days = same_time_later(state.since, service.or_days, sight.terms.timezone)
        dues += [by_days] if by_days <= until else []
    refused = [time for time in told.refused if max(after, sight.span.start) <= time < until]
    first_refused = state.refused if state.refused is not None else min(refused, default=None)
    return replace(state, due=min(dues, default=None), refused=first_refused)


def _breach(service: Service, state: ServiceState, start: int, until: int) -> Span:
    since = state.due if service.by == "customer" else state.refused
    return Span(until, until) if since is None else Span(max(since, start), until)
