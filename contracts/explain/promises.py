"""What both sides promised, in one table and in the same form (semantics §6 and §7).

Beneath each promise that was not simply kept stand the times, what was excused and why, and what it costs. Every figure
is the document's own; only words are added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from contracts.explain.layout import RULE, blocks, filled, headed, length, length_ms, local, moment, stretch
from contracts.explain.words import Told, reason, reasons
from contracts.figures import grouped, lasting

Row = Mapping[str, Any]

FEW = 6
"""So many stretches of a promise are printed, and half as many silences; all of them stand in statement.json."""

_INDENT, _HEADS = 10, 13  # where the lines beneath a promise begin, and how much their heads take

_CONSEQUENCES = ("credit", "bonus", "earn_back", "surcharge")
_HEAD = ["side", "promise", "device", "promised", "measured", "kept?", "difference"]
_DOWN = {"uptime": "not available", "level": "not at level", "response": "beyond the time"}
_BREACH = {"limit": "out of limits", "service": "overdue", "connected": "silent"}


def promises_section(told: Told) -> list[str]:
    """Each promise of either side: promised, measured, kept or not, by how much; then at what cost, when, and why."""
    shown = [(row["id"], _guarantee(told, row), [*_of_guarantee(told, row)]) for row in told.document["guarantees"]]
    shown += [(row["id"], _duty(told, row), [*_of_duty(told, row)]) for row in told.document["obligations"]]
    if not shown:
        return []
    cells = _once([(name, cells, not below) for name, cells, below in shown])
    head, *printed = blocks([_HEAD, *cells], left=range(len(_HEAD)))
    result = ["WHAT BOTH SIDES PROMISED, AND WHAT BECAME OF IT", RULE, *head]
    for lines, (_, _, below) in zip(printed, shown, strict=True):
        result += [*lines, *below]
    return result


def _once(rows: Sequence[tuple[str, list[str], bool]]) -> Iterator[list[str]]:
    """The cells of each row; side and title only once where the same promise follows at once, on the next device."""
    above = None
    for name, cells, bare in rows:
        yield ["", "", *cells[2:]] if name == above else cells
        above = name if bare else None


def verdict(row: Row) -> str:
    """Kept or not; of what has no verdict, why."""
    if row["met"] is not None:
        return "kept" if row["met"] else "not kept"
    later = bool(row["over"]) and not row["over"]["decided"] if "over" in row else row["kind"] == "minimum_use"
    return "decided later" if later else "not measured"


def promised(told: Told, row: Row) -> str:
    """What was promised, as a bound."""
    if row["kind"] == "response":
        return f"within {lasting(told.within(row))}"
    if row["kind"] == "service":
        return "on time" if told.by_customer(row) else "access given"
    if "target" in row:
        return f"at least {row['target']} %"
    bound = "at most" if row["kind"] in ("limit", "use_limit") else "at least"
    of = {"limit": " out"}.get(row["kind"], "")
    return f"{bound} {grouped(Decimal(row['limit']))} {row['unit']}".rstrip() + of


def measured(told: Told, row: Row) -> str:
    """What was measured, in the unit of what was promised."""
    if row["kind"] == "response":
        times = [incident["elapsed_ms"] for incident in row["incidents"]]
        return lasting(max(times)) if times else "no incident"
    if row["kind"] == "service":
        given = told.by_customer(row)
        return ("late" if given else "refused") if row["intervals"] else ("on time" if given else "given")
    figure = row["percent"] if "percent" in row else row["measured"]
    if figure is None:
        return "–"
    if row["kind"] == "use_limit":
        return _shortened(figure, row["limit"])
    return f"{grouped(Decimal(figure))} {row.get('unit', '%')}" + (" out" if row["kind"] == "limit" else "")


def missed(told: Told, row: Row) -> str:
    """Measured and promised, as a part of a sentence."""
    of = {
        "uptime": " of the agreed hours",
        "level": " of the agreed time",
        "connected": " of the time known",
    }
    if row["kind"] == "limit":
        bound = promised(told, row).removesuffix(" out")
        return f"out of limits for {measured(told, row).removesuffix(' out')} of the time, where {bound} was promised"
    if row["kind"] == "service":
        return f"{lasting(_whole_ms(row['intervals']))} {measured(told, row)}"
    took = "it took " if row["kind"] == "response" else ""
    return f"{took}{measured(told, row)}{of.get(row['kind'], '')}, where {promised(told, row)} was promised"


def _shortened(ratio: str, limit: str) -> str:
    """A ratio with two decimals more than its limit, or in full where these would not tell the two apart."""
    exact, step = Decimal(ratio), Decimal(1).scaleb(Decimal(limit).normalize().as_tuple().exponent - 2)  # type: ignore[operator]
    short = exact.quantize(min(step, Decimal(1)))
    return grouped(exact if short == Decimal(limit) else short)


def _whole_ms(intervals: Iterable[Row]) -> int:
    return sum(length_ms(each["start"], each["end"]) for each in intervals)


def _cells(told: Told, row: Row, side: str, difference: str) -> list[str]:
    device = row["device"] or "all together"
    return [side, told.title(row["id"]), device, promised(told, row), measured(told, row), verdict(row), difference]


def _guarantee(told: Told, row: Row) -> list[str]:
    if row["kind"] == "response":
        return _cells(told, row, "provider", _time_over(told, row))
    if row["percent"] is None:
        return _cells(told, row, "provider", "")
    return _cells(told, row, "provider", _apart(row, Decimal(row["percent"]) - Decimal(row["target"]), "%", "short"))


def _time_over(told: Told, row: Row) -> str:
    if not row["met"]:
        return f"{lasting(row['down_ms'])} over"
    left = told.within(row) - max((incident["elapsed_ms"] for incident in row["incidents"]), default=0)
    return f"{lasting(left)} to spare" if row["incidents"] and left > 0 else ""


def _duty(told: Told, row: Row) -> list[str]:
    if row["measured"] is None:
        return _cells(told, row, "customer", "")
    if row["kind"] == "service":
        return _cells(told, row, "customer", lasting(_whole_ms(row["intervals"])) if row["intervals"] else "")
    over = Decimal(row["measured"]) - Decimal(row["limit"])
    if row["kind"] == "use_limit":
        shown = Decimal(measured(told, row).replace(" ", "")) - Decimal(row["limit"])
        return _cells(told, row, "customer", _apart(row, -shown, "", "over"))
    if row["kind"] == "limit":
        return _cells(told, row, "customer", _apart(row, -over, "%", "over"))
    return _cells(told, row, "customer", _apart(row, over, row["unit"], "short"))


def _apart(row: Row, left: Decimal, unit: str, lacking: str) -> str:
    """By how much a promise was kept or missed; where it is too little to show, the verdict holds."""
    if row["met"] is None:
        return ""
    figure = f"{grouped(abs(left))} {unit}".rstrip()
    if row["met"]:
        return f"{figure} to spare" if left > 0 else "just"
    return f"{figure} {lacking}" if left < 0 else f"just {lacking}"


# --- beneath a promise ----------------------------------------------------------------------------------------------


def _of_guarantee(told: Told, row: Row) -> Iterator[str]:
    yield from _cost(told, row)
    intervals = row["intervals"]
    if row["kind"] == "response":
        intervals = [each for each in intervals if each["state"] == "excused"]  # incidents say the rest
        yield from _few([_incident(told, each) for each in row["incidents"]], FEW)
    elif row["down_ms"] or row["excused_ms"] or row["unknown_ms"]:
        yield from filled(_times(told, row), _INDENT)
    silent = [each for each in intervals if each["state"] == "unknown"]
    known = [each for each in intervals if each not in silent]
    for found, most in ((known, FEW // 2 if row["met"] else FEW), (silent, FEW // 2)):
        yield from _few([_stretch(told, _state(told, row, each), each, _why(told, row, each)) for each in found], most)


def _times(told: Told, row: Row) -> str:
    """Down, excused and unknown time; of a quarter or year, those of it so far."""
    over = told.guarantees[row["id"]].over
    so_far = f"in the {over} so far " if over else ""
    text = f"{so_far}{lasting(row['down_ms'])} {_DOWN[row['kind']]} of {lasting(row['agreed_ms'])} agreed"
    text += f"; {lasting(row['excused_ms'])} excused" if row["excused_ms"] else ""
    return text + (f"; {lasting(row['unknown_ms'])} unknown" if row["unknown_ms"] else "")


def _incident(told: Told, incident: Row) -> list[str]:
    opened, closed = incident["opened"], incident["closed"]
    when = f"{moment(opened, told.zone)}, still open" if closed is None else stretch(opened, closed, told.zone)
    beyond = f", {lasting(incident['beyond_ms'])} beyond the time" if incident["beyond_ms"] else ""
    return _detail("incident", f"{when}: {lasting(incident['elapsed_ms'])} counted{beyond}")


def _detail(head: str, text: str) -> list[str]:
    """One line beneath a promise: what it is, then when and why."""
    return headed(f"{head:<{_HEADS}}  ", text, _INDENT)


def _state(told: Told, row: Row, interval: Row) -> str:
    if interval["state"] == "down":
        silent = told.guarantees[row["id"]].unknown == "down"
        return f"{_DOWN[row['kind']]} or silent" if silent else _DOWN[row["kind"]]
    return "excused" if interval["state"] == "excused" else "silence"


def _stretch(told: Told, head: str, interval: Row, why: str) -> list[str]:
    start, end = interval["start"], interval["end"]
    text = f"{stretch(start, end, told.zone)}, {length(start, end)}"
    return _detail(head, f"{text}: {why}" if why else text)


def _why(told: Told, row: Row, interval: Row) -> str:
    """Why a stretch is excused, or what becomes of unknown time."""
    if interval["state"] == "down":
        return "; ".join(_not_excused(told, row, interval))
    said = "; ".join(reason(told, each) for each in reasons(interval))
    if interval["state"] == "excused":
        return said
    unknown = told.guarantees[row["id"]].unknown or "excluded"
    carried = {"excluded": "counts for neither side", "up": "counts as available", "down": "too short to count"}
    return f"nobody knows, {carried[unknown]}" + (f"; {said}" if said else "")


def _not_excused(told: Told, row: Row, interval: Row) -> Iterator[str]:
    """What was said of a stretch that is not excused by it, and why not."""
    planned = told.guarantees[row["id"]].planned
    for event in told.document["events"]:
        during = max(event["start"], interval["start"]) < min(event["end"], interval["end"])
        if not during or not _concerns(event, row):
            continue
        if not event["counts"]:
            yield reason(told, f"{event['type']}:{event['id']}")
        elif event["type"] == "planned" and planned is None:
            yield "planned work, which this promise does not excuse"
        elif event["type"] == "planned" and planned is not None:
            ahead = f", announced {lasting(planned.notice)} ahead" if planned.notice else ""
            yield f"planned work beyond what is agreed: {lasting(planned.allowance)} a period{ahead}"


def _of_duty(told: Told, row: Row) -> Iterator[str]:
    promise, word = told.obligations[row["id"]], _BREACH.get(row["kind"], "not kept")
    if verdict(row) == "decided later":
        yearly = promise.minimum_use is not None and promise.minimum_use.per == "year"
        yield from filled(f"decided at the end of the {'contract year' if yearly else 'period'}", _INDENT)
    if row["met"] is not False:
        return
    yield from _cost(told, row)
    for name, ms in excused_by(told, row).items():
        yield from filled(f"excuses the provider for {lasting(ms)} of “{told.title(name)}”", _INDENT)
    for line in told.document["lines"]:
        voided = line["kind"] == "credit" and line["id"] in promise.consequence.void_credits
        if voided and any(each.get("obligation") == row["id"] for each in line["because"]) and _concerns(row, line):
            on = f" on {line['device']}" if line["device"] and line["device"] != row["device"] else ""
            yield from filled(f"takes away the credit for “{line['title']}”{on}", _INDENT)
    if len(row["intervals"]) > 1:
        yield from filled(f"{lasting(_whole_ms(row['intervals']))} {word} in all", _INDENT)
    yield from _few([_stretch(told, word, each, "") for each in row["intervals"]], FEW)


def _concerns(duty: Row, other: Row) -> bool:
    """Is a guarantee, or its line, of the obligation's device, or of all together?"""
    return duty["device"] is None or other["device"] in (None, duty["device"])


def excused_by(told: Told, duty: Row) -> dict[str, int]:
    """For how long the breach of an obligation excuses each guarantee."""
    name, found = f"obligation:{duty['id']}", dict[str, int]()
    for row in told.document["guarantees"]:
        if _concerns(duty, row):
            excused = [each for each in row["intervals"] if each["state"] == "excused"]
            ms = _whole_ms(each for each in excused if name in reasons(each))
            if ms:
                found[row["id"]] = ms
    return found


def _cost(told: Told, row: Row) -> Iterator[str]:
    """What a promise costs or brings: the lines of its own, or that there are none."""
    words = {"credit": "costs the provider", "surcharge": "costs the customer"}
    found = False
    for line in told.document["lines"]:
        if (line["id"], line["device"]) == (row["id"], row["device"]) and line["kind"] in _CONSEQUENCES:
            found = True
            word, amount = words.get(line["kind"], "brings the provider"), told.money(line["amount"].lstrip("-"))
            last = line["derivation"][-1]["text"] if line["derivation"] else ""
            none = f"no credit: {last}" if line["kind"] == "credit" and not Decimal(line["amount"]) else ""
            yield from filled(none or f"{word} {amount}", _INDENT)
    if found:
        return
    if row.get("over") and not row["over"]["decided"]:
        last = local(row["over"]["end"], told.zone).date() - timedelta(days=1)
        yield from filled(f"decided when the {told.guarantees[row['id']].over} is over, after {last}", _INDENT)
    elif row["met"] is False:
        yield from filled(f"costs the {'provider' if 'percent' in row else 'customer'} nothing", _INDENT)


def _few(details: Sequence[Sequence[str]], most: int) -> Iterator[str]:
    shown = most if len(details) > most + 1 else most + 1
    for lines in details[:shown]:
        yield from lines
    if len(details) > shown:
        yield from filled(f"and {grouped(len(details) - shown)} more, all in statement.json", _INDENT)
