"""Golden statements: each is recomputed and compared to the byte, and its figures worked out by hand beside it."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.golden.cases import CASES, FOLDER, TWO_SIDED, Case

BY_NAME = {case.name: case for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_golden_statement_is_computed_to_the_byte(case: Case) -> None:
    """A statement once agreed on comes out the same with every later version of this software."""
    remedy = "run `python -m tests.golden` to see what changed, and `--write` if a rule of the contract changed with it"
    assert case.computed() == case.expected.read_text(encoding="utf-8"), remedy


def test_every_folder_is_a_case_and_every_case_complete() -> None:
    """No golden statement lies about unchecked."""
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(BY_NAME)
    for case in CASES:
        assert {path.name for path in case.expected.parent.iterdir()} == case.files


def test_the_tool_that_shows_differences_finds_none() -> None:
    """`python -m tests.golden` says so and exits with nothing to complain of."""
    done = subprocess.run([sys.executable, "-m", "tests.golden"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert "0 of" in done.stderr


# Below, the figures of each case as one works them out from its readings: (line, device) → amount, and the quantities
# by meter and device as (quantity, off_quality).
BY_HAND: dict[str, tuple[dict[tuple[str, str | None], str], dict[tuple[str, str], tuple[str, str]], str]] = {
    # The contract ends on 26 February: 25 of 28 days. 100 × 25/28 = 89.2857…, 45.67 × 25/28 = 40.7767…
    # m2 from 10 February: 16 days, 100 × 16/28 = 57.1428…; m3 would begin on the day the contract has ended.
    "flat": (
        {("rent", "m1"): "89.29", ("rent", "m2"): "57.14", ("service", None): "40.78"},
        {},
        "187.21",
    ),
    # 208.5 − 200.0 = 8.5 m³. 8.5 × 0.33 = 2.805 and 8.5 × 0.01 = 0.085: both halves go to the even cent.
    "per_unit_half_even": (
        {("water", "m1"): "2.80", ("sewage", "m1"): "0.08"},
        {("water", "m1"): ("8.5", "0.0")},
        "2.88",
    ),
    # m1: 3000 − 500 = 2500: 1000 × 0.025 + 10 + 1000 × 0.02 + 5 + 500 × 0.0155 = 25 + 10 + 20 + 5 + 7.75 = 67.75.
    # m2: exactly 1000, so the second tier is not entered; its flat by 22 of 31 days: 25 + 10 × 22/31 = 32.0967…
    # m3: nothing used. The connection is owed all the same: 7.50, for m2 7.50 × 22/31 = 5.3225…
    "graduated": (
        {
            ("air", "m1"): "67.75", ("air", "m2"): "32.10", ("air", "m3"): "0.00",
            ("connection", "m1"): "7.50", ("connection", "m2"): "5.32", ("connection", "m3"): "7.50",
        },
        {("air", "m1"): ("2500", "0"), ("air", "m2"): ("1000", "0"), ("air", "m3"): ("0", "0")},
        "120.17",
    ),
    # m1: 1612 − 1250 = 362, 62 above 300, ⌈62 / 15⌉ = 5 packages. m2: 310 − 10 = 300 exactly: none.
    "package": (
        {("pages", "m1"): "5.00", ("pages", "m2"): "0.00"},
        {("pages", "m1"): ("362", "0"), ("pages", "m2"): ("300", "0")},
        "5.00",
    ),
    # m1 printed 250 in January: 50 left over. 1612 − 1250 = 362; − 300 − 50 = 12 above: one package, 3 of it unused.
    # m2: 15 of 31 days, 300 × 15/31 = 145.16 → 145 − 100 = 45 left over. 420 − 110 = 310 − 300 = 10 of the 45.
    # Together in January 250 + 100 of 600: 250 left over, 200 kept. In February 362 + 310 = 672 − 600 = 72 of the 200.
    "rollover": (
        {
            ("plan", "m1"): "1.00", ("plan", "m2"): "0.00", ("kept", "m1"): "1.00", ("kept", "m2"): "0.00",
            ("brief", None): "0.00",
        },
        {("pages", "m1"): ("362", "0"), ("pages", "m2"): ("310", "0")},
        "2.00",
    ),
    # The contract has 21 of 31 days: 310 × 21/31 = 210 included. Together 250 + 251 − 210 = 291 × 0.05 = 14.55.
    # Apart: m1 250 − 210 = 40 × 0.05; m2, in force for 11 days, has 110: 251 − 110 = 141 × 0.05.
    "pool": (
        {("shared", None): "14.55", ("apart", "m1"): "2.00", ("apart", "m2"): "7.05"},
        {("pages", "m1"): ("250", "0"), ("pages", "m2"): ("251", "0")},
        "23.60",
    ),
    # Pressure: 7.0 until 0:40, 6.9 until 1:20, 7.1 until its hold ends at 2:20, unknown from there.
    # At 7 bar: 60 × 40/60 + 90 × 40/60 + 30.5 × 20/60 = 40 + 60 + 10.1666… = 110.1666… → 110.2 m³.
    # Below: 60 × 20/60 + 90 × 20/60 = 50. Unknown: 30.5 × 40/60 = 20.3333… (from 3:00 on the flow is 0).
    # strict: unknown is off quality, 70.3333… → 70.3; generous: 130.5; silent: unknown counts nowhere.
    # Energy, one step of 100 kWh over 180 min: 100 min good → 55.55… → 56, the rest 44.
    # 110.2 × 0.05 = 5.51; 70.3 × 0.01 = 0.703; 130.5 × 0.05 = 6.525, half up.
    "off_quality": (
        {
            ("strict", "m1"): "5.51", ("strict-off", "m1"): "0.70", ("generous", "m1"): "6.53",
            ("generous-off", "m1"): "0.50", ("silent", "m1"): "5.51", ("silent-off", "m1"): "0.50",
        },
        {
            ("strict", "m1"): ("110.2", "70.3"), ("generous", "m1"): ("130.5", "50.0"),
            ("silent", "m1"): ("110.2", "50.0"), ("energy", "m1"): ("56", "44"),
        },
        "19.25",
    ),
    # 9900 → 9950: 50. The 0 at 2:00 is an error, for 9960 goes on: 10. 25 is a wrap: 10 000 − 9960 + 25 = 65.
    # 90: 65. The 10 at 6:00 is a reset, for 40 goes on from it: 40. The 5 after boot b is a reset at once: 5.
    # 7000 to 7020 are one case, for 60 goes on from 5: 55. The 8 in the last minute waits, and is not billed.
    # 50 + 10 + 65 + 65 + 40 + 5 + 55 = 290 × 0.10.
    "resets": (
        {("strokes", "m1"): "29.00"},
        {("strokes", "m1"): ("290", "0")},
        "29.00",
    ),
    # The first fault was there when the contract began. Counted: 1 January 1:00, and 2 January 2:00 across a silence.
    # Not counted: 9 January, 7 days and 1 ms after the last time the fault was known to be absent (4:30 on the 2nd).
    # Both last an hour. On the 2nd the machine is off.
    "count": (
        {
            ("faults", "m1"): "10.00", ("lasting", "m1"): "100.00", ("working", "m1"): "7.00", ("idle", "m1"): "3.00",
        },
        {("faults", "m1"): ("2", "0"), ("lasting", "m1"): ("2", "0"), ("working", "m1"): ("1", "1")},
        "120.00",
    ),
    # Moving 0:00–0:30 and 1:00–1:45 (0.2 km/h is 0 on a gauge of halves): 75 min; steady: the second run alone.
    # Mild 0:00–0:20, 0:40–1:40, 2:20–3:20: 140 min. Parked: mild and not moving, while the speed is known, to 3:15:
    # 0:40–1:00 and 2:20–3:15 = 75 min. Both: 0:00–0:20, 1:00–1:40 = 60 min.
    # Either: 0:00–0:30, 0:40–1:45, 2:20–3:20 = 30 + 65 + 60 = 155 min, though the speed is unknown from 3:15.
    "duration": (
        {("moving", "m1"): "15.00", ("steady", "m1"): "4.50"},
        {
            ("moving", "m1"): ("1.250", "0.000"), ("steady", "m1"): ("45.000", "0.000"),
            ("mild", "m1"): ("2.333", "0.000"), ("parked", "m1"): ("1.250", "0.000"),
            ("both", "m1"): ("1.000", "0.000"), ("either", "m1"): ("2.583", "0.000"),
        },
        "19.50",
    ),
    # 31 × 24 − 1 = 743 h × 0.01 = 7.43. Energy from the last reading of February, 100.0, to the last of March, 111.0;
    # that of midnight belongs to April. m2 from the day of the change: 3 of 31 days.
    "clock_change_month": (
        {
            ("base", "m1"): "310.00", ("base", "m2"): "30.00", ("energy", "m1"): "2.20", ("energy", "m2"): "0.00",
            ("on", "m1"): "7.43", ("on", "m2"): "0.00",
        },
        {
            ("energy", "m1"): ("11.0", "0.0"), ("energy", "m2"): ("0.0", "0.0"),
            ("on", "m1"): ("743.000", "0.000"), ("on", "m2"): ("0.000", "0.000"),
        },
        "349.63",
    ),
    # Seven days, of which Sunday has 25 hours: 7 × 24 + 1 = 169.
    "week": ({("base", None): "70.00", ("on", "m1"): "169.00"}, {("on", "m1"): ("169.000", "0.000")}, "239.00"),
    # The clock goes from 2:00 to 2:30: 23.5 h.
    "day": ({("on", "m1"): "23.50"}, {("on", "m1"): ("23.500", "0.000")}, "23.50"),
    # 335 × 0.5 = 167.5 and 5 × 0.5 = 2.5, half up; 12 to 31 March: 20 of 90 days, 10 000 × 20/90 = 2222.2…
    "yen": (
        {("base", "m1"): "10000", ("base", "m2"): "2222", ("prints", "m1"): "168", ("prints", "m2"): "3"},
        {("prints", "m1"): ("335", "0"), ("prints", "m2"): ("5", "0")},
        "12393",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", [case for case in CASES if case.name not in TWO_SIDED], ids=lambda case: case.name)
def test_a_golden_statement_has_the_figures_worked_out_by_hand(case: Case) -> None:
    """The golden figures are not just what the program once said."""
    statement: dict[str, Any] = json.loads(case.expected.read_text(encoding="utf-8"))
    amounts, quantities, total = BY_HAND[case.name]
    assert {(line["id"], line["device"]): line["amount"] for line in statement["lines"]} == amounts
    used = {(row["meter"], row["device"]): (row["quantity"], row["off_quality"]) for row in statement["usage"]}
    assert used == quantities
    assert statement["total"] == total


def test_balances_are_those_one_keeps_by_hand() -> None:
    """What a customer still has is worked out like what it owes."""
    statement = json.loads(BY_NAME["rollover"].expected.read_text(encoding="utf-8"))
    figures = ("opening", "used", "earned", "expired", "closing")
    assert {(row["id"], row["device"]): tuple(row[name] for name in figures) for row in statement["balances"]} == {
        ("plan", "m1"): ("50", "50", "0", "0", "0"),
        ("plan", "m2"): ("45", "10", "0", "35", "0"),  # it leaves on 1 March, and its balance with it
        ("kept", "m1"): ("50", "50", "3", "0", "3"),
        ("kept", "m2"): ("45", "10", "0", "35", "0"),
        ("brief", None): ("200", "72", "0", "128", "0"),  # kept for one month: what is left has run out
    }


def test_known_time_and_counts_are_those_one_counts_by_hand() -> None:
    """Coverage and counts stand beside the figures, and are worked out like them."""
    resets = json.loads(BY_NAME["resets"].expected.read_text(encoding="utf-8"))["usage"][0]
    # Readings hold for 2 h: from 0:00 to 14:00 on the first, and the last minute of the month.
    assert resets["known_ms"] == 14 * 3_600_000 + 60_000
    # 16 lines: one duplicate, one conflict; set aside: the bad zero, three spikes, the 8 that still waits.
    assert resets["counts"] == {
        "accepted": 9, "duplicate": 1, "conflicting": 1, "late": 0, "quarantined": 5, "rejected": 0, "gaps": 1,
    }  # fmt: skip
    assert (resets["quarantined"], resets["opening"], resets["closing"]) == ("7015", "9900", "60")
    count = json.loads(BY_NAME["count"].expected.read_text(encoding="utf-8"))["usage"][0]
    # 0:00–3:30 on the 1st, 2:00–4:30 on the 2nd, 4:30:00.001–6:30 on the 9th.
    assert count["known_ms"] == 8 * 3_600_000 - 1
    assert (count["coverage"], count["counts"]["gaps"]) == ("1.0752", 3)
