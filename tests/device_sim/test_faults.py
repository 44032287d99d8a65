"""Each fault does what its name says, when and where the scenario places it, and nothing else."""

from itertools import pairwise

import pytest

from device_sim.faults import place, told
from device_sim.scenario import Scenario, read_scenario, shipped
from device_sim.telemetry import Fate, ReadingSet

from .conftest import local_ms

START, END = local_ms(2026, 3, 1), local_ms(2026, 3, 5)
NOON = local_ms(2026, 3, 3, 12)
HOUR = 3_600_000


def _scenario(*faults: str) -> Scenario:
    text = (
        "name: t\ndevices:\n  - {id: p, model: printer, seed: 5}\n  - {id: c, model: compressor, seed: 5, boot: x1}\n"
    )
    scenario, problems = read_scenario(text + "faults:\n" + "".join(f"  - {{{fault}}}\n" for fault in faults))
    assert scenario is not None, problems
    return scenario


def _stream(device: str, *faults: str) -> list[ReadingSet]:
    return list(told(_scenario(*faults), device, START, END, START))


def _by_time(stream: list[ReadingSet]) -> dict[int, ReadingSet]:
    return {one.happened_ms: one for one in stream}


CALM = {device: _by_time(_stream(device, "kind: reboot, device: p, at: 900d, boot: z")) for device in ("p", "c")}


def _touched(stream: list[ReadingSet]) -> list[ReadingSet]:
    return [one for one in stream if one.faults]


def test_a_dropout_loses_exactly_its_time() -> None:
    """Readings in [noon, noon + 2 h) are lost; every other one is sent unchanged."""
    stream = _stream("c", "kind: dropout, device: c, at: 2d12h, for: 2h")
    lost = [one.t_ms for one in stream if one.fate is Fate.LOST]
    assert lost == list(range(NOON, NOON + 2 * HOUR, 60_000))
    assert [one for one in stream if not one.faults] == [one for t, one in CALM["c"].items() if t not in set(lost)]


def test_a_late_batch_is_kept_not_lost() -> None:
    """The sets of a late batch are withheld with their values untouched."""
    late = _touched(_stream("c", "kind: late_batch, device: c, at: 2d12h, for: 20m"))
    assert {one.fate for one in late} == {Fate.LATE}
    assert [(one.t_ms, one.values) for one in late] == [
        (t, CALM["c"][t].values) for t in range(NOON, NOON + 1_200_000, 60_000)
    ]


def test_a_burst_leaves_when_it_ends_each_set_alone() -> None:
    """A backlog keeps its times and values; all of it leaves at the end of the fault in single messages."""
    burst = _touched(_stream("c", "kind: burst, device: c, at: 2d12h, for: 10m"))
    assert len(burst) == 10
    assert {(one.ready_ms, one.alone) for one in burst} == {(NOON + 600_000, True)}
    assert [one.t_ms for one in burst] == list(range(NOON, NOON + 600_000, 60_000))


def test_a_share_of_sets_is_sent_twice() -> None:
    """Duplicates equal the set before them; the share is about what was asked for."""
    stream = _stream("c", "kind: duplicate, device: c, at: 2d8h, for: 10h, share: 30")
    repeated = [(one, again) for one, again in pairwise(stream) if again.faults]
    assert all(one.payload() == again.payload() for one, again in repeated)
    assert 120 <= len(repeated) <= 240


def test_disorder_changes_order_and_nothing_else() -> None:
    """Shuffled sets are the same sets, each no further than its group from where it belongs."""
    stream = _stream("c", "kind: reorder, device: c, at: 2d12h, for: 2h, within: 40")
    assert sorted((one.t_ms, one.seq) for one in stream) == [(t, one.seq) for t, one in CALM["c"].items()]
    shuffled = [one.t_ms for one in _touched(stream)]
    assert shuffled != sorted(shuffled)
    assert all(abs(index - (t - NOON) // 60_000) < 40 for index, t in enumerate(shuffled))


def test_a_wrong_clock_moves_times_not_values() -> None:
    """With the clock 90 s behind, readings carry times 90 s early; their values are those of the true moment."""
    skewed = _touched(_stream("c", "kind: clock_skew, device: c, at: 2d12h, for: 1h, behind: 90s"))
    assert len(skewed) == 60
    assert all(one.t_ms == one.happened_ms - 90_000 for one in skewed)
    assert all(one.values == CALM["c"][one.happened_ms].values for one in skewed)


def test_a_stuck_sensor_repeats_what_it_showed_first() -> None:
    """One channel stands still for the hour; the others go on."""
    stuck = _touched(_stream("c", "kind: stuck, device: c, channel: air_flow, at: 2d12h, for: 1h"))
    assert {one.values["air_flow"] for one in stuck} == {CALM["c"][NOON].values["air_flow"]}
    assert [one.values["pressure"] for one in stuck] == [CALM["c"][one.t_ms].values["pressure"] for one in stuck]


@pytest.mark.parametrize("announced", [True, False])
def test_a_counter_starts_again_where_it_was_last_seen(announced: bool) -> None:
    """After a reset the register shows the pages since the last report before it; an announced one has a new boot."""
    boot = ", boot: b2" if announced else ""
    stream = _by_time(_stream("p", f"kind: counter_reset, device: p, channel: pages, at: 2d12h{boot}"))
    base = CALM["p"][NOON - 60_000].values["pages"]
    after = [one for t, one in stream.items() if t >= NOON]
    assert all(one.values["pages"] == CALM["p"][one.t_ms].values["pages"] - base for one in after)
    assert {one.boot for one in after} == ({"b2"} if announced else {"b1"})
    assert after[0].seq == (0 if announced else (NOON - START) // 60_000)
    assert all(one == CALM["p"][t] for t, one in stream.items() if t < NOON)


def test_a_second_reset_counts_from_zero_again() -> None:
    """Two resets of one register: the second takes off what the first had left."""
    stream = _by_time(
        _stream(
            "p",
            "kind: counter_reset, device: p, channel: pages, at: 2d12h, boot: b2",
            "kind: counter_reset, device: p, channel: pages, at: 3d9h, boot: b3",
        )
    )
    second = local_ms(2026, 3, 4, 9)
    last = END - 60_000
    assert (stream[second - 60_000].boot, stream[last].boot) == ("b2", "b3")
    assert stream[last].values["pages"] == (
        CALM["p"][last].values["pages"] - CALM["p"][second - 60_000].values["pages"]
    )


def test_a_bad_zero_is_one_reading_of_one_channel() -> None:
    """The register is zero once; the readings beside it and after it are right."""
    zeroed = _touched(_stream("c", "kind: bad_zero, device: c, channel: energy, at: 2d12h0m20s"))
    assert [one.t_ms for one in zeroed] == [NOON + 60_000]
    assert zeroed[0].values == {**CALM["c"][NOON + 60_000].values, "energy": 0}


def test_a_conflict_follows_the_true_value_with_another() -> None:
    """The same moment is told twice: first rightly, then with a value the given ticks away."""
    stream = _stream("c", "kind: conflict, device: c, channel: pressure, ticks: -5, at: 2d12h")
    true, other = (one for one in stream if one.t_ms == NOON)
    assert true == CALM["c"][NOON]
    assert other.values == {"pressure": pytest.approx(float(true.values["pressure"]) - 0.05)}
    assert repr(other.values["pressure"]) == f"{round(float(other.values['pressure']), 2)}"


def test_a_reboot_changes_boot_and_sequence_only() -> None:
    """Times and values go on as before under a new boot id, with sequence numbers from zero."""
    stream = [one for one in _stream("c", "kind: reboot, device: c, boot: x2, at: 2d12h") if one.t_ms >= NOON]
    assert [(one.boot, one.seq) for one in stream] == [("x2", index) for index in range(len(stream))]
    assert all(one.values == CALM["c"][one.t_ms].values for one in stream)


def test_a_stream_begun_in_the_middle_carries_the_same_faults() -> None:
    """Live goes on where history ended: the later half told alone equals the later half of the whole."""
    demo = shipped("demo")
    start, middle, end = local_ms(2026, 10, 1), local_ms(2026, 10, 17), local_ms(2026, 10, 24)
    for device in demo.devices:
        whole = [one for one in told(demo, device.id, start, end, start) if one.happened_ms >= middle]
        assert list(told(demo, device.id, middle, end, start)) == whole


def test_a_workday_fault_never_falls_on_a_weekend() -> None:
    """The eighth day of March 2026 is a Sunday: with `workday` the fault waits for Monday, at the same hour."""
    scenario = _scenario("kind: bad_zero, device: p, channel: pages, at: 7d10h, workday: true")
    zeroed = _touched(list(told(scenario, "p", START, local_ms(2026, 4, 1), START)))
    assert [one.t_ms for one in zeroed] == [local_ms(2026, 3, 9, 10)]


def test_a_fault_keeps_its_hour_when_the_clocks_change() -> None:
    """29 days and 10 hours after 1 March is 10:00 summer time on the 30th, not 11:00."""
    scenario = _scenario("kind: bad_zero, device: p, channel: pages, at: 29d10h")
    zeroed = _touched(list(told(scenario, "p", START, local_ms(2026, 4, 1), START)))
    assert [one.t_ms for one in zeroed] == [local_ms(2026, 3, 30, 10)]


@pytest.mark.parametrize("month", range(1, 13))
def test_the_demo_shows_every_fault_in_any_month_and_spares_its_edges(month: int) -> None:
    """Whichever month was the last one, the demo has its faults, none in its first hours or on its last day."""
    demo = shipped("demo")
    start, end = local_ms(2026, month, 1), local_ms(2026 + month // 12, month % 12 + 1, 1)
    placed = [one for device in demo.devices for one in place(demo, device.id, start)]
    assert {one.fault.kind for one in placed} == {
        "dropout", "counter_reset", "bad_zero", "duplicate", "conflict", "reorder", "late_batch", "reboot", "burst",
        "breakdown",
    }  # fmt: skip
    assert min(one.start_ms for one in placed) > start + 24 * HOUR
    assert max(one.end_ms for one in placed) < end - 48 * HOUR
