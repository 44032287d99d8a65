"""What both sides promised, in one table and the same form, and what people said (semantics §6 and §7).

Beneath each promise that was not simply kept stand the times, what was excused and why, and what it costs. Every figure
is the document's own; only words are added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from contracts.figures import grouped, lasting
from contracts.layout import RULE, blocks, filled, headed, length, length_ms, moment, stretch
from contracts.periods import zone
from contracts.promises import Guarantee, Obligation
from contracts.terms import Terms

Document = Mapping[str, Any]
Row = Mapping[str, Any]

FEW = 6
"""So many stretches of a promise are printed, and half as many silences; all of them stand in statement.json."""
MOST_EVENTS = 25

_INDENT, _HEADS = 10, 13  # where the lines beneath a promise begin, and how much their heads take

_CONSEQUENCES = ("credit", "bonus", "earn_back", "surcharge")
_REASONS = re.compile(r", (?=(?:obligation|planned|force_majeure|excused):)")
_HEAD = ["side", "promise", "device", "promised", "measured", "kept?", "difference"]
_DOWN = {"uptime": "not available", "level": "not at level", "response": "beyond the time"}
_BREACH = {"limit": "out of limits", "service": "overdue", "connected": "silent"}


@dataclass(frozen=True, slots=True)
class Told:
    """A statement and what its words come from: the terms, the clock of the contract, events by id."""

    document: Document
    terms: Terms
    zone: ZoneInfo
    guarantees: Mapping[str, Guarantee]
    obligations: Mapping[str, Obligation]
    events: Mapping[str, Row]

    @staticmethod
    def of(document: Document, terms: Terms) -> Told:
        """What a statement's words come from."""
        guarantees = {each.id: each for each in terms.guarantees}
        obligations = {each.id: each for each in terms.obligations}
        events = {row["id"]: row for row in document["events"]}
        return Told(document, terms, zone(terms.timezone), guarantees, obligations, events)

    def within(self, row: Row) -> int:
        """The time of a promise to respond, in milliseconds."""
        response = self.guarantees[row["id"]].response
        assert response is not None, "a response says within when"
        return response.within

    def title(self, promise: str) -> str:
        """What a promise is called; its id where it has no title."""
        named = self.guarantees.get(promise) or self.obligations.get(promise)
        return (named.title if named else None) or promise

    def promise_of(self, line: Row) -> Row | None:
        """What became of the promise that a line follows from."""
        rows = (*self.document["guarantees"], *self.document["obligations"])
        own = (row for row in rows if (row["id"], row["device"]) == (line["id"], line["device"]))
        return next(own, None)

    def money(self, amount: str | Decimal) -> str:
        """An amount in the contract's currency."""
        return f"{grouped(Decimal(amount))} {self.document['currency']}"


# --- promises -------------------------------------------------------------------------------------------------------


def promises_section(told: Told) -> list[str]:
    """Each promise of either side: promised, measured, kept or not, by how much; then when, why, and at what cost."""
    shown = [(_guarantee(told, row), [*_of_guarantee(told, row)]) for row in told.document["guarantees"]]
    shown += [(_duty(told, row), [*_of_duty(told, row)]) for row in told.document["obligations"]]
    if not shown:
        return []
    for (cells, beneath), (further, _) in pairwise(shown):
        if further[:2] == cells[:2] and not beneath:
            further[0] = further[1] = ""  # the same promise on the next device: a title is enough
    head, *printed = blocks([_HEAD, *(cells for cells, _ in shown)], left=range(len(_HEAD)))
    rows = [line for block, (_, beneath) in zip(printed, shown, strict=True) for line in (*block, *beneath)]
    return ["WHAT BOTH SIDES PROMISED, AND WHAT BECAME OF IT", RULE, *head, *rows]


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
        service = told.obligations[row["id"]].service
        return "on time" if service is None or service.by == "customer" else "access given"
    if "target" in row:
        return f"at least {row['target']} %"
    bound = "at most" if row["kind"] in ("limit", "use_limit") else "at least"
    of = {"limit": " out"}.get(row["kind"], "")
    return f"{bound} {grouped(Decimal(row['limit']))} {row['unit']}".rstrip() + of


def measured(row: Row) -> str:
    """What was measured, in the unit of what was promised."""
    if row["kind"] == "response":
        times = [incident["elapsed_ms"] for incident in row["incidents"]]
        return lasting(max(times)) if times else "no incident"
    if row["kind"] == "service":
        return f"{lasting(_whole_ms(row['intervals']))} late" if row["intervals"] else "on time"
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
        return f"out of limits for {measured(row).removesuffix(' out')} of the time, where {bound} was promised"
    if row["kind"] == "service":
        return measured(row)
    return f"{measured(row)}{of.get(row['kind'], '')}, where {promised(told, row)} was promised"


def _shortened(ratio: str, limit: str) -> str:
    """A ratio with two decimals more than its limit, or in full where these would not tell the two apart."""
    exact, step = Decimal(ratio), Decimal(1).scaleb(Decimal(limit).normalize().as_tuple().exponent - 2)  # type: ignore[operator]
    short = exact.quantize(min(step, Decimal(1)))
    return grouped(exact if short == Decimal(limit) else short)


def _whole_ms(intervals: Iterable[Row]) -> int:
    return sum(length_ms(each["start"], each["end"]) for each in intervals)


def _cells(told: Told, row: Row, side: str, difference: str) -> list[str]:
    device = row["device"] or "all together"
    return [side, told.title(row["id"]), device, promised(told, row), measured(row), verdict(row), difference]


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
        return _cells(told, row, "customer", f"{lasting(_whole_ms(row['intervals']))} over" if row["intervals"] else "")
    over = Decimal(row["measured"]) - Decimal(row["limit"])
    if row["kind"] == "use_limit":
        shown = Decimal(measured(row).replace(" ", "")) - Decimal(row["limit"])
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
    for found, most in (([each for each in intervals if each not in silent], FEW), (silent, FEW // 2)):
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
        return ""
    said = "; ".join(reason(told, each) for each in reasons(interval))
    if interval["state"] == "excused":
        return said
    unknown = told.guarantees[row["id"]].unknown or "excluded"
    carried = {"excluded": "counts for neither side", "up": "counts as available", "down": "too short to count"}
    return f"nobody knows, {carried[unknown]}" + (f"; {said}" if said else "")


def reasons(interval: Row) -> list[str]:
    """The reasons of a stretch, one by one; an event's id may itself hold commas."""
    return _REASONS.split(interval["reason"]) if interval["reason"] else []


def reason(told: Told, text: str) -> str:
    """An excuse in words: the obligation that was not kept, or the event with who said it and how it stands."""
    kind, _, name = text.partition(":")
    if kind == "obligation":
        return f"the customer had not kept “{told.title(name)}”"
    event = told.events.get(name)
    if event is None:
        return f"{_named(kind)} {name}"
    about = f" “{event['reason']}”" if event["reason"] else ""
    return f"{_named(kind)}{about}, {standing(event)}"


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
        last = datetime.fromisoformat(row["over"]["end"]).astimezone(told.zone).date() - timedelta(days=1)
        yield from filled(f"decided when the {told.guarantees[row['id']].over} is over, after {last}", _INDENT)
    elif row["met"] is False:
        yield from filled(f"costs the {'provider' if 'percent' in row else 'customer'} nothing", _INDENT)


def stretches_of(told: Told, intervals: Sequence[Row]) -> str:
    """The first of several stretches in words, and how many more there are."""
    if not intervals:
        return ""
    first, more = intervals[0], len(intervals) - 1
    text = f"{stretch(first['start'], first['end'], told.zone)} ({length(first['start'], first['end'])})"
    return text + (f" and {grouped(more)} more" if more else "")


def _few(details: Sequence[Sequence[str]], most: int) -> Iterator[str]:
    shown = most if len(details) > most + 1 else most + 1
    for lines in details[:shown]:
        yield from lines
    if len(details) > shown:
        yield from filled(f"and {grouped(len(details) - shown)} more, all in statement.json", _INDENT)


# --- events ---------------------------------------------------------------------------------------------------------


def events_section(told: Told) -> list[str]:
    """What people said in the period, for which side, and whether it counts; replies stand under what they answer."""
    rows = [row for row in told.document["events"] if row["of"] not in told.events]
    if not rows:
        return []
    result = ["WHAT PEOPLE SAID", RULE]
    for row in rows[:MOST_EVENTS]:
        result += _event(told, row)
    if len(rows) > MOST_EVENTS:
        result.append(f"and {grouped(len(rows) - MOST_EVENTS)} more, all in statement.json")
    return result


def _event(told: Told, row: Row) -> Iterator[str]:
    start, end = row["start"], row["end"]
    when = moment(start, told.zone) if start == end else stretch(start, end, told.zone)
    said = f"{_named(row['type'])}, {row['device'] or 'all devices'}" + (f": {row['reason']}" if row["reason"] else "")
    yield from headed(f"{when}  ", said)
    entered = f", entered {moment(row['entered'], told.zone)}" if row["type"] == "planned" else ""
    yield from filled(f"{standing(row)}{entered}", 6)
    for reply in told.document["events"]:
        if reply["of"] == row["id"]:
            word = "contested by" if reply["type"] == "contested" else "decision of"
            about = f": {reply['reason']}" if reply["reason"] else ""
            yield from filled(
                f"{word} the {reply['side']} ({reply['by']}), {moment(reply['start'], told.zone)}{about}", 6, 8
            )


def standing(event: Row) -> str:
    """Who said it, for which side, and how it stands between the two."""
    who = f"by the {event['side']} ({event['by']})"
    words = {
        "stated": f"stated {who}",
        "contested": f"claimed {who}, CONTESTED: does not count until both sides decide",
        "accepted": f"stated {who}, accepted by both",
        "discarded": f"stated {who}, discarded by both: does not count",
    }
    return words.get(event["standing"], f"claimed {who}")


def _named(kind: str) -> str:
    """A type of event in words."""
    return {"planned": "planned work", "excused": "excuse"}.get(kind, kind.replace("_", " "))
