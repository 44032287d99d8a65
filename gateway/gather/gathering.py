"""Gathering: what messages of the journal come to, before anything is written.

Each message is decoded; values become ticks of the channel's resolution, times that are missing become those of the
arrival, and lateness is judged in the order of the journal (semantics §1). Whatever is not a reading of a contract is
counted and listed by its reason: not understood, too large, or of a device or channel that no contract names.
"""

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any, Final

import numpy as np
import orjson

from contracts.event_text import Refused
from contracts.events import Event
from contracts.periods import rfc3339
from contracts.readings import NO_BOOT, Ints
from contracts.units import DAY_MS
from gateway.block_format import ARRIVAL, LATE, MARK, NO_ROWS, TIME, Rows
from gateway.blocks import BlockStore
from gateway.book import Book, ChannelRule, Key
from gateway.gather.piles import (
    MOST_SERIES,
    Form,
    Pile,
    Reporter,
    Sets,
    Source,
    Stretches,
    as_arrays,
    late_of_many,
    spread,
)
from gateway.hearing import Hearing
from gateway.increment import Counts, DeviceEvent, EventKind, Increment, LastStatus, Rejection, Unassigned, date_of
from gateway.journal import Batch, Tip
from gateway.message import Kind, Message
from gateway.payloads import Column, Layout, Refusal, Rejected, Status, Telemetry, decode
from gateway.payloads.decoded import Fault
from gateway.payloads.event import rejected_for
from gateway.payloads.fields import channel_fault
from gateway.payloads.plain import plain_list, plain_set

_MOST_PARTS: Final = 32  # of one message that are listed one by one when they are not understood
_EXCERPT_BYTES: Final = 200
_LONGEST_TEXT: Final = 300
_MQTT: Final = Kind.MQTT


class Gathering:
    """What some batches come to, message by message; it only looks things up in the store."""

    def __init__(self, store: BlockStore, book: Book, layout: Layout) -> None:
        self._store = store
        self._book = book
        self._layout = layout
        self.readings = 0
        self.payload_bytes = 0
        self._sets = Sets()
        self._piles: dict[ChannelRule, Pile] = {}
        self._places: dict[str, dict[str, tuple[Pile, int]]] = {}
        self._series: list[Key] = []
        self._reporters: dict[str, Reporter | None] = {}
        self._plain: defaultdict[int, int] = defaultdict(int)
        self._boots: dict[str, dict[str | None, int]] = {}
        self._new_boots: list[tuple[str, int, str]] = []
        self._statuses: dict[str, LastStatus | None] = {}
        self._events: list[DeviceEvent] = []
        self._hearing = Hearing(store, book)
        self._rejections: list[Rejection] = []
        self._too_large: list[Rejection] = []  # found later than the others, and in another order
        self._refused: Counter[tuple[str, str, int, int]] = Counter()
        self._unassigned: dict[tuple[str, str, int], Unassigned] = {}
        self._counts: dict[int, Counter[str]] = {}

    def take(self, batch: Batch) -> None:
        """Add the messages of a batch."""
        position = batch.position
        for number, message in enumerate(batch.messages):
            if not self._take_plain(position, number, message):
                self._take_message(Source(position, number, message))

    # --- the short way ----------------------------------------------------------------------------------------------

    def _take_plain(self, position: int, number: int, message: Message) -> bool:
        """Take a message of plain readings that are all metered; False, and nothing taken, for any other.

        Nearly every message is one, so this way makes as few objects as it can. The readings are those that
        `_take_message` would take.
        """
        topic, payload, arrival_ms, kind, _, cut = message
        try:
            reporter = self._reporters[topic]
        except KeyError:
            reporter = self._reporters[topic] = self._reporter(topic)
        if reporter is None or kind is not _MQTT or cut is not None:
            return False
        try:
            document = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return False
        take = self._take_plain_list if type(document) is list else self._take_plain_set
        if not take(reporter, document, payload.count(b":")):
            return False
        self._sets.sources.append((position, number, message))
        self._plain[arrival_ms // DAY_MS] += 1
        self.payload_bytes += len(payload)
        return True

    def _take_plain_set(self, reporter: Reporter, document: Any, colons: int) -> bool:
        if (plain := plain_set(document, colons)) is None:
            return False
        moment, boot, values, _ = plain
        names = tuple(values)
        form = reporter.forms.get(names) or self._form(reporter, names)
        if form is None or (place := reporter.boots.get(boot)) is None:
            return False
        sets = self._sets
        form.values += values.values()
        form.stretches.append(len(sets.counts))
        sets.times.append(moment)
        sets.boots.append(place)
        sets.by_arrival.append(False)
        sets.counts.append(1)
        self.readings += len(names)
        return True

    def _take_plain_list(self, reporter: Reporter, document: Any, colons: int) -> bool:
        if (plain := plain_list(document, colons)) is None:
            return False
        times, boots, columns, _ = plain
        form = reporter.forms.get(tuple(columns)) or self._form(reporter, tuple(columns))
        if form is None or not reporter.boots.keys() >= set(boots):
            return False
        sets, count = self._sets, len(times)
        for (pile, owner), column in zip(form.places, columns.values(), strict=True):
            pile.values += column
            pile.owners.append(owner)
            pile.stretches.append(len(sets.counts))
        sets.times += times
        sets.boots += [reporter.boots[boot] for boot in boots]
        sets.by_arrival += [False] * count
        sets.counts.append(count)
        self.readings += count * len(columns)
        return True

    def _reporter(self, topic: str) -> Reporter | None:
        """The metered device whose telemetry in our own shape comes on a topic, if there is one."""
        address = self._layout.address(topic)
        if isinstance(address, Fault) or address[0] != "telemetry" or self._layout.shape is not None:
            return None
        device = address[1]
        return Reporter(device, self._known_boots(device)) if device in self._book.devices else None

    def _form(self, reporter: Reporter, channels: tuple[str, ...]) -> Form | None:
        """Where plain messages of these channels go; None where one of them is not metered."""
        device = reporter.device
        if any(map(channel_fault, channels)) or not all(self._book.channel(device, each) for each in channels):
            return None
        known = self._places.setdefault(device, {})
        found = [known.get(channel) or self._place(device, channel) for channel in channels]
        form = reporter.forms[channels] = Form([place for place in found if place is not None])
        return form

    # --- any message ------------------------------------------------------------------------------------------------

    def _take_message(self, source: Source) -> None:
        decoded = decode(source.message, self._layout)
        content, device = decoded.content, decoded.device
        tally = self._tally(source.message.arrival_ms)
        tally["received"] += 1
        self.payload_bytes += len(source.message.payload)
        if decoded.refused:
            self._take_refused(decoded.refused, device, source, listed=not isinstance(content, Rejected))
        if isinstance(content, Event):
            content = self._hear(content, source.position)
        if isinstance(content, Rejected):
            tally["rejected"] += 1
            self._rejections.append(_rejection(source, device, "", content.reason, content.remedy))
            return
        tally["decoded"] += 1
        if isinstance(content, Event):
            return
        assert device is not None, "only a rejected message has no device"
        if device not in self._book.devices:
            self._leave_unassigned(device, "", _readings_in(content), source)
        elif isinstance(content, Telemetry):
            self._take_telemetry(content, device, source)
        else:
            self._take_status(content, device, source)

    def _take_telemetry(self, content: Telemetry, device: str, source: Source) -> None:
        places = self._places.setdefault(device, {})
        last: Column | None = None
        for channel, column in content.columns.items():
            if last is None or column.times_ms is not last.times_ms or column.boots is not last.boots:
                last = column
                self._take_sets(column, device, source)
            found = places.get(channel) or self._place(device, channel)
            if found is None:
                self._leave_unassigned(device, channel, len(column.values), source)
                continue
            pile, owner = found
            pile.values += column.values
            pile.owners.append(owner)
            pile.stretches.append(len(self._sets.counts) - 1)
            self.readings += len(column.values)

    def _take_sets(self, column: Column, device: str, source: Source) -> None:
        """Add a stretch of sets; a restart mark not seen before is the device's next, and an event."""
        places = self._known_boots(device)
        try:
            boots = [places[name] for name in column.boots]
        except KeyError:
            for name, time_ms in zip(column.boots, column.times_ms, strict=True):
                if name is not None and name not in places:
                    self._new_boot(device, name, time_ms, source)
            boots = [places[name] for name in column.boots]
        sets = self._sets
        sets.times += column.times_ms
        sets.boots += boots
        sets.by_arrival += column.by_arrival
        sets.counts.append(len(boots))
        sets.sources.append(source)

    def _place(self, device: str, channel: str) -> tuple[Pile, int] | None:
        """Where the readings of a channel go: a pile, and the channel's number in the increment."""
        rule = self._book.channel(device, channel)
        if rule is None:
            return None
        pile = self._piles.setdefault(rule, Pile(rule))
        place = self._places[device][channel] = (pile, len(self._series))
        self._series.append((device, channel))
        return place

    def _known_boots(self, device: str) -> dict[str | None, int]:
        if device not in self._boots:
            names = self._store.boot_names(device)
            self._boots[device] = {None: NO_BOOT, **{name: place for place, name in enumerate(names)}}
        return self._boots[device]

    def _new_boot(self, device: str, name: str, time_ms: int, source: Source) -> None:
        places = self._known_boots(device)
        places[name] = len(places) - 1
        self._new_boots.append((device, places[name], name))
        if places[name] > 0:
            self._happened(device, time_ms, "boot", name, {"boot": name}, source)

    def _take_status(self, status: Status, device: str, source: Source) -> None:
        """A status that repeats what is known is no news, and one older than the last by its own clock never was."""
        if device not in self._statuses:
            self._statuses[device] = self._store.last_status(device)
        last = self._statuses[device] or LastStatus(not status.online)  # the first of a device is always news
        said_ms = 0 if status.by_arrival else min(status.time_ms, source.message.arrival_ms)
        if not status.by_arrival and said_ms < last.said_ms:
            return
        identity = f"{source.position}/{source.number}"
        if status.online != last.online:
            kind: EventKind = "online" if status.online else "offline"
            self._happened(device, status.time_ms, kind, identity, {"firmware": status.firmware}, source)
        if status.boot is not None and status.boot not in self._known_boots(device):
            self._new_boot(device, status.boot, status.time_ms, source)
        if status.meter is not None and last.meter is not None and status.meter != last.meter:
            details = {"meter": status.meter, "before": last.meter}
            self._happened(device, status.time_ms, "meter", identity, details, source)
        meter = status.meter or last.meter
        self._statuses[device] = LastStatus(status.online, max(said_ms, last.said_ms), meter)

    def _hear(self, event: Event, position: int) -> Event | Rejected:
        try:
            self._hearing.hear(event, position)
        except Refused as refused:
            return rejected_for(*refused.faults)
        return event

    def _happened(
        self, device: str, time_ms: int, kind: EventKind, identity: str, details: dict[str, Any], source: Source
    ) -> None:
        self._events.append(DeviceEvent(device, time_ms, kind, identity, details, source.position))

    # --- what is not metered ----------------------------------------------------------------------------------------

    def _take_refused(self, refused: tuple[Refusal, ...], device: str | None, source: Source, *, listed: bool) -> None:
        """Count the readings lost; list the parts one by one, unless the whole message is listed."""
        tally = self._tally(source.message.arrival_ms)
        for refusal in refused:
            tally["refused"] += len(refusal.channels)
            for channel in refusal.channels:
                if device is not None and self._book.channel(device, channel) is not None:
                    self._refused[device, channel, source.message.arrival_ms, source.position] += 1
        if not listed:
            return
        for refusal in refused[:_MOST_PARTS]:
            self._rejections.append(_rejection(source, device, refusal.where, refusal.reason, refusal.remedy))
        if len(refused) > _MOST_PARTS:
            more = f"{len(refused) - _MOST_PARTS} more parts of this message were not understood"
            self._rejections.append(_rejection(source, device, "", more, "mend those that are listed first"))

    def _leave_unassigned(self, device: str, channel: str, readings: int, source: Source) -> None:
        arrival_ms = source.message.arrival_ms
        self._tally(arrival_ms)["unassigned"] += readings
        day = arrival_ms // DAY_MS
        before = self._unassigned.get((device, channel, day))
        if before is None:
            before = Unassigned(device, channel, date_of(day), 0, arrival_ms, arrival_ms)
        after = replace(before, readings=before.readings + readings, last_ms=arrival_ms)
        self._unassigned[device, channel, day] = after

    def _tally(self, arrival_ms: int) -> Counter[str]:
        day = arrival_ms // DAY_MS
        if day not in self._counts:
            self._counts[day] = Counter()
        return self._counts[day]

    # --- the increment ----------------------------------------------------------------------------------------------

    def increment(self, before: Tip, after: Tip) -> Increment:
        """All that was gathered, as one value to be committed."""
        for day, messages in self._plain.items():
            self._counts.setdefault(day, Counter()).update(received=messages, decoded=messages)
        for reporter in filter(None, self._reporters.values()):
            for form in reporter.forms.values():
                form.pour()
        assert len(self._series) < MOST_SERIES, "a transaction has fewer readings than this"
        newest = np.array([self._store.newest_ms(*key) for key in self._series], np.int64)
        stretches = as_arrays(self._sets)
        settled = [self._settle(pile, stretches, newest) for pile in self._piles.values()]
        return Increment(
            before,
            after,
            self._series,
            newest.tolist(),
            np.concatenate([np.empty(0, np.int64), *(owners for owners, _ in settled)]),
            np.concatenate([NO_ROWS, *(rows for _, rows in settled)], axis=1),
            self._new_boots,
            {device: last for device, last in self._statuses.items() if last is not None},
            self._events,
            list(self._hearing.heard.values()),
            self._in_order(),
            self._refused,
            list(self._unassigned.values()),
            {date_of(day): Counts(**tally) for day, tally in self._counts.items()},
        )

    def _settle(self, pile: Pile, stretches: Stretches, newest: Ints) -> tuple[Ints, Rows]:
        """The readings of a pile as rows, and the channel of each; `newest` is moved on."""
        owners, rows, too_large, stretch = spread(pile, stretches)
        if too_large.any():
            for place in np.flatnonzero(too_large).tolist():
                source = Source(*self._sets.sources[stretch[place]])
                self._refuse_large(source, int(rows[TIME, place]), owners[place], pile.rule)
            rows, owners = rows[:, ~too_large], owners[~too_large]
        rows[MARK] |= late_of_many(owners, rows, newest, pile.rule.clock) * LATE
        seen = ~pile.rule.clock.refuses(rows[TIME], rows[ARRIVAL])
        np.maximum.at(newest, owners[seen], rows[TIME, seen])
        days, stored = np.unique(rows[ARRIVAL] // DAY_MS, return_counts=True)
        for day, readings in zip(days.tolist(), stored.tolist(), strict=True):
            self._counts[day]["stored"] += readings
        return owners, rows

    def _refuse_large(self, source: Source, time_ms: int, owner: int, rule: ChannelRule) -> None:
        device, channel = self._series[owner]
        self._refused[device, channel, time_ms, source.position] += 1
        self._tally(source.message.arrival_ms)["refused"] += 1
        reason = f"the value at {rfc3339(time_ms)} is more than 2^53 steps of {rule.resolution}"
        remedy = "send a smaller value, or agree on a larger resolution"
        self._too_large.append(_rejection(source, device, f"v.{channel}", reason, remedy))

    def _in_order(self) -> list[Rejection]:
        """The rejections by message; which of them came out first depends on how the journal was cut into steps."""
        large = sorted(self._too_large, key=lambda each: (each.part, each.reason))
        return sorted(self._rejections + large, key=lambda each: (each.position, each.number))


def _readings_in(content: Telemetry | Status) -> int:
    if not isinstance(content, Telemetry):
        return 0
    return sum(len(column.values) for column in content.columns.values())


def _rejection(source: Source, device: str | None, part: str, reason: str, remedy: str) -> Rejection:
    message = source.message
    excerpt = message.payload[:_EXCERPT_BYTES].decode("utf-8", "replace")
    texts = (_printable(text) for text in (part, reason, remedy, excerpt))
    return Rejection(source.position, source.number, message.arrival_ms, _printable(message.topic), device, *texts)


def _printable(text: str) -> str:
    """A text as lists show it: not longer than a line or two, and in UTF-8 whatever it was."""
    return text[:_LONGEST_TEXT].encode("utf-8", "backslashreplace").decode("utf-8")
