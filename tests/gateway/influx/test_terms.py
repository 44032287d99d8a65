"""Who agreed what, as points: parties, devices, texts to the byte, and numbers to draw measurements against."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from contracts.contract import read_contract
from contracts.periods import period_named, period_of
from gateway.influx.agreed import Agreed, agreed_in, agreed_points, moments
from gateway.influx.points import line
from gateway.influx.terms import contract_points, period_point, pieces
from tests.contracts.samples import HOUR, JANUARY, contract, contract_text

LIMITS = """
channels: {heat: {unit: C}, load: {unit: "%"}, fault: {}}
conditions:
  cool: {channel: heat, at_most: 40}
  well: {all: [cool, {not: {channel: load, above: 95}}, {channel: fault, is: 0}]}
meters: {well: {duration: well}}
charges: [{id: base, price: {flat: 100.00}}]
guarantees:
  - id: uptime
    available_when: well
    target: 98
    unknown: down
    credits: {tiers: [{below: 95, percent: 25}, {below: 98, percent: 10}], of: [base]}
obligations:
  - {id: gentle, limit: {channel: load, between: [10, 90]}, tolerance: 5}
"""
PRICES = """
channels: {pages: {unit: page}}
meters: {pages: {counter: pages}}
charges:
  - {id: fee, price: {flat: 24.90, per: device}}
  - id: pages
    meter: pages
    pool: true
    allowance: {included: 310}
    price: {graduated: [{up_to: 1000, unit: 0.05, flat: 2}, {unit: 0.03}]}
  - {id: own, meter: pages, allowance: {included: 310}, price: {package: {size: 15, price: 1.00}}}
"""


def test_a_contract_is_its_parties_its_devices_and_its_text() -> None:
    """Whom to call, which machines it is about, and the terms to the byte."""
    text = contract_text().replace("Customer}", 'Brauerei Süd, contact: {name: "Ü, B=C", phone: "+32 2"}}')
    agreed = read_contract(text, "terms.yaml")
    points = list(contract_points(agreed))
    assert [point.measurement for point in points] == ["contract", "member", "terms"]
    assert {point.time_ms for point in points} == {JANUARY}
    assert points[0].tags == {"contract": "T-1", "customer": "Brauerei Süd"}
    assert (points[0].fields["customer_contact"], points[0].fields["customer_phone"]) == ("Ü, B=C", "+32 2")
    assert points[1].tags["device"] == "m1"
    assert (points[2].fields["text_0"], points[2].fields["sha256"]) == (text, agreed.sha256)
    assert line(points[0]).startswith("contract,contract=T-1,customer=Brauerei\\ Süd ")


def test_a_promise_is_called_what_the_contract_calls_it() -> None:
    """Its title, or its id where it has none, with the side that made it."""
    titled = LIMITS.replace("id: gentle", "id: gentle, title: Not too hard")
    found = [point for point in contract_points(contract(titled)) if point.measurement == "promise"]
    assert [(point.tags["promise"], point.tags["side"], point.fields["title"]) for point in found] == [
        ("uptime", "guarantee", "uptime"),
        ("gentle", "obligation", "Not too hard"),
    ]


@given(st.text(), st.integers(4, 40))
def test_a_long_text_in_pieces_is_the_same_text(text: str, most: int) -> None:
    """No character is divided, no piece is longer than InfluxDB takes, and together they are the text."""
    parts = pieces(text, most)
    assert "".join(parts) == text
    assert all(0 < len(part.encode()) <= most for part in parts)


def test_limits_of_channels_are_those_of_each_device_and_turn_inside_a_not() -> None:
    """A bound inside a condition that is to hold says on which side it is bad; names lead to what they stand for."""
    terms = contract(LIMITS, devices="[{id: m1}, {id: m2, since: 2026-02-01}]").terms
    found = list(agreed_in(terms, period_named(terms, "2026-01")))
    limits = {(a.subject, a.channel, a.kind, int(a.value)) for a in found if a.channel}
    assert (
        limits
        == {
            ("cool", "heat", "limit_above", 40),
            ("well", "heat", "limit_above", 40),
            ("well", "load", "limit_above", 95),
            ("uptime", "heat", "limit_above", 40),
            ("uptime", "load", "limit_above", 95),
            ("gentle", "load", "limit_below", 10),
            ("gentle", "load", "limit_above", 90),
        }
        - {("well", "load", "limit_below", 95)}
        or limits
    )
    assert {a.device for a in found if a.channel} == {"m1"}
    tiers = [(a.step, int(a.value)) for a in found if a.kind == "credit_tier"]
    assert tiers == [("1", 98), ("2", 95)]
    assert {(a.subject, a.kind, int(a.value)) for a in found if a.subject == "uptime" and a.kind == "target"} == {
        ("uptime", "target", 98)
    }


def test_prices_and_tiers_stand_where_use_reaches_them() -> None:
    """An allowance shrinks with the days in force, and a tier begins above what is included."""
    terms = contract(PRICES, devices="[{id: m1}, {id: m2, since: 2026-01-17}]").terms
    found = set(agreed_in(terms, period_named(terms, "2026-01")))
    included = {(a.subject, a.device): int(a.value) for a in found if a.kind == "allowance"}
    assert included == {("pages", ""): 310, ("own", "m1"): 310, ("own", "m2"): 150}
    assert [(a.step, int(a.value), a.unit) for a in found if a.kind == "tier"] == [("1", 1310, "page")]
    prices = {(a.subject, a.step, f"{float(a.value):g}", a.unit) for a in found if a.kind == "price"}
    assert prices == {
        ("pages", "1", "0.05", "EUR/page"),
        ("pages", "2", "0.03", "EUR/page"),
        ("own", "", "1", "EUR/15 page"),
    }
    assert {(a.subject, a.step, float(a.value)) for a in found if a.kind == "flat"} == {
        ("fee", "", 24.9),
        ("pages", "1", 2.0),
    }
    assert len(found) == len({(a.subject, a.kind, a.step, a.device, a.channel) for a in found})
    assert Agreed("fee", "flat", Decimal("24.90"), "EUR") in found


def test_what_is_agreed_can_be_drawn_from_the_first_moment_to_the_last() -> None:
    """A period that begins between two hours, as in India, has a point at its start, each hour, and before its end."""
    terms = contract(timezone="Asia/Kolkata", period="day").terms
    period = period_of(terms, date(2026, 1, 2))
    assert moments(period)[0] == period.span.start
    assert moments(period)[-1] == period.span.end - 1
    assert all(moment % HOUR == 0 for moment in moments(period)[1:-1])
    assert len(moments(period)) == 26
    points = list(agreed_points(terms, period))
    assert len({(line(point).split(" ")[0], point.time_ms) for point in points}) == len(points)


def test_a_period_says_where_it_begins_and_ends_and_how_it_stands() -> None:
    """A panel finds the span of a period by its name."""
    terms = contract().terms
    period = period_named(terms, "2026-01")
    point = period_point(terms, period, "provisional")
    assert point.fields == {"start_ms": period.span.start, "end_ms": period.span.end, "status": "provisional"}
    assert (point.tags["period"], point.time_ms) == ("2026-01", period.span.start)
