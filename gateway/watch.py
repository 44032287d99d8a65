"""The watch over promises: breaches as they open and close, and warnings before a promise is missed.

Nothing is judged here. A breach is an interval of the statement so far in which a guarantee is down or an obligation
broken, so excuses, service hours, tolerance and whatever else the contract says have been heard, and what is watched
live is what the final statement will say. `step` compares that statement with what was said before, and gives what
is to be said now:

- an interval that reaches up to now is an open breach, one that ends before is a closed one;
- one that is no longer there, because of later data or a tolerance that holds after all, is withdrawn;
- an obligation without moments (a use limit, a minimum use) that is not kept is one breach of its whole period;
- all of it is provisional until the statement is final.

A condition with `for` holds only once it has lasted: where nothing was known before, its first moments are no breach.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final, Literal

from contracts.canonical import sha256
from contracts.figures import grouped, lasting, money
from contracts.language.conditions import Condition
from contracts.language.terms import Terms
from contracts.periods import local_date, rfc3339
from gateway.outlook import Allowance, Budget, Outlook, Row, moment_ms

Side = Literal["guarantee", "obligation"]
State = Literal["opened", "closed", "withdrawn"]

LEVELS: Final = (50, 80, 100)  # percent of a budget or an allowance at which is warned


@dataclass(frozen=True, slots=True)
class Breach:
    """A stretch in which one side did not keep a promise; `end` None while it lasts, `device` None for the contract."""

    id: str
    contract: str
    period: str
    promise: str
    side: Side
    device: str | None
    start: int
    end: int | None
    state: State
    provisional: bool
    title: str
    reason: str


@dataclass(frozen=True, slots=True)
class EarlyWarning:
    """A promise about to be missed, or an allowance about to run out; said once for each level and period.

    `occasion` is the period, or the beginning of the incident that a time to respond runs for; `at` when the level was
    reached, `value` how much is used, in percent, `forecast_ms` when an allowance runs out.
    """

    id: str
    contract: str
    period: str
    promise: str
    kind: Literal["budget", "allowance"]
    level: int
    device: str | None
    occasion: str
    at: int
    value: Fraction
    title: str
    text: str
    forecast_ms: int | None = None


Said = Breach | EarlyWarning


@dataclass(frozen=True, slots=True)
class Known:
    """What was said of one period of a contract, by id."""

    breaches: Mapping[str, Breach] = field(default_factory=dict)
    warnings: Mapping[str, EarlyWarning] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Sight:
    """A statement, the terms it is by, and up to when it goes."""

    terms: Terms
    document: Row
    until: int

    @property
    def period(self) -> str:
        name: str = self.document["period"]["name"]
        return name


def step(known: Known, terms: Terms, document: Row, outlook: Outlook | None, now_ms: int) -> tuple[list[Said], Known]:
    """What is to be said of a period, given what was said before, and all that is said by then.

    `document` is the statement so far, asked for at `now_ms`, or the final one; without `outlook` nothing is warned of.
    """
    sight = _Sight(terms, document, min(now_ms, moment_ms(document["period"]["end"])))
    found = {breach.id: breach for breach in _breaches(sight)}
    breaches = dict(known.breaches)
    said: list[Said] = []
    for breach in found.values():
        before = breaches.get(breach.id)
        if before is None or (before.state, before.end) != (breach.state, breach.end):
            said.append(breach)
            breaches[breach.id] = breach
        elif before.provisional != breach.provisional:
            breaches[breach.id] = replace(before, provisional=breach.provisional)
    for gone in [before for name, before in breaches.items() if name not in found]:
        breaches[gone.id] = replace(gone, state="withdrawn", provisional=document["status"] != "final")
        if gone.state != "withdrawn":
            said.append(breaches[gone.id])
    warnings = dict(known.warnings)
    if outlook is not None and document["status"] == "open":
        new = [warning for warning in _warnings(sight, outlook) if warning.id not in warnings]
        said += new
        warnings |= {warning.id: warning for warning in new}
    return said, Known(breaches, warnings)


def payload(said: Said, now_ms: int) -> dict[str, Any]:
    """What is said, as `contract/{id}/breach` tells it at this moment."""
    told: dict[str, Any] = {name: getattr(said, name) for name in ("id", "contract", "period", "promise")}
    if isinstance(said, Breach):
        end = None if said.end is None else rfc3339(said.end)
        told |= {"side": said.side, "device": said.device, "event": said.state, "provisional": said.provisional}
        told |= {"start": rfc3339(said.start), "end": end, "title": said.title, "reason": said.reason}
    else:
        forecast = None if said.forecast_ms is None else rfc3339(said.forecast_ms)
        told |= {"side": "guarantee" if said.kind == "budget" else None, "device": said.device, "event": "warning"}
        told |= {"provisional": True, "start": rfc3339(said.at), "end": None, "title": said.title, "reason": None}
        told |= {"kind": said.kind, "level": said.level, "value": float(round(said.value, 2)), "text": said.text}
        told |= {"forecast": forecast}
    return {**told, "t": rfc3339(now_ms)}


def identity(*parts: str | int | None) -> str:
    """The name of what is said, the same whenever it is said: from contract, promise, device and when."""
    return sha256("|".join("" if part is None else str(part) for part in parts).encode())[:16]


# --- breaches -------------------------------------------------------------------------------------------------------


def _breaches(sight: _Sight) -> Iterator[Breach]:
    for row in sight.document["guarantees"]:
        reason = _guarantee_reason(row)
        for start, end in _stretches(row, "down"):
            if not _too_young(sight, row, start, end):
                yield _breach(sight, "guarantee", row, start, end, reason)
    for row in sight.document["obligations"]:
        stretches = list(_stretches(row, "breach"))
        if row["met"] is False and not stretches:
            stretches = [(moment_ms(sight.document["period"]["start"]), sight.until)]
        for start, end in stretches:
            yield _breach(sight, "obligation", row, start, end, _obligation_reason(row))


def _stretches(row: Row, state: str) -> Iterator[tuple[int, int]]:
    for interval in row["intervals"]:
        if interval["state"] == state:
            yield moment_ms(interval["start"]), moment_ms(interval["end"])


def _breach(sight: _Sight, side: Side, row: Row, start: int, end: int, reason: str) -> Breach:
    contract, status = sight.terms.id, sight.document["status"]
    lasts = status == "open" and end == sight.until
    return Breach(
        id=identity(contract, row["id"], row["device"], start),
        contract=contract,
        period=sight.period,
        promise=row["id"],
        side=side,
        device=row["device"],
        start=start,
        end=None if lasts else end,
        state="opened" if lasts else "closed",
        provisional=status != "final",
        title=row["title"],
        reason=reason,
    )


def _too_young(sight: _Sight, row: Row, start: int, end: int) -> bool:
    """Does a condition with `for` seem broken only because nothing was known before, and it could not last yet?"""
    if sight.document["status"] != "open" or end != sight.until:
        return False
    unknown_before = start == moment_ms(sight.document["period"]["start"]) or any(
        interval["state"] == "unknown" and moment_ms(interval["end"]) == start for interval in row["intervals"]
    )
    return unknown_before and end - start < _longest_for(sight.terms, row["id"])


def _longest_for(terms: Terms, promise: str) -> int:
    """The longest `for` in what a guarantee promises, in ms."""
    guarantee = next(each for each in terms.guarantees if each.id == promise)
    return max((_for_ms(terms, each) for each in (guarantee.available_when, guarantee.level) if each), default=0)


def _for_ms(terms: Terms, condition: Condition) -> int:
    inside: Iterable[Condition] = condition.parts()
    if condition.condition is not None:
        inside = (terms.conditions[condition.condition],)
    return max([condition.for_ms or 0, *(_for_ms(terms, part) for part in inside)])


def _guarantee_reason(row: Row) -> str:
    if row["kind"] == "response":
        return "the agreed time to respond is over"
    share = "nothing agreed so far" if row["percent"] is None else f"{_short(row['percent'])} % so far"
    return f"not as promised; {share}, {row['target']} % promised"


def _obligation_reason(row: Row) -> str:
    measured, limit = row["measured"], row["limit"]
    match row["kind"]:
        case "limit":
            return f"out of bounds {_short(measured)} % of the time so far, {limit} % tolerated"
        case "connected":
            return f"known {_short(measured)} % of the time so far, {limit} % promised"
        case "service":
            return "the service is overdue"
        case "use_limit":
            return f"{'use of nothing' if measured is None else _short(measured)} so far, at most {limit} agreed"
        case _:
            return f"{_short(measured)} {row['unit']} used, {_short(limit)} {row['unit']} promised"


def _short(number: str) -> str:
    """A decimal of a statement with two places at most, cut off, so that a share just missed never reads as met."""
    whole, _, decimals = number.partition(".")
    return f"{whole}.{decimals[:2]}".rstrip("0").rstrip(".") if decimals else whole


# --- warnings -------------------------------------------------------------------------------------------------------


def _warnings(sight: _Sight, outlook: Outlook) -> Iterator[EarlyWarning]:
    """Every warning that there is by now, said before or not."""
    yield from _of_budgets(sight, outlook.budgets)
    yield from _of_allowances(sight, outlook.allowances)


def _of_budgets(sight: _Sight, budgets: Iterable[Budget]) -> Iterator[EarlyWarning]:
    rows = {(row["id"], row["device"]): row for row in sight.document["guarantees"]}
    for budget in budgets:
        if budget.used is not None and budget.budget_ms is not None:
            for level in LEVELS:
                if budget.used >= level:
                    yield _of_budget(sight, rows[budget.guarantee, budget.device], budget, budget.budget_ms, level)


def _of_budget(sight: _Sight, row: Row, budget: Budget, budget_ms: int, level: int) -> EarlyWarning:
    """A level of a budget that is reached; the text is that of the moment at which it was."""
    assert budget.used is not None, "called where something is used"
    responds = budget.opened is not None
    subject = "the agreed time to respond" if responds else "the downtime allowed"
    spent = "All" if level == LEVELS[-1] else f"{level} %"
    left_ms = budget_ms * (100 - level) // 100
    text = f"{spent} of {subject} is used, {lasting(left_ms // 1000 * 1000)} left"
    if budget.margin_at_risk:
        text += f"; at risk: {money(budget.margin_at_risk, sight.terms.currency)}"
    occasion = rfc3339(budget.opened) if budget.opened is not None else sight.period
    return EarlyWarning(
        id=identity(sight.terms.id, budget.guarantee, budget.device, occasion, "budget", level),
        contract=sight.terms.id,
        period=sight.period,
        promise=budget.guarantee,
        kind="budget",
        level=level,
        device=budget.device,
        occasion=occasion,
        at=sight.until if responds else _crossed(sight, row, Fraction(budget_ms * level, 100)),
        value=budget.used,
        title=row["title"],
        text=text,
    )


def _crossed(sight: _Sight, row: Row, down_ms: Fraction) -> int:
    """When the downtime of a guarantee had come to so much."""
    stretches = list(_stretches(row, "down"))
    missing: int = int(down_ms) - (row["down_ms"] - sum(end - start for start, end in stretches))
    for start, end in stretches:
        if missing <= end - start:
            return start + max(0, missing)
        missing -= end - start
    return sight.until


def _of_allowances(sight: _Sight, allowances: Iterable[Allowance]) -> Iterator[EarlyWarning]:
    for each in allowances:
        if each.included and not each.left:
            yield _of_allowance(sight, each, LEVELS[-1])
        elif each.runs_out_ms is not None:
            yield from (_of_allowance(sight, each, level) for level in LEVELS if each.percent >= level)


def _of_allowance(sight: _Sight, allowance: Allowance, level: int) -> EarlyWarning:
    charge = next(charge for charge in sight.terms.charges if charge.id == allowance.charge)
    unit = sight.terms.meter_unit(charge.meter or "")
    units = f"{grouped(allowance.included)} {'' if unit == '1' else unit}".strip()
    text = f"All of the {units} included are used"
    if allowance.runs_out_ms is not None:
        day = local_date(allowance.runs_out_ms, sight.terms.timezone)
        text = f"{level} % of the {units} included are used; at this pace they run out on {day}"
    return EarlyWarning(
        id=identity(sight.terms.id, allowance.charge, allowance.device, sight.period, "allowance", level),
        contract=sight.terms.id,
        period=sight.period,
        promise=allowance.charge,
        kind="allowance",
        level=level,
        device=allowance.device,
        occasion=sight.period,
        at=sight.until,
        value=allowance.percent,
        title=charge.title or charge.id,
        text=text,
        forecast_ms=allowance.runs_out_ms,
    )
