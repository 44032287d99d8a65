"""Maintenance: when it falls due by use or by days, who is late with it, and how that goes on from period to period."""

import pytest

from contracts.contract import Contract
from tests.contracts.sides.promised import BASE, Changes, lived, promising, row

USE = "every: 100, of: pages"


def served(service: str, *, base: str = BASE, **head: str) -> Contract:
    """A machine whose maintenance is agreed on."""
    return promising(f"obligations: [{{id: care, service: {{event: serviced, {service}}}}}]", base, **head)


def event(kind: str, moment: str, side: str = "provider") -> str:
    """Somebody says that something happened."""
    return f"- {{ type: {kind}, device: m1, time: @{moment}, by: A, side: {side} }}\n"


def breaches(agreed: Contract, changes: Changes, events: str = "[]", period: str = "2026-01") -> list[tuple[str, str]]:
    """From when to when the service was late, without the year and seconds."""
    found = row(lived(agreed, changes, events, period), "care")
    assert found["met"] == (not found["intervals"])
    return [(each["start"][5:16], each["end"][5:16]) for each in found["intervals"]]


PAGES: Changes = {"pages": {"01-01T00:00": 500, "01-10T00:00": 599, "01-12T06:00": 600, "01-20T00:00": 640}}
END = "02-01T00:00"


def test_by_use_it_is_due_at_the_reading_that_reaches_it() -> None:
    """99 pages are not 100; from the reading that shows the hundredth the customer is late."""
    assert breaches(served(f"{USE}, by: customer"), PAGES) == [("01-12T06:00", END)]
    found = row(lived(served(f"{USE}, by: customer"), PAGES), "care")
    assert (found["measured"], found["limit"], found["unit"], found["device"]) == ("474.000", "0", "h", "m1")


def test_it_lasts_until_it_is_serviced_and_then_counts_anew() -> None:
    """Serviced on the 15th: the 40 pages after count towards the next one, of which 60 remain."""
    agreed = served(f"{USE}, by: customer")
    changes = {"pages": {**PAGES["pages"], "01-25T00:00": 699, "01-26T00:00": 700}}
    assert breaches(agreed, changes, event("serviced", "01-15T00:00")) == [
        ("01-12T06:00", "01-15T00:00"), ("01-26T00:00", END),
    ]  # fmt: skip


@pytest.mark.parametrize(("moment", "expected"), [("01-12T06:00", []), ("01-12T05:59", [("01-20T00:00", END)])])
def test_a_step_counts_before_a_service_at_its_reading(moment: str, expected: list[tuple[str, str]]) -> None:
    """A counter's step belongs to its later reading: serviced at that moment, it counts no more."""
    changes = {"pages": {"01-01T00:00": 500, "01-12T06:00": 580, "01-20T00:00": 620}}
    assert breaches(served(f"{USE}, by: customer"), changes, event("serviced", moment)) == expected


def test_serviced_before_it_is_due_nobody_was_late() -> None:
    """Care taken early is care taken; what counts is use since the last one."""
    assert breaches(served(f"{USE}, by: customer"), PAGES, event("serviced", "01-11T00:00")) == []


def test_use_is_carried_from_period_to_period() -> None:
    """99 pages in January and one in February: due in February, late all March, serviced in April."""
    agreed = served(f"{USE}, by: customer")
    changes = {"pages": {"01-01T00:00": 0, "01-31T00:00": 99, "02-03T00:00": 100}}
    events = event("serviced", "04-02T00:00")
    found = [breaches(agreed, changes, events, f"2026-0{month}") for month in (1, 2, 3, 4, 5)]
    assert found == [
        [], [("02-03T00:00", "03-01T00:00")], [("03-01T00:00", "04-01T00:00")], [("04-01T00:00", "04-02T00:00")], [],
    ]  # fmt: skip


def test_by_days_it_is_due_at_the_same_local_time() -> None:
    """Ten days from the local midnight of joining; after a service at 7:00 local, at 7:00 in summer time too."""
    agreed = served("or_days: 10, by: customer", timezone="Europe/Brussels", valid="{from: 2026-03-15}")
    assert breaches(agreed, {}, period="2026-03") == [("03-24T23:00", "03-31T22:00")]
    events = event("serviced", "03-20T06:00")
    assert breaches(agreed, {}, events, "2026-03") == [("03-30T05:00", "03-31T22:00")]


def test_whichever_comes_first() -> None:
    """A hundred pages or ten days."""
    assert breaches(served(f"{USE}, or_days: 10, by: customer"), PAGES) == [("01-11T00:00", END)]
    assert breaches(served(f"{USE}, or_days: 20, by: customer"), PAGES) == [("01-12T06:00", END)]


def test_a_provider_kept_out_is_not_to_blame_from_then_on() -> None:
    """By the provider: due or not, the customer is late only from the moment it refused access."""
    agreed = served(f"{USE}, by: provider")
    assert breaches(agreed, PAGES) == []
    refused = event("access_refused", "01-14T08:00") + event("access_refused", "01-16T08:00")
    assert breaches(agreed, PAGES, refused) == [("01-14T08:00", END)]
    done = refused + event("serviced", "01-17T08:00")
    assert breaches(agreed, PAGES, done) == [("01-14T08:00", "01-17T08:00")]
    assert breaches(agreed, PAGES, event("access_refused", "01-05T00:00")) == [("01-05T00:00", END)]


def test_a_refusal_goes_on_into_the_next_period() -> None:
    """Refused in January, serviced in March."""
    agreed = served("or_days: 300, by: provider")
    events = event("access_refused", "01-30T00:00") + event("serviced", "03-01T12:00")
    found = [breaches(agreed, {}, events, f"2026-0{month}") for month in (1, 2, 3)]
    assert found == [[("01-30T00:00", END)], [(END, "03-01T00:00")], [("03-01T00:00", "03-01T12:00")]]


def test_a_contested_service_is_none() -> None:
    """The customer says it serviced the machine, the provider contests it: late until both agree."""
    events = "- { id: s, type: serviced, device: m1, time: @01-15T00:00, by: B, side: customer }\n"
    contest = "- { type: contested, of: s, time: @01-16T00:00, by: A, side: provider, reason: no oil }\n"
    agreed = served(f"{USE}, by: customer")
    assert breaches(agreed, PAGES, events) == [("01-12T06:00", "01-15T00:00")]
    assert breaches(agreed, PAGES, events + contest) == [("01-12T06:00", END)]
    accepted = "".join(
        f"- {{ type: decision, of: s, verdict: accept, time: @01-17T00:00, by: {side}, side: {side}, reason: ok }}\n"
        for side in ("provider", "customer")
    )
    assert breaches(agreed, PAGES, events + contest + accepted) == [("01-12T06:00", "01-15T00:00")]


OTHERS = BASE.replace("  busy:", "  flow: {integral: load, per: 1h}\n  starts: {count: {channel: up, is: 1}}\n  busy:")


@pytest.mark.parametrize(
    ("use", "due"),
    [
        # The load is 3 from the 10th to the 11th, 0, and 3 again from the 15th on.
        ("every: 100, of: flow", "01-15T09:20"),  # 72 by the 11th, 28 at 3 an hour are 9 h 20 min
        ("every: 72, of: flow", "01-11T00:00"),
        ("every: 24, of: busy", "01-11T00:00"),
        ("every: 24.000001, of: busy", "01-15T00:00"),
        ("every: 2, of: starts", "01-15T12:00"),
    ],
)
def test_every_kind_of_meter_can_bring_a_service(use: str, due: str) -> None:
    """An integral and a duration reach it in the midst of their time, a count at its moment."""
    base = OTHERS.replace("{channel: load, is: 1}", "{channel: load, is: 3}")
    changes: Changes = {
        "load": {"01-01T00:00": 0, "01-10T00:00": 3, "01-11T00:00": 0, "01-15T00:00": 3},
        "up": {"01-01T00:00": 0, "01-05T00:00": 1, "01-06T00:00": 0, "01-15T12:00": 1},
    }
    assert breaches(served(f"{use}, by: customer", base=base), changes) == [(due, END)]


def test_only_use_that_the_meter_counts_brings_a_service() -> None:
    """Where the meter counts only under load, so does the service."""
    base = BASE.replace("{counter: pages}", "{counter: pages, only_when: {channel: load, is: 1}}")
    changes: Changes = {
        "pages": {"01-01T00:00": 0, "01-10T00:00": 100, "01-12T00:00": 200, "01-14T00:00": 300},
        "load": {"01-01T00:00": 0, "01-11T00:00": 1},
    }
    # Nothing of the first hundred, half of the second, all of the third.
    assert breaches(served(f"{USE}, by: customer", base=base), changes) == [("01-14T00:00", END)]


def test_a_machine_that_joins_begins_with_nothing_done() -> None:
    """Neither use nor days from before count; a reading that still holds is the first baseline."""
    agreed = served(f"{USE}, or_days: 10, by: customer", devices="[{id: m1, since: 2026-01-15}]")
    assert breaches(agreed, PAGES) == [("01-25T00:00", END)]
