"""Events in a gateway: journalled first, then judged by the contracts and by what was said before."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.event_text import Fault
from contracts.events import MOMENTS, STRETCHES, TYPES, Event
from contracts.periods import rfc3339
from contracts.units import HOUR_MS
from gateway.book import load_book
from gateway.increment import Counts
from gateway.message import Cut, Kind, Message
from gateway.meter import Source
from gateway.payloads.event import entered_event
from tests.gateway.site import MINUTE_MS, START_MS, Site, event, flow, terms

NOON_MS = START_MS + 12 * HOUR_MS
NOON, EVENING = rfc3339(NOON_MS), rfc3339(NOON_MS + 6 * HOUR_MS)
# What each kind says beside who and when.
MORE: dict[str, dict[str, Any]] = {
    **{kind: {"start": NOON, "end": EVENING} for kind in STRETCHES},
    "meter_exchanged": {"channel": "pages", "old": 1200, "new": 0.5},
    "decision": {"channel": "flow", "t": NOON, "value": 7.25, "verdict": "accept", "reason": "looked at"},
    "contested": {"of": "claim"},
    "settlement": {"period": "2026-01", "line": "base", "amount": "-5.00", "reason": "agreed"},
}
CLAIM: dict[str, Any] = {"id": "claim", "type": "repaired", "by": "Ann", "side": "provider"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A gateway with one contract of two devices, and no messages yet."""
    with Site.open(tmp_path, air=terms(devices="dev-1, dev-2")) as opened:
        yield opened


def entered(arrival_ms: int, contract: str = "AIR", refusal: Fault | None = None, **content: Any) -> Message:
    """An event as a person enters it at the gateway."""
    payload = entered_event({"contract": contract, **content}, refusal)
    return Message(f"contract/{contract}/event", payload, arrival_ms, Kind.EVENT)


def heard(site: Site, contract: str = "AIR", upto: int | None = None) -> list[Event]:
    """What stands for a contract."""
    return site.store.contract_events(contract, upto)


def reasons(site: Site) -> list[str]:
    """Why messages were rejected, the first of them first; each is listed with a remedy and where it came from."""
    listed = site.store.rejected()[::-1]
    assert all(each.remedy and each.topic and each.excerpt for each in listed)
    return [each.reason for each in listed]


def test_every_kind_comes_by_mqtt_and_by_entry(site: Site) -> None:
    """A technician's tool and a person at the gateway can say the same things, and they are kept the same way."""
    mqtt, typed = [event(NOON_MS, **CLAIM)], [entered(NOON_MS, **CLAIM | {"id": "claim", "device": "dev-2"})]
    for kind in TYPES:
        said = {"type": kind, "by": "Ann", "side": "customer", **MORE.get(kind, {})}
        mqtt.append(event(NOON_MS + 7, id=f"mqtt-{kind}", **said))
        typed.append(entered(NOON_MS + 7, id=f"typed-{kind}", device="dev-1", **said))
    site.receive(*mqtt)
    site.project()
    assert reasons(site) == []
    assert [each.type for each in heard(site)] == ["repaired", *TYPES]
    assert {each.device for each in heard(site)} == {"dev-1"}
    found = {each.type: each for each in heard(site)}
    for kind in MOMENTS:
        assert (found[kind].start, found[kind].entered) == (NOON_MS + 7, NOON_MS + 7)
    assert (found["excused"].start, found["excused"].end) == (NOON_MS, NOON_MS + 6 * HOUR_MS)
    assert (str(found["meter_exchanged"].new), str(found["decision"].value)) == ("0.5", "7.25")
    site.receive(*typed[1:])
    site.project()
    assert reasons(site) == []
    typed_too = [each for each in heard(site) if each.id.startswith("typed-")]
    assert [(each.type, each.contract) for each in typed_too] == [(kind, "AIR") for kind in TYPES]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"type": "serviced"}, "`by` is missing"),
    ({"type": "serviced", "by": " "}, "`by` is empty"),
    ({"type": "servced", "by": "Ann"}, "'servced' is not a type of event"),
    ({"by": "Ann"}, "`type` is missing"),
    ({"type": "excused", "by": "Ann", "start": EVENING, "end": NOON}, "it ends at"),
    ({"type": "serviced", "by": "Ann", "t": NOON_MS + 300_008}, "after it was entered"),
    ({"type": "excused", "by": "Ann", "start": EVENING, "end": rfc3339(NOON_MS + 9 * HOUR_MS)}, "after it was entered"),
    ({"type": "serviced", "by": "Ann", "t": 1_767_225_600}, "looks like seconds"),
    ({"type": "serviced", "by": "Ann", "contract": "INK"}, "there is no contract INK"),
    ({"type": "serviced", "by": "Ann", "entered": NOON}, "`entered` is the moment at which the gateway has it"),
    ({"type": "serviced", "by": "Ann", "hours": 4}, "`hours` is not a key of an event"),
    ({"type": "decision", "by": "Ann", "of": "claim", "verdict": "accept"}, "`reason` is missing"),
    ({"type": "decision", "by": "Ann", "of": "no", "verdict": "accept", "reason": "x"}, "no event no is known"),
    ({"type": "contested", "by": "Ann", "of": "claim"}, "claim is the provider's own event"),
    ({"type": "contested", "by": "Ann", "of": "remark", "side": "customer"}, "remark is no claim"),
    ({"type": "decision", "by": "Ann", "channel": "noise", "t": NOON, "verdict": "accept", "reason": "x"}, "noise"),
    ({"id": "claim", "type": "repaired", "by": "Bob"}, "another event already has the id claim"),
    ({"id": "claim", "type": "arrived", "by": "Ann"}, "another event already has the id claim"),
]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("content", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_cannot_stand_is_rejected_with_its_reason(
    site: Site, content: dict[str, Any], reason: str, at_once: bool
) -> None:
    """It stays in the journal and in the list of rejected messages, changes nothing, and its device is told."""
    before = (event(NOON_MS, **CLAIM), event(NOON_MS, id="remark", type="note", by="Ann"))
    site.receive(*before)
    if not at_once:
        site.project()
    site.receive(event(NOON_MS + 7, **content))
    step = site.project()[-1]
    (rejection,) = step.rejections
    assert reason in rejection.reason
    assert (rejection.device, rejection.topic, rejection.position) == ("dev-1", "event/dev-1", 2)
    assert [each.id for each in heard(site)] == ["claim", "remark"]
    total = sum(site.store.counts().values(), Counts())
    assert (total.received, total.decoded, total.rejected) == (3, 2, 1)


def test_who_is_unknown_here_is_told(site: Site) -> None:
    """A device or contract that nobody agreed on has no events; an entered one says which contract it is about."""
    said: dict[str, Any] = {"type": "serviced", "by": "Ann", "side": "customer"}
    site.receive(
        event(NOON_MS, device="dev-9", **said),
        entered(NOON_MS, "INK", **said),
        entered(NOON_MS, device="dev-9", **said),
        Message("contract/AIR/event", json.dumps(said).encode(), NOON_MS, Kind.EVENT),
        Message("contract/AIR/event", b"{", NOON_MS, Kind.EVENT, False, Cut(10**6, b"")),
        Message("contract/AIR/event", b'"serviced"', NOON_MS, Kind.EVENT),
    )
    site.project()
    assert reasons(site) == [
        "no contract names the device dev-9",
        "there is no contract INK",
        "AIR names no device dev-9",
        "it names neither a contract nor a device",
        "the event has 1000000 bytes, more than the gateway takes",
        "the payload is not a JSON object",
    ]
    assert heard(site) == []
    assert [each.device for each in site.store.rejected()] == [None] * 5 + ["dev-9"]


def test_what_was_refused_at_entry_stays_refused(site: Site) -> None:
    """A contest of what is final is journalled with the refusal, which no rebuild forgets; a device cannot say so."""
    late = Fault("of", "statement 1 is final", "dispute it")
    site.receive(event(NOON_MS, **CLAIM), entered(NOON_MS, refusal=late, **CLAIM | {"id": "late"}))
    site.receive(event(NOON_MS, refused={"reason": "x", "remedy": "y"}, **CLAIM | {"id": "odd"}))
    for _ in range(2):
        site.project()
        assert reasons(site) == ["statement 1 is final", "`refused` is not a key of an event"]
        assert [each.id for each in heard(site)] == ["claim"]
        site.projector().rebuild()


@pytest.mark.parametrize("content", [{"t": START_MS}, {}, {"id": "service-7"}, {"id": "service-7", "t": START_MS}])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_redelivered_event_is_one_event(site: Site, content: dict[str, Any], at_once: bool) -> None:
    """A service that was reported once was done once, when it was first heard of, however often it is delivered."""
    said = {"type": "serviced", "by": "Ann", **content}
    for minute in (0, 0, 5):
        site.receive(event(START_MS + minute * MINUTE_MS, **said))
        if not at_once:
            site.project()
    site.project()
    (found,) = heard(site)
    assert (found.by, found.start, found.entered) == ("Ann", START_MS, START_MS)
    assert reasons(site) == []


def test_two_devices_may_count_their_events_alike_in_different_contracts(tmp_path: Path) -> None:
    """An id is one event's within a contract; what another contract calls so does not matter."""
    with Site.open(tmp_path, air=terms(), ink=terms("INK", devices="ink-1")) as site:
        site.receive(event(NOON_MS, type="note", by="Ann", id="1"))
        site.receive(event(NOON_MS, "ink-1", type="note", by="Bob", id="1"))
        site.project()
        assert [each.by for each in heard(site)] == ["Ann"]
        assert [each.by for each in heard(site, "INK")] == ["Bob"]


def test_an_event_of_a_shared_device_is_one_of_every_contract_that_has_it(tmp_path: Path) -> None:
    """The lease and the service contract of a machine hear of the same breakdown; what names a contract is its own."""
    with Site.open(tmp_path, air=terms(), lease=terms("LEASE")) as site:
        site.receive(event(NOON_MS, type="breakdown", by="Ann", side="customer", id="b"))
        site.receive(entered(NOON_MS, "LEASE", type="note", by="Ann", side="customer", id="n"))
        site.receive(event(NOON_MS, type="contested", by="Bob", of="b", id="c"))
        site.receive(event(NOON_MS, type="decision", by="Bob", of="n", verdict="accept", reason="x", id="d"))
        site.receive(event(NOON_MS, type="note", by="Bob", id="n"))
        site.project()
        assert [each.id for each in heard(site)] == ["b", "c"]
        assert [each.id for each in heard(site, "LEASE")] == ["b", "n", "c", "d"]
        assert reasons(site) == ["another event already has the id n"]


def test_a_reply_comes_after_what_it_is_about(site: Site) -> None:
    """Nobody can doubt or decide what was not said yet."""
    doubt = {"type": "contested", "by": "Cy", "side": "customer", "of": "claim"}
    site.receive(event(NOON_MS, id="early", **doubt), event(NOON_MS, **CLAIM), event(NOON_MS, id="right", **doubt))
    site.project()
    assert [each.id for each in heard(site)] == ["claim", "right"]
    assert reasons(site) == ["no event claim is known"]


def test_what_is_entered_after_a_cut_is_not_in_it(site: Site) -> None:
    """A final statement sees the events that were journalled before it was cut, and no later one."""
    for number in range(3):
        site.receive(event(NOON_MS + number, type="note", by="Ann", id=str(number)))
        site.project()
    agreed = load_book(site.folder / "contracts")[0].contracts[0].terms
    for upto in range(4):
        assert [each.id for each in heard(site, upto=upto)] == ["0", "1", "2"][:upto]
        assert Source(site.store, agreed, upto).docket.events == tuple(heard(site, upto=upto))
    assert len(Source(site.store, agreed).docket.events) == 3


def test_what_was_said_of_a_reading_or_a_register_meters_its_hour_again(site: Site) -> None:
    """A decision on a reading long metered changes the statement so far."""
    site.receive(flow(0, 1), flow(120, 1))
    site.project()
    site.store.clear_dirty(site.store.dirty(), upto=1)
    assert site.store.dirty() == []
    hour = START_MS // HOUR_MS
    site.receive(
        event(NOON_MS, type="note", by="Ann"),
        event(NOON_MS, type="decision", by="Ann", channel="flow", t=START_MS, verdict="discard", reason="x"),
        event(NOON_MS, type="meter_exchanged", by="Ann", old=5, new=0, t=START_MS + 2 * HOUR_MS),
    )
    site.project()
    assert reasons(site) == []
    assert site.store.dirty() == [("dev-1", hour), ("dev-1", hour + 2)]


def test_a_contract_made_later_hears_what_was_said_before(site: Site) -> None:
    """What was rejected because nobody had written the contract stands once it is there and the store is rebuilt."""
    site.receive(entered(NOON_MS, "INK", type="note", by="Ann", side="customer"), event(NOON_MS, **CLAIM))
    site.project()
    assert (len(reasons(site)), heard(site, "INK")) == (1, [])
    (site.folder / "contracts" / "ink.yaml").write_text(terms("INK"))
    assert site.projector().needs_rebuild()
    site.projector().rebuild()
    assert reasons(site) == []
    assert [each.type for each in heard(site, "INK")] == ["note", "repaired"]


_ENTER_AND_DIE = """
import os, signal, sys
from pathlib import Path
from gateway.journal import Journal
from gateway.message import Kind, Message
message = Message("contract/AIR/event", sys.argv[2].encode(), int(sys.argv[3]), Kind.EVENT)
Journal.open(Path(sys.argv[1])).append((message,))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_between_journal_and_projection_the_event_stands(site: Site) -> None:
    """An event that is in the journal is judged by whoever projects next, once, as if nothing had happened."""
    said = {"contract": "AIR", "type": "serviced", "by": "Ann", "side": "customer", "device": "dev-1", "id": "s"}
    command = [sys.executable, "-c", _ENTER_AND_DIE, str(site.folder / "journal.db"), json.dumps(said), str(NOON_MS)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert heard(site) == []
    site.project()
    site.project()
    assert [(each.id, each.entered) for each in heard(site)] == [("s", NOON_MS)]


def test_a_rebuild_gives_the_same_events_and_refusals(tmp_path: Path) -> None:
    """However events came in and were projected, the journal alone gives what stands and what does not."""
    with Site.open(tmp_path, air=terms(), lease=terms("LEASE")) as site:
        for number, (content, _) in enumerate(REFUSED):
            site.receive(event(NOON_MS, **{**CLAIM, "id": f"claim-{number % 7}"}), event(NOON_MS + 7, **content))
            site.receive(entered(NOON_MS, "LEASE", type="note", by="Ann", side="customer", id=f"n{number % 5}"))
            if number % 3 == 0:
                site.project(limit_messages=1 + number % 2)
        site.project()
        before = site.dump()
        assert len(before["contract_events"]) > 10
        assert len(before["rejected"]) > 10
        site.projector().rebuild()
        assert site.dump() == before
