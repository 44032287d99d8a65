"""One event as a person or a device wrote it, understood the same whether it came by file, command or MQTT.

Everything wrong with a record is said at once, each with its key and how to mend it. Whether it fits the contract and
the events before it stands in `event_text`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from contracts.canonical import canonical, sha256
from contracts.events import STRETCHES, TYPES, Event, Side, Verdict
from contracts.language.conditions import Model
from contracts.periods import rfc3339
from contracts.table import checked_time, time_in_range
from contracts.units import moderate

SYNONYMS: Mapping[str, str] = {"t": "time", "at": "time", "author": "by", "note": "reason"}

_ALWAYS = frozenset({"id", "type", "contract", "device", "by", "side", "reason", "entered"})
# What each type says beside that: what it must say, and what it may. A moment that is not given is that of the entry.
_KEYS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    **dict.fromkeys(TYPES, (frozenset[str](), frozenset({"time"}))),
    **dict.fromkeys(STRETCHES, (frozenset({"start", "end"}), frozenset[str]())),
    "planned": (frozenset({"start", "end"}), frozenset({"announced"})),
    "meter_exchanged": (frozenset({"device", "old", "new"}), frozenset({"time", "channel"})),
    "decision": (frozenset({"verdict", "reason"}), frozenset({"time", "of", "channel", "value"})),
    "contested": (frozenset({"of"}), frozenset({"time"})),
    "settlement": (frozenset({"period", "line", "amount", "reason"}), frozenset({"time"})),
}
_NEEDED = ("type", "by", "side")
_REMEDIES = {
    "type": f"Say what it is: one of {', '.join(TYPES)}",
    "by": "Say who states it: by: a name",
    "side": "Say for whom: side: provider, or side: customer",
    "start": "Say from when: start: 2026-01-31T08:00:00Z",
    "end": "Say until when: end: 2026-01-31T12:00:00Z",
    "time": "Say when: time: 2026-01-31T08:00:00Z",
    "entered": "Say when it was entered: entered: 2026-01-31T08:00:00Z",
    "reason": "Say why: reason: a sentence",
}
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)
_LONGEST = 128
_LONGEST_REASON = 4096


class Fault(NamedTuple):
    """One thing wrong with an event: at which key, what, and how to mend it."""

    key: str
    message: str
    remedy: str


class Refused(ValueError):  # noqa: N818 - what became of the event says it best
    """An event that does not stand, with every reason."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


def _text(value: object) -> str:
    """Text on one line; a number, such as an id that is one, as its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("is not text")  # noqa: TRY004 - pydantic collects ValueError
    folded = " ".join(value.split())
    if not folded:
        raise ValueError("is empty")
    if not folded.isprintable():
        raise ValueError("has control characters")
    return folded


def _number(value: object) -> Decimal:
    """An exact number; of a double its shortest text (semantics §1)."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    text = repr(value) if isinstance(value, float) else value
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise ValueError("is not a number")
    return Decimal(text)


def _moment(value: object) -> int:
    if isinstance(value, str):
        return checked_time(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("is neither RFC 3339 text nor milliseconds since 1970")  # noqa: TRY004 - as above
    number = moderate(_number(value))
    if number != number.to_integral_value():
        raise ValueError("is not a whole number of milliseconds")
    return time_in_range(int(number))


def _measured(value: object) -> Decimal:
    """A reading's value: a number, or true and false as 1 and 0 (semantics §1)."""
    return _number(int(value) if isinstance(value, bool) else value)


Text = Annotated[str, BeforeValidator(_text), Field(max_length=_LONGEST)]
Moment = Annotated[int, BeforeValidator(_moment)]
Exact = Annotated[Decimal, BeforeValidator(_number), AfterValidator(moderate)]


class Record(Model):
    """An event as it was written, each value understood for itself."""

    id: Text | None = None
    type: Text | None = None
    contract: Text | None = None
    device: Text | None = None
    time: Moment | None = None
    start: Moment | None = None
    end: Moment | None = None
    by: Text | None = None
    side: Side | None = None
    reason: Annotated[str, BeforeValidator(_text), Field(max_length=_LONGEST_REASON)] | None = None
    entered: Moment | None = None
    announced: Moment | None = None
    of: Text | None = None
    verdict: Verdict | None = None
    channel: Text | None = None
    value: Annotated[Decimal, BeforeValidator(_measured), AfterValidator(moderate)] | None = None
    old: Exact | None = None
    new: Exact | None = None
    period: Text | None = None
    line: Text | None = None
    amount: Exact | None = None


# --- one record -----------------------------------------------------------------------------------------------------


def read_event(
    document: Mapping[str, Any], *, entered: int | None = None, identity: str | None = None, device: str | None = None
) -> Event:
    """The event that a record says; raises Refused with everything that is wrong with it.

    In a gateway, `entered` is its arrival, `identity` the id if it has none, and `device` the one whose topic it came
    on, which speaks for the provider if it does not say. Without them, as in a file, the record says these itself: it
    was entered when it happened, if it does not say when, and its id is the SHA-256 of what it says.
    """
    faults = list(_doubled(document))
    given = {SYNONYMS.get(key, key): value for key, value in document.items() if value is not None}
    if entered is not None and "entered" in given:
        faults.append(Fault("entered", "`entered` is the moment at which the gateway has it", "Leave it out"))
    if device is not None:
        given = {"side": "provider", "device": device} | given
        if given["device"] != device:
            faults.append(Fault("device", f"it came on the topic of {device}", "Leave `device` out"))
    faults += _shape_faults(given, entered)
    try:
        record = Record.model_validate(given)
    except ValidationError as error:
        said = (_explained(each["loc"][0], each["type"], each["msg"], given) for each in error.errors())
        raise Refused(*faults, *said) from None
    if faults:
        raise Refused(*faults)
    event = _event(record, entered)
    if faults := list(_order_faults(event)):
        raise Refused(*faults)
    return event if event.id else replace(event, id=identity or _digest(event))


def event_of(document: Mapping[str, Any]) -> Event:
    """The event that `Event.document` wrote; raises Refused where somebody altered it beyond sense."""
    return read_event(document)


def _event(record: Record, entered: int | None) -> Event:
    said = {name: getattr(record, name) for name in Record.model_fields if name not in ("time", "entered")}
    when = next(each for each in (record.start, record.time, entered, record.entered) if each is not None)
    known = next(each for each in (entered, record.entered, when) if each is not None)
    end = when if record.end is None else record.end
    return Event(**said | {"id": record.id or "", "start": when, "end": end, "entered": known})


def _digest(event: Event) -> str:
    return sha256(canonical({key: value for key, value in event.document().items() if key != "id"}))


def _doubled(document: Mapping[str, Any]) -> Iterator[Fault]:
    for key, meant in SYNONYMS.items():
        others = [each for each in (meant, *SYNONYMS) if each in document and SYNONYMS.get(each, each) == meant]
        if key in document and others[0] != key:
            yield Fault(key, f"`{others[0]}` and `{key}` say the same", "Keep one of the two")


def _shape_faults(given: Mapping[str, Any], entered: int | None) -> Iterator[Fault]:
    """What a record of its type lacks, and what does not belong to it."""
    kind = given.get("type")
    for key in _NEEDED:
        if key not in given:
            yield Fault(key, f"`{key}` is missing", _REMEDIES[key])
    if not isinstance(kind, str):
        return
    if kind not in TYPES:
        near = difflib.get_close_matches(kind, TYPES, n=1)
        remedy = f"Did you mean `{near[0]}`?" if near else _REMEDIES["type"]
        yield Fault("type", f"{kind[:64]!r} is not a type of event", remedy)
        return
    needed, allowed = _KEYS[kind]
    for key in sorted(needed - given.keys()):
        yield Fault(key, f"`{key}` is missing: `{kind}` says it", _REMEDIES.get(key, f"Add `{key}`"))
    for key in sorted((Record.model_fields.keys() & given.keys()) - _ALWAYS - needed - allowed):
        yield Fault(key, f"`{key}` does not belong to `{kind}`", "Leave it out")
    if kind == "planned" and entered is None and "entered" not in given:
        yield Fault("entered", "`entered` is missing: planned work counts by its notice", _REMEDIES["entered"])
    if kind not in STRETCHES and not {"time", "entered"} & given.keys() and entered is None:
        yield Fault("time", "`time` is missing", _REMEDIES["time"])
    if kind == "decision":
        yield from _decision_faults(given)


def _decision_faults(given: Mapping[str, Any]) -> Iterator[Fault]:
    if ("of" in given) == ("channel" in given):
        remedy = "Name the event (of: ID), or the reading (device, channel, time)"
        yield Fault("of", "a decision is about either an event or a reading", remedy)
    elif "channel" in given:
        for key in ("device", "time"):
            if key not in given:
                yield Fault(key, f"`{key}` is missing: a reading has device, channel and time", f"Add `{key}`")
    elif "value" in given:
        yield Fault("value", "`value` belongs to a decision about a reading", "Leave it out")


def _explained(key: str | int, kind: str, said: str, given: Mapping[str, Any]) -> Fault:
    """One of pydantic's findings in words."""
    name = str(key)[:64]
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(name, Record.model_fields, n=1)
        remedy = f"Did you mean `{near[0]}`?" if near else "Remove it; docs/devices.md lists what an event says"
        return Fault(name, f"`{name}` is not a key of an event", remedy)
    if kind == "literal_error":
        value = given[name]
        said = f"is {value[:64]!r}" if isinstance(value, str) else "is not text"
        return Fault(name, f"`{name}` {said}", _REMEDIES.get(name, "Say accept or discard"))
    message = said.removeprefix("Value error, ")
    said = f"`{name}` {message}" if message.startswith(("is ", "has ")) else f"`{name}`: {message}"
    return Fault(name, said, _REMEDIES.get(name, "Correct it"))


def _order_faults(event: Event) -> Iterator[Fault]:
    if event.type in STRETCHES and event.end <= event.start:
        said = f"it ends at {rfc3339(event.end)}, not after its start at {rfc3339(event.start)}"
        yield Fault("end", said, "Correct start or end")
    if event.announced is not None and event.announced > event.entered:
        said = f"it was announced at {rfc3339(event.announced)}, after it was entered"
        yield Fault("announced", said, "Say when it was really announced, or leave it out")
