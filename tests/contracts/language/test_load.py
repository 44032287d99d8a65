"""Loading a contract: understood whole, or refused with every fault, where it stands and how to mend it."""

from importlib.resources import files
from typing import Any

import pytest

from contracts.contract import read_contract
from contracts.language.load import LATER, json_schema, load_terms, warnings
from contracts.language.yaml_text import MAX_CHARACTERS, parse_yaml
from contracts.problems import Problem, ProblemsFound
from tests.contracts.language.json_schema import faults as json_schema_faults
from tests.contracts.samples import contract_text, terms

EXAMPLES = sorted(each.name for each in files("contracts.examples").iterdir() if each.name.endswith(".yaml"))


def problems(text: str | bytes) -> list[Problem]:
    """What is wrong with a text; a text with problems gives no terms."""
    found, faults = load_terms(text, "terms.yaml")
    assert (found is None) == bool(faults)
    return faults


def changed(old: str, new: str) -> tuple[str, tuple[int, int]]:
    """A good contract with one thing replaced, and the line and column marked by ▸ in the replacement."""
    text = contract_text()
    assert old in text
    text = text.replace(old, new, 1)
    before, _, after = text.partition("▸")
    return before + after, (before.count("\n") + 1, len(before) - before.rfind("\n"))


def test_a_good_contract_has_no_problems() -> None:
    """What is written as the language says is accepted."""
    assert problems(contract_text()) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_load_without_problems_or_warnings(name: str) -> None:
    """An author can start from any example."""
    text = files("contracts.examples").joinpath(name).read_text(encoding="utf-8")
    assert warnings(read_contract(text, name).terms) == []


DOCS = "docs/contract-language.md"
METERS, PRICE = "meters: {pages: {counter: pages}}", "price: {per_unit: 0.10}"


@pytest.mark.parametrize(
    ("old", "new", "message", "remedy"),
    [
        ("currency:", "▸curency:", "`curency` is not a key", "Did you mean `currency`?"),
        ("per_unit", "▸per_unt", "`per_unt` is not a key", "Did you mean `per_unit`?"),
        ("meter: pages", "▸meter: page", "meter `page` is not declared", "Did you mean `pages`?"),
        (METERS, "meters: {pages: {▸counter: ink}}", "channel `ink` is not declared", "one of: pages"),
        ("timezone: UTC", "▸timezone: Europe/Brussel", "`Europe/Brussel` is not a time zone", "IANA"),
        ("timezone: UTC", "▸timezone: ../../etc/passwd", "is not a time zone", "IANA"),
        ("currency: EUR", "▸currency: euro", "`euro` is not allowed as `currency`", "[A-Z]{3}"),
        ("id: T-1", "▸id: ../../etc", "`../../etc` is not allowed as `id`", "A-Za-z0-9"),
        ("from: 2026-01-01", "▸from: 2026-1-1", "'2026-1-1' is not a date", DOCS),
        ("from: 2026-01-01", "▸from: 2026-02-30", "valid date", "Correct"),
        ("valid: {from: 2026-01-01", "▸valid: {from: 2026-01-01, until: 2026-01-01", "is not after from", DOCS),
        ("period: month", "▸period: fortnight", "found fortnight", "Correct"),
        ("period: month", "period: day\n▸anchor: 3", "not a day", "Remove it"),
        ("period: month", "period: month\n▸anchor: 32", "less than or equal to 31", "Correct"),
        ("max_hold: 2h", "▸max_hold: 2", "2 has no unit; write a duration as", DOCS),
        ("max_hold: 2h", "▸max_hold: 0s", "greater than 0", "Correct"),
        ("max_hold: 2h", "▸max_hold: 0.3ms", "whole number of milliseconds", DOCS),
        ("channels: {pages: {", "▸channels: {pages: {max_hold: device, ", "every channel has max_hold: device", "120s"),
        ("unit: page", "▸resolution: 0.3", "0.3 is neither a whole number nor", DOCS),
        ("unit: page", "▸resolution: 0", "0 is neither", DOCS),
        ("unit: page", "▸resolution: 1e-99", "more digits", DOCS),
        (METERS, "meters: {pages: {counter: pages, ▸max_rate: 5}}", "'5' is not a rate", DOCS),
        (METERS, "meters: {pages: {counter: pages, ▸max_rate: 5/w}}", "'5/w' is not a rate", DOCS),
        (METERS, "meters: {▸pages: {counter: pages, reset_below: 3}}", "need max_rate", DOCS),
        (METERS, "meters: {▸pages: {counter: pages, per: 1h}}", "per belongs to an integral", DOCS),
        (METERS, "meters: {▸pages: {counter: pages, unknown: full}}", "there is no only_when", DOCS),
        (METERS, "meters: {▸pages: {integral: pages}}", "per: 1h", DOCS),
        (METERS, "meters: {▸pages: {integral: pages, per: 1h, max_rate: 1/h}}", "belong to a counter", DOCS),
        (METERS, "meters: {▸pages: {unit: x}}", "exactly one of counter, integral", DOCS),
        (METERS, "meters: {pages: {▸count: busy}}", "condition `busy` is not declared", "none yet"),
        (METERS, "meters: {▸pages: {duration: {channel: pages, is: 0}, unit: week}}", "not in 'week'", DOCS),
        (PRICE, "price: {▸per_unit: 0.1234567890123}", "more than 12 decimals", DOCS),
        (PRICE, "price: {▸per_unit: .nan}", "valid decimal", "Correct"),
        (PRICE, "price: {▸per_unit: 1e999999999}", "more digits", DOCS),
        (PRICE, "▸price: {per_unit: 1, flat: 2}", "found ['flat', 'per_unit']", DOCS),
        (PRICE, "▸price: {graduated: [{up_to: 9}]}", "the last tier has no up_to", DOCS),
        (PRICE, "▸price: {graduated: [{up_to: 9}, {up_to: 9}, {}]}", "tiers overlap", DOCS),
        (PRICE, "▸price: {graduated: [{}, {}]}", "only the last tier", DOCS),
        (PRICE, "price: {package: {▸size: 0, price: 1}}", "greater than 0", "Correct"),
        ("[{id: pages, meter: pages, ", "[▸{id: pages, ", "names its meter", DOCS),
        ("[{id: pages, meter: pages, " + PRICE, "[▸{id: x, pool: true, price: {flat: 2}", "measures nothing", DOCS),
        ("{id: m1}", "{id: m1}, {▸id: m1}", "the id `m1` is used twice: by device 1 and by device 2", "once"),
        ("{id: m1}", "{▸id: m 1}", "`m 1` is not allowed as `id`", "A-Za-z"),
        ("{id: m1}", "{id: m1, ▸until: 2026-01-01}", "not after since 2026-01-01", "Correct one"),
        ("EUR", "EUR\n▸{x: 1}: 3", "a key must be a plain word", "key: value"),
        ("EUR", "EUR\n▸currency: USD", "`currency` is given twice", "Keep one"),
        ("EUR", "EUR▸: x", "mapping values are not allowed here", "colons"),
    ],
)  # fmt: skip
def test_a_fault_names_its_place_and_its_remedy(old: str, new: str, message: str, remedy: str) -> None:
    """An author finds the fault where the problem says, and reads what to do about it."""
    text, place = changed(old, new)
    found = [problem for problem in problems(text) if message in problem.message]
    assert len(found) == 1, [str(problem) for problem in problems(text)]
    assert remedy in found[0].remedy
    assert (found[0].path, found[0].line) == ("terms.yaml", place[0])
    if "▸" in new:
        assert found[0].column == place[1]


CONDITIONS = """
channels: {p: {}}
conditions: {it: ▸CONDITION}
meters: {it: {duration: it}}
"""


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("{channel: p, is: 0, above: 3}", "this one has above and is"),
        ("{channel: p}", "this one has none of them"),
        ("{all: []}", "at least 1 item"),
        ("{not: {channel: p, is: 0}, any: [{channel: p, is: 0}]}", "this one has any and not"),
        ("{between: [1, 2]}", "exactly one of channel, condition, all, any, not"),
        ("{channel: p, between: [3, 2]}", "between has its lower end first"),
        ("{channel: p, between: 3}", "`between`"),
        ("{channel: p, is: 0, for: 5}", "5 has no unit"),
        ("{condition: gone}", "condition `gone` is not declared"),
        ("gone", "condition `gone` is not declared"),
        ("{channel: p, is: 0, device: m9}", "device `m9` is not declared"),
        ("{condition: it, device: m1}", "device belongs beside channel"),
        ("{all: [{channel: p, is: 0}, {not: {channel: q, is: 0}}]}", "channel `q` is not declared"),
        ("it", "defined by itself: it → it"),
        ("{any: [{channel: p, is: 0}, {not: {condition: it}}]}", "defined by itself: it → it"),
        ("{chanel: p, is: 0}", "exactly one of channel"),
    ],
)
def test_a_condition_that_cannot_be_judged_is_refused(condition: str, message: str) -> None:
    """Nobody is measured by a condition that means nothing, or two things at once."""
    text = contract_text(CONDITIONS.replace("▸CONDITION", condition))
    assert [message in problem.message for problem in problems(text)].count(True) == 1, problems(text)


def test_circles_of_any_length_are_shown_whole() -> None:
    """The author sees every step of the way from a condition back to itself."""
    body = "channels: {p: {}}\nconditions: {a: b, b: {not: c}, c: {all: [{channel: p, is: 0}, {condition: a}]}}\n"
    assert "condition `a` is defined by itself: a → b → c → a" in [
        each.message for each in problems(contract_text(body))
    ]


def test_conditions_that_double_in_size_are_refused_at_once() -> None:
    """Short lines that each name the next twice soon are thousands of comparisons: refused, not tried."""
    doubling = "".join(f"  c{n}: {{all: [{{condition: c{n + 1}}}, {{condition: c{n + 1}}}]}}\n" for n in range(15))
    body = f"channels: {{p: {{}}}}\nconditions:\n{doubling}  c15: {{channel: p, is: 0}}\nmeters: {{m: {{count: c0}}}}\n"
    assert any("comparisons" in problem.message for problem in problems(contract_text(body)))


def test_a_long_chain_of_names_is_refused() -> None:
    """A condition that leads from name to name four hundred times is an accident, not an agreement."""
    chain = "".join(f"  c{n}: {{condition: c{n + 1}}}\n" for n in range(400))
    body = f"channels: {{p: {{}}}}\nconditions:\n{chain}  c400: {{channel: p, is: 0}}\nmeters: {{m: {{count: c0}}}}\n"
    assert any("levels" in problem.message for problem in problems(contract_text(body)))


def test_every_fault_is_reported_at_once() -> None:
    """An author mends a file in one go: misspelt keys, names and values come together, sorted by place."""
    text = contract_text(currency="euro", timezone="Mars/Olympus").replace("counter: pages", "counter: ink")
    found = problems(text.replace("per_unit", "per_unt") + "tell_at: []\n")
    said = [problem.message for problem in found]
    expected = ["euro", "Mars/Olympus", "`ink`", "per_unt", "tell_at"]
    assert [any(word in message for message in said) for word in expected] == [True] * 5
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)


@pytest.mark.parametrize("key", sorted(LATER))
def test_a_key_of_a_later_version_is_named_as_such(key: str) -> None:
    """Nobody is billed by half a contract: a promise this version cannot compute is refused, not ignored."""
    problem = next(each for each in problems(contract_text() + f"{key}: []\n") if f"`{key}`" in each.message)
    assert "does not compute it yet" in problem.message
    assert "nothing is ever billed by half a contract" in problem.remedy


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        ("", 0, "the file is empty"),
        ("# only a comment\n", 0, "the file is empty"),
        (b"\xff\xfe\x00", 1, "not text in UTF-8"),
        (b"terms: 1\nid: \xff\n", 2, "not text in UTF-8"),
        (b"terms: 1\n\nid: \x00", 3, "control characters"),
        ("terms: 1\na: &all [1]\nb: *all\n", 3, "alias"),
        ("a: 1\n---\nb: 1\n", 2, "another document"),
        ("[1, 2]", 1, "a contract is a mapping"),
        ("just words", 1, "a contract is a mapping"),
        ("[" * 100_000, 1, "nested more than 40 levels"),
        ("{a: " * 41 + "1" + "}" * 41, 1, "nested more than 40 levels"),
        ("a: [" + "1," * 50_000 + "]", 1, "more than 50,000 values"),
        ("x" * (MAX_CHARACTERS + 1), 0, "at most 1,000,000 are read"),
    ],
)
def test_a_file_that_is_no_contract_is_refused_with_one_clear_problem(
    data: str | bytes, line: int, message: str
) -> None:
    """Binary, empty, huge, exploding: each gets a sentence and never a crash or a wait."""
    found = problems(data)
    assert len(found) == 1
    assert (found[0].line, message in found[0].message) == (line, True), str(found[0])
    assert found[0].remedy


def test_a_contract_cannot_be_had_from_a_text_with_problems() -> None:
    """Where a program needs the contract itself, it gets every problem as one error that names the file."""
    with pytest.raises(ProblemsFound, match=r"agreed\.yaml: the file is empty") as raised:
        read_contract("", "agreed.yaml")
    assert len(raised.value.problems) == 1


def test_numbers_are_decimals_from_their_text() -> None:
    """0.1 in a contract is a tenth, not the nearest double."""
    price = terms(BODY_OF_PRICES).charges[0].price
    assert price.per_unit is not None
    assert price.per_unit.as_tuple().digits == (1,)
    assert str(price.per_unit) == "0.1"


BODY_OF_PRICES = """
channels: {p: {}}
meters: {p: {counter: p}}
charges: [{id: p, meter: p, price: {per_unit: 0.1}}]
"""


def test_words_that_yaml_would_turn_into_something_else_stay_what_they_look_like() -> None:
    """`on`, `no` and `05:00` are names and times to an author, not booleans and seconds."""
    party = terms(more="title: no").title
    assert party == "no"
    assert terms(more='title: "05:00"').title == "05:00"
    assert terms(more="title: 05:00").title == "05:00"


def test_a_counter_without_max_rate_is_a_warning() -> None:
    """Both parties are told that any jump upwards would be billed, and the contract still loads."""
    assert warnings(terms()) == [
        "meter pages is a counter without max_rate: any jump upwards is billed, and no reset is told from an error"
    ]


def test_pricing_off_quality_of_a_meter_without_a_condition_is_a_warning() -> None:
    """A charge that can never be anything but zero is shown to its author."""
    body = BODY_OF_PRICES.replace("meter: p", "meter: p, part: off_quality")
    assert any("it is always zero" in warning for warning in warnings(terms(body)))


def schema_keys(schema: dict[str, Any]) -> set[str]:
    """Every key that a JSON Schema lets an author write."""
    return {key for part in (schema, *schema["$defs"].values()) for key in part.get("properties", {})}


def test_the_schema_names_every_key_of_the_language() -> None:
    """An editor completes each key that the language has, as it is written."""
    keys = schema_keys(json_schema())
    written = """terms id version title clause_prefix provider customer name contact email phone locale currency
    timezone valid from until period anchor grace corrections rounding data reporting max_hold clock_ahead devices
    serial since channels unit resolution conditions channel device above at_least below at_most is between condition
    all any not for meters counter integral duration count per max_rate reset_below width only_when unknown charges
    meter part pool allowance included rollover expires_after keep_package_rest price flat per_unit graduated up_to
    package size free flat_at_zero gain_share baseline customer_surplus customer_shortfall min_coverage guarantees
    available_when level while response service_hours days to holidays target ignore_below planned notice
    scope at_least_devices over credits tiers percent of
    cap_percent rolling_cap_percent per_hour cap started bonus earn_back periods instead_of event within obligations
    limit tolerance service every or_days by connected minimum_use relief use_limit at_most consequence excuse window
    void_credits surcharge per_unit_short notify"""
    assert keys == set(written.split())
    assert not keys & (LATER - {"volume"})


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_schema_accepts_the_examples(name: str) -> None:
    """No editor marks as wrong what the program accepts."""
    text = files("contracts.examples").joinpath(name).read_text(encoding="utf-8")
    schema = json_schema()
    assert list(json_schema_faults(parse_yaml(text, name).value, schema, schema)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("currency:", "curency:", "curency is not a key"),
        ("currency: EUR", "", "currency is missing"),
        ("currency: EUR", "currency: euro", "does not match"),
        ("period: month", "period: fortnight", "is none of"),
        (METERS, "meters: {pages: {counter: pages, max_rate: {per_ms: 1}}}", "max_rate"),
        (METERS, "meters: {pages: {counter: pages, only_when: 3}}", "only_when"),
    ],
)
def test_the_schema_refuses_what_the_program_refuses(old: str, new: str, fault: str) -> None:
    """An editor shows a misspelt key or a wrong form while it is being written."""
    text, _ = changed(old, new)
    schema = json_schema()
    found = list(json_schema_faults(parse_yaml(text, "terms.yaml").value, schema, schema))
    assert any(fault in each for each in found), found
    assert problems(text)
