"""Events from a file, and what the contract and other events say of an event that can be read by itself.

The record of one event stands in `event_record`; a gateway asks the same questions of the events in its journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from contracts.event_record import SYNONYMS, Fault, Refused, event_of, read_event
from contracts.events import Event
from contracts.language.terms import Terms
from contracts.language.yaml_text import Document, Path, parse_yaml, read_text
from contracts.periods import period_named, rfc3339
from contracts.problems import Problem
from contracts.units import duration_text, minor_digits

__all__ = [
    "Fault",
    "Refused",
    "agreement_fault",
    "another_content",
    "concerned",
    "event_of",
    "read_event",
    "read_events",
    "reply_fault",
]


# --- one event --------------------------------------------------------------------------------------------------------


def concerned(event: Event, agreements: Iterable[Terms]) -> list[Terms]:
    """The terms, of these, that the event is about; raises Refused where there are none, or they do not allow it.

    An event that names no contract is about all that have its device.
    """
    parties = [terms for terms in agreements if event.contract in (None, terms.id)]
    if not parties:
        raise Refused(Fault("contract", f"there is no contract {event.contract}", "Correct the contract's id"))
    if event.device is not None:
        parties = [terms for terms in parties if any(device.id == event.device for device in terms.devices)]
        if not parties:
            whose = f"{event.contract} names no" if event.contract else "no contract names the"
            said = f"{whose} device {event.device}"
            raise Refused(Fault("device", said, "Correct the device's id, or add the device to the contract"))
    if event.channel is not None and not any(event.channel in terms.channels for terms in parties):
        said = f"{parties[0].id} declares no channel {event.channel}"
        raise Refused(Fault("channel", said, "Correct the channel's name"))
    if event.type != "planned" and not event.on_reading and event.start > event.entered + parties[0].data.clock_ahead:
        said = f"it is said to happen at {rfc3339(event.start)}, after it was entered"
        raise Refused(Fault("start", said, "Enter it once it has happened; work to come is `planned`"))
    in_time = [terms for terms in parties if not _too_late(event, terms)]
    if not in_time:
        window = duration_text(parties[0].corrections)
        said = f"it was over at {rfc3339(event.end)}, and was entered more than {window} later, after its corrections"
        raise Refused(Fault("start", said, "What both sides still agree on can be settled: enter a settlement"))
    return in_time


def _too_late(event: Event, terms: Terms) -> bool:
    """Later data corrects within `corrections` only; what needs the other side's word too may take longer."""
    needs_both = event.of is not None or event.type in ("settlement", "note")
    return not needs_both and event.entered > event.end + terms.corrections


def reply_fault(event: Event, named: Event | None) -> Fault | None:
    """Why a decision or a contest cannot be about the event it names; `named` is None where none is known."""
    if event.of is None:
        return None
    if named is None:
        return Fault("of", f"no event {event.of} is known", "Name an event by the id under which it was entered")
    if named.of is not None or named.on_reading:
        return Fault("of", f"{event.of} is itself a {named.type}", "Name the event that it is about")
    if event.type == "contested" and not named.is_claim:
        said = f"{event.of} is no claim: a {named.type} said by the {named.side} does not help the {named.side}"
        return Fault("of", said, "Contest what the other side claims for itself")
    if event.type == "contested" and named.side == event.side:
        return Fault("of", f"{event.of} is the {event.side}'s own event", "Only the other side can contest it")
    return None


def agreement_fault(event: Event, terms: Terms) -> Fault | None:
    """Why a settlement or an exchange does not fit the terms it is about."""
    if event.type == "meter_exchanged" and event.channel is None:
        registers = sorted({meter.counter for meter in terms.meters.values() if meter.counter})
        if len(registers) > 1:
            return Fault("channel", "it does not say which register", f"Add channel: one of {', '.join(registers)}")
    if event.period is None or event.line is None or event.amount is None:
        return None
    try:
        period_named(terms, event.period)
    except ValueError as error:
        return Fault("period", str(error), "Correct the period")
    lines = [each.id for each in terms.charges]
    lines += [each.id for each in terms.guarantees] + [each.id for each in terms.obligations]
    if event.line not in lines:
        return Fault("line", f"{terms.id} has no line {event.line}", f"Name one of {', '.join(lines) or 'its charges'}")
    digits = minor_digits(terms.currency)
    if (Fraction(event.amount) * 10**digits).denominator != 1:
        return Fault(
            "amount",
            f"{event.amount} has more than {digits} decimals",
            f"Give it with at most {digits}: the smallest unit of {terms.currency}",
        )
    return None


# --- a file ---------------------------------------------------------------------------------------------------------


def read_events(text: str | bytes, path: str, terms: Terms) -> tuple[tuple[Event, ...], list[Problem]]:
    """The events in a file (a list of them, or `events:` with one), and everything wrong with the others.

    `path` is named in the problems and not opened. The same event twice is one.
    """
    if isinstance(text, bytes):
        text, unreadable = read_text(text, path)
        if unreadable:
            return (), unreadable
    # JSON may be indented by tabs, which YAML refuses; within its texts there are none.
    document = parse_yaml(text.replace("\t", " ") if text.lstrip()[:1] in ("[", "{") else text, path)
    at, records = _records(document)
    if records is None:
        said = "this is not a list of events"
        remedy = "Write one event after another: - {type: serviced, device: …, time: …, by: …, side: …}"
        return (), document.problems or [Problem(path, *document.place(()), said, remedy)]
    read: dict[int, Event] = {}
    found: list[tuple[Path, Fault]] = []
    for place, record in enumerate(records):
        try:
            read[place] = _in_file(record, terms)
        except Refused as refused:
            found += [((*at, place, _written(record, fault.key)), fault) for fault in refused.faults]
    for place, fault in _between(read):
        found.append(((*at, place, _written(records[place], fault.key)), fault))
        del read[place]
    problems = [Problem(path, *document.place(where), fault.message, fault.remedy) for where, fault in found]
    return tuple(dict.fromkeys(read.values())), sorted({*document.problems, *problems})


def _records(document: Document) -> tuple[Path, list[Any] | None]:
    value, at = document.value, ()
    if isinstance(value, dict) and value.keys() == {"events"}:
        return ("events",), value["events"] if isinstance(value["events"], list) else None
    return at, value if isinstance(value, list) else None


def _in_file(record: Any, terms: Terms) -> Event:
    if not isinstance(record, dict):
        raise Refused(Fault("", "an event is a mapping of keys such as type, time, by, side", "Write `key: value`"))
    event = read_event(record)
    concerned(event, [terms])
    if fault := agreement_fault(event, terms):
        raise Refused(fault)
    return event


def _between(read: Mapping[int, Event]) -> list[tuple[int, Fault]]:
    """What is wrong between the events of a file: an id given to two, a reply to none."""
    first: dict[str, Event] = {}
    faults: list[tuple[int, Fault]] = []
    for place, event in read.items():
        if first.setdefault(event.id, event) != event:
            faults.append((place, Fault("id", *another_content(event.id))))
    refused = {place for place, _ in faults}
    for place, event in read.items():
        fault = reply_fault(event, first.get(event.of or ""))
        if fault and place not in refused:
            faults.append((place, fault))
    return faults


def another_content(identity: str) -> tuple[str, str]:
    """What is wrong, and the remedy, where an id was given before to an event with another content."""
    return f"another event already has the id {identity}", "Give it an id of its own, or leave `id` out"


def _written(record: Any, key: str) -> str:
    """A key as the author wrote it."""
    return next((each for each in record if SYNONYMS.get(each) == key), key) if isinstance(record, dict) else key
