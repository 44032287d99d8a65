"""The answer that a statement begins with: who owes whom how much, for what, and which promises are behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from contracts.explain.layout import RULE, filled, headed
from contracts.explain.promises import excused_by, missed, verdict
from contracts.explain.words import Told
from contracts.figures import grouped, lasting

FEW = 4
"""So many charges or devices are named; of more, their number."""

Row = Mapping[str, Any]

_OF_PROMISES = ("credit", "bonus", "earn_back", "surcharge")
_VERDICTS = ("kept", "not measured", "decided later", "not kept")  # the last is the worst
_STATUS = {"open": "So far, ", "provisional": "As it stands, "}


def answer(told: Told) -> list[str]:
    """Who owes whom how much, the sums it is made of with the reason of each, and what is still undecided."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for line in told.document["lines"]:
        groups.setdefault(_group(told, line), []).append(line)
    sums = [(_sum(lines), _reason(told, kind, lines)) for (kind, *_), lines in groups.items()]
    amounts = [told.money(amount) for amount, _ in sums]
    widest = max(map(len, amounts), default=0)
    shown = zip(amounts, (reason for _, reason in sums), strict=True)
    reasons = [line for amount, reason in shown for line in headed(f"{amount:>{widest}}  ", reason, 2)]
    return ["IN SHORT", RULE, *filled(_owed(told)), *reasons, *filled(" ".join(_promises(told)))]


def _group(told: Told, line: Row) -> tuple[str, ...]:
    """Lines that have one reason: what was used, one promise, corrections, settlements."""
    if line["kind"] in _OF_PROMISES:
        return (line["kind"] if told.promise_of(line) else "shortfall", line["id"], str(not Decimal(line["amount"])))
    return (line["kind"],) if line["kind"] in ("adjustment", "settlement") else ("use",)


def _sum(lines: Sequence[Row]) -> Decimal:
    return sum((Decimal(line["amount"]) for line in lines), Decimal(0))


def _owed(told: Told) -> str:
    document, total = told.document, Decimal(told.document["total"])
    provider, customer = told.terms.provider.name, told.terms.customer.name
    name = document["period"]["name"]
    when = "after the contract's end" if name == "closing" else f"for {name}"
    status = _STATUS.get(document["status"], "")
    if not total:
        return f"{status}{'n' if status else 'N'}obody owes anything {when}: the sums come to {told.money(total)}."
    payer, payee = (customer, provider) if total > 0 else (provider, customer)
    return f"{status}{payer} owes {payee} {told.money(abs(total))} before tax {when}."


def _reason(told: Told, kind: str, lines: Sequence[Row]) -> str:
    """Why a sum is owed, or taken off."""
    title = f"“{lines[0]['title']}”"
    if kind == "use":
        return _use(lines)
    if kind == "bonus":
        return f"as a bonus for {title}{_figures(told, lines)}"
    if kind in ("credit", "surcharge"):
        rows = [told.promise_of(line) for line in lines]
        said = f"the {'provider' if kind == 'credit' else 'customer'} did not keep {title}"
        if any(row and row["met"] is not False for row in rows):
            said = f"{title} came below a level that brings a credit,"  # terms may give credits above the target
        if _sum(lines):
            return f"because {said}{_figures(told, lines)}"
        return f"although {said}{_devices(lines)}: {lines[0]['derivation'][-1]['text']}"
    periods = dict.fromkeys(row["period"] for row in told.document["adjustments"])
    return {
        "adjustment": f"for corrections of earlier periods: {', '.join(periods)}",
        "settlement": "for disputes that both sides have settled",
        "shortfall": f"because less was saved than agreed: {title}",
        "earn_back": f"of an earlier credit, which the provider has earned back by keeping {title}",
    }[kind]


def _use(lines: Sequence[Row]) -> str:
    """The charges by name, those of several devices together."""
    by_title: dict[str, Decimal] = {}
    for line in lines:
        by_title[line["title"]] = by_title.get(line["title"], Decimal(0)) + Decimal(line["amount"])
    if len(by_title) > FEW:
        return f"for use, in {len(by_title)} charges"
    if len(by_title) == 1:
        return f"for use: {next(iter(by_title))}"
    return "for use: " + ", ".join(f"{title} {grouped(amount)}" for title, amount in by_title.items())


def _figures(told: Told, lines: Sequence[Row]) -> str:
    """On which devices; of a single one also what was measured and promised."""
    row = told.promise_of(lines[0]) if len(lines) == 1 else None
    return _devices(lines) + (f": {missed(told, row)}" if row else "")


def _devices(lines: Sequence[Row]) -> str:
    devices = [line["device"] for line in lines if line["device"]]
    if not devices:
        return ""
    return f" on {', '.join(devices) if len(devices) <= FEW else f'{len(devices)} devices'}"


def _promises(told: Told) -> Iterator[str]:
    """How many promises each side kept, what a broken obligation excuses, and what is still open."""
    sides = {"provider": _verdicts(told.document["guarantees"]), "customer": _verdicts(told.document["obligations"])}
    both = [each for verdicts in sides.values() for each in verdicts]
    if both and all(each == "kept" for each in both):
        yield "Both sides kept every promise." if all(sides.values()) else "Every promise was kept."
    else:
        for side, verdicts in sides.items():
            counts = [f"{verdicts.count(each)} {each}" for each in _VERDICTS if each in verdicts]
            yield from [f"Promises of the {side}: {', '.join(counts)}."] if counts else []
    yield from _excuses(told)
    contested = sum(row["standing"] == "contested" for row in told.document["events"])
    if contested:
        one = contested == 1
        yield f"{contested} {'event is' if one else 'events are'} contested and {'does' if one else 'do'} not count."


def _excuses(told: Told) -> Iterator[str]:
    """Which broken obligations excuse the provider, and for how long."""
    by_duty: dict[str, list[tuple[str, list[str]]]] = {}
    for row in told.document["obligations"]:
        excused = {name: lasting(ms) for name, ms in excused_by(told, row).items()}
        if excused:
            same = len({*excused.values()}) == 1
            each = [time if same else f"{time} of “{told.title(name)}”" for name, time in excused.items()]
            by_duty.setdefault(row["id"], []).append((row["device"], each[:1] if same else each))
    for duty, found in by_duty.items():
        devices = ", ".join(device for device, _ in found) if len(found) <= FEW else f"{len(found)} devices"
        how_long = f"for {' and '.join(found[0][1])}" if len(found) == 1 else "there"
        said = f"The customer did not keep “{told.title(duty)}” on {devices}"
        yield f"{said}, which excuses the provider {how_long}."


def _verdicts(rows: Sequence[Row]) -> list[str]:
    """What became of each promise, over all its devices: missed on one is missed."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["id"], []).append(verdict(row))
    return [max(verdicts, key=_VERDICTS.index) for verdicts in found.values()]
