"""Promises of both sides as a contract writes them: understood whole, or refused where the fault stands."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.language.load import json_schema, load_terms, warnings
from contracts.language.promises import Happening
from contracts.language.terms import Terms
from contracts.language.yaml_text import parse_yaml
from contracts.problems import Problem
from tests.contracts.language.json_schema import faults as json_schema_faults
from tests.contracts.samples import contract_text

AGREED = """
channels: {fault: {}, pages: {}, temp: {}}
conditions: {healthy: {channel: fault, is: 0}}
meters: {pages: {counter: pages, max_rate: 1/s}, running: {duration: healthy}}
charges: [{id: base, price: {flat: 900.00}}]
guarantees:
  - {id: up, available_when: healthy, target: 99.5, unknown: excluded, credits: {tiers: [{below: 99.5, percent: 5}], of: [base]}}
  - {id: good, level: healthy, while: {channel: pages, above: 0}, target: 99}
  - {id: fix, response: {from: {event: breakdown}, to: healthy, within: 8h}, credits: {per_hour: 25.00, cap: 500}}
obligations:
  - {id: cool, limit: {channel: temp, at_most: 40}, tolerance: 2, consequence: {excuse: [up], window: 2h}}
  - {id: care, service: {every: 2000, of: running, or_days: 180, by: customer}, consequence: {excuse: [up], notify: true}}
  - {id: online, connected: 95, consequence: {void_credits: [up], surcharge: {per_hour: 1}}}
  - {id: take, minimum_use: {meter: pages, per: year, at_least: 9, relief: [up]}, consequence: {surcharge: {per_unit_short: 1}}}
  - {id: mild, use_limit: {meter: pages, per: running, at_most: 3}, consequence: {surcharge: {flat: 5}}}
"""  # noqa: E501 - one promise is one line, as its author sees it


def read(text: str) -> tuple[Terms | None, list[Problem]]:
    """The terms of a contract, and what is wrong with it."""
    return load_terms(text, "terms.yaml")


def agreed(old: str = "", new: str = "", **head: str) -> Terms:
    """The contract with one thing replaced, which must be one."""
    found, problems = read(contract_text(AGREED.replace(old, new, 1), **head))
    assert found is not None, [str(each) for each in problems]
    return found


def test_every_kind_of_promise_is_understood() -> None:
    """What both sides promise is read as it is written."""
    terms = agreed()
    assert [each.kind for each in terms.guarantees] == ["uptime", "level", "response"]
    assert [each.kind for each in terms.obligations] == ["limit", "service", "connected", "minimum_use", "use_limit"]
    assert [each.excluded for each in terms.guarantees[:2]] == [True, True]
    response = terms.guarantees[2].response
    assert response is not None
    assert response.from_ == Happening(event="breakdown")
    assert response.to == terms.guarantees[0].available_when
    assert warnings(terms) == []


DOCS = "docs/contract-language.md"
UP, TIER = "available_when: healthy, ", "{below: 99.5, percent: 5}"
LIMIT, FROM = "limit: {channel: temp, at_most: 40}", "{event: breakdown}"
GAIN = "gain_share: {meter: pages, per: running, baseline: 1, price: 1, customer_surplus: 0.5, customer_shortfall: 0}"

FAULTS = [
    # --- names
    ("available_when: healthy", "▸available_when: health", "condition `health` is not", "Did you mean `healthy`"),
    (UP, "available_when: {▸channel: falt, is: 0}, ", "channel `falt` is not declared", "Did you mean `fault`?"),
    ("level: healthy", "level: {all: [healthy, {▸not: gone}]}", "condition `gone` is not declared", "healthy"),
    ("while: {channel: pages", "while: {▸channel: page", "channel `page` is not declared", "Did you mean `pages`?"),
    ("from: " + FROM, "from: {▸channel: x, is: 1}", "channel `x` is not declared", "fault, pages, temp"),
    ("to: healthy", "▸to: well", "condition `well` is not declared", "healthy"),
    ("limit: {channel: temp", "limit: {▸channel: tmp", "channel `tmp` is not declared", "Did you mean `temp`?"),
    ("of: [base]", "of: [▸bas]", "charge `bas` is not declared", "Did you mean `base`?"),
    ("of: [base]", "of: [base, ▸base]", "charge `base` is named twice", "once"),
    ("unknown: excluded,", "unknown: excluded, bonus: {at_least: 99.9, percent: 1, of: [▸x]},", "charge `x`", "base"),
    ("excuse: [up]", "excuse: [up, ▸cool]", "guarantee `cool` is not declared", "up, good, fix"),
    ("void_credits: [up]", "void_credits: [▸upp]", "guarantee `upp` is not declared", "Did you mean `up`?"),
    ("relief: [up]", "relief: [▸down]", "guarantee `down` is not declared", "up, good, fix"),
    ("relief: [up]", "relief: [up, ▸fix]", "`fix` promises a response", "uptime or a level"),
    ("of: running", "▸of: runing", "meter `runing` is not declared", "Did you mean `running`?"),
    ("minimum_use: {meter: pages", "minimum_use: {▸meter: page", "meter `page` is not declared", "`pages`"),
    ("use_limit: {meter: pages", "use_limit: {▸meter: page", "meter `page` is not declared", "`pages`"),
    ("per: running, at_most", "▸per: runing, at_most", "meter `runing` is not declared", "`running`"),
    ("flat: 900.00", GAIN.replace("per: ", "▸per: x"), "meter `xrunning` is not declared", "`running`"),
    ("flat: 900.00", GAIN.replace("meter: ", "▸meter: x"), "meter `xpages` is not declared", "`pages`"),
    ("id: good", "id: good, instead_of: [▸good]", "`good` cannot stand instead of itself", "other"),
    ("id: good", "id: good, instead_of: [▸god]", "guarantee `god` is not declared", "`good`"),
    ("id: good", "id: good, scope: contract, at_least_devices: 1, instead_of: [▸up]", "neither replaces", "scope"),
    ("id: good", "▸id: up", "the id `up` is used twice: by guarantee 1 and by guarantee 2", "its own"),
    ("id: cool", "▸id: base", "the id `base` is used twice: by charge 1 and by obligation 1", "its own"),
    ("id: good", "id: good, scope: contract, ▸at_least_devices: 2", "at least 2 devices can never be", "Lower it"),
    ("connected: 95", "connected: 95, service_hours: {holidays: [BE, ▸XX]}", "holidays of `XX` are not", "ISO 3166"),
    (UP, UP + "service_hours: {▸holidays: DE-XX}, ", "holidays of `DE-XX` are not known apart", "DE-BW"),
    ("healthy: {channel: fault, is: 0}", "▸healthy: {not: healthy}", "defined by itself: healthy → healthy", "Break"),
    # --- one kind, and the keys that fit it
    (UP, UP + "level: healthy, ", "this one has available_when and level", DOCS),
    (UP, "", "this one has none of them", DOCS),
    ("unknown: excluded, ", "", "say who carries silence", DOCS),
    ("unknown: excluded", "▸unknown: maybe", "found maybe", "Correct"),
    ("target: 99.5, ", "", "a guarantee says its target", DOCS),
    ("target: 99}", "target: 99, ▸unknown: down}", "always excluded from a level", DOCS),
    (UP, UP + "▸while: healthy, ", "while belongs to a level", DOCS),
    (UP, UP + "▸scope: contract, ", "at_least_devices: 1", DOCS),
    (UP, UP + "▸at_least_devices: 1, ", "belongs to scope: contract", DOCS),
    (UP, UP + "▸over: month, ", "found month", "Correct"),
    ("target: 99}", "target: 99, ▸earn_back: {periods: 3, percent: 50}}", "there are none", DOCS),
    ("target: 99}", "target: 99, credits: {▸per_hour: 3}}", "per_hour belongs to a response", DOCS),
    ("credits: {per_hour: 25.00, cap: 500}", f"credits: {{▸tiers: [{TIER}], of: [base]}}", "are per_hour", DOCS),
    ("within: 8h}", "within: 8h}, ▸target: 9", "target does not belong to a response", DOCS),
    ("within: 8h}", "within: 8h}, ▸over: year", "over does not belong to a response", DOCS),
    ("within: 8h}", "within: 8h}, ▸instead_of: [up]", "instead_of does not belong to a response", DOCS),
    (", within: 8h", "", "`within` is missing", "Add `within:`"),
    (LIMIT, LIMIT + ", connected: 95", "this one has limit and connected", DOCS),
    (LIMIT + ", tolerance: 2", "tolerance: 2", "this one has none of them", DOCS),
    ("connected: 95", "connected: 95, ▸tolerance: 2", "tolerance belongs to a limit", DOCS),
    ("tolerance: 2", "▸service_hours: {}", "service_hours belong to connected", DOCS),
    (", of: running, or_days", ", or_days", "every and of go together", DOCS),
    ("every: 2000, of: running, or_days: 180, ", "", "a service is due by use", DOCS),
    ("by: customer", "▸by: nobody", "found nobody", "Correct"),
    ("at_least: 9", "▸at_least: 0", "greater than 0", "Correct"),
    ("window: 2h", "▸window: 2", "2 has no unit", DOCS),
    ("excuse: [up], window", "▸window", "window belongs to excuse", DOCS),
    ("excuse: [up]", "▸excuse: up", "`excuse` must be a list (found up)", "brackets"),
    ("surcharge: {per_unit_short: 1}", "▸excuse: [up]", "minimum_use is a sum without moments", DOCS),
    ("surcharge: {flat: 5}", "surcharge: {▸per_hour: 5}", "use_limit has none", DOCS),
    ("surcharge: {flat: 5}", "▸surcharge: {}", "a surcharge has flat, per_hour or", DOCS),
    ("surcharge: {per_hour: 1}", "surcharge: {▸per_unit_short: 1}", "belongs to minimum_use", DOCS),
    ("surcharge: {per_hour: 1}", "surcharge: {▸flat: -1}", "greater than or equal to 0", "Correct"),
    # --- percentages and tiers
    ("target: 99.5", "▸target: 100.1", "100.1 is not a percentage", DOCS),
    ("percent: 5", "▸percent: 105", "105 is not a percentage", DOCS),
    ("of: [base]", "of: [base], ▸cap_percent: 101", "101 is not a percentage", DOCS),
    ("tolerance: 2", "▸tolerance: 120", "120 is not a percentage", DOCS),
    ("connected: 95", "▸connected: -1", "-1 is not a percentage", DOCS),
    (TIER, f"{TIER}, {{below: 98, ▸percnt: 9}}", "`percnt` is not a key", "Did you mean `percent`?"),
    (f"tiers: [{TIER}]", f"▸tiers: [{TIER}, {{below: 99.50, percent: 9}}]", "tiers overlap", DOCS),
    (f"tiers: [{TIER}]", "▸tiers: []", "`tiers` must have at least 1 item", "List at least one"),
    (", of: [base]", "", "name the charges", DOCS),
    ("of: [base]", "of: [base], ▸cap: 5", "cap belongs to per_hour", DOCS),
    ("of: [base]", "of: [base], per_hour: 5", "either tiers (of a percentage) or per_hour", DOCS),
    ("cap: 500", "▸cap_percent: 30", "cap_percent belongs to tiers", DOCS),
    ("flat: 900.00", GAIN.replace("customer_surplus: ", "▸customer_surplus: 1"), "less than or equal to 1", "Correct"),
    ("price: {flat: 900.00}", f"meter: pages, price: {{{GAIN}}}", "gain_share names its own meters", DOCS),
    # --- events and hours
    ("{event: breakdown}", "{▸event: breakdwn}", "found breakdwn", "Correct"),
    ("{event: breakdown}", "{event: breakdown, ▸at: 3}", "`at` is not a key", "Did you mean"),
    ("from: {event: breakdown}", "▸from: {evnt: breakdown}", "neither an event, {event: breakdown}, nor", DOCS),
    ("from: {event: breakdown}", "from: {channel: fault, is: 1, ▸four: 2s}", "`four` is not a key", "`for`"),
    (UP, UP + "service_hours: {▸days: mon-fry}, ", "'mon-fry' is neither a day", DOCS),
    (UP, UP + "service_hours: {▸days: []}, ", "neither a day", DOCS),
    (UP, UP + "service_hours: {▸from: 5:00}, ", "5:00 is not a time of day", DOCS),
    (UP, UP + 'service_hours: {▸from: "24:00"}, ', "24:00 is the end of a day", DOCS),
    (UP, UP + "service_hours: {▸to: 24:01}, ", "24:01 is not a time of day", DOCS),
    (UP, UP + "service_hours: {▸to: 0}, ", "0 is not a time of day", DOCS),
    (UP, UP + "service_hours: {holidays: [▸2026-02-30]}, ", "2026-02-30 is not a day of the calendar", DOCS),
    (UP, UP + "service_hours: {holidays: [2026-05-01, ▸belgium]}, ", "neither a date such as", DOCS),
    ("obligations:\n  - {", "obligations:\n  - ▸nothing\n  - {", "item 1 of `obligations` must be a mapping", "braces"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message", "remedy"), FAULTS)
def test_a_fault_in_a_promise_names_its_place_and_its_remedy(old: str, new: str, message: str, remedy: str) -> None:
    """Nobody is held to a promise that cannot be meant: its author finds the fault, and reads what to do about it."""
    text = contract_text(AGREED)
    assert old in text
    line = text[: text.index(old)].count("\n") + 1
    text = text.replace(old, new, 1)
    before, marked, after = text.partition("▸")
    _, problems = read(before + after)
    found = [each for each in problems if message in each.message]
    assert len(found) == 1, [str(each) for each in problems]
    assert remedy in found[0].remedy
    if marked:
        assert (found[0].line, found[0].column) == (before.count("\n") + 1, len(before) - before.rfind("\n"))
    else:
        assert found[0].line == line


@pytest.mark.parametrize(
    ("period", "over", "fits"),
    [
        ("day", "quarter", True),
        ("month", "year", True),
        ("quarter", "year", True),
        ("quarter", "quarter", False),
        ("year", "quarter", False),
        ("year", "year", False),
    ],
)
def test_a_longer_measure_is_longer_than_the_period(period: str, over: str, fits: bool) -> None:
    """A quarter cannot be measured over a month, and a promise over its own period says nothing."""
    text = contract_text(AGREED.replace("target: 99.5", f"target: 99.5, over: {over}"), period=period)
    _, problems = read(text)
    assert [f"over: {over} is not longer than the period, a {period}" in each.message for each in problems] == (
        [] if fits else [True]
    )


def test_every_fault_of_the_promises_is_reported_at_once() -> None:
    """An unknown channel, silence that nobody carries, a credit above 100 % and a circle come together, in order."""
    text = AGREED.replace("healthy: {channel: fault, is: 0}", "healthy: again, again: {not: healthy}")
    text = text.replace("unknown: excluded, ", "").replace("percent: 5", "percent: 105").replace("target: 99.5, ", "")
    text = text.replace("channel: pages, above", "channel: page, above")
    _, problems = read(contract_text(text))
    said = [(each.line, each.message) for each in problems]
    expected = [
        (14, "condition `again` is defined by itself: again → healthy → again"),
        (14, "condition `healthy` is defined by itself: healthy → again → healthy"),
        (18, "a guarantee says its target, in percent: target: 99.5"),
        (18, "say who carries silence, there is no default: unknown: excluded, down or up"),
        (18, "105 is not a percentage between 0 and 100"),
        (19, "channel `page` is not declared"),
    ]
    assert sorted(said) == sorted(expected)
    assert [line for line, _ in said] == sorted(line for line, _ in said)
    assert all(each.remedy for each in problems)


def test_a_condition_in_a_promise_is_held_to_the_same_limits() -> None:
    """Thousands of comparisons are refused where a promise makes them, too."""
    doubling = "".join(f"  c{n}: {{all: [c{n + 1}, c{n + 1}]}}\n" for n in range(9))
    body = AGREED.replace(
        "conditions: {healthy: {channel: fault, is: 0}}",
        f"conditions:\n  healthy: c9\n{doubling}  c9: {{channel: fault, is: 0}}",
    )
    _, problems = read(contract_text(body.replace("level: healthy", "level: {any: [c0, c0, c0]}")))
    assert [(each.line, "more than 1,000 comparisons" in each.message) for each in problems] == [(30, True)]


WARNED = [
    ("relief: [up]", "relief: [good]", ["guarantee up gives no relief of take"]),
    ("unknown: excluded, ", "unknown: excluded, planned: {allowance: 4h}, ", ["planned work without notice"]),
    ("unknown: excluded, ", "unknown: excluded, planned: {allowance: 4h, notice: 48h}, ", []),
    (TIER, "{below: 99.6, percent: 5}", ["below more than its target"]),
    (TIER, "{below: 99, percent: 5}, {below: 98, percent: 3}", ["a smaller credit in a lower tier"]),
    ("unknown: excluded, ", "unknown: excluded, bonus: {at_least: 99, percent: 1, of: [base]}, ", ["is missed"]),
    ("void_credits: [up], surcharge", "void_credits: [good], surcharge", ["credits of good, which has none"]),
    ("excuse: [up], window", "excuse: [good], window", ["excuses good, on which no amount depends"]),
    (", consequence: {surcharge: {flat: 5}}", "", ["obligation mild has no consequence"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), WARNED)
def test_a_promise_that_may_surprise_is_a_warning(old: str, new: str, expected: list[str]) -> None:
    """Both sides are told of terms that can be meant and rarely are, and the contract still loads."""
    found = warnings(agreed(old, new))
    assert len(found) == len(expected), found
    assert all(part in said for part, said in zip(expected, found, strict=True))


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a contract."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in inner:
        yield (*at, step)
        yield from places(part, (*at, step))


@pytest.mark.parametrize("shape", [3, [[]], {}, {"event": []}])
def test_any_shape_anywhere_is_answered_in_words(shape: Any) -> None:
    """Whatever stands where a promise should be, its author reads what is wrong, and no program stops."""
    written = json.dumps(parse_yaml(contract_text(AGREED), "terms.yaml").value, default=float)
    for at in places({key: json.loads(written)[key] for key in ("guarantees", "obligations")}):
        value = json.loads(written)
        part = value
        for step in at[:-1]:
            part = part[step]
        part[at[-1]] = shape
        found, problems = read(json.dumps(value))
        assert (found is None) == bool(problems)
        assert all(each.message and each.remedy and each.line == 1 for each in problems)
        assert not any(re.search("dictionary|tuple|instance|function", each.message) for each in problems)


def test_a_surcharge_of_a_promise_left_out_is_none() -> None:
    """What a contract does not say never costs anything."""
    consequence = agreed(", consequence: {surcharge: {flat: 5}}", "").obligations[4].consequence
    assert (consequence.excuse, consequence.void_credits, consequence.surcharge) == ((), (), None)


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ("mon-sat", "012345"),
        ("sat-mon", "056"),
        ('"mon,wed, fri"', "024"),
        ("daily", "0123456"),
        ("[mon, thu-fri]", "034"),
        ("Sunday-x", None),
        ("sun", "6"),
        ("mon-", None),
        ("mon-tue-wed", None),
    ],
)
def test_days_are_written_as_people_say_them(written: str, days: str | None) -> None:
    """A range may run over the weekend; what is no day is refused."""
    text = AGREED.replace(UP, f"{UP}service_hours: {{days: {written}}}, ")
    found, problems = read(contract_text(text))
    hours = found.guarantees[0].service_hours if found else None
    assert (hours and "".join(map(str, hours.days))) == days, problems


def test_the_schema_accepts_what_the_program_accepts() -> None:
    """No editor marks a promise as wrong that is none."""
    hours = 'service_hours: {days: [mon, tue], from: "05:00", to: "24:00", holidays: [2026-12-25, BE, DE-BY]}, '
    text = contract_text(
        AGREED.replace(UP, UP + hours).replace("connected: 95", "connected: 95, service_hours: {holidays: BE}")
    )
    assert read(text)[1] == []
    schema = json_schema()
    assert list(json_schema_faults(parse_yaml(text, "terms.yaml").value, schema, schema)) == []
