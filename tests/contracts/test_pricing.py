"""From quantities to money: each model at its edges, and the steps that a reader can follow."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.language.terms import Terms
from contracts.pricing import Priced, Share, price_flat, price_quantity
from contracts.units import round_money
from tests.contracts.samples import contract, register, statement, terms

WHOLE = Share(31, 31)
QUANTITIES = st.decimals(0, 10**6, places=3, allow_nan=False)


def agreed(charge: str, resolution: str = "0.001") -> Terms:
    """A contract with one charge on one meter."""
    return terms(
        f"channels: {{w: {{unit: m3, resolution: {resolution}}}}}\nmeters: {{w: {{counter: w}}}}\n"
        f"charges: [{{id: w, meter: w, {charge}}}]\n"
    )


def priced(charge: str, quantity: str | Decimal, share: Share = WHOLE, resolution: str = "0.001") -> Priced:
    """What a quantity comes to."""
    contract_terms = agreed(charge, resolution)
    return price_quantity(contract_terms, contract_terms.charges[0], Decimal(quantity), share)


def amount(charge: str, quantity: str, share: Share = WHOLE) -> str:
    """The exact amount as text."""
    return str(float(priced(charge, quantity, share).exact))


def test_per_unit_is_quantity_times_price() -> None:
    """Prices have up to twelve decimals and are never rounded."""
    found = priced("price: {per_unit: 0.123456789012}", "1000.001")
    assert found.exact == Fraction("123.456912468789012")
    assert found.steps[0].text == "1 000.001 m3 × 0.123456789012 EUR"


TIERS = "price: {graduated: [{up_to: 100, unit: 2, flat: 5}, {up_to: 200, unit: 1, flat: 3}, {unit: 0.5, flat: 1}]}"


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("0", "0.0"),
        ("0.001", "5.002"),
        ("100", "205.0"),  # the bound is the tier's own: 100 × 2 + 5
        ("100.001", "208.001"),  # one litre more enters the second tier and its flat
        ("200", "308.0"),
        ("200.5", "309.25"),
    ],
)
def test_graduated_units_cost_what_their_tier_says(quantity: str, expected: str) -> None:
    """Tier bounds are (lower, upper]; the flat of a tier is owed once it is entered."""
    assert amount(TIERS, quantity) == expected


def test_flat_at_zero_bills_the_first_flat_without_usage() -> None:
    """A connection may cost its first flat even in a month that nothing was used; otherwise zero costs zero."""
    assert amount(f"flat_at_zero: true, {TIERS}", "0") == "5.0"
    assert amount(f"flat_at_zero: true, {TIERS}", "1") == "7.0"
    assert priced(TIERS, "0").steps[0].text == "0 m3: no tier entered"


def test_tier_flats_shrink_with_the_days_in_force_and_bounds_do_not() -> None:
    """Half a month: 150 units still enter the second tier; 5 and 3 are halved (semantics §2)."""
    assert priced(TIERS, "150", Share(15, 30)).exact == 200 + 50 + Fraction(8, 2)


@given(QUANTITIES, QUANTITIES)
def test_using_more_never_costs_less(one: Decimal, other: Decimal) -> None:
    """Graduated prices rise with use: nobody saves by wasting."""
    low, high = sorted([one, other])
    assert priced(TIERS, low).exact <= priced(TIERS, high).exact


@given(QUANTITIES)
def test_each_unit_of_a_graduated_price_is_billed_once(quantity: Decimal) -> None:
    """The steps of the derivation add up to the amount, and their units to the quantity."""
    found = priced("price: {graduated: [{up_to: 10, unit: 1}, {up_to: 1000, unit: 1}, {unit: 1}]}", quantity)
    assert found.exact == Fraction(quantity)
    assert sum((step.amount or Fraction(0)) for step in found.steps) == found.exact


@pytest.mark.parametrize(
    ("quantity", "free", "packages"),
    [
        ("0", "0", 0),
        ("0.001", "0", 1),
        ("15", "0", 1),
        ("15.001", "0", 2),
        ("20", "20", 0),
        ("20.001", "20", 1),
        ("5", "20", 0),
        ("50", "20", 2),
    ],
)
def test_packages_are_begun_whole(quantity: str, free: str, packages: int) -> None:
    """⌈(quantity − free) / size⌉, and none for nothing (semantics §5)."""
    found = priced(f"price: {{package: {{size: 15, price: 1.20, free: {free}}}}}", quantity)
    assert found.exact == packages * Fraction("1.20")


def test_packages_and_free_units_do_not_shrink() -> None:
    """A package is a package in a short month too (semantics §2)."""
    charge = "price: {package: {size: 15, price: 1, free: 20}}"
    assert priced(charge, "50", Share(1, 31)).exact == priced(charge, "50").exact == 2


@pytest.mark.parametrize(("pages", "amount_due"), [("250", 0), ("300", 0), ("301", 1), ("315", 1), ("362", 5)])
def test_the_printer_plan_of_the_contract_language(pages: str, amount_due: int) -> None:
    """300 pages included, more in packages of 15 at 1.00: 362 − 300 = 62 pages, five packages, 5.00."""
    found = priced("allowance: {included: 300}, price: {package: {size: 15, price: 1.00}}", pages, resolution="1")
    assert found.exact == amount_due


def test_the_printer_plan_as_a_statement() -> None:
    """The customer reads each step: 250 pages leave 50 unused; 362 are 62 too many, 5 packages."""
    plan = contract(
        "channels: {pages: {unit: page}}\nmeters: {pages: {counter: pages}}\ncharges:\n"
        "  - {id: over, meter: pages, allowance: {included: 300}, price: {package: {size: 15, price: 1.00}}}\n"
    )
    lines = register({0: 1000, 700: 1250, 1400: 1612})
    january, february = (statement(plan, lines, name)["lines"][0] for name in ("2026-01", "2026-02"))
    assert (january["quantity"], january["amount"]) == ("250", "0.00")
    assert january["derivation"][0]["text"] == (
        "250 page − 300 included: 50 page not used, nothing above the allowance"
    )
    assert (february["quantity"], february["amount"]) == ("362", "5.00")
    assert [step["text"] for step in february["derivation"]] == [
        "362 page − 300 included = 62 page",
        "62 page: 5 packages of 15 page × 1.00 EUR",
    ]


def test_included_units_shrink_with_the_days_and_are_rounded_half_even() -> None:
    """100 units for 1 of 8 days are 12.5: twelve on a register of whole units, 12.5 on a finer one."""
    charge = "allowance: {included: 100}, price: {per_unit: 1}"
    assert priced(charge, "20", Share(1, 8), "1").exact == 8
    assert priced(charge, "20", Share(1, 8), "0.1").exact == Fraction("7.5")
    assert priced(charge, "20", Share(3, 8), "1").exact == 0  # 37.5 → 38, the even one


@given(st.integers(0, 31))
def test_a_flat_is_owed_by_whole_days(days: int) -> None:
    """amount × days / days in the period, exactly; rounding comes later, once."""
    charge = terms("channels: {w: {}}\ncharges: [{id: f, price: {flat: 99.99}}]\n").charges[0]
    found = price_flat(charge, Share(days, 31), "EUR")
    assert found.exact == Fraction("99.99") * days / 31
    assert found.steps[0].amount == found.exact
    assert ("days" in found.steps[0].text) == (days != 31)


@pytest.mark.parametrize(
    ("exact", "currency", "half_up", "half_even"),
    [
        ("0.125", "EUR", "0.13", "0.12"),
        ("0.135", "EUR", "0.14", "0.14"),
        ("-0.125", "EUR", "-0.13", "-0.12"),
        ("0.1249999", "EUR", "0.12", "0.12"),
        ("2.5", "JPY", "3", "2"),
        ("-2.5", "JPY", "-3", "-2"),
        ("0.0005", "KWD", "0.001", "0.000"),
        ("0", "EUR", "0.00", "0.00"),
        ("12345678901234567890123456789.005", "EUR", "12345678901234567890123456789.01",
         "12345678901234567890123456789.00"),
    ],
)  # fmt: skip
def test_money_is_rounded_once_to_the_minor_unit(exact: str, currency: str, half_up: str, half_even: str) -> None:
    """Half-up is away from zero; the minor unit is the currency's own, at any size."""
    assert f"{round_money(Fraction(exact), currency, 'half_up'):f}" == half_up
    assert f"{round_money(Fraction(exact), currency, 'half_even'):f}" == half_even
