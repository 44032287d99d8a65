"""What people and devices said, final statements and silent devices, as points."""

import json
from pathlib import Path

from contracts.contract import read_contract
from contracts.event_record import event_of, read_event
from contracts.events import Docket
from contracts.periods import period_named
from gateway.increment import DeviceEvent
from gateway.influx.devices import device_points, longest_hold_ms
from gateway.influx.events import announced_point, event_points
from gateway.influx.points import lines
from gateway.influx.statements import statement_point
from gateway.ledger import Issued
from tests.contracts.samples import contract
from tests.gateway.site import MINUTE_MS, START_MS, Site, flow, status, terms

SAID = {"time": START_MS, "by": "Ann", "side": "provider", "contract": "AIR", "device": "dev-1"}


def test_an_event_says_who_says_what_and_how_it_stands_by_now() -> None:
    """A claim that the other side contests counts no more, and both are shown; the whole event can be read back."""
    claim = read_event({**SAID, "id": "e1", "type": "repaired", "reason": 'Filter, "new"'})
    other = read_event({**SAID, "id": "e2", "type": "contested", "of": "e1", "side": "customer", "by": "Bo"})
    (alone,) = event_points("AIR", Docket.of([claim]))
    assert (alone.fields["standing"], alone.fields["counts"]) == ("claimed by provider", 1)
    first, second = event_points("AIR", Docket.of([claim, other]))
    assert (first.fields["standing"], first.fields["counts"]) == ("contested", 0)
    assert first.tags == {"contract": "AIR", "device": "dev-1", "type": "repaired", "id": "e1"}
    assert first.fields["title"] == "Repaired on dev-1 by Ann"
    assert 'Filter, "new"' in str(first.fields["text"])
    assert event_of(json.loads(str(first.fields["document"]))) == claim
    assert (second.tags["type"], second.time_ms) == ("contested", START_MS)
    assert lines([first, second]).count(b"\n") == 2


def test_what_a_device_announced_is_told_with_its_details() -> None:
    """Another meter: when, and which."""
    said = DeviceEvent("dev-1", START_MS, "meter", "K2", {"meter": "K2", "before": "K1"}, 7)
    point = announced_point(said)
    assert point.tags == {"device": "dev-1", "kind": "meter"}
    assert json.loads(str(point.fields["details"])) == {"meter": "K2", "before": "K1"}


def test_a_statement_says_what_was_billed_and_where_it_can_be_read() -> None:
    """The total as it is written on the statement, and a link where one was set."""
    document = {
        "contract": "T-1",
        "number": 3,
        "total": "1234.50",
        "currency": "EUR",
        "lines": [{}, {}],
        "adjustments": [],
        "issued_at": "2026-02-04T00:00:00.000Z",
    }
    period = period_named(contract().terms, "2026-01")
    point = statement_point(Issued(1, "ab" * 32, document), period, "https://files.example/statements/")
    assert (point.fields["total"], point.fields["total_text"], point.fields["lines"]) == (1234.5, "1234.50 EUR", 2)
    assert point.fields["link"] == "https://files.example/statements/T-1/3/statement.txt"
    assert point.fields["show"] == "fairmeter statement show T-1 3"
    assert b"link=" not in lines([statement_point(Issued(1, "ab" * 32, document), period, None)])


def test_a_device_is_silent_when_none_of_its_values_holds_any_more(tmp_path: Path) -> None:
    """Two minutes after its last reading, as its contract says, and no sooner."""
    agreed = read_contract(terms(), "air.yaml").terms
    with Site.open(tmp_path, air=terms()) as site:
        site.receive(flow(5, 1.0), status(START_MS + 5 * MINUTE_MS, online=True))
        site.project()
        last = START_MS + 5 * MINUTE_MS
        (soon,) = device_points(site.store, agreed, last + longest_hold_ms(agreed))
        assert (soon.fields["silent"], soon.fields["online"]) == (0, 1)
        assert (soon.fields["last_seen_ms"], soon.fields["silent_ms"]) == (last, 2 * MINUTE_MS)
        (later,) = device_points(site.store, agreed, last + longest_hold_ms(agreed) + 1)
        assert later.fields["silent"] == 1


def test_a_device_that_never_reported_is_silent_since_it_is_in_force(tmp_path: Path) -> None:
    """And one that is not in force yet is not looked at."""
    agreed = read_contract(terms(), "air.yaml").terms
    with Site.open(tmp_path, air=terms()) as site:
        (never,) = device_points(site.store, agreed, START_MS + 3 * MINUTE_MS)
        assert (never.fields["silent"], never.fields["last_seen_ms"]) == (1, None)
        assert never.fields["silent_ms"] == 3 * MINUTE_MS
        assert list(device_points(site.store, agreed, START_MS - MINUTE_MS)) == []
