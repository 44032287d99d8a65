"""Readings: which of them stand, in which order they came, and how long each value holds (semantics §1 and §3)."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from tests.oracle.events import Event
from tests.oracle.terms import Terms, duration_ms, hold_text, resolution


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a readings file: times in UTC milliseconds, the value as written."""

    device: str
    channel: str
    time: int
    value: str
    boot: str | None = None
    arrival: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A row, its ticks, its fate (`standing`, `duplicate`, `conflicting` or `clock`), and whether it came late."""

    row: Row
    ticks: int
    fate: str
    late: bool


@dataclass(frozen=True, slots=True)
class Held:
    """A value in ticks, read at `time`, that is known from `start` up to, not including, `end`."""

    time: int
    start: int
    end: int
    ticks: int


Source = tuple[str, str]
"""A device and one of its channels."""

Identity = tuple[str, str, int]
"""A device, one of its channels and a moment."""


@cache
def ticks_of(value: str, step: str) -> int:
    """Return a value as a whole number of its channel's resolution, halves to even."""
    return round(Fraction(value) / Fraction(step))


def clock_is_wrong(terms: Terms, row: Row) -> bool:
    """Tell whether a reading is too far ahead of its arrival, or older than corrections reach."""
    if row.arrival is None:
        return False
    ahead = duration_ms(terms.get("data", {}).get("clock_ahead", "5m"))
    oldest = duration_ms(terms.get("corrections", "90d"))
    return row.time > row.arrival + ahead or row.time < row.arrival - oldest


def decided_values(terms: Terms, rows: list[Row], events: list[Event]) -> dict[Identity, dict[int, str]]:
    """Return what people decided of readings: the last decision of each value, in the order of these decisions.

    A decision without a value is of the conflict, where there is one: of the second value that came.
    """
    decided: dict[Identity, dict[int, str]] = {}
    for event in events:
        if event.type != "decision" or "of" in event.record:
            continue
        identity = (str(event.device), event.record["channel"], event.start)
        step = resolution(terms, identity[1])
        came = [ticks_of(row.value, step) for row in rows if (row.device, row.channel, row.time) == identity]
        if came:
            second = next((ticks for ticks in came if ticks != came[0]), came[0])
            ticks = ticks_of(str(event.record["value"]), step) if "value" in event.record else second
            values = decided.setdefault(identity, {})
            values.pop(ticks, None)
            values[ticks] = event.record["verdict"]
    return decided


def journal_of(terms: Terms, rows: list[Row]) -> list[Row]:
    """Return the rows of declared devices and channels in the order in which they came."""
    devices = {d["id"] for d in terms["devices"]}
    known = [row for row in rows if row.device in devices and row.channel in terms["channels"]]
    return sorted(known, key=lambda row: -1 if row.arrival is None else row.arrival)


def judge_rows(terms: Terms, rows: list[Row], events: list[Event]) -> list[Judged]:
    """Decide, in journal order, which rows stand; rows of devices or channels no one declared are left out."""
    journal = journal_of(terms, rows)
    decided = decided_values(terms, journal, events)
    first: dict[Identity, int] = {}
    for row in journal:
        identity, ticks = (row.device, row.channel, row.time), ticks_of(row.value, resolution(terms, row.channel))
        chosen = [value for value, verdict in decided.get(identity, {}).items() if verdict == "accept"]
        first.setdefault(identity, chosen[-1] if chosen else ticks)
    seen: set[Identity] = set()
    newest: dict[Source, int] = {}
    judged = []
    for row in journal:
        ticks = ticks_of(row.value, resolution(terms, row.channel))
        identity, source = (row.device, row.channel, row.time), (row.device, row.channel)
        verdict = decided.get(identity, {}).get(ticks)
        if ticks != first[identity]:
            fate = "conflicting"
        elif identity in seen:
            fate = "duplicate"
        else:
            seen.add(identity)
            fate = "clock" if clock_is_wrong(terms, row) and verdict != "accept" else "standing"
        late = row.arrival is not None and row.time < newest.get(source, row.time)
        if not (fate in ("clock", "standing") and clock_is_wrong(terms, row)):
            newest[source] = max(row.time, newest.get(source, row.time))
        judged.append(Judged(row, ticks, fate, late))
    return judged


def standing(judged: list[Judged], source: Source) -> list[Judged]:
    """Return the readings of a channel that stand, by time."""
    mine = [j for j in judged if j.fate == "standing" and (j.row.device, j.row.channel) == source]
    return sorted(mine, key=lambda j: j.row.time)


def restarts(judged: list[Judged], device: str) -> list[int]:
    """Return the moments at which a device showed another boot than the one before."""
    mine = sorted((j.row for j in judged if j.fate == "standing" and j.row.device == device), key=lambda row: row.time)
    moments = []
    last = None
    for row in mine:
        if row.boot is not None:
            if last is not None and row.boot != last:
                moments.append(row.time)
            last = row.boot
    return moments


def holds(terms: Terms, judged: list[Judged], source: Source) -> list[Held]:
    """Return when each value of a channel was known: until the next reading, at most `max_hold` (semantics §3)."""
    device, channel = source
    readings = standing(judged, source)
    if hold_text(terms, channel) == "device":
        heard = when_heard(terms, judged, device)
    held = []
    for index, reading in enumerate(readings):
        start = reading.row.time
        following = readings[index + 1].row.time if index + 1 < len(readings) else None
        if hold_text(terms, channel) == "device":
            spans = [(max(start, a), b if following is None else min(b, following)) for a, b in heard]
        else:
            end = start + duration_ms(hold_text(terms, channel))
            spans = [(start, end if following is None else min(end, following))]
        held += [Held(start, a, b, reading.ticks) for a, b in spans if a < b]
    return held


def when_heard(terms: Terms, judged: list[Judged], device: str) -> list[tuple[int, int]]:
    """Return the time at least one channel of a device with a hold in time is known, as intervals that do not touch."""
    channels = [channel for channel in terms["channels"] if hold_text(terms, channel) != "device"]
    known = [held for channel in channels for held in holds(terms, judged, (device, channel))]
    heard: list[tuple[int, int]] = []
    for held in sorted(known, key=lambda held: held.start):
        if heard and held.start <= heard[-1][1]:
            heard[-1] = (heard[-1][0], max(heard[-1][1], held.end))
        else:
            heard.append((held.start, held.end))
    return heard
