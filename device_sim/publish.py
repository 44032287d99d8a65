"""Publishing a scenario: every device speaks for itself, as its own MQTT client, at its own pace.

History goes out with its original times in arrays, as fast as the broker acknowledges; live goes on with real time.
Both are cut from the same stream, so a live device carries on where its history ended, whatever happened to it.
"""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from device_sim.days import DAY_MS
from device_sim.entries import Entry, between, entries
from device_sim.faults import place, told
from device_sim.link import Broker, Card, Message, at_once, deliver, encode, now_ms, stopped_within
from device_sim.scenario import Scenario
from device_sim.telemetry import Fate, ReadingSet

MAX_SETS_PER_MESSAGE = 2_000
LONGEST_LIVE_MS = 366 * DAY_MS


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one device has come: messages and readings acknowledged, and the time of the newest reading in them."""

    device: str
    messages: int
    readings: int
    reached_ms: int


@dataclass(frozen=True, slots=True)
class Published:
    """What went out and was acknowledged; a reading is one value of one channel, an event what somebody entered.

    `faults` counts, by kind, the reading sets a fault touched, those that were never sent among them.
    """

    messages: int = 0
    readings: int = 0
    events: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """One device's count as its messages are acknowledged."""

    device: str
    progress: Callable[[Progress], None] | None
    messages: int = 0
    readings: int = 0
    events: int = 0
    reached_ms: int = 0

    def delivered(self, message: Message) -> None:
        """Count a message that was acknowledged, and tell how far the device has come."""
        self.messages += 1
        self.readings += message.readings
        self.events += message.purpose == "event"
        self.reached_ms = max(self.reached_ms, message.reached_ms)
        if self.progress is not None:
            self.progress(Progress(self.device, self.messages, self.readings, self.reached_ms))


@dataclass(slots=True)
class _FaultTally(Tally):
    """The same, with the faults that were met on the way."""

    faults: Counter[str] = field(default_factory=Counter)

    def met(self, stream: Iterable[ReadingSet]) -> Iterator[ReadingSet]:
        """The same stream, its faults counted as it passes."""
        for one in stream:
            self.faults.update(one.faults)
            yield one


async def publish_history(
    scenario: Scenario,
    broker: Broker,
    start_ms: int,
    end_ms: int,
    *,
    sets_per_message: int = 60,
    progress: Callable[[Progress], None] | None = None,
    hold_back_late: bool = True,
    period_start_ms: int | None = None,
) -> Published:
    """Publish all that the devices report, and people enter, in [start_ms, end_ms); return when it is acknowledged.

    Faults and events are placed from `period_start_ms`, by default the start. Late batches stay behind for
    `publish_late`, unless `hold_back_late` is false. LinkError when the broker cannot be reached.
    """
    period_ms = start_ms if period_start_ms is None else period_start_ms
    leaving = {Fate.SENT} if hold_back_late else {Fate.SENT, Fate.LATE}
    tallies = [_FaultTally(device.id, progress) for device in scenario.devices]
    sending = []
    for tally in tallies:
        stream = tally.met(told(scenario, tally.device, start_ms, end_ms, period_ms))
        entered = entries(scenario, tally.device, start_ms, end_ms, period_ms)
        messages = pack(between((one for one in stream if one.fate in leaving), entered), sets_per_message)
        card = _card(scenario, tally.device, end_ms - 1, period_ms)
        sending.append(deliver(broker, card, at_once(messages), tally.delivered))
    await _together(sending)
    return _sum(tallies)


async def publish_late(
    scenario: Scenario,
    broker: Broker,
    start_ms: int,
    end_ms: int,
    *,
    sets_per_message: int = 60,
    period_start_ms: int | None = None,
) -> Published:
    """Publish the late batches of [start_ms, end_ms) that `publish_history` held back."""
    period_ms = start_ms if period_start_ms is None else period_start_ms
    tallies, sending = [], []
    for device in scenario.devices:
        if not any(one.fault.kind == "late_batch" for one in place(scenario, device.id, period_ms)):
            continue
        tally = _FaultTally(device.id, None)
        late = tally.met(_withheld(scenario, device.id, start_ms, end_ms, period_ms))
        card = _card(scenario, device.id, end_ms - 1, period_ms)
        tallies.append(tally)
        sending.append(deliver(broker, card, at_once(pack(late, sets_per_message)), tally.delivered))
    await _together(sending)
    return _sum(tallies)


def _withheld(scenario: Scenario, device_id: str, start_ms: int, end_ms: int, period_ms: int) -> Iterator[ReadingSet]:
    for placed in place(scenario, device_id, period_ms):
        if placed.fault.kind == "late_batch":
            batch = told(scenario, device_id, max(start_ms, placed.start_ms), min(end_ms, placed.end_ms), period_ms)
            yield from (one for one in batch if one.fate is Fate.LATE)


async def publish_live(
    scenario: Scenario,
    broker: Broker,
    stop: asyncio.Event,
    *,
    interval_ms: int | None = None,
    period_start_ms: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Published:
    """Report in real time, one message for each reading set, until `stop` is set; a lost broker is tried for ever.

    `interval_ms` replaces the devices' own interval. Faults and events are placed from `period_start_ms`, the start of
    the history that went before, and go on or happen when their time has come; without it there are none.
    """
    if period_start_ms is None:
        scenario = scenario.model_copy(update={"faults": [], "events": []})
    if interval_ms is not None:
        devices = [device.model_copy(update={"interval": interval_ms}) for device in scenario.devices]
        scenario = scenario.model_copy(update={"devices": devices})
    now = now_ms()
    period_ms = now if period_start_ms is None else period_start_ms
    tallies = [_FaultTally(device.id, progress) for device in scenario.devices]
    sending = []
    for tally in tallies:
        stream = tally.met(told(scenario, tally.device, now, now + LONGEST_LIVE_MS, period_ms))
        card = _card(scenario, tally.device, now, period_ms)
        entered = entries(scenario, tally.device, now, now + LONGEST_LIVE_MS, period_ms)
        windows = _as_time_goes(between((one for one in stream if one.fate is Fate.SENT), entered), stop)
        sending.append(deliver(broker, card, windows, tally.delivered, stop=stop, patience_s=math.inf))
    await _together(sending)
    return _sum(tallies)


def pack(stream: Iterable[ReadingSet | Entry], sets_per_message: int) -> Iterator[Message]:
    """Messages of at most so many sets, in the stream's order; an entry, or a set that wants to be, is alone in one."""
    if not 1 <= sets_per_message <= MAX_SETS_PER_MESSAGE:
        raise ValueError(f"sets_per_message must be between 1 and {MAX_SETS_PER_MESSAGE}, not {sets_per_message}")
    waiting: list[ReadingSet] = []
    for one in stream:
        alone = isinstance(one, Entry) or one.alone
        if waiting and (alone or len(waiting) == sets_per_message):
            yield _message(waiting)
            waiting = []
        if isinstance(one, Entry):
            yield _event(one)
        elif alone:
            yield _message([one])
        else:
            waiting.append(one)
    if waiting:
        yield _message(waiting)


def _message(sets: list[ReadingSet]) -> Message:
    payloads = [one.payload() for one in sets]
    readings = sum(len(one.values) for one in sets)
    return Message(encode(payloads if len(sets) > 1 else payloads[0]), readings, max(one.happened_ms for one in sets))


def _event(entry: Entry) -> Message:
    return Message(encode(entry.payload), 0, entry.entered_ms, "event")


async def _as_time_goes(stream: Iterable[ReadingSet | Entry], stop: asyncio.Event) -> AsyncIterator[list[Message]]:
    """One message after another, each when its set is ready to leave, or its entry made."""
    for one in stream:
        due_ms = one.entered_ms if isinstance(one, Entry) else one.ready_ms
        await stopped_within(stop, max(0.0, (due_ms - now_ms()) / 1_000))
        if stop.is_set():
            return
        yield [_event(one) if isinstance(one, Entry) else _message([one])]


async def _together(sending: Iterable[Coroutine[None, None, None]]) -> None:
    """All at once; the first failure ends the others and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in sending:
                group.create_task(one)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _card(scenario: Scenario, device_id: str, t_ms: int, period_ms: int) -> Card:
    """The device's card with the boot id it has at this moment."""
    device = scenario.device(device_id)
    latest = next(told(scenario, device_id, t_ms + 1 - device.interval, t_ms + 1, period_ms))
    return Card(device.id, latest.boot, device.meter, device.firmware)


def _sum(tallies: Iterable[_FaultTally]) -> Published:
    messages = readings = events = 0
    faults: Counter[str] = Counter()
    for tally in tallies:
        messages += tally.messages
        readings += tally.readings
        events += tally.events
        faults.update(tally.faults)
    return Published(messages, readings, events, dict(faults))
