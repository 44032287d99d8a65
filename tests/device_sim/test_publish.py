"""What reaches the broker is what the machines said: all of it, in their order, with its original times."""

import asyncio
import time
from typing import Any

import pytest

from device_sim.days import HOUR_MS
from device_sim.faults import told
from device_sim.link import Broker, now_ms
from device_sim.publish import Progress, publish_history, publish_late, publish_live
from device_sim.scenario import Scenario, read_scenario, shipped
from device_sim.telemetry import Fate

from .conftest import Heard, listening, local_ms

START = local_ms(2026, 10, 1)
FAULTS = """
name: two-faults
devices:
  - {id: comp-01, model: compressor, seed: 11, boot: a1f3, meter: K4711, firmware: 2.4.1}
  - {id: comp-02, model: compressor, seed: 12}
  - {id: printer-01, model: printer, seed: 13, interval: 30m}
faults:
  - {kind: late_batch, device: comp-02, at: 10h, for: 20m}
  - {kind: burst, device: comp-01, at: 12h5m, for: 5m}
"""


def _scenario(text: str = FAULTS) -> Scenario:
    scenario, problems = read_scenario(text)
    assert scenario is not None, problems
    return scenario


def _expected(scenario: Scenario, device: str, end_ms: int, fate: Fate = Fate.SENT) -> list[dict[str, Any]]:
    return [dict(one.payload()) for one in told(scenario, device, START, end_ms, START) if one.fate is fate]


def _complete(counts: dict[str, int]) -> Any:
    def complete(heard: Heard) -> bool:
        return all(len(heard.sets(device)) >= count for device, count in counts.items())

    return complete


async def test_history_arrives_whole_and_late_batches_when_asked_for(broker: Broker) -> None:
    """A day of three machines arrives as it was told; the withheld twenty minutes only when asked for."""
    scenario, end = _scenario(), START + 24 * HOUR_MS
    async with listening(broker, "telemetry/+") as heard:
        published = await publish_history(scenario, broker, START, end)
        expected = {device: _expected(scenario, device, end) for device in ("comp-01", "comp-02")}
        await heard.until(_complete({device: len(sets) for device, sets in expected.items()}))
        assert {device: heard.sets(device) for device in expected} == expected
        assert published.readings == 6 * (1_440 + 1_420) + 3 * 48
        assert published.faults == {"burst": 5, "late_batch": 20}
        late = await publish_late(scenario, broker, START, end)
        await heard.until(_complete({"comp-02": 1_440}))
        assert heard.sets("comp-02")[1_420:] == _expected(scenario, "comp-02", end, Fate.LATE)
        assert (late.messages, late.readings, late.faults) == (1, 120, {"late_batch": 20})


async def test_arrays_are_as_long_as_asked_and_a_burst_is_not_packed(broker: Broker) -> None:
    """Twenty sets a message, but each set of a backlog on its own; one set a message is an object, not an array."""
    scenario, end = _scenario(), START + 13 * HOUR_MS
    async with listening(broker, "telemetry/comp-01") as heard:
        await publish_history(scenario, broker, START, end, sets_per_message=20)
        await heard.until(_complete({"comp-01": 780}))
        sizes = [len(content) if isinstance(content, list) else 1 for _, content, _ in heard.messages]
        assert sizes == [20] * 36 + [5] + [1] * 5 + [20] * 2 + [10]
        await publish_history(scenario, broker, START, START + HOUR_MS, sets_per_message=1)
        await heard.until(_complete({"comp-01": 840}))
        assert all(isinstance(content, dict) for _, content, _ in heard.messages[-60:])


async def test_late_batches_go_in_their_place_when_not_held_back(broker: Broker) -> None:
    """Without holding back, nothing is missing and nothing is left to send later."""
    scenario, end = _scenario(), START + 11 * HOUR_MS
    async with listening(broker, "telemetry/comp-02") as heard:
        await publish_history(scenario, broker, START, end, hold_back_late=False)
        await heard.until(_complete({"comp-02": 660}))
        assert [one["t"] for one in heard.sets("comp-02")] == list(range(START, end, 60_000))


async def test_progress_reaches_the_end_of_the_history(broker: Broker) -> None:
    """Each device's progress only grows, and ends at its last reading with the counts that were published."""
    seen: list[Progress] = []
    published = await publish_history(_scenario(), broker, START, START + 6 * HOUR_MS, progress=seen.append)
    last = {one.device: one for one in seen}
    assert sum(one.readings for one in last.values()) == published.readings
    ends = dict.fromkeys(("comp-01", "comp-02"), START + 6 * HOUR_MS - 60_000)
    assert {one.device: one.reached_ms for one in seen} == ends | {"printer-01": START + 6 * HOUR_MS - HOUR_MS // 2}
    own = [one.readings for one in seen if one.device == "comp-01"]
    assert own == sorted(own)


async def test_a_device_says_that_it_comes_and_goes(broker: Broker) -> None:
    """The status is retained: online with boot, firmware and meter before the first reading, offline after the last."""
    async with listening(broker, "status/comp-01") as heard:
        await publish_history(_scenario(), broker, START, START + HOUR_MS)
        await heard.until(lambda heard: [one["online"] for one in heard.statuses("comp-01")][-2:] == [True, False])
    online = heard.statuses("comp-01")[-2]
    assert online == {"online": True, "t": online["t"], "boot": "a1f3", "firmware": "2.4.1", "meter": "K4711"}
    assert abs(online["t"] - now_ms()) < 30_000
    async with listening(broker, "status/comp-01") as heard:
        await heard.until(lambda heard: bool(heard.messages))
    assert [(content["online"], retained) for _, content, retained in heard.messages] == [(False, True)]


async def test_live_goes_on_in_real_time_where_history_ended(broker: Broker) -> None:
    """Live sets carry the present, one a message, with what the period's faults left of registers and boots."""
    now = now_ms()
    scenario = _scenario(
        "name: t\ndevices:\n  - {id: p, model: printer, seed: 5, interval: 1s}\n"
        "faults:\n  - {kind: counter_reset, device: p, channel: pages, at: 1h, boot: b2}\n"
    )
    stop = asyncio.Event()
    async with listening(broker, "telemetry/p") as heard:
        live = asyncio.create_task(
            publish_live(scenario, broker, stop, interval_ms=200, period_start_ms=now - 2 * HOUR_MS)
        )
        await heard.until(_complete({"p": 4}))
        stop.set()
        published = await asyncio.wait_for(live, 5)
    first, *rest = heard.sets("p")[:4]
    assert [one["t"] - first["t"] for one in rest] == [200, 400, 600]
    assert [one["seq"] - first["seq"] for one in rest] == [1, 2, 3]
    assert now <= first["t"] <= now_ms()
    assert (first["boot"], first["v"]["pages"] < 200) == ("b2", True)
    assert published.messages >= 4


ENTERED = """
name: a-van
devices:
  - {id: v, model: van, seed: 2, interval: 120s}
faults:
  - {kind: breakdown, device: v, at: 9h, for: 2h}
events:
  - {type: repaired, device: v, at: 11h, by: Tyre service, reason: Mended}
  - {type: breakdown, device: v, at: 9h1m, by: A. Yilmaz, side: customer}
"""


async def test_what_people_enter_arrives_between_the_readings(broker: Broker) -> None:
    """A breakdown is reported before the readings that follow it, and counted apart from readings."""
    scenario, end = _scenario(ENTERED), START + 24 * HOUR_MS
    async with listening(broker, "telemetry/v", "event/v") as heard:
        published = await publish_history(scenario, broker, START, end)
        await heard.until(lambda heard: len(heard.sets("v")) == 720 and len(heard.events("v")) == 2)
    assert [(one["type"], one["t"] - START, one["side"]) for one in heard.events("v")] == [
        ("breakdown", 541 * 60_000, "customer"),
        ("repaired", 660 * 60_000, "provider"),
    ]
    assert (published.events, published.readings, published.faults) == (2, 3 * 720, {"breakdown": 60})


async def test_live_enters_an_event_when_its_time_has_come(broker: Broker) -> None:
    """An event of the running month goes out live at its moment; one of the past has gone out with history."""
    now = now_ms()
    stop = asyncio.Event()
    async with listening(broker, "event/v") as heard:
        live = asyncio.create_task(
            publish_live(_scenario(ENTERED), broker, stop, interval_ms=200, period_start_ms=now + 1_000 - 11 * HOUR_MS)
        )
        await heard.until(lambda heard: bool(heard.events("v")))
        arrived = now_ms()
        stop.set()
        published = await asyncio.wait_for(live, 5)
    (event,) = heard.events("v")
    assert (event["type"], event["t"]) == ("repaired", now + 1_000)
    assert arrived >= event["t"]
    assert published.events == 1


async def test_live_stops_at_once_when_asked(broker: Broker) -> None:
    """A device that would next report in a minute still leaves promptly."""
    stop = asyncio.Event()
    live = asyncio.create_task(publish_live(shipped("office-printer"), broker, stop))
    await asyncio.sleep(0.3)
    began = time.monotonic()
    stop.set()
    await asyncio.wait_for(live, 5)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("size", [0, 2_001])
async def test_an_absurd_message_size_is_refused(broker: Broker, size: int) -> None:
    """Neither empty messages nor megabytes in one are published."""
    with pytest.raises(ValueError, match="between 1 and 2000"):
        await publish_history(_scenario(), broker, START, START + HOUR_MS, sets_per_message=size)
