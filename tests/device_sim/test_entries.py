"""What people enter has its place in any month, and the demo's month tells the same story whichever month it is."""

from typing import Any

import pytest

from device_sim import truth
from device_sim.days import HOUR_MS, wall_clock
from device_sim.entries import Entry, between, entries
from device_sim.faults import told
from device_sim.scenario import Scenario, read_scenario, shipped

from .conftest import BRUSSELS, local_ms

START, END = local_ms(2026, 3, 1), local_ms(2026, 4, 1)
DEMO = shipped("demo")


def _scenario(*events: str) -> Scenario:
    text = (
        "name: t\ndevices:\n  - {id: t, model: truck, seed: 5, interval: 120s}\n  - {id: p, model: printer, seed: 5}\n"
    )
    scenario, problems = read_scenario(text + "events:\n" + "".join(f"  - {{{event}}}\n" for event in events))
    assert scenario is not None, problems
    return scenario


def _entered(*events: str) -> list[Entry]:
    return list(entries(_scenario(*events), "t", START, END, START))


def _span(month: int) -> tuple[int, int]:
    return local_ms(2026, month, 1), local_ms(2026 + month // 12, month % 12 + 1, 1)


def _story(device: str, start_ms: int, end_ms: int) -> dict[str, dict[str, Any]]:
    """The last of each type of event of the demo about a device."""
    return {str(one.payload["type"]): dict(one.payload) for one in entries(DEMO, device, start_ms, end_ms, start_ms)}


def test_a_moment_is_sent_with_its_time_its_author_and_its_side() -> None:
    """An event has the words of the contract language; without an id it has none, and the gateway makes one."""
    (entry,) = _entered("type: serviced, device: t, at: 3d9h, by: Garage, side: customer, reason: Inspection")
    at = local_ms(2026, 3, 4, 9)
    assert entry == Entry(at, {"type": "serviced", "t": at, "by": "Garage", "side": "customer", "reason": "Inspection"})


def test_planned_work_is_entered_when_it_is_announced_and_confirmed_by_its_id() -> None:
    """Work has start and end, goes out when it is announced, and a decision names it by the id it went out with."""
    planned, decision = _entered(
        "type: decision, of: w, verdict: accept, device: t, at: 6d, by: Devos, side: customer, reason: Agreed",
        "type: planned, id: w, device: t, at: 9d7h, for: 9h, announced: 6d, by: Workshop",
    )
    starts = local_ms(2026, 3, 10, 7)
    assert planned.entered_ms == planned.payload["announced"] == starts - 144 * HOUR_MS
    assert (planned.payload["start"], planned.payload["end"]) == (starts, starts + 9 * HOUR_MS)
    assert "t" not in planned.payload
    assert (decision.payload["of"], decision.payload["verdict"]) == (planned.payload["id"], "accept")
    april = entries(_scenario("type: note, id: w, device: t, at: 1d, by: A"), "t", END, local_ms(2026, 5, 1), END)
    assert april[0].payload["id"] != planned.payload["id"]


def test_events_keep_to_working_days_to_their_device_and_to_the_time_asked_for() -> None:
    """With `workday` a Sunday's event waits for Monday; others' events, and those of another time, are left out."""
    found = _entered(
        "type: note, device: t, at: 7d10h, workday: true, by: A",
        "type: note, device: p, at: 7d10h, by: B",
        "type: note, device: t, at: 60d, by: C",
        "type: force_majeure, device: t, at: 2d, for: 5h, by: D",
    )
    assert [(one.payload["by"], one.entered_ms) for one in found] == [
        ("D", local_ms(2026, 3, 3)),
        ("A", local_ms(2026, 3, 9, 10)),
    ]


def test_an_entry_stands_before_the_first_readings_after_it() -> None:
    """Entries take their place in the stream of a device, also after its last reading."""
    scenario = _scenario(
        "type: note, device: t, at: 1h1m, by: A",
        "type: note, device: t, at: 1h2m, by: B",
        "type: note, device: t, at: 3h, by: C",
    )
    stream = told(scenario, "t", START, START + 2 * HOUR_MS, START)
    mixed = list(between(stream, entries(scenario, "t", START, END, START)))
    assert [index for index, one in enumerate(mixed) if isinstance(one, Entry)] == [31, 32, 62]
    assert [one.payload["by"] for one in mixed if isinstance(one, Entry)] == ["A", "B", "C"]


@pytest.mark.parametrize("month", range(1, 13))
def test_the_trucks_month_has_its_whole_story(month: int) -> None:
    """In any month: repaired when it drives again, confirmed work in time, and the second breakdown while a service is
    due.
    """
    start, end = _span(month)
    machine, story = DEMO.machine("truck-01", start), _story("truck-01", start, end)
    first, workshop, blip, last = machine.broken
    assert (story["breakdown"]["t"], story["repaired"]["t"]) == last
    assert last[0] + 4 * HOUR_MS < story["serviced"]["t"] < last[1] - 4 * HOUR_MS
    assert (story["planned"]["start"], story["planned"]["end"]) == workshop
    assert story["planned"]["announced"] < story["decision"]["t"] < workshop[0]
    assert workshop[0] - story["planned"]["announced"] > 48 * HOUR_MS
    assert first[1] < workshop[0]
    assert blip[1] - blip[0] < 300_000
    due = next(t for t in range(start, end, 6 * HOUR_MS) if truth.engine_hours_run(machine, start, t) >= 100)
    assert workshop[1] < due < last[0] - 24 * HOUR_MS
    assert all(wall_clock(t, BRUSSELS).weekday() < 5 for span in machine.broken for t in span)
    assert truth.time_true_ms(machine, "fault", start, end) == sum(ends - begins for begins, ends in machine.broken)


@pytest.mark.parametrize("month", range(1, 13))
def test_the_vans_have_the_drivers_they_have(month: int) -> None:
    """In any month one driver speeds for more than 3 % of the driving, another brakes harder than 3 times in 100 km."""
    start, end = _span(month)
    machines = [DEMO.machine(device, start) for device in ("van-01", "van-02", "van-03")]
    speeding = [
        truth.time_above_ms(one, "speed", 110, start, end) / truth.time_above_ms(one, "speed", 0, start, end)
        for one in machines
    ]
    braking = [truth.harsh_brakes(one, start, end) / truth.km_driven(one, start, end) for one in machines]
    assert [share > 0.03 for share in speeding] == [False, False, True]
    assert [rate > 0.03 for rate in braking] == [False, True, False]
    assert 12_000 < sum(truth.km_driven(one, start, end) for one in machines) < 24_000
    late = [_story(one, start, end) for one in ("van-01", "van-02", "van-03")]
    assert [each["repaired"]["t"] - each["breakdown"]["t"] > 4 * HOUR_MS for each in late] == [True, False, True]
