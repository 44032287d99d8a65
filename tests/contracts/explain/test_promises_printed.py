"""Both sides' promises in one form, and what was said, as they are printed."""

from itertools import pairwise

import pytest

from contracts.explain.layout import WIDTH
from tests.contracts.explain.printed import FORCE, HELD, OUT, UPTIME, printed, section, text_of
from tests.contracts.sides.promised import lived, promising

# --- promises -------------------------------------------------------------------------------------------------------


def test_both_sides_stand_in_the_same_form() -> None:
    """Side, promise, device, promised, measured, kept or not, difference: in the same columns for either side."""
    agreed = promising(UPTIME + "obligations: [{id: online, title: Stay online, connected: 99}]")
    statement = lived(agreed, {"up": OUT["up"], "beat": {"2025-12-31T00:00": 1}})
    head, *rows = section(text_of(agreed, statement), "WHAT BOTH SIDES PROMISED")
    names = ["side", "promise", "device", "promised", "measured", "kept?", "difference"]
    bounds = [head.index(name) for name in names] + [WIDTH]

    def cells(row: str) -> list[str]:
        return [row[start:end].strip() for start, end in pairwise(bounds)]

    assert cells(head) == names
    found = [cells(row) for row in rows if not row.startswith(" ")]
    assert found[0] == [
        "provider",
        "The press can run",
        "m1",
        "at least 99 %",
        "98.3198 %",
        "not kept",
        "0.6802 % short",
    ]
    assert found[1][:4] == ["customer", "Stay online", "m1", "at least 99 %"]
    assert found[1][5:] == ["kept", "1.0000 % to spare"]


def test_when_it_was_down_and_why_it_is_excused_stand_beneath() -> None:
    """Times on the contract's clock, lengths as people say them, the reason in words, silence as silence."""
    duty = """
obligations:
  - id: service
    title: Have it serviced every ten days
    service: {event: serviced, or_days: 10, by: customer}
    consequence: {excuse: [uptime]}
"""
    agreed = promising(UPTIME + duty, timezone="Europe/Brussels", base=HELD)
    events = "[{type: serviced, device: m1, time: @01-12T13:00, by: Garage, side: customer}]"
    changes = {"up": {"2025-12-31T00:00": 1, "01-12T08:00": 0, "01-12T20:30": 1}}
    text = printed(agreed, changes, events)
    assert "excused 2026-01-12 09:00 to 14:00, 5 h: the customer had not kept “Have it serviced every ten days”" in text
    assert "not available 2026-01-12 14:00 to 21:30, 7 h 30 min" in text
    assert "overdue 2026-01-11 00:00 to 2026-01-12 14:00, 38 h" in text
    assert "excuses the provider for 5 h of “The press can run”" in text
    assert "did not keep “Have it serviced every ten days” on m1, which excuses the provider for 5 h." in text


def test_silence_is_shown_as_silence() -> None:
    """Unknown time is neither hidden nor called an outage; who carries it is said."""
    base = HELD.replace("up: {max_hold: 400d}", "up: {max_hold: 12h}")
    agreed = promising(UPTIME.replace("excluded", "up"), base=base)
    text = printed(agreed, {"up": {f"01-{day:02d}T{hour}": 1 for day in range(1, 32) for hour in ("00:00", "12:00")}})
    assert "silence" not in text
    text = printed(agreed, {"up": {f"01-{day:02d}T{hour}": 1 for day in range(2, 32) for hour in ("00:00", "12:00")}})
    assert "silence 2026-01-01 00:00 to 24:00, 24 h: nobody knows, counts as available" in text


def test_not_measured_is_neither_kept_nor_missed() -> None:
    """Where nobody knows anything, there is no verdict and no cost."""
    text = printed(promising(UPTIME), {"load": {"01-01T00:00": 1}})
    assert "Promises of the provider: 1 not measured." in text
    assert "Customer owes Provider 100.00 EUR" in text
    assert "nobody knows, counts for neither side" in text


def test_a_quarter_is_decided_later() -> None:
    """A promise over a quarter has no verdict before it is over, and says when it will."""
    agreed = promising(UPTIME.replace("target: 99", "target: 99\n    over: quarter"))
    text = printed(agreed, OUT)
    assert "Promises of the provider: 1 decided later." in text
    assert "decided when the quarter is over, after 2026-03-31" in text
    assert "in the quarter so far 12 h 30 min not available of 744 h agreed" in text
    march = printed(agreed, OUT, period="2026-03")
    assert "decided later" not in march


def test_many_stretches_are_cut_short() -> None:
    """A few stretches stand for many; how many more there are is said, and where."""
    changes = {"2025-12-31T00:00": 1} | {
        f"01-{day:02d}T0{hour}:00": hour - 1 for day in range(1, 31) for hour in (1, 2)
    }
    text = printed(promising(UPTIME), {"up": changes})
    assert "not available 2026-01-06 01:00 to 02:00" in text
    assert "not available 2026-01-07" not in text
    assert "and 24 more, all in statement.json" in text


@pytest.mark.parametrize(
    ("duty", "said"),
    [
        ("minimum_use: {meter: pages, per: period, at_least: 100}", "at least 100 page 40 page not kept 60 page short"),
        ("minimum_use: {meter: pages, per: year, at_least: 365}", "at least 365 page 40 page decided later"),
        ("use_limit: {meter: pages, per: busy, at_most: 0.5}", "at most 0.5 1.667 not kept 1.167 over"),
        ("use_limit: {meter: pages, per: busy, at_most: 2}", "at most 2 1.67 kept 0.33 to spare"),
        ("limit: {channel: load, is: 0}, tolerance: 5", "at most 5 % out 3.2258 % out kept 1.7742 % to spare"),
        ("limit: {channel: load, is: 0}", "at most 0 % out 3.2258 % out not kept 3.2258 % over"),
        ("service: {event: serviced, or_days: 20, by: customer}", "on time late not kept 264 h"),
        ("service: {event: serviced, or_days: 20, by: provider}", "access given given kept"),
    ],
)
def test_every_obligation_says_promised_measured_and_difference(duty: str, said: str) -> None:
    """The same words for each kind, in its own unit."""
    agreed = promising(f"obligations: [{{id: duty, {duty}}}]")
    changes = {
        "pages": {"2025-12-31T00:00": 100, "01-20T00:00": 140},
        "load": {"2025-12-31T00:00": 0, "01-20T00:00": 1, "01-21T00:00": 0},
    }
    rows = section(text_of(agreed, lived(agreed, changes)), "WHAT BOTH SIDES PROMISED")
    first = next(row for row in rows if row.startswith("customer"))
    device = "all together" if "minimum" in duty else "m1"
    assert " ".join(first.split()) == f"customer duty {device} {said}"


# --- events ---------------------------------------------------------------------------------------------------------


def test_a_claim_is_marked_as_its_authors() -> None:
    """Downtime excused by what the provider says names the provider, both as an excuse and as an event."""
    text = printed(promising(UPTIME), OUT, f"[{FORCE}]")
    assert "11 h: force majeure “The river rose”, claimed by the provider (Bob)" in text
    assert "force majeure, m1: The river rose claimed by the provider (Bob)" in text


def test_planned_work_beyond_what_is_agreed_says_so() -> None:
    """Within its allowance planned work is excused; what is beyond it is not, and the reader sees why."""
    agreed = promising(UPTIME.replace("target", "planned: {allowance: 5h, notice: 48h}\n    target"))
    plan = "{type: planned, device: m1, start: @01-12T08:00, end: @01-12T19:00, by: Bob, side: provider, "
    text = printed(agreed, OUT, f"[{plan}reason: Workshop, entered: @01-09T08:00}}]")
    assert "excused 2026-01-12 08:00 to 13:00, 5 h: planned work “Workshop”, claimed by the provider (Bob)" in text
    beyond = "planned work beyond what is agreed: 5 h a period, announced 48 h ahead"
    assert f"not available 2026-01-12 13:00 to 20:30, 7 h 30 min: {beyond}" in text
    assert "claimed by the provider (Bob), entered 2026-01-09 08:00" in text


def test_a_contested_event_is_plainly_marked() -> None:
    """It stands on the statement, does not count, and the answer says so."""
    contest = "{type: contested, of: flood, time: @01-13T09:00, by: Ann, side: customer, reason: It was dry}"
    text = printed(promising(UPTIME), OUT, f"[{FORCE}, {contest}]")
    assert "Customer owes Provider 90.00 EUR" in text
    assert "1 event is contested and does not count." in text
    assert "claimed by the provider (Bob), CONTESTED: does not count until both sides decide" in text
    assert "contested by the customer (Ann), 2026-01-13 09:00: It was dry" in text
    assert "12 h 30 min: force majeure “The river rose”, claimed by the provider (Bob), CONTESTED" in text
    assert "excused" not in text


def test_an_event_that_both_accept_counts() -> None:
    """A dispute that both sides decided is shown with each side's decision."""
    decided = ", ".join(
        f"{{type: decision, of: flood, verdict: accept, time: @01-14T09:00, by: {by}, side: {side}, reason: Agreed}}"
        for by, side in (("Ann", "customer"), ("Bob", "provider"))
    )
    contest = "{type: contested, of: flood, time: @01-13T09:00, by: Ann, side: customer}"
    text = printed(promising(UPTIME), OUT, f"[{FORCE}, {contest}, {decided}]")
    assert "stated by the provider (Bob), accepted by both" in text
    assert "decision (accept) of the customer (Ann), 2026-01-14 09:00: Agreed" in text
    assert "contested and" not in text
