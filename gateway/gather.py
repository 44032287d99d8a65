"""Gathering: what messages of the journal come to, before anything is written.

Each message is decoded; values become ticks of the channel's resolution, times that are missing become those of the
arrival, and lateness is judged in the order of the journal (semantics §1). Whatever is not a reading of a contract is
counted and listed by its reason: not understood, too large, or of a device or channel that no contract names.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final, NamedTuple

import numpy as np

from contracts.periods import rfc3339
from contracts.readings import NO_BOOT, Clock, Flags, Ints, lateness, to_ticks
from contracts.units import DAY_MS
from gateway.block_format import NO_ROWS, Rows, marks
from gateway.blocks import BlockStore
from gateway.book import Book, ChannelRule, Key
from gateway.increment import Counts, DeviceEvent, EventKind, Increment, LastStatus, Rejection, Unassigned, date_of
from gateway.journal import Batch, Tip
from gateway.message import Message
from gateway.payloads import Column, Event, Layout, Refusal, Rejected, Status, Telemetry, decode

_MOST_PARTS: Final = 32  # of one message that are listed one by one when they are not understood
_EXCERPT_BYTES: Final = 200
_LONGEST_TEXT: Final = 300
_SERIES_BITS: Final = 43  # one channel's times, in ms, leave the bits above this one to the number of the channel
_MOST_SERIES: Final = 1 << 19


class _Source(NamedTuple):
    """A message, and where it stands in the journal."""

    position: int
    number: int
    message: Message


@dataclass(slots=True)
class _Pile:
    """Readings of the channels that share a rule, in journal order: a value per reading, and runs of one message."""

    rule: ChannelRule
    times: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    boots: list[int] = field(default_factory=list)
    by_arrival: list[bool] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    sources: list[_Source] = field(default_factory=list)


class Gathering:
    """What some batches come to, message by message; it only looks things up in the store."""

    def __init__(self, store: BlockStore, book: Book, layout: Layout) -> None:
        self._store = store
        self._book = book
        self._layout = layout
        self.readings = 0
        self._piles: dict[ChannelRule, _Pile] = {}
        self._places: dict[Key, tuple[_Pile, int] | None] = {}
        self._series: list[Key] = []
        self._boots: dict[str, dict[str | None, int]] = {}
        self._new_boots: list[tuple[str, int, str]] = []
        self._statuses: dict[str, LastStatus | None] = {}
        self._events: list[DeviceEvent] = []
        self._rejections: list[Rejection] = []
        self._refused: Counter[tuple[str, str, int, int]] = Counter()
        self._unassigned: dict[tuple[str, str, int], Unassigned] = {}
        self._counts: dict[int, Counter[str]] = {}

    def take(self, batch: Batch) -> None:
        """Add the messages of a batch."""
        for number, message in enumerate(batch.messages):
            self._take_message(_Source(batch.position, number, message))

    def _take_message(self, source: _Source) -> None:
        decoded = decode(source.message, self._layout)
        content, device = decoded.content, decoded.device
        tally = self._tally(source)
        tally["received"] += 1
        tally["rejected" if isinstance(content, Rejected) else "decoded"] += 1
        if decoded.refused:
            self._take_refused(decoded.refused, device, source, listed=not isinstance(content, Rejected))
        if isinstance(content, Rejected):
            self._reject(source, device, "", content.reason, content.remedy)
            return
        assert device is not None, "only a rejected message has no device"
        if isinstance(content, Telemetry):
            self._take_telemetry(content, device, source, tally)
        elif device not in self._book.devices:
            self._leave_unassigned(device, "", 0, source)
        elif isinstance(content, Status):
            self._take_status(content, device, source)
        else:
            self._take_event(content, device, source)

    def _take_telemetry(self, content: Telemetry, device: str, source: _Source, tally: Counter[str]) -> None:
        known = device in self._book.devices
        boots: list[str | None] | None = None
        codes: list[int] = []
        for channel, column in content.columns.items():
            count = len(column.times_ms)
            tally["given"] += count
            if not known:
                self._leave_unassigned(device, "", count, source)
                continue
            if column.boots is not boots:
                boots = column.boots
                codes = self._boot_places(device, column, source)
            key = (device, channel)
            found = self._places[key] if key in self._places else self._place(key)
            if found is None:
                self._leave_unassigned(device, channel, count, source)
                continue
            pile, owner = found
            pile.times += column.times_ms
            pile.values += column.values
            pile.boots += codes
            pile.by_arrival += column.by_arrival
            pile.owners.append(owner)
            pile.counts.append(count)
            pile.sources.append(source)
            self.readings += count

    def _place(self, key: Key) -> tuple[_Pile, int] | None:
        """Where the readings of a channel go: a pile, and the channel's number in the increment."""
        rule = self._book.channel(*key)
        if rule is None:
            self._places[key] = None
            return None
        pile = self._piles.setdefault(rule, _Pile(rule))
        place = self._places[key] = (pile, len(self._series))
        self._series.append(key)
        return place

    def _boot_places(self, device: str, column: Column, source: _Source) -> list[int]:
        """The place of each reading's restart mark; one not seen before is the device's next, and an event."""
        places = self._known_boots(device)
        if not places.keys() >= set(column.boots):
            for name, time_ms in zip(column.boots, column.times_ms, strict=True):
                if name not in places:
                    self._new_boot(device, name, time_ms, source)
        return [places[name] for name in column.boots]

    def _known_boots(self, device: str) -> dict[str | None, int]:
        if device not in self._boots:
            names = self._store.boot_names(device)
            self._boots[device] = {None: NO_BOOT, **{name: place for place, name in enumerate(names)}}
        return self._boots[device]

    def _new_boot(self, device: str, name: str | None, time_ms: int, source: _Source) -> None:
        assert name is not None, "no mark is in its place from the start"
        places = self._known_boots(device)
        places[name] = len(places) - 1
        self._new_boots.append((device, places[name], name))
        if places[name] > 0:
            self._happened(device, time_ms, "boot", name, {"boot": name}, source)

    def _take_status(self, status: Status, device: str, source: _Source) -> None:
        """A status that repeats what is known is no news, and one older than the last by its own clock never was."""
        if device not in self._statuses:
            self._statuses[device] = self._store.last_status(device)
        last = self._statuses[device] or LastStatus(not status.online)
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

    def _take_event(self, event: Event, device: str, source: _Source) -> None:
        details = {**event.fields, "type": event.type, "by": event.by, "note": event.note}
        try:
            json.dumps(details, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            reason = "the event holds something that is not plain JSON, or is nested too deep"
            self._reject(source, device, "", reason, "send numbers, texts, lists and objects, a few levels deep")
            tally = self._tally(source)
            tally["decoded"] -= 1
            tally["rejected"] += 1
            return
        self._happened(device, event.time_ms, "event", event.id, details, source)

    def _happened(
        self, device: str, time_ms: int, kind: EventKind, identity: str, details: dict[str, Any], source: _Source
    ) -> None:
        self._events.append(DeviceEvent(device, time_ms, kind, identity, details, source.position))

    # --- what is not metered ----------------------------------------------------------------------------------------

    def _take_refused(self, refused: tuple[Refusal, ...], device: str | None, source: _Source, *, listed: bool) -> None:
        """Count the readings lost; list the parts one by one, unless the whole message is listed."""
        tally = self._tally(source)
        for refusal in refused:
            tally["given"] += len(refusal.channels)
            tally["refused"] += len(refusal.channels)
            for channel in refusal.channels:
                if device is not None and self._book.channel(device, channel) is not None:
                    self._refused[device, channel, source.message.arrival_ms, source.position] += 1
        for refusal in refused[:_MOST_PARTS] if listed else ():
            self._reject(source, device, refusal.where, refusal.reason, refusal.remedy)
        if listed and len(refused) > _MOST_PARTS:
            more = f"{len(refused) - _MOST_PARTS} more parts of this message were not understood"
            self._reject(source, device, "", more, "mend those that are listed first")

    def _reject(self, source: _Source, device: str | None, part: str, reason: str, remedy: str) -> None:
        message = source.message
        excerpt = message.payload[:_EXCERPT_BYTES].decode("utf-8", "replace")
        texts = (_printable(text) for text in (part, reason, remedy, excerpt))
        topic = _printable(message.topic)
        found = Rejection(source.position, source.number, message.arrival_ms, topic, device, *texts)
        self._rejections.append(found)

    def _leave_unassigned(self, device: str, channel: str, readings: int, source: _Source) -> None:
        self._tally(source)["unassigned"] += readings
        arrival_ms = source.message.arrival_ms
        day = arrival_ms // DAY_MS
        before = self._unassigned.get((device, channel, day))
        if before is None:
            before = Unassigned(device, channel, date_of(day), 0, arrival_ms, arrival_ms)
        after = replace(before, readings=before.readings + readings, last_ms=arrival_ms)
        self._unassigned[device, channel, day] = after

    def _tally(self, source: _Source) -> Counter[str]:
        day = source.message.arrival_ms // DAY_MS
        if day not in self._counts:
            self._counts[day] = Counter()
        return self._counts[day]

    # --- the increment ----------------------------------------------------------------------------------------------

    def increment(self, before: Tip, after: Tip) -> Increment:
        """All that was gathered, as one value to be committed."""
        assert len(self._series) < _MOST_SERIES, "a transaction has fewer readings than this"
        newest = np.array([self._store.newest_ms(*key) for key in self._series], np.int64)
        settled = [self._settle(pile, newest) for pile in self._piles.values()]
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
            self._rejections,
            self._refused,
            list(self._unassigned.values()),
            dict(self._days()),
        )

    def _settle(self, pile: _Pile, newest: Ints) -> tuple[Ints, Rows]:
        """The readings of a pile as rows, and the channel of each; `newest` is moved on."""
        ticks, too_large = to_ticks(pile.values, pile.rule.resolution)
        counts = np.array(pile.counts, np.int64)
        owners = np.repeat(np.array(pile.owners, np.int64), counts)
        arrivals = np.repeat(np.array([source.message.arrival_ms for source in pile.sources], np.int64), counts)
        positions = np.repeat(np.array([source.position for source in pile.sources], np.int64), counts)
        times, boots = np.array(pile.times, np.int64), np.array(pile.boots, np.int64)
        by_arrival = np.array(pile.by_arrival, np.bool_)
        if too_large.any():
            self._refuse_large(pile, counts, too_large)
        kept = ~too_large
        late = np.zeros(len(times), np.bool_)
        late[kept] = late_of_many(owners[kept], times[kept], arrivals[kept], newest, pile.rule.clock)
        rows = np.stack([times, ticks, arrivals, positions, marks(boots, by_arrival, late)])
        judged = kept & ~pile.rule.clock.refuses(times, arrivals)
        np.maximum.at(newest, owners[judged], times[judged])
        self._count_stored(pile, counts, kept)
        return owners[kept], rows[:, kept]

    def _refuse_large(self, pile: _Pile, counts: Ints, too_large: Flags) -> None:
        runs = np.repeat(np.arange(len(counts)), counts)
        for place in np.flatnonzero(too_large).tolist():
            run = int(runs[place])
            source, (device, channel) = pile.sources[run], self._series[pile.owners[run]]
            time_ms = pile.times[place]
            self._refused[device, channel, time_ms, source.position] += 1
            self._tally(source)["refused"] += 1
            reason = f"the value at {rfc3339(time_ms)} is more than 2^53 steps of {pile.rule.resolution}"
            remedy = "send a smaller value, or agree on a larger resolution"
            self._reject(source, device, f"v.{channel}", reason, remedy)

    def _count_stored(self, pile: _Pile, counts: Ints, kept: Flags) -> None:
        runs = np.repeat(np.arange(len(counts)), counts)[kept]
        stored = np.bincount(runs, minlength=len(counts)).tolist()
        for source, readings in zip(pile.sources, stored, strict=True):
            self._tally(source)["stored"] += readings

    def _days(self) -> Iterator[tuple[date, Counts]]:
        for day, tally in sorted(self._counts.items()):
            yield date_of(day), Counts(**tally)


def late_of_many(owners: Ints, times: Ints, arrivals: Ints, newest: Ints, clock: Clock) -> Flags:
    """`contracts.readings.lateness` for the readings of many channels at once.

    Each channel gets a stretch of its own on one long axis of time, which begins with the newest already seen of it;
    readings are given in order of arrival within each channel.
    """
    every = np.concatenate([np.arange(len(newest)), owners])
    order = np.argsort(every, kind="stable")
    shift = every[order] << _SERIES_BITS
    shifted_times = np.concatenate([newest, times])[order] + shift
    shifted_arrivals = np.concatenate([newest, arrivals])[order] + shift
    late = np.empty(len(every), np.bool_)
    late[order] = lateness(shifted_times, shifted_arrivals, clock)
    return late[len(newest) :]


def _printable(text: str) -> str:
    """A text as lists show it: not longer than a line or two, and in UTF-8 whatever it was."""
    return text[:_LONGEST_TEXT].encode("utf-8", "backslashreplace").decode("utf-8")
