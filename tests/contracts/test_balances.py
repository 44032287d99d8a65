"""Units that roll over: what is not used is kept, as long and as much as agreed, and every unit is accounted for."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.balances import Balance, balance_after, capped, held
from contracts.canonical import canonical
from contracts.compute import compute_period
from contracts.contract import Contract
from contracts.evidence import Part
from contracts.language.charges import Rollover
from contracts.language.load import load_terms
from contracts.metering import opening_devices
from contracts.periods import period_named
from contracts.pricing import Share, price_quantity
from contracts.readings import Clock, judge
from contracts.sides.carried import Carried, Lot, State
from contracts.sides.carried_document import carried_document, read_carried
from contracts.statement import Input, draft, meter_period
from tests import oracle
from tests.contracts.samples import DAY, JANUARY, contract, contract_text, csv, statement
from tests.contracts.verify.sealed import Sealed, signed
from tests.oracle import Row, read_terms
from tests.oracle.agreement import differences

PRINTER = """
channels: {{pages: {{unit: page, resolution: {resolution}}}}}
meters: {{pages: {{counter: pages}}}}
charges:
  - {{id: over, meter: pages{pool}, allowance: {{included: 300, {allowance}}}, price: {price}}}
"""
PACKAGES = "{package: {size: 15, price: 1.00}}"
FIGURES = ("opening", "used", "earned", "expired", "closing")


def plan(
    allowance: str = "rollover: {cap: 300}", price: str = PACKAGES, resolution: str = "1", *, pool: bool = False,
    **head: str,
) -> Contract:  # fmt: skip
    """The printer plan, in weeks: 300 pages included, overage in packages of 15 at 1.00."""
    pooled = ", pool: true" if pool else ""
    body = PRINTER.format(allowance=allowance, price=price, resolution=resolution, pool=pooled)
    return contract(body, **{"period": "week", "valid": "{from: 2026-01-05}", **head})


WEEKS = [f"2026-W{week:02d}" for week in range(2, 12)]
MONDAY = JANUARY + 4 * DAY


def printed(weeks: dict[str, list[int]]) -> str:
    """Registers that show so many pages more at the end of each week, by device."""
    lines = []
    for device, pages in weeks.items():
        register, shown = 0, [0]
        for each in pages:
            register += each
            shown.append(register)
        lines += [f"{device},pages,{MONDAY + 7 * DAY * n - (n > 0)},{value}\n" for n, value in enumerate(shown)]
    return "".join(lines)


def figures(document: dict[str, Any], device: str | None = "m1") -> tuple[str, ...]:
    """The balance of a statement: opening, used, earned, expired, closing."""
    row = next(row for row in document["balances"] if row["device"] == device)
    return tuple(row[name] for name in FIGURES)


def billed(agreed: Contract, pages: list[int]) -> dict[str, Any]:
    """The statement of the last of some weeks."""
    return statement(agreed, printed({"m1": pages}), WEEKS[len(pages) - 1])


def test_the_worked_example_of_the_contract_language() -> None:
    """250 of 300 pages: 50 are carried over. 362 the next time: 12 above 350, one package, 1.00; nothing is left."""
    first, second = billed(plan(), [250]), billed(plan(), [250, 362])
    assert (first["total"], first["balances"]) == (
        "0.00",
        [{"id": "over", "device": "m1", "opening": "0", "used": "0", "earned": "50", "expired": "0", "closing": "50"}],
    )
    assert (second["total"], figures(second)) == ("1.00", ("50", "50", "0", "0", "0"))
    assert [step["text"] for step in second["lines"][0]["derivation"]] == [
        "362 page − 300 included − 50 rolled over = 12 page",
        "12 page: 1 package of 15 page × 1.00 EUR",
    ]


def test_the_rest_of_a_package_is_kept_where_agreed() -> None:
    """12 of 15 pages paid for are used: the other 3 roll over."""
    found = billed(plan("rollover: {cap: 300}, keep_package_rest: true"), [250, 362])
    assert (found["total"], figures(found)) == ("1.00", ("50", "50", "3", "0", "3"))
    assert found["lines"][0]["derivation"][-1]["text"] == "3 page paid for and not used: kept"


def test_units_run_out_after_their_periods_and_the_oldest_are_used_first() -> None:
    """Two weeks each: the 50 of the first week serve in the second and third, and what is left of them is lost."""
    agreed = plan("rollover: {cap: 300, expires_after: 2}")
    assert figures(billed(agreed, [250, 290])) == ("50", "0", "10", "0", "60")
    assert figures(billed(agreed, [250, 290, 320])) == ("60", "20", "0", "30", "10")
    assert figures(billed(agreed, [250, 290, 320, 300])) == ("10", "0", "0", "10", "0")
    assert billed(agreed, [250, 290, 320])["lines"][0]["derivation"][0]["text"] == (
        "320 page − 300 included − 20 of 60 rolled over = 0 page"
    )


def test_units_without_expiry_are_kept_for_ever() -> None:
    """Nothing is lost to time where the contract does not say so."""
    assert figures(billed(plan(), [250, *[300] * 8])) == ("50", "0", "0", "0", "50")


def test_no_more_is_kept_than_the_cap() -> None:
    """300 unused pages and 50 from before under a cap of 300: the 50 older ones go, and the statement says so."""
    agreed = plan("rollover: {cap: 300, expires_after: 2}")
    assert figures(billed(agreed, [250, 0])) == ("50", "0", "300", "50", "300")
    assert figures(billed(plan("rollover: {cap: 0}"), [250])) == ("0", "0", "50", "50", "0")


def test_pooled_devices_share_one_balance_and_others_have_their_own() -> None:
    """With `pool` 100 and 150 pages leave 50 together; without, each device keeps its own rest."""
    devices = "[{id: m1}, {id: m2}]"
    lines = printed({"m1": [100], "m2": [150]})
    together = statement(plan(pool=True, devices=devices), lines, WEEKS[0])["balances"]
    assert [(row["device"], row["closing"]) for row in together] == [(None, "50")]
    apart = statement(plan(devices=devices), lines, WEEKS[0])["balances"]
    assert [(row["device"], row["closing"]) for row in apart] == [("m1", "200"), ("m2", "150")]


def test_included_units_shrink_with_the_days_and_the_cap_does_not() -> None:
    """A device in force for one of seven days earns a seventh of 350; 300 of them could be kept (semantics §2)."""
    agreed = plan("rollover: {cap: 300}", devices="[{id: m1, since: 2026-01-11}]")
    assert figures(billed(agreed, [0])) == ("0", "0", "43", "0", "43")


def test_a_device_that_leaves_loses_its_balance_on_its_last_statement() -> None:
    """What nobody can use any more does not stand as if it could, and is not there for a device of that name later."""
    agreed = plan(devices="[{id: m1, until: 2026-01-19}, {id: m2}]")
    found = statement(agreed, printed({"m1": [250, 300], "m2": [300, 300]}), WEEKS[1])
    assert figures(found) == ("50", "0", "0", "50", "0")
    after = statement(agreed, printed({"m1": [250, 300], "m2": [300, 300]}), WEEKS[2])
    assert [row["device"] for row in after["balances"]] == ["m2"]


def test_a_meter_that_runs_backwards_earns_no_more_than_the_allowance() -> None:
    """Less than nothing used leaves the whole allowance, not more."""
    agreed = plan().terms
    found = price_quantity(agreed, agreed.charges[0], Decimal(-5), Share(7, 7)).balance
    assert found is not None
    assert (found.earned, found.closing) == (Decimal(300), Decimal(300))


def test_balances_have_the_decimals_of_the_meter() -> None:
    """Quantities read as everywhere else on the statement."""
    found = billed(plan("rollover: {cap: 300}, keep_package_rest: true", resolution="0.1"), [250])
    assert figures(found) == ("0.0", "0.0", "50.0", "0.0", "50.0")


def test_an_allowance_without_rollover_has_no_balance() -> None:
    """Only what can be carried over is accounted for."""
    agreed = contract(PRINTER.format(allowance="", price=PACKAGES, resolution=1, pool=""))
    assert statement(agreed, "m1,pages,1767225600000,0\n")["balances"] == []


def test_a_customer_can_verify_a_statement_with_balances() -> None:
    """The opening state of the evidence holds the balance, and everything follows from it again."""
    agreed, table = plan("rollover: {cap: 300, expires_after: 2}"), csv(printed({"m1": [250, 362]}))
    judged = {key: judge(columns, Clock.of(agreed.terms)) for key, columns in table.columns(agreed.terms).items()}
    first = period_named(agreed.terms, WEEKS[0])
    state = State(
        first.span.start, opening_devices(agreed.terms, first, {key: j.series() for key, j in judged.items()})
    )
    for week in WEEKS[:2]:
        parts: list[Part] = []
        outcome = compute_period(
            agreed,
            period_named(agreed.terms, week),
            state,
            Input(judged),
            status="final",
            keep=parts.append,
        )
        state, files = outcome.closing, {part.path: part.packed() for part in parts}
        seal = {"number": 1, "issued_at": "2026-02-01T00:00:00.000Z"}
        document = signed({**json.loads(canonical(outcome.document)), **seal})
        assert Sealed(document, files).checked().findings == []
    assert json.loads(files["opening.json"])["balances"] == [
        {"charge": "over", "device": "m1", "units": [{"periods": 2, "units": "50"}]}
    ]
    row = document["balances"][0]
    forged = signed({**document, "balances": [{**row, "closing": "100"}]})
    assert {finding.where for finding in Sealed(forged, files).checked().findings} == {"balances[over].closing"}


def next_week(agreed: Contract, week: str, pages: list[int], carried: Carried) -> tuple[dict[str, Any], Carried]:
    """A week's statement under one version of the contract, opened with what an earlier version carried."""
    period = period_named(agreed.terms, week)
    judged = {
        key: judge(columns, Clock.of(agreed.terms))
        for key, columns in csv(printed({"m1": pages})).columns(agreed.terms).items()
    }
    devices = opening_devices(agreed.terms, period, {key: each.series() for key, each in judged.items()})
    given = Input(judged)
    metered, _ = meter_period(agreed.terms, period, State(period.span.start, devices), given)
    return draft(agreed, period, metered, carried, given.docket, status="computed")


def test_a_new_cap_applies_to_the_balance_on_its_first_day() -> None:
    """50 pages from before, a new cap of 20: 20 can be used in the first period of the new version, 30 are lost."""
    _, carried = next_week(plan(), WEEKS[0], [250], Carried())
    found, left = next_week(plan("rollover: {cap: 20}"), WEEKS[1], [250, 362], carried)
    assert figures(found) == ("50", "20", "0", "30", "0")
    assert found["total"] == "3.00"  # 42 pages above: three packages
    assert left.balances == {}


def test_what_is_carried_is_the_same_once_written_and_read() -> None:
    """The next period opens with exactly what this one closed with, through the state's JSON."""
    lots = (Lot(Decimal("7.50"), None), Lot(Decimal("0.125"), 2))
    carried = Carried(balances={("over", "m1"): lots, ("over", ""): lots[:1]})
    document = carried_document(carried)
    assert document["balances"][0] == {"charge": "over", "device": None, "units": [{"units": "7.50", "periods": None}]}
    assert read_carried(document) == carried


@pytest.mark.parametrize(
    ("charge", "said"),
    [
        ("allowance: {included: 1, rollover: {expires_after: 2}}, price: {per_unit: 1}", "`cap` is missing"),
        ("allowance: {included: 1, rollover: {cap: -1}}, price: {per_unit: 1}", "greater than or equal to 0"),
        (
            "allowance: {included: 1, rollover: {cap: 1, expires_after: 0}}, price: {per_unit: 1}",
            "greater than or equal",
        ),
        ("allowance: {included: 1, keep_package_rest: true}, price: {package: {size: 1, price: 1}}", "with rollover"),
        (
            "allowance: {included: 1, rollover: {cap: 1}, keep_package_rest: true}, price: {per_unit: 1}",
            "belongs to the price of a package",
        ),
    ],
)
def test_a_rollover_that_cannot_be_meant_is_refused(charge: str, said: str) -> None:
    """An author learns at once what is missing or does not fit."""
    body = f"channels: {{w: {{}}}}\nmeters: {{w: {{counter: w}}}}\ncharges: [{{id: w, meter: w, {charge}}}]\n"
    found, problems = load_terms(contract_text(body), "terms.yaml")
    assert found is None
    assert said in "".join(str(problem) for problem in problems)


UNITS = st.decimals(0, 1000, places=1, allow_nan=False)
PERIODS = st.none() | st.integers(1, 4)
ROLLOVERS = st.builds(lambda cap, after: Rollover(cap=cap, expires_after=after), UNITS, PERIODS)
LOTS = st.lists(st.builds(Lot, UNITS, PERIODS), max_size=6).map(tuple)


@given(LOTS, st.lists(st.tuples(ROLLOVERS, UNITS, UNITS, st.booleans()), max_size=8))
def test_every_unit_is_accounted_for(
    lots: tuple[Lot, ...], weeks: list[tuple[Rollover, Decimal, Decimal, bool]]
) -> None:
    """opening − used + earned − expired = closing; nothing below zero, no more than the cap, none older than agreed."""
    for rollover, asked, earned, leaves in weeks:
        used = min(asked, held(capped(lots, rollover.cap)))
        found: Balance = balance_after(lots, rollover, used, earned, leaves=leaves)
        assert found.opening == held(lots)
        assert found.opening - found.used + found.earned - found.expired == found.closing == held(found.lots)
        assert min(found.used, found.earned, found.expired, found.closing) >= 0
        assert found.closing <= (0 if leaves else rollover.cap)
        assert all(lot.units > 0 and lot.periods != 0 for lot in found.lots)
        lots = found.lots


@given(LOTS, UNITS)
def test_a_cap_takes_first_what_would_expire_first(lots: tuple[Lot, ...], cap: Decimal) -> None:
    """Nothing is cut while something that expires sooner is left."""
    kept = capped(lots, cap)
    assert held(kept) == min(cap, held(lots))

    def of(some: tuple[Lot, ...], soonest: float) -> Decimal:
        return sum((lot.units for lot in some if (lot.periods or 99) <= soonest), Decimal(0))

    for periods in (1, 2, 3, 4, 99):
        assert of(kept, periods) == max(Decimal(0), of(lots, periods) - max(Decimal(0), held(lots) - cap))


PAGES = st.lists(st.integers(0, 8).map(lambda each: each * 50 + each % 3), min_size=1, max_size=6)
RULES = [
    "cap: 60",
    "cap: 300",
    "cap: 120, expires_after: 1",
    "cap: 1000, expires_after: 2",
    "cap: 99.5, expires_after: 3",
]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(RULES),
    st.booleans(),
    st.sampled_from([PACKAGES, "{package: {size: 40, price: 2, free: 10}}"]),
    st.booleans(),
    st.tuples(PAGES, PAGES),
    st.sampled_from(["", ", until: 2026-01-19", ", since: 2026-01-15", ", since: 2026-01-14, until: 2026-01-28"]),
)
def test_balances_are_what_a_ledger_written_separately_says(
    rollover: str, kept: bool, price: str, pool: bool, pages: tuple[list[int], list[int]], second: str
) -> None:
    """Weeks of printing by two devices, one of which may join late or leave: the oracle finds the same every week."""
    agreed = plan(
        f"rollover: {{{rollover}}}, keep_package_rest: {str(kept).lower()}",
        price,
        pool=pool,
        devices=f"[{{id: m1}}, {{id: m2{second}}}]",
    )
    lines = printed({"m1": pages[0], "m2": pages[1]})
    cells = [line.split(",") for line in lines.split()]
    rows = [Row(device, channel, int(time), value) for device, channel, time, value in cells]
    week = WEEKS[max(map(len, pages)) - 1]
    assert differences(statement(agreed, lines, week), oracle.statement(read_terms(agreed.text), rows, week)) == []
