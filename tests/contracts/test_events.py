"""Events: what people say is understood as they meant it, or refused with every reason."""

import json
from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.event_text import Refused, event_of, read_event, read_events
from contracts.events import STRETCHES, TYPES, Event, Side
from tests.contracts.samples import HOUR, JANUARY, contract, terms

TWO_REGISTERS = """
channels: {pages: {unit: page}, hours: {unit: h}}
meters: {pages: {counter: pages, max_rate: 9/s}, hours: {counter: hours, max_rate: 2/h}}
charges: [{id: pages, meter: pages, price: {per_unit: 0.10}}]
"""
MORNING = JANUARY + 8 * HOUR

# One event of each kind, as people write them in a file.
EVERY_KIND: dict[str, str] = {
    "planned": "start: 2026-01-03T08:00:00Z, end: 2026-01-03T12:00:00Z, entered: 2026-01-01T08:00:00Z,"
    " announced: 2026-01-01T07:00:00Z",
    "force_majeure": "start: 2026-01-03T08:00:00Z, end: 2026-01-03T12:00:00+01:00, reason: flood",
    "excused": "start: 1767225600000, end: 1767225600001, device: m1",
    "serviced": "device: m1, t: 2026-01-03T08:00:00Z",
    "access_refused": "device: m1, at: 2026-01-03T08:00:00Z, note: the gate was locked",
    "breakdown": "device: m1, time: 2026-01-03T08:00:00Z",
    "arrived": "device: m1, time: 2026-01-03T09:00:00.250Z",
    "repaired": "device: m1, time: 2026-01-03T10:00:00Z",
    "note": "time: 2026-01-03T08:00:00Z, reason: the paper was damp",
    "meter_exchanged": "device: m1, time: 2026-01-03T08:00:00Z, channel: pages, old: 1200, new: '0.5'",
    "decision": "device: m1, channel: pages, time: 2026-01-03T08:00:00Z, value: 17, verdict: accept, reason: read it",
    "contested": "of: claim, entered: 2026-01-04T08:00:00Z",
    "settlement": "time: 2026-02-04T08:00:00Z, period: 2026-01, line: pages, amount: -12.50, reason: agreed by phone",
}


def record(kind: str, side: str = "customer", by: str = "Ann Smits") -> str:
    """One of them as a line of a file."""
    return f"- {{type: {kind}, {EVERY_KIND[kind]}, by: {by}, side: {side}}}\n"


def read(text: str, **body: Any) -> tuple[tuple[Event, ...], list[str]]:
    """The events of a file, and its problems as `line: message`."""
    events, problems = read_events(text, "events.yaml", terms(TWO_REGISTERS, **body))
    assert all(problem.path == "events.yaml" and problem.remedy for problem in problems)
    return events, [f"{problem.line}: {problem.message}" for problem in problems]


CLAIM = record("excused", "provider").replace("type:", "id: claim, type:")


def test_every_kind_of_event_is_read_from_a_file() -> None:
    """All that the contract language names can be said in a file, by either name of its keys, and says what it says."""
    assert EVERY_KIND.keys() == set(TYPES)
    events, problems = read(CLAIM + "".join(record(kind) for kind in TYPES))
    assert problems == []
    assert [event.type for event in events] == ["excused", *TYPES]
    found = {event.type: event for event in events[1:]}
    assert (found["planned"].start, found["planned"].end) == (JANUARY + 56 * HOUR, JANUARY + 60 * HOUR)
    assert (found["planned"].announced, found["planned"].entered) == (JANUARY + 7 * HOUR, JANUARY + 8 * HOUR)
    assert found["force_majeure"].end == JANUARY + 59 * HOUR
    assert (found["excused"].start, found["excused"].end) == (JANUARY, JANUARY + 1)
    assert found["access_refused"].reason == "the gate was locked"
    assert found["arrived"].span.length_ms == 0
    assert (found["meter_exchanged"].old, found["meter_exchanged"].new) == (Decimal(1200), Decimal("0.5"))
    assert (found["decision"].value, found["decision"].on_reading) == (Decimal(17), True)
    assert (found["contested"].of, found["contested"].start) == ("claim", JANUARY + 80 * HOUR)
    assert found["settlement"].amount == Decimal("-12.50")
    assert all(event.by == "Ann Smits" and event.contract is None for event in events)


def test_yaml_json_a_list_and_a_mapping_say_the_same() -> None:
    """A file is a list of events, or `events:` with one, as YAML or as JSON however it is indented."""
    plain = [{"type": "note", "time": "2026-01-03T08:00:00Z", "by": "Ann", "side": "customer", "reason": "2.5 µm"}]
    texts = [
        json.dumps(plain),
        json.dumps({"events": plain}, indent="\t"),
        "events:\n- {type: note, t: 1767427200000, ",
    ]
    texts[2] += "author: Ann, side: customer, note: 2.5 µm}\n"
    found = [read(text) for text in texts]
    assert found[0] == found[1] == found[2]
    assert (len(found[0][0]), found[0][1]) == (1, [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{type: note, time: 2026-01-03T08:00:00Z, side: customer}", "`by` is missing"),
        ("{type: note, time: 2026-01-03T08:00:00Z, side: customer, by: ' '}", "`by` is empty"),
        ("{type: note, time: 2026-01-03T08:00:00Z, side: customer, by: [Ann]}", "`by` is not text"),
        ('{type: note, time: 2026-01-03T08:00:00Z, side: customer, by: "a\\u202eb"}', "`by` has control characters"),
        ("{type: note, time: 2026-01-03T08:00:00Z, by: Ann}", "`side` is missing"),
        ("{type: note, time: 2026-01-03T08:00:00Z, by: Ann, side: both}", "`side` is 'both'"),
        ("{time: 2026-01-03T08:00:00Z, by: Ann, side: customer}", "`type` is missing"),
        ("{type: servced, time: 2026-01-03T08:00:00Z, by: Ann, side: customer}", "'servced' is not a type of event"),
        ("{type: serviced, by: Ann, side: customer}", "`time` is missing"),
        ("{type: serviced, time: 1767225600, by: Ann, side: customer}", "looks like seconds"),
        ("{type: serviced, time: 2026-01-03, by: Ann, side: customer}", "does not say its offset"),
        ("{type: serviced, time: 1e400, by: Ann, side: customer}", "more digits than 18"),
        ("{type: serviced, time: 1767225600000.5, by: Ann, side: customer}", "not a whole number of milliseconds"),
        ("{type: serviced, time: 2026-01-03T08:00:00Z, t: 1767225600000, by: Ann, side: customer}", "say the same"),
        ("{type: serviced, start: 2026-01-03T08:00:00Z, by: Ann, side: customer, time: 1767225600000}", "not belong"),
        ("{type: serviced, hours: 5, time: 1767225600000, by: Ann, side: customer}", "`hours` is not a key"),
        ("{type: serviced, device: m9, time: 1767225600000, by: Ann, side: customer}", "names the device m9"),
        ("{type: serviced, contract: T-2, time: 1767225600000, by: Ann, side: customer}", "there is no contract T-2"),
        ("{type: serviced, time: 2026-01-03T08:05:00.001Z, entered: 2026-01-03T08:00:00Z, by: A, side: customer}",
         "after it was entered"),
        ("{type: excused, start: 1767225600000, by: Ann, side: customer}", "`end` is missing: `excused` says it"),
        ("{type: excused, start: 1767225600000, end: 1767225600000, by: Ann, side: customer}", "not after its start"),
        ("{type: excused, start: 1767225600000, end: 1767225599999, by: Ann, side: customer}", "not after its start"),
        ("{type: planned, start: 1767225600000, end: 1767225600009, by: Ann, side: provider}", "`entered` is missing"),
        ("{type: planned, start: 1767225600000, end: 1767225600009, by: Ann, side: provider, entered: 1767225600000,"
         " announced: 1767225600001}", "after it was entered"),
        ("{type: decision, of: claim, verdict: accept, time: 1767225600000, by: Ann, side: customer}",
         "`reason` is missing"),
        ("{type: decision, verdict: accept, time: 1767225600000, by: Ann, side: customer, reason: x}",
         "either an event or a reading"),
        ("{type: decision, of: claim, channel: pages, device: m1, verdict: accept, time: 1767225600000, by: Ann,"
         " side: customer, reason: x}", "either an event or a reading"),
        ("{type: decision, channel: pages, verdict: accept, time: 1767225600000, by: Ann, side: customer, reason: x}",
         "`device` is missing"),
        ("{type: decision, channel: pages, device: m1, verdict: accept, entered: 1767225600000, by: Ann,"
         " side: customer, reason: x}", "`time` is missing"),
        ("{type: decision, channel: noise, device: m1, verdict: accept, time: 1767225600000, by: Ann, side: customer,"
         " reason: x}", "declares no channel noise"),
        ("{type: decision, of: claim, verdict: perhaps, time: 1767225600000, by: Ann, side: customer, reason: x}",
         "`verdict` is 'perhaps'"),
        ("{type: decision, of: nothing, verdict: accept, time: 1767225600000, by: Ann, side: customer, reason: x}",
         "no event nothing is known"),
        ("{type: decision, of: claim, value: 5, verdict: accept, time: 1767225600000, by: B, side: customer,"
         " reason: x}",
         "`value` belongs to a decision about a reading"),
        ("{type: contested, of: claim, time: 1767225600000, by: Ann, side: provider}", "the provider's own event"),
        ("{type: contested, of: remark, time: 1767225600000, by: Ann, side: provider}", "remark is no claim"),
        ("{type: contested, of: nobody, time: 1767225600000, by: Ann, side: provider}", "no event nobody is known"),
        ("{type: contested, of: doubt, time: 1767225600000, by: Ann, side: provider}", "doubt is itself a contested"),
        ("{type: meter_exchanged, device: m1, time: 1767225600000, old: 5, by: Ann, side: provider}",
         "`new` is missing"),
        ("{type: meter_exchanged, device: m1, time: 1767225600000, old: 5, new: 0, by: Ann, side: provider}",
         "does not say which register"),
        ("{type: meter_exchanged, device: m1, time: 1767225600000, channel: pages, old: five, new: 0, by: Ann,"
         " side: provider}", "`old` is not a number"),
        ("{type: settlement, time: 1767225600000, period: 2025-12, line: pages, amount: 1, reason: x, by: A,"
         " side: customer}", "not in force in 2025-12"),
        ("{type: settlement, time: 1767225600000, period: 2026-01, line: paper, amount: 1, reason: x, by: A,"
         " side: customer}", "has no line paper"),
        ("{type: settlement, time: 1767225600000, period: 2026-01, line: pages, amount: 1.005, reason: x, by: A,"
         " side: customer}", "more than 2 decimals"),
        ("{id: claim, type: note, time: 1767225600000, by: Ann, side: customer}", "already has the id claim"),
        ("just a sentence", "an event is a mapping"),
    ],
)  # fmt: skip
def test_what_cannot_stand_is_refused_with_its_line(text: str, said: str) -> None:
    """A faulty event is named by its line and mended by itself; the others of the file are understood."""
    remark = "- {id: remark, type: note, time: 1767225600000, by: Ann, side: customer}\n"
    doubt = "- {id: doubt, type: contested, of: claim, time: 1767225600000, by: Ann, side: customer}\n"
    events, problems = read(f"{CLAIM}{remark}{doubt}- {text}\n")
    assert [event.id for event in events] == ["claim", "remark", "doubt"]
    assert len(problems) == 1
    assert problems[0].startswith("4: ")
    assert said in problems[0]


def test_all_that_is_wrong_is_said_at_once_each_at_its_key() -> None:
    """An author mends a file in one go."""
    text = """events:
- type: excused
  author: 5
  side: nobody
  start: yesterday
  colour: red
- type: note
  by: Ann
"""
    events, problems = read(text)
    assert events == ()
    assert [problem.split(":")[0] for problem in problems] == ["2", "4", "5", "6", "7", "7"]
    assert "`end` is missing" in problems[0]
    assert "'yesterday'" in problems[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("just: a mapping", "not a list of events"),
        ("events: 5", "not a list of events"),
        ("[1, 2", "expected"),
        ("- &a {type: note}\n- *a\n", "alias"),
    ],
)
def test_a_file_that_is_no_list_of_events_is_a_problem(text: str, said: str) -> None:
    """A wrong file is told as such, not as an empty list."""
    events, problems = read(text)
    assert events == ()
    assert said in problems[0]


def test_bytes_that_are_no_text_are_a_problem() -> None:
    """A spreadsheet given in place of a list of events is told by its line."""
    events, problems = read_events(b"- {}\n\xff\xfe", "events.yaml", terms())
    assert (events, problems[0].line) == ((), 2)


def test_the_same_event_twice_is_one_and_another_content_is_a_fault() -> None:
    """A list assembled from two sources may overlap; an id that stands for two things may not."""
    events, problems = read(CLAIM + CLAIM + record("note") + record("note"))
    assert (len(events), problems) == (2, [])
    events, problems = read(CLAIM + CLAIM.replace("Ann", "Bob"))
    assert [event.by for event in events] == ["Ann Smits"]
    assert problems == ["2: another event already has the id claim"]


def test_an_event_without_an_id_is_known_by_what_it_says() -> None:
    """The same words in another order or spelling are the same event; another word is another event."""
    (one,), _ = read("- {type: note, time: 2026-01-03T08:00:00Z, by: Ann, side: customer}")
    (same,), _ = read("- {author: Ann, side: customer, t: 1767427200000, type: note}")
    (other,), _ = read("- {author: Ann, side: provider, t: 1767427200000, type: note}")
    assert one == same
    assert len({one.id, other.id}) == 2
    assert len(one.id) == 64


def test_a_decision_on_a_reading_of_a_wrong_clock_is_no_event_of_the_future() -> None:
    """The time of such a decision is that of the reading, which may well be what is wrong with it."""
    decision = "- {type: decision, device: m1, channel: pages, time: 2027-01-03T08:00:00Z, entered: 1767225600000,"
    events, problems = read(decision + " verdict: discard, reason: clock, by: Ann, side: customer}")
    assert (len(events), problems) == (1, [])


def test_a_contract_with_one_register_needs_no_channel_for_an_exchange() -> None:
    """What can be meant in one way only need not be said."""
    text = "- {type: meter_exchanged, device: m1, time: 1767225600000, old: 5, new: 0, by: Ann, side: provider}"
    events, problems = read_events(text, "events.yaml", contract().terms)
    assert (len(events), problems) == (1, [])


# --- in a gateway ---------------------------------------------------------------------------------------------------


def test_on_a_devices_topic_the_provider_speaks_at_the_arrival() -> None:
    """A technician's tool need say only what and who; the gateway knows which device, and when it heard it."""
    event = read_event({"type": "serviced", "by": "Ann"}, entered=MORNING, identity="abc", device="m1")
    assert event == Event("abc", "serviced", MORNING, MORNING, "Ann", "provider", MORNING, device="m1")
    said = {"type": "serviced", "by": "Ann", "side": "customer", "t": JANUARY, "id": 7, "device": "m1"}
    event = read_event(said, entered=MORNING, identity="abc", device="m1")
    assert (event.id, event.side, event.start, event.entered) == ("7", "customer", JANUARY, MORNING)


@pytest.mark.parametrize(
    ("more", "said"),
    [({"device": "m2"}, "on the topic of m1"), ({"entered": JANUARY}, "`entered` is the moment at which the gateway")],
)
def test_nobody_says_what_the_gateway_knows_better(more: dict[str, Any], said: str) -> None:
    """Notice is counted from the arrival, and a device speaks for itself alone."""
    with pytest.raises(Refused, match=said):
        read_event({"type": "note", "by": "Ann", **more}, entered=MORNING, identity="abc", device="m1")


JSON = st.recursive(
    st.sampled_from([None, True, *TYPES, "customer"]) | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
KEYS = [*(field.name for field in fields(Event)), "time", "t", "at", "note", "author", "colour"]


@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.booleans())
def test_whatever_is_said_it_is_an_event_or_refused(document: dict[str, Any], on_topic: bool) -> None:
    """No record makes reading it fail; what is refused has a reason and a remedy."""
    where: dict[str, Any] = {"entered": MORNING, "identity": "abc", "device": "m1"} if on_topic else {}
    try:
        event = read_event(document, **where)
    except Refused as refused:
        assert all(fault.message and fault.remedy for fault in refused.faults)
        return
    assert event.by.strip()
    assert event_of(event.document()) == event


# --- as evidence ----------------------------------------------------------------------------------------------------

NAME = st.from_regex(r"[A-Za-zÀ-ž0-9_.:/-]{1,12}( [a-z]{1,5})?", fullmatch=True)
TIME = st.integers(JANUARY, JANUARY + 2**40)
NUMBER = st.decimals(-(10**12), 10**12, places=4)
MAYBE: dict[str, st.SearchStrategy[Any]] = {
    "contract": st.none() | NAME, "device": st.none() | NAME, "reason": st.none() | NAME
}  # fmt: skip


@st.composite
def an_event(draw: st.DrawFn) -> Event:
    """Any event that can stand."""
    kind, start = draw(st.sampled_from(TYPES)), draw(TIME)
    said = {name: draw(strategy) for name, strategy in MAYBE.items()}
    entered = draw(st.integers(start, JANUARY + 2**41))
    end = start
    if kind in STRETCHES:
        end = draw(st.integers(start + 1, start + 10**9))
    if kind == "planned":
        said["announced"] = draw(st.none() | st.integers(JANUARY, entered))
    elif kind == "meter_exchanged":
        said |= {"device": draw(NAME), "channel": draw(st.none() | NAME), "old": draw(NUMBER), "new": draw(NUMBER)}
    elif kind == "contested":
        said["of"] = draw(NAME)
    elif kind == "settlement":
        said |= {"reason": draw(NAME), "period": draw(NAME), "line": draw(NAME), "amount": draw(NUMBER)}
    elif kind == "decision":
        said |= {"reason": draw(NAME), "verdict": draw(st.sampled_from(["accept", "discard"]))}
        reading = {"device": draw(NAME), "channel": draw(NAME), "value": draw(st.none() | NUMBER)}
        said |= reading if draw(st.booleans()) else {"of": draw(NAME)}
    side: Side = "provider" if draw(st.booleans()) else "customer"
    return Event(draw(NAME), kind, start, end, draw(NAME), side, entered, **said)


@given(an_event())
def test_evidence_reads_back_to_the_same_event(event: Event) -> None:
    """What a statement's evidence says of an event is all of it, through JSON and back."""
    assert event_of(json.loads(json.dumps(event.document()))) == event


def test_evidence_altered_beyond_sense_is_refused() -> None:
    """A line of evidence that is no event any more is told as such."""
    document = Event("a", "note", JANUARY, JANUARY, "Ann", "customer", JANUARY).document()
    for altered in ({**document, "type": "nothing"}, {**document, "by": ""}, {**document, "start": "x"}):
        with pytest.raises(ValueError, match=r"type|by|start"):
            event_of(altered)
