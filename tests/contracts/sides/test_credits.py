"""Credits: tiers, and every cap that keeps them within what both sides agreed on."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.language.promises import Credits, Guarantee
from contracts.sides.credits import Basis, Credit, Line, LineKey, choose_largest, round_within, tier_met
from tests.contracts.samples import terms
from tests.contracts.sides.promised import BASE, amounts, lived, promising, texts

AGREED = terms(BASE)
OUT = {"up": {"01-01T00:00": 0}}
TIERS = Credits.model_validate(
    {"tiers": [{"below": b, "percent": p} for b, p in (("99.5", "5"), ("90", "100"), ("98", "15"))], "of": ["rent"]}
)


@pytest.mark.parametrize(
    ("share", "percent"),
    [("100", None), ("99.5", None), ("99.4999999", "5"), ("98", "5"), ("97.9999", "15"), ("90", "15"), ("0", "100")],
)
def test_a_tier_is_met_strictly_below_its_bound_and_the_lowest_decides(share: str, percent: str | None) -> None:
    """Exactly at the bound nothing is owed; the order in which the tiers are written does not matter."""
    found = tier_met(TIERS, Fraction(share) / 100)
    assert found == (None if percent is None else Decimal(percent))


KEYS: list[LineKey] = [("rent", "m1"), ("rent", "m2"), ("pool", None), ("refund", None)]


def promise(name: str, instead_of: tuple[str, ...] = ()) -> Guarantee:
    """A guarantee of that name."""
    condition = {"channel": "up", "is": 1}
    written = {"id": name, "available_when": condition, "target": "99", "unknown": "down", "instead_of": instead_of}
    return Guarantee.model_validate(written)


@st.composite
def lines_and_credits(draw: st.DrawFn) -> tuple[dict[LineKey, Fraction], list[Credit]]:
    """Draw charge lines, one of them negative, and credits that each are a share of some of them."""
    lines = {key: Fraction(draw(st.integers(0, 5_000)), 100) for key in KEYS}
    lines["refund", None] *= -1
    owed = []
    for place in range(draw(st.integers(1, 5))):
        keys = draw(st.sets(st.sampled_from(KEYS), min_size=1))
        share = Fraction(draw(st.integers(1, 3)), 3)
        base = Basis({key: lines[key] * (share if key[1] is None else 1) for key in sorted(keys, key=str)})
        exact = base.total * draw(st.integers(0, 100)) / 100
        owed.append(Credit(promise(f"g{place}"), "m1", exact, base, base.total))
    return lines, owed


def rows(lines: Mapping[LineKey, Fraction]) -> list[Line]:
    """The lines as a statement has them."""
    return [
        {"id": name, "device": device, "amount": str(Decimal(int(amount * 100)) / 100)}
        for (name, device), amount in lines.items()
    ]


@given(lines_and_credits())
def test_credits_on_a_charge_together_never_exceed_it(drawn: tuple[dict[LineKey, Fraction], list[Credit]]) -> None:
    """Whatever set of charges one looks at: what is credited on nothing else is at most what they come to."""
    lines, owed = drawn
    before = [credit.exact for credit in owed]
    round_within(AGREED, owed, rows(lines))
    for exact, credit in zip(before, owed, strict=True):
        assert 0 <= credit.amount <= exact + Fraction(1, 200)
        assert credit.amount == round(credit.amount, 2)
    positive = [key for key in KEYS if lines[key] > 0]
    for size in range(len(positive) + 1):
        for keys in combinations(positive, size):
            inside = [each for each in owed if {key for key, part in each.base.parts.items() if part > 0} <= {*keys}]
            assert sum(each.amount for each in inside) <= sum(lines[key] for key in keys)


def test_the_later_in_the_file_gives_way() -> None:
    """Two guarantees give back 80 % each of the same rent: the second only what is left."""
    line = rows({("rent", "m1"): Fraction(100)})
    owed = [
        Credit(promise(name), "m1", Fraction(80), Basis({("rent", "m1"): Fraction(100)}), Fraction(100))
        for name in "ab"
    ]
    round_within(AGREED, owed, line)
    assert [credit.amount for credit in owed] == [Decimal("80.00"), Decimal("20.00")]
    assert [step.text for step in owed[1].steps] == ["credits on a charge together never exceed it"]


@pytest.mark.parametrize(
    ("exacts", "standing"),
    [((5, 7, 3), (0, 7, 0)), ((7, 7, 3), (7, 0, 0)), ((5, 0, 9), (0, 0, 9)), ((0, 0, 0), (0, 0, 0))],
)
def test_only_the_largest_stands_where_one_is_instead_of_others(
    exacts: tuple[int, int, int], standing: tuple[int, int, int]
) -> None:
    """Of equal ones the first in the file; another device's credits are not touched."""
    names = [promise("a"), promise("b"), promise("c", ("a", "b"))]
    base = Basis({("rent", "m1"): Fraction(100)})
    owed = [Credit(one, "m1", Fraction(exact), base, Fraction(100)) for one, exact in zip(names, exacts, strict=True)]
    other = Credit(names[0], "m2", Fraction(2), base, Fraction(100))
    choose_largest([*owed, other])
    assert tuple(int(credit.exact) for credit in owed) == standing
    assert other.exact == 2
    for credit, exact in zip(owed, exacts, strict=True):
        assert bool(credit.because) == bool(exact and not credit.exact)


def missed(price: str) -> str:
    """A guarantee that a machine which is never up misses."""
    agreed = "available_when: {channel: up, is: 1}, target: 99, unknown: down"
    return f"guarantees: [{{id: uptime, {agreed}, credits: {price}}}]"


def test_cap_percent_is_of_what_the_credit_is_of() -> None:
    """A hundred percent agreed, at most 40 of it given."""
    statement = lived(promising(missed("{tiers: [{below: 99, percent: 100}], of: [rent], cap_percent: 40}")), OUT)
    assert amounts(statement, "credit") == [("uptime", "m1", "-40.00")]
    assert texts(statement, "uptime") == ["below 99 %: 100 % of 100.00 EUR (rent)", "at most 40 % of 100.00 EUR"]


ROLLING = missed("{tiers: [{below: 99, percent: 100}], of: [rent], rolling_cap_percent: 30}")


def month(number: int) -> str:
    """The name of a month counted from January 2026."""
    return f"{2026 + (number - 1) // 12}-{(number - 1) % 12 + 1:02}"


def test_the_rolling_cap_is_over_twelve_months_and_what_was_before_counts_like_now() -> None:
    """Thirty percent of twelve rents of 100 are 360: three months and 60 of the fourth; a year later it begins anew."""
    agreed = promising(ROLLING)
    given_back = [amounts(lived(agreed, OUT, period=month(number)), "credit")[0][2] for number in range(1, 15)]
    assert given_back == ["-100.00"] * 3 + ["-60.00"] + ["0.00"] * 8 + ["-100.00"] * 2


def test_the_rolling_cap_of_a_machine_that_joins_counts_from_its_first_month() -> None:
    """In its first month, 16 of 31 days, eleven months before count like this one: 30 % of 12 × 51.61."""
    agreed = promising(ROLLING, devices="[{id: m1, since: 2026-03-16}]")
    given_back = [amounts(lived(agreed, OUT, period=month(number)), "credit")[0][2] for number in (3, 4, 5, 6)]
    # March: the rent is 100 × 16/31 = 51.61, and 30 % of 12 × 51.61 more. June: 30 % of 51.61 and eleven times 100,
    # eight of them for months before the machine joined, is 345.483, of which 251.61 is given.
    assert given_back == ["-51.61", "-100.00", "-100.00", "-93.87"]


def test_a_machine_has_its_share_of_what_is_priced_together() -> None:
    """A fee of the contract is shared by days in force: 31 and 16 of 47 days; each machine's rent is its own."""
    base = BASE + "  - {id: service, price: {flat: 47.00}}\n"
    agreed = promising(
        missed("{tiers: [{below: 99, percent: 10}], of: [rent, service]}"),
        base,
        devices="[{id: m1}, {id: m2, since: 2026-01-16}]",
    )
    statement = lived(agreed, {"up": {"01-01T00:00": 0}, "m2/up": {"01-01T00:00": 0}})
    # m1: 10 % of 100 + 31. m2: 10 % of 100 × 16/31 = 51.61, and 16: 6.761.
    assert amounts(statement, "credit") == [("uptime", "m1", "-13.10"), ("uptime", "m2", "-6.76")]


def test_a_credit_is_rounded_once_as_the_terms_round() -> None:
    """2.5 % of 0.99 is 0.02475; of 1.00 exactly 0.025, up in one contract and to the even cent in another."""
    base = BASE.replace("100.00", "1.00")
    tiers = missed("{tiers: [{below: 99, percent: 2.5}], of: [rent]}")
    assert amounts(lived(promising(tiers, base), OUT), "credit") == [("uptime", "m1", "-0.03")]
    assert amounts(lived(promising(tiers, base, more="rounding: half_even"), OUT), "credit") == [
        ("uptime", "m1", "-0.02")
    ]
