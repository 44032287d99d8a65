"""The statement as a whole: its lines, its total, its form, and what a reader's own addition gives."""

import json
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

from contracts.canonical import readable
from tests.contracts.samples import BODY, DAY, HOUR, JANUARY, contract, csv, register, statement

TWO_MACHINES = """
channels: {pages: {unit: page}}
meters: {pages: {counter: pages, title: Pages}}
charges:
  - {id: base, title: Rent, price: {flat: 31.00, per: device}}
  - {id: service, price: {flat: 10.00}}
  - {id: each, meter: pages, allowance: {included: 310}, price: {per_unit: 0.10}}
  - {id: together, meter: pages, pool: true, allowance: {included: 310}, price: {per_unit: 0.01}}
"""
AGREED = contract(TWO_MACHINES, devices="[{id: m1}, {id: m2, since: 2026-01-11}]", more='clause_prefix: "Schedule A"')
LINES = register({0: 100, 300: 510}) + register({250: 0, 300: 300}).replace("m1", "m2")


def lines_of(document: dict[str, Any]) -> dict[tuple[str, str | None], dict[str, Any]]:
    """Lines by id and device."""
    return {(line["id"], line["device"]): line for line in document["lines"]}


def test_flats_and_allowances_shrink_with_the_days_in_force() -> None:
    """A machine that joins on the eleventh pays 21 of 31 days and has 210 of 310 pages included."""
    found = lines_of(statement(AGREED, LINES))
    assert found["base", "m1"]["amount"] == "31.00"
    assert found["base", "m2"]["amount"] == "21.00"
    assert found["base", "m2"]["derivation"] == [{"text": "31.00 EUR × 21 of 31 days = 21 EUR", "amount": "21"}]
    assert found["each", "m1"]["amount"] == "10.00"  # (410 − 310) × 0.10
    assert found["each", "m2"]["amount"] == "9.00"  # (300 − 210) × 0.10
    assert found["each", "m2"]["derivation"][0]["text"] == "300 page − 210 included (310 × 21 of 31 days) = 90 page"


def test_a_pool_has_one_allowance_that_shrinks_with_the_contract_only() -> None:
    """410 + 300 − 310 = 400 pages: the second machine's late start takes nothing away (semantics §2)."""
    line = lines_of(statement(AGREED, LINES))["together", None]
    assert (line["quantity"], line["amount"]) == ("710", "4.00")
    assert line["derivation"][0]["text"] == "410 (m1) + 300 (m2) = 710 page"


def test_a_flat_of_the_contract_is_owed_once() -> None:
    """Without `per: device` a flat does not depend on how many machines there are."""
    assert [line["device"] for line in statement(AGREED, LINES)["lines"] if line["id"] == "service"] == [None]


def test_the_total_is_the_sum_of_the_rounded_lines() -> None:
    """A reader's own addition comes out to the cent."""
    document = statement(AGREED, LINES)
    assert Decimal(document["total"]) == sum(Decimal(line["amount"]) for line in document["lines"])
    assert document["total"] == "85.00"  # 31 + 21 + 10 + 10 + 9 + 4


def test_a_total_of_any_size_is_exact() -> None:
    """No context of decimals takes the cents off a large sum."""
    price = "999999999999999999.999999999999"
    document = statement(contract(BODY.replace("0.10", price)), register({0: 0, 1: 2**53}))
    exact = Fraction(price) * 2**53
    assert document["total"] == document["lines"][0]["amount"]
    assert abs(Fraction(document["total"]) - exact) <= Fraction(1, 200)


def test_a_device_not_in_force_has_no_lines_and_no_usage() -> None:
    """Nobody pays for a machine that has not come yet."""
    agreed = contract(TWO_MACHINES, devices="[{id: m1}, {id: m2, since: 2026-02-01}]")
    document = statement(agreed, LINES)
    assert {row["device"] for row in document["usage"]} == {"m1"}
    assert all(line["device"] in ("m1", None) for line in document["lines"])


def test_every_line_cites_its_clause() -> None:
    """Each line says where in the contract it comes from."""
    assert {line["clause"] for line in statement(AGREED, LINES)["lines"]} == {
        f"Schedule A, {charge}" for charge in ("base", "service", "each", "together")
    }
    assert lines_of(statement(contract(), LINES))["pages", "m1"]["clause"] == "pages"


def test_a_contract_without_charges_has_a_total_of_nothing() -> None:
    """It still says what was used."""
    document = statement(contract("channels: {pages: {}}\nmeters: {pages: {counter: pages}}\n"), LINES)
    assert (document["lines"], document["total"]) == ([], "0.00")
    assert document["usage"][0]["quantity"] == "410"


def test_a_computed_statement_has_no_seal() -> None:
    """Number, previous, time of issue, input and signature come with sealing (interfaces)."""
    document = statement(AGREED, LINES)
    assert document["status"] == "computed"
    assert [document[name] for name in ("number", "previous_sha256", "issued_at", "input", "signature")] == [None] * 5


def test_the_statement_has_the_fields_of_its_interface() -> None:
    """What billing systems read is there by name, whatever the contract says; an interface only ever grows."""
    whole = """schema contract version terms_sha256 number previous_sha256 status issued_at period currency usage
    guarantees obligations lines balances adjustments total input closing_state_sha256 evidence signature"""
    usage = "meter device quantity off_quality quarantined unit opening closing known_ms coverage counts"
    counts = "accepted duplicate conflicting late quarantined rejected gaps"
    line = "id device kind title clause quantity unit amount derivation coverage because"
    document = statement(AGREED, LINES)
    assert set(whole.split()) <= set(document)
    assert list(document["usage"][0])[:11] == usage.split()
    assert list(document["usage"][0]["counts"]) == counts.split()
    assert list(document["lines"][0])[:11] == line.split()
    assert document["period"] == {
        "name": "2026-01", "start": "2026-01-01T00:00:00.000Z", "end": "2026-02-01T00:00:00.000Z", "timezone": "UTC",
    }  # fmt: skip


def test_money_and_quantities_are_text_and_no_number_is_a_float() -> None:
    """No reader's language can lose a cent on the way."""

    def floats(value: Any) -> list[float]:
        if isinstance(value, dict):
            return [found for each in value.values() for found in floats(each)]
        if isinstance(value, list):
            return [found for each in value for found in floats(each)]
        return [value] if isinstance(value, float) else []

    document = statement(AGREED, LINES)
    assert floats(document) == []
    amounts = [line["amount"] for line in document["lines"]]
    assert all(re.fullmatch(r"-?\d+\.\d{2}", amount) for amount in [*amounts, document["total"]])


def test_the_same_readings_give_the_same_bytes() -> None:
    """Computed twice, here or elsewhere, a statement is the same to the byte."""
    assert readable(statement(AGREED, LINES)) == readable(statement(AGREED, LINES))
    assert json.loads(readable(statement(AGREED, LINES))) == statement(AGREED, LINES)


def test_every_reading_of_the_period_is_accounted_for() -> None:
    """accepted + duplicate + conflicting + quarantined is what came (semantics §8)."""
    agreed = contract(
        "channels: {pages: {}}\nmeters: {pages: {counter: pages, max_rate: 10/h}}\n", data="{max_hold: 2h}"
    )
    lines = register({0: 100, 1: 105, 2: 99_999, 3: 110})
    lines += register({1: 105, 3: 111}) + f"m1,pages,{JANUARY + HOUR},x\n"
    counts = statement(agreed, lines)["usage"][0]["counts"]
    assert counts == {
        "accepted": 3, "duplicate": 1, "conflicting": 1, "late": 0, "quarantined": 1, "rejected": 1, "gaps": 1,
    }  # fmt: skip


def test_what_was_set_aside_is_shown_with_its_reason() -> None:
    """Both parties see each conflict and each quarantined reading, and nothing else."""
    agreed = contract("channels: {pages: {}}\nmeters: {pages: {counter: pages, max_rate: 10/h}}\n")
    review = statement(agreed, register({0: 100, 1: 105, 2: 99_999, 3: 110}) + register({3: 111}))["review"]
    assert [(row["disposition"], row["value"], row["count"]) for row in review] == [
        ("conflicting", "111", 1),
        ("quarantined", "99999", 1),
    ]
    assert "the first to arrive stands" in review[0]["reason"]
    assert review[1]["reason"] == "a jump beyond max_rate"
    assert statement(AGREED, LINES)["review"] == []


def test_many_of_one_kind_are_one_row_with_their_count() -> None:
    """A channel in conflict all month is one finding, not forty thousand."""
    lines = register(dict.fromkeys(range(30), 5)) + register(dict.fromkeys(range(30), 6))
    review = statement(contract(), lines)["review"]
    assert [(row["count"], row["first"], row["latest"]) for row in review] == [
        (30, "2026-01-01T00:00:00.000Z", "2026-01-02T05:00:00.000Z")
    ]


def test_a_register_that_jumped_for_good_is_one_case() -> None:
    """Readings that explain each other are shown and decided together."""
    agreed = contract("channels: {pages: {}}\nmeters: {pages: {counter: pages, max_rate: 10/h}}\n")
    document = statement(agreed, register({0: 100, 1: 9000, 2: 9005, 3: 9010}))
    assert [(row["count"], row["value"]) for row in document["review"]] == [(3, "9000")]
    assert document["usage"][0]["quarantined"] == "8910"


def test_a_wrong_clock_is_set_aside_and_said_so() -> None:
    """A reading an hour ahead of its arrival is not billed, and nobody has to wonder where it went."""
    ahead = JANUARY + DAY
    lines = f"device,channel,time,value,arrival\nm1,pages,{JANUARY},5,{JANUARY}\nm1,pages,{ahead},9,{ahead - HOUR}\n"
    document = statement(contract(), lines)
    assert document["usage"][0]["quantity"] == "0"
    assert document["usage"][0]["counts"]["quarantined"] == 1
    assert "clock" in document["review"][0]["reason"]


def test_rows_of_unknown_devices_change_nothing() -> None:
    """A file of a whole site gives the same statement as the contract's own rows, but for what was never read."""
    other = register({0: 5, 1: 9}).replace("m1", "elsewhere")
    assert statement(AGREED, LINES + other) == statement(AGREED, LINES)
    assert csv(other).rows
