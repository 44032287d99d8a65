"""Projecting: every message and reading is accounted for, and nothing but the journal's order matters."""

import json
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.readings import Clock, judge, lateness
from contracts.units import DAY_MS, HOUR_MS
from gateway.block_format import ARRIVAL, TIME
from gateway.gather import late_of_many
from gateway.increment import Counts
from gateway.message import Message
from gateway.project import ProjectionError
from tests.gateway.site import FOR_EVER, MINUTE_MS, START_MS, Site, a_busy_day, flow, status, telemetry, terms

CLOCK = Clock(300_000, 90 * DAY_MS)
NEW_YEAR = date(2026, 1, 1)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A gateway with one contract of one device, and no messages yet."""
    with Site.open(tmp_path, air=terms()) as opened:
        yield opened


def test_missing_times_are_those_of_the_arrival(site: Site) -> None:
    """A device without a clock is billed by the gateway's."""
    site.receive(telemetry({"v": {"flow": 1.5}}, START_MS + 7))
    site.project()
    found = site.flows()
    assert (found.times.tolist(), found.ticks.tolist(), found.arrivals.tolist()) == (
        [START_MS + 7],
        [150],
        [START_MS + 7],
    )


def test_values_become_whole_steps_of_the_resolution(site: Site) -> None:
    """Numbers, large numbers and booleans are kept exactly as half-even multiples of what the sensor shows."""
    site.receive(*(flow(place, value) for place, value in enumerate((0.005, 0.015, 7, True, -2.675))))
    site.project()
    assert site.flows().ticks.tolist() == [0, 2, 700, 100, -268]


def test_a_value_too_large_is_refused_counted_and_listed(site: Site) -> None:
    """What cannot be counted exactly is not kept; the device is told, and the statement's count shows it."""
    site.receive(flow(3, 1e300), flow(4, 1))
    (step,) = site.project()
    assert site.flows().ticks.tolist() == [100]
    assert [(each.device, each.part) for each in step.rejections] == [("dev-1", "v.flow")]
    assert "2026-01-01T00:03:00.000Z is more than 2^53 steps of 0.01" in step.rejections[0].reason
    assert site.store.refused("dev-1", "flow", START_MS, START_MS + 3 * MINUTE_MS) == 0
    assert site.store.refused("dev-1", "flow", START_MS, START_MS + 3 * MINUTE_MS + 1) == 1
    assert site.store.refused("dev-1", "flow", START_MS, FOR_EVER, upto=0) == 0
    assert site.store.counts()[NEW_YEAR] == Counts(received=2, decoded=2, stored=1, refused=1)


def test_duplicates_and_conflicts_are_kept_for_judging(site: Site) -> None:
    """Projecting decides nothing: the second value of a moment is there to be reviewed."""
    site.receive(flow(0, 1), flow(0, 1), flow(0, 2))
    site.project()
    counts = judge(site.flows(), CLOCK).counts(0, FOR_EVER)
    assert (counts.accepted, counts.duplicate, counts.conflicting) == (1, 1, 1)


def test_a_reading_is_late_when_a_newer_one_of_its_channel_was_seen_before(site: Site) -> None:
    """Lateness is judged in the order of the journal, across steps, and other channels do not matter."""
    site.receive(flow(5, 1), telemetry({"t": START_MS + 9 * MINUTE_MS, "v": {"pages": 1}}, START_MS + 9 * MINUTE_MS))
    site.project()
    site.receive(flow(6, 1), flow(4, 1), flow(5, 1), flow(7, 1))
    site.project()
    found = site.flows()
    minutes = ((found.times - START_MS) // MINUTE_MS).tolist()
    assert list(zip(minutes, found.late.tolist(), strict=True)) == [
        (4, True), (5, False), (5, True), (6, False), (7, False)
    ]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 900), st.integers(0, 900)), max_size=60),
    st.lists(st.integers(0, 900), min_size=4, max_size=4),
)
def test_lateness_of_many_channels_is_the_lateness_of_each(
    drawn: list[tuple[int, int, int]], newest: list[int]
) -> None:
    """Judging all channels at once gives what judging them one by one gives."""
    clock = Clock(100, 500)
    base = 1_700_000_000_000
    owners = np.array([owner for owner, _, _ in drawn], np.int64)
    rows = np.zeros((5, len(drawn)), np.int64)
    rows[TIME] = [base + time for _, time, _ in drawn]
    rows[ARRIVAL] = [base + arrival for _, _, arrival in drawn]
    begun = np.array(newest, np.int64) + base
    together = late_of_many(owners, rows, begun, clock)
    for owner in range(4):
        mine = owners == owner
        alone = lateness(rows[TIME, mine], rows[ARRIVAL, mine], clock, int(begun[owner]))
        assert together[mine].astype(bool).tolist() == alone.tolist()


def test_every_message_and_reading_is_accounted_for(site: Site) -> None:
    """Received = decoded + rejected; what decoded messages hold = stored + refused + unassigned (semantics §8)."""
    messages = a_busy_day(1)
    site.receive(*messages)
    (step,) = site.project()
    days = site.store.counts()
    total = sum(days.values(), Counts())
    assert step.messages == len(messages) == total.received == total.decoded + total.rejected
    assert total.rejected == sum(1 for message in messages if message.payload == b'{"t": ')
    kept = sum(len(site.store.read("dev-1", channel, 0, FOR_EVER)) for channel in ("flow", "pages"))
    assert step.readings == kept == total.stored
    assert total.unassigned == sum(each.readings for each in site.store.unassigned())
    assert total.refused == sum(_lost(message) for message in messages)
    assert total.readings == total.stored + total.refused + total.unassigned
    judged = judge(site.flows(), CLOCK).counts(0, FOR_EVER)
    assert len(site.flows()) == judged.accepted + judged.duplicate + judged.conflicting + judged.quarantined


def _lost(message: Message) -> int:
    """How many readings of one of the busy day's messages cannot be kept, by looking at its text."""
    text = message.payload
    if message.topic == "telemetry/stranger":
        return 0
    return text.count(b"1e+300") + text.count(b'"t": 17,') + text.count(b'"many"')


def test_days_of_arrival_are_counted_apart(site: Site) -> None:
    """A day's list can be compared with what a device's maker says was sent that day."""
    site.receive(flow(0, 1), flow(1, 1, arrival_ms=START_MS + DAY_MS), Message("x", b"", START_MS + DAY_MS))
    site.project()
    assert site.store.counts() == {
        NEW_YEAR: Counts(received=1, decoded=1, stored=1),
        date(2026, 1, 2): Counts(received=2, decoded=1, rejected=1, stored=1),
    }


BAD = [
    ("telemetry/dev-1", b'{"t": 1767225600000, "v": {"flow": 1}'),
    ("telemetry/dev-1", b"\xff\xfe\x00"),
    ("telemetry/dev-1", b"[" * 100_000),
    ("telemetry/dev-1", b'{"a":' * 5_000),
    ("telemetry/dev-1", b'"hello"'),
    ("telemetry/dev-1", b'{"t": 1767225600, "v": {"flow": 1}}'),
    ("telemetry/dev-1", b'{"t": 1767225600000000, "v": {"flow": 1}}'),
    ("telemetry/dev-1", b'{"t": 31556889864403199, "v": {"flow": 1}}'),
    ("telemetry/dev-1", b'{"v": {"flow": "7.1"}}'),
    ("telemetry/dev-1", b'{"v": {"flow": NaN}}'),
    ("telemetry/dev-1", b'{"v": {"flow": 1' + b"0" * 400 + b"}}"),
    ("telemetry/dev-1", b'{"v": {"flow": 1e999}}'),
    ("telemetry/dev-1", b'{"v": {"\\ud800": 1}}'),
    ("telemetry/dev-1", b"[]"),
    ("telemetry/dev-1", b""),
    ("telemetry/a b/c", b'{"v": {"flow": 1}}'),
    ("telemetry/\udcff\udcfe", b'{"v": {"flow": 1}}'),
    ("\x00/\u202e", b"{}"),
    ("status/dev-1", b'{"online": "yes"}'),
    ("event/dev-1", b'{"type": "serviced", "by": NaN}'),
    ("event/dev-1", b'{"type": "serviced", "by": ' + b"[" * 900 + b"]" * 900 + b"}"),
    ("event/dev-1", b'{"type": ' + b"[" * 900 + b"]" * 900 + b"}"),
    ("event/dev-1", b'{"no": "type"}'),
    ("event/dev-1", b"[]"),
    ("event/dev-1", b'{"type": "serviced", "by": "Ann", "by": "Bob"}'),
]


@pytest.mark.parametrize(("topic", "payload"), BAD)
def test_every_bad_payload_leaves_a_row_with_a_reason(site: Site, topic: str, payload: bytes) -> None:
    """Silence is never the answer: what was not understood is listed with what its maker can do."""
    site.receive(Message(topic, payload, START_MS), flow(1, 1))
    (step,) = site.project()
    listed = site.store.rejected()
    assert list(step.rejections) == listed
    assert len(listed) == 1
    assert listed[0].reason
    assert listed[0].remedy
    assert (listed[0].position, listed[0].number) == (1, 0)
    assert len(site.flows()) == 1


def test_the_good_part_of_a_message_stands(site: Site) -> None:
    """One bad set of an array loses itself alone, and says where it stood."""
    sets = [
        {"t": START_MS, "v": {"flow": 1, "pages": "x"}},
        {"t": 5, "v": {"flow": 2}},
        {"t": START_MS + 1, "v": {"flow": 3}},
    ]
    site.receive(telemetry(sets, START_MS + 2))
    site.project()
    assert site.flows().ticks.tolist() == [100, 300]
    assert [each.part for each in site.store.rejected()] == ["[1].t", "[0].v.pages"]
    assert site.store.refused("dev-1", "pages", 0, FOR_EVER) == 1
    assert site.store.refused("dev-1", "flow", 0, FOR_EVER) == 1


def test_a_message_with_very_many_faults_is_listed_in_short(site: Site) -> None:
    """A broken device does not fill the list; the counts still have every reading it lost."""
    good = {"t": START_MS, "v": {"flow": 1}}
    site.receive(telemetry([good, *({"t": 5, "v": {"flow": 2}} for _ in range(500))], START_MS))
    (step,) = site.project()
    assert len(step.rejections) == 33
    assert "468 more parts" in step.rejections[-1].reason
    assert site.store.counts()[NEW_YEAR].refused == 500


def test_the_list_of_rejections_can_be_asked_by_day_and_device(site: Site) -> None:
    """A firmware engineer finds the own device's faults of a day, the latest first."""
    for hour, device in ((1, "dev-1"), (2, "dev-2"), (25, "dev-1"), (26, "dev-1")):
        site.receive(Message(f"telemetry/{device}", b"?", START_MS + hour * HOUR_MS))
    site.project()
    assert [each.position for each in site.store.rejected()] == [4, 3, 2, 1]
    assert [each.position for each in site.store.rejected(day=NEW_YEAR)] == [2, 1]
    assert [each.position for each in site.store.rejected(device="dev-1", limit=2)] == [4, 3]
    assert [each.position for each in site.store.rejected(day=NEW_YEAR, device="dev-1")] == [1]


def test_what_belongs_to_no_contract_is_listed_with_the_reason(site: Site) -> None:
    """A device that was forgotten in a contract shows, with how much it sent and since when."""
    site.receive(flow(0, 1, device="new-1"), flow(1, 1, device="new-1"), status(START_MS, device="new-2", online=True))
    site.receive(telemetry({"t": START_MS, "v": {"noise": 4, "flow": 1}}, START_MS + DAY_MS))
    site.project()
    listed = site.store.unassigned()
    assert [(each.device, each.channel, each.readings) for each in listed] == [
        ("dev-1", "noise", 1), ("new-1", "", 2), ("new-2", "", 0)
    ]  # fmt: skip
    assert listed[0].reason == "no contract of dev-1 names the channel noise"
    assert listed[1].reason == "no contract names the device new-1"
    assert (listed[1].day, listed[1].first_ms, listed[1].last_ms) == (
        NEW_YEAR,
        START_MS + 40,
        START_MS + MINUTE_MS + 40,
    )
    assert len(site.flows()) == 1


def test_a_device_added_to_a_contract_is_metered_from_its_first_reading(site: Site) -> None:
    """What arrived before anybody wrote the contract is not lost: after a rebuild it is as if it had been there."""
    site.receive(flow(0, 1, device="new-1", boot="a"), flow(1, 2, device="new-1", boot="b"), flow(0, 3))
    site.project()
    assert len(site.flows("new-1")) == 0
    (site.folder / "contracts" / "more.yaml").write_text(terms("INK", devices="new-1"))
    projector = site.projector()
    assert projector.needs_rebuild()
    with pytest.raises(ProjectionError, match="fairmeter rebuild"):
        projector.project_next()
    seen: list[int] = []
    projector.rebuild(lambda step: seen.append(step.position))
    assert seen == [1]
    assert not projector.needs_rebuild()
    assert site.flows("new-1").ticks.tolist() == [100, 200]
    assert site.store.boot_names("new-1") == ("a", "b")
    assert site.store.unassigned() == []


def test_a_restart_is_kept_with_the_reading_and_as_an_event(site: Site) -> None:
    """Metering sees which readings follow a restart; people see when it was. The first mark is no restart."""
    site.receive(flow(0, 1, boot="a"), flow(1, 1), flow(2, 1, boot="b"), flow(3, 1, boot="a"))
    site.receive(status(START_MS + 4 * MINUTE_MS, online=True, boot="b", t=START_MS + 4 * MINUTE_MS))
    site.project()
    found = site.flows()
    names = [found.boot_names[place] if place >= 0 else None for place in found.boots.tolist()]
    assert names == ["a", None, "b", "a"]
    events = site.store.device_events("dev-1", 0, FOR_EVER)
    assert [(each.kind, each.time_ms) for each in events] == [
        ("boot", START_MS + 2 * MINUTE_MS), ("online", START_MS + 4 * MINUTE_MS)
    ]  # fmt: skip


def test_another_meter_is_an_event_and_the_first_is_not(site: Site) -> None:
    """A meter exchange is a change of what is known, not the mere naming of a meter."""
    for minute, meter in ((0, "K1"), (1, "K1"), (2, None), (3, "K2")):
        site.receive(status(START_MS + minute * MINUTE_MS, online=True, t=START_MS + minute * MINUTE_MS, meter=meter))
        site.project()
    found = [each for each in site.store.device_events("dev-1", 0, FOR_EVER) if each.kind == "meter"]
    assert [(each.time_ms, each.details) for each in found] == [
        (START_MS + 3 * MINUTE_MS, {"before": "K1", "meter": "K2"})
    ]


def test_a_repeated_or_old_status_is_no_news(site: Site) -> None:
    """A retained copy, a redelivery or a copy overtaken on the way makes no second event and no false exchange."""
    first: dict[str, Any] = {"online": True, "t": START_MS, "meter": "K1"}
    second: dict[str, Any] = {"online": True, "t": START_MS + HOUR_MS, "meter": "K2"}
    site.receive(status(START_MS, **first), status(START_MS + 1, online=False))
    site.receive(status(START_MS + HOUR_MS, **second), status(START_MS + HOUR_MS + 1, **first))
    site.receive(status(START_MS + 2 * HOUR_MS, retained=True, **second))
    site.project()
    kinds = [each.kind for each in site.store.device_events("dev-1", 0, FOR_EVER)]
    assert kinds == ["online", "offline", "online", "meter"]


ANYTHING = st.one_of(
    st.binary(max_size=60),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*"tv", "boot", "type", "online",
            "meter", "id", "seq", "flow", "pages", "x y"]), inner, max_size=5),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode()),
)  # fmt: skip
TOPICS = st.sampled_from(["telemetry/dev-1", "status/dev-1", "event/dev-1", "telemetry/other", "", "a/\udc80"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TOPICS, ANYTHING), min_size=1, max_size=8))
def test_no_message_stops_the_projection(sent: list[tuple[str, bytes]]) -> None:
    """Whatever devices send, every message is decoded or rejected and the next one is taken."""
    with tempfile.TemporaryDirectory() as folder, Site.open(Path(folder), air=terms()) as site:
        site.receive(*(Message(topic, payload, START_MS) for topic, payload in sent))
        site.project()
        total = sum(site.store.counts().values(), Counts())
        assert total.received == len(sent) == total.decoded + total.rejected
