"""Numbers and bytes: as people read them, as machines read them, and always the same."""

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.canonical import canonical, readable, sha256
from contracts.figures import grouped, percent_down, plain
from contracts.units import (
    decimals_of,
    minor_digits,
    parse_duration_ms,
    parse_rate,
    round_half_even,
    round_to,
    scaled,
    terminating,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Decimal("20411.37"), "20 411.37"),
        (Decimal("-1234567.5"), "−1 234 567.5"),
        (Decimal("0.021"), "0.021"),
        (Decimal("1E+3"), "1 000"),
        (Fraction(1, 8), "0.125"),
        (Fraction(1, 3), "0.333333333333"),
        (999, "999"),
        (1000, "1 000"),
        (Decimal("-0.5"), "−0.5"),
    ],
)
def test_people_read_figures_in_threes(number: Decimal | Fraction | int, text: str) -> None:
    """Groups of three, a point, a real minus sign, and no exponent."""
    assert grouped(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Decimal("1E+3"), "1000"),
        (Decimal("0.10"), "0.10"),
        (Fraction(-5, 4), "-1.25"),
        (Fraction(2, 3), "0.666666666667"),
    ],
)
def test_machines_read_plain_decimals(number: Decimal | Fraction, text: str) -> None:
    """No exponent and no grouping, so that any language parses it."""
    assert plain(number) == text


@given(st.integers(0, 10**12), st.integers(1, 10**12))
def test_a_percentage_is_rounded_down(part: int, whole: int) -> None:
    """99.99999 % never reads 100: what is shown is at most the truth, by less than the last digit."""
    part = min(part, whole)
    shown = Fraction(percent_down(part, whole))
    assert shown <= Fraction(100 * part, whole) < shown + Fraction(1, 10_000)
    assert len(percent_down(part, whole).split(".")[1]) == 4


@given(st.fractions(), st.sampled_from([Decimal(text) for text in ("0.001", "0.05", "0.5", "1", "10", "60")]))
def test_a_quantity_is_the_nearest_multiple_of_its_step(value: Fraction, step: Decimal) -> None:
    """Never further than half a step from the exact quantity, and in the middle on the even side."""
    rounded = Fraction(round_to(value, step))
    ticks = rounded / Fraction(step)
    assert ticks.denominator == 1
    distance = abs(rounded - value)
    assert distance <= Fraction(step) / 2
    assert distance < Fraction(step) / 2 or int(ticks) % 2 == 0


@given(st.integers(-(10**40), 10**40), st.sampled_from([Decimal("0.001"), Decimal("0.5"), Decimal(1), Decimal(10)]))
def test_ticks_become_decimals_exactly_at_any_size(ticks: int, step: Decimal) -> None:
    """No context of decimals rounds a large sum."""
    assert Fraction(scaled(ticks, step)) == ticks * Fraction(step)


@pytest.mark.parametrize(("value", "whole"), [("0.5", 0), ("1.5", 2), ("-0.5", 0), ("-1.5", -2), ("2.5000001", 3)])
def test_halves_are_rounded_to_even(value: str, whole: int) -> None:
    """The middle goes to the even integer, so that errors do not add up to one side."""
    assert round_half_even(Fraction(value)) == whole


@pytest.mark.parametrize(
    ("text", "ms"),
    [("500ms", 500), ("90s", 90_000), ("5m", 300_000), ("5min", 300_000), ("8h", 28_800_000), ("3d", 259_200_000),
     ("1.5h", 5_400_000), ("0s", 0), (" 2 h ", 7_200_000), ("0.001s", 1)],
)  # fmt: skip
def test_durations_are_read_as_they_are_written(text: str, ms: int) -> None:
    """Every spelling of the contract language, to the millisecond."""
    assert parse_duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "5", "h", "-5s", "5 weeks", "1e3s", "5mm", "0.5ms", "99999d", "9" * 30 + "d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A duration without a unit, or longer than a hundred years, is a mistake."""
    with pytest.raises(ValueError, match=r"duration|millisecond|hundred years"):
        parse_duration_ms(text)


def test_a_rate_is_exact() -> None:
    """400 an hour is 1/9000 a millisecond, not a double near it."""
    assert parse_rate("400/h").per_ms == Fraction(1, 9000)
    assert parse_rate("1.5 / min").per_ms == Fraction(1, 40_000)
    with pytest.raises(ValueError, match="such as 130/h"):
        parse_rate("400")


@pytest.mark.parametrize(
    ("step", "digits"), [("0.01", 2), ("0.5", 1), ("0.125", 3), ("1", 0), ("10", 0), ("1.00", 0), ("1E+1", 0)]
)
def test_a_step_has_the_decimals_its_multiples_have(step: str, digits: int) -> None:
    """0.5 shows one decimal, 10 none."""
    assert decimals_of(Decimal(step)) == digits


@pytest.mark.parametrize(("currency", "digits"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("USD", 2)])
def test_a_currency_has_its_own_minor_unit(currency: str, digits: int) -> None:
    """A yen has no cents and a dinar has a thousand fils (ISO 4217)."""
    assert minor_digits(currency) == digits


def test_a_fraction_is_shown_in_full_where_it_ends() -> None:
    """Twelve decimals at most, and no zeros after the last that counts."""
    assert terminating(Fraction(5, 4)) == Decimal("1.25")
    assert str(terminating(Fraction(0))) == "0"
    assert terminating(Fraction(1, 7)) == Decimal("0.142857142857")


def test_canonical_json_is_rfc_8785() -> None:
    """Keys sorted, no spaces, one spelling of each text: what a signature covers can be made anywhere."""
    document = {"b": "é\n", "a": [1, None, True], "\u20ac": {}}
    assert canonical(document) == '{"a":[1,null,true],"b":"é\\n","€":{}}'.encode()
    assert canonical({"a": 1, "b": 2}) == canonical({"b": 2, "a": 1})


def test_readable_json_is_what_it_says_one_value_a_line() -> None:
    """People open it in an editor; machines read the same document."""
    document = {"b": ["1.00", None], "a": "m³"}
    assert readable(document).decode() == '{\n "b": [\n  "1.00",\n  null\n ],\n "a": "m³"\n}\n'
    assert json.loads(readable(document)) == document


def test_a_digest_is_lower_case_hexadecimal() -> None:
    """As every tool prints it."""
    assert sha256(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
