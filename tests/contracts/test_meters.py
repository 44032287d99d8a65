"""Each kind of meter over a month: what counts, what does not, and what happens at the edges."""

import pytest

from contracts.meters import LOOK_BACK_MS
from tests.contracts.samples import DAY, HOUR, JANUARY, MINUTE, contract, register, statement


def quantity(meter: str, lines: str, *, channels: str = "{p: {max_hold: 2h}}") -> tuple[str, str]:
    """Quantity and off-quality of one meter over January."""
    row = statement(contract(f"channels: {channels}\nmeters: {{it: {meter}}}\n"), lines)["usage"][0]
    return row["quantity"], row["off_quality"]


def at(channel: str, values: dict[int, float]) -> str:
    """Lines of a channel, by minutes since the contract began."""
    return "".join(f"m1,{channel},{JANUARY + minute * MINUTE},{value}\n" for minute, value in values.items())


TWO = "{p: {max_hold: 2h}, q: {max_hold: 2h}}"
GATED = f"channels: {TWO}\nmeters: {{it: {{counter: p, only_when: {{channel: q, is: 1}}}}}}\n"


def test_a_count_looks_through_an_unknown_stretch() -> None:
    """False, silence, true counts once, at the first moment known to be true (semantics §3)."""
    lines = at("p", {0: 0, 600: 1, 610: 1})
    assert quantity("{count: {channel: p, is: 1}}", lines)[0] == "1"


@pytest.mark.parametrize(("late_ms", "counted"), [(-1, "1"), (0, "0")])
def test_a_count_looks_back_seven_days_and_no_further(late_ms: int, counted: str) -> None:
    """A machine silent for a week begins anew: what it was before is no longer known."""
    known_until = JANUARY + 2 * HOUR
    lines = f"m1,p,{JANUARY},0\nm1,p,{known_until + LOOK_BACK_MS + late_ms},1\n"
    assert quantity("{count: {channel: p, is: 1}}", lines)[0] == counted


def test_the_first_known_state_is_no_beginning() -> None:
    """A fault that was there when the contract began is not counted as having begun in it."""
    assert quantity("{count: {channel: p, is: 1}}", at("p", {0: 1, 10: 0, 20: 1}))[0] == "1"


def test_a_fault_that_begins_at_midnight_is_counted_in_the_period_that_begins() -> None:
    """The state before the period is looked back at, so that the very first moment can count."""
    agreed = contract("channels: {p: {max_hold: 2h}}\nmeters: {it: {count: {channel: p, is: 1}}}\n")
    february = JANUARY + 31 * DAY
    lines = f"m1,p,{february - HOUR},0\nm1,p,{february},1\n"
    assert statement(agreed, lines, "2026-01")["usage"][0]["quantity"] == "0"
    assert statement(agreed, lines, "2026-02")["usage"][0]["quantity"] == "1"


def test_an_integral_counts_known_time_only() -> None:
    """6 m³/h for ten minutes and then silence: one cubic metre for the minutes known, none for the silence."""
    channels = "{p: {unit: m3/h, resolution: 0.001, max_hold: 10m}}"
    assert quantity("{integral: p, per: 1h}", at("p", {0: 6}), channels=channels)[0] == "1.000"


def test_a_quantity_is_rounded_once_half_even() -> None:
    """Ten times 0.05 m³ are half a cubic metre, not ten times nothing; the half goes to the even number."""
    channels = "{p: {unit: m3/h, max_hold: 1m}}"
    lines = at("p", dict.fromkeys(range(0, 100, 10), 3))
    assert quantity("{integral: p, per: 1h}", lines, channels=channels)[0] == "0"
    lines = at("p", dict.fromkeys(range(0, 300, 10), 3))
    assert quantity("{integral: p, per: 1h}", lines, channels=channels)[0] == "2"


@pytest.mark.parametrize(
    ("unknown", "on", "off"), [("off_quality", "30", "90"), ("full", "60", "60"), ("nothing", "30", "60")]
)
def test_the_terms_say_who_carries_unknown_time(unknown: str, on: str, off: str) -> None:
    """Of a step of 120 over four hours, one hour was good, two were not, and one is unknown."""
    meter = f"{{counter: p, only_when: {{channel: q, is: 1}}, unknown: {unknown}}}"
    lines = at("p", {0: 1000, 240: 1120}) + at("q", {0: 1, 60: 0, 240: 0})
    assert quantity(meter, lines, channels=TWO) == (on, off)


def test_each_part_of_a_step_is_rounded_half_even_to_a_tick() -> None:
    """A step of one page, half of its time good, is nobody's half page: it goes to the even number, zero."""
    lines = at("p", {0: 1000, 60: 1001}) + at("q", {0: 1, 30: 0})
    assert quantity("{counter: p, only_when: {channel: q, is: 1}}", lines, channels=TWO) == ("0", "1")
    lines = at("p", {0: 1000, 60: 1003}) + at("q", {0: 1, 30: 0})
    assert quantity("{counter: p, only_when: {channel: q, is: 1}}", lines, channels=TWO) == ("2", "1")


def test_a_step_across_a_periods_edge_counts_by_its_time_inside_the_period() -> None:
    """The step belongs to the later reading's period, and so does the share: what was before is not looked at."""
    agreed = contract(GATED)
    february = JANUARY + 31 * DAY
    lines = f"m1,p,{february - HOUR},1000\nm1,p,{february + HOUR},1010\nm1,q,{february - HOUR},0\nm1,q,{february},1\n"
    row = statement(agreed, lines, "2026-02")["usage"][0]
    assert (row["quantity"], row["off_quality"], row["opening"], row["closing"]) == ("10", "0", "1000", "1010")


def test_an_empty_span_counts_by_the_condition_at_that_moment() -> None:
    """A step that ends at the first moment of a period has no time in it; the condition at that moment decides."""
    agreed = contract(GATED)
    february = JANUARY + 31 * DAY
    lines = f"m1,p,{february - HOUR},1000\nm1,p,{february},1010\nm1,q,{february - HOUR},0\nm1,q,{february},1\n"
    row = statement(agreed, lines, "2026-02")["usage"][0]
    assert (row["quantity"], row["off_quality"]) == ("10", "0")


def test_a_reading_from_before_since_that_still_holds_is_the_baseline() -> None:
    """A machine that joins in the middle of its work is billed from the register it brought along."""
    agreed = contract(devices="[{id: m1, since: 2026-01-10}]")
    join = JANUARY + 9 * DAY
    lines = f"m1,pages,{join - HOUR},100\nm1,pages,{join + HOUR},130\n"
    assert statement(agreed, lines)["usage"][0]["quantity"] == "30"
    stale = f"m1,pages,{join - 2 * HOUR},100\nm1,pages,{join + HOUR},130\nm1,pages,{join + 2 * HOUR},135\n"
    assert statement(agreed, stale)["usage"][0]["quantity"] == "5"


def test_a_device_that_has_left_is_billed_no_more() -> None:
    """From `until` on its readings are nobody's."""
    agreed = contract(devices="[{id: m1, until: 2026-01-03}]")
    lines = register({0: 100, 47: 150, 48: 170, 60: 300})
    row = statement(agreed, lines)["usage"][0]
    assert (row["quantity"], row["counts"]["accepted"]) == ("50", 2)


def test_coverage_is_known_time_over_time_in_force_rounded_down() -> None:
    """A register read once is known for two hours of 744: 0.2688 %, never 0.2689."""
    row = statement(contract(), register({0: 100}))["usage"][0]
    assert (row["known_ms"], row["coverage"]) == (2 * HOUR, "0.2688")


def test_gaps_are_counted_as_people_see_them() -> None:
    """Two stretches of silence between three readings, and one until the month ends."""
    row = statement(contract(), register({0: 100, 3: 100, 10: 110}))["usage"][0]
    assert row["counts"]["gaps"] == 3


def test_a_period_without_readings_is_billed_nothing_and_says_so() -> None:
    """A statement never hides silence: no coverage, one gap, no quantity."""
    row = statement(contract(), register({}))["usage"][0]
    assert (row["quantity"], row["coverage"], row["counts"]["gaps"], row["opening"]) == ("0", "0.0000", 1, None)


def test_two_periods_meet_in_one_register_value() -> None:
    """What January closes with, February opens with."""
    lines = register({0: 100, 700: 180, 800: 200})
    january, february = (statement(contract(), lines, name)["usage"][0] for name in ("2026-01", "2026-02"))
    assert (january["opening"], january["closing"], january["quantity"]) == ("100", "180", "80")
    assert (february["opening"], february["closing"], february["quantity"]) == ("180", "200", "20")
