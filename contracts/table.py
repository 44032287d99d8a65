"""Readings from a CSV text: `device,channel,time,value` and optionally `arrival`, `boot`, in any order of time.

A row that cannot be understood is refused with its line and the reason, counted, and stops no other row.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

import numpy as np

from contracts.language.terms import Terms
from contracts.problems import Problem, ProblemsFound
from contracts.readings import ARRIVAL_UNKNOWN, NO_BOOT, Clock, Columns, Ints, lateness, to_ticks

Key = tuple[str, str]

# The years of which a reading can be: 1990 to 2100, in ms. Seconds and microseconds of any such time lie outside.
EARLIEST_MS = 631_152_000_000
LATEST_MS = 4_102_444_800_000

_REQUIRED = ("device", "channel", "time", "value")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORDS = {"true": "1", "false": "0"}
_PLAIN = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


@dataclass(slots=True)
class Rows:
    """The rows of one device and channel as they stood in the file."""

    times: list[int] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    arrivals: list[int] = field(default_factory=list)
    boots: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was not understood: whose it would have been, when (if that could be read), and why not."""

    key: Key
    time: int | None
    problem: Problem


@dataclass(slots=True)
class Table:
    """Everything a file of readings says: rows by device and channel, and the rows refused."""

    path: str
    rows: dict[Key, Rows] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)

    def extend(self, other: Table) -> None:
        """Take in another table's rows, after this one's."""
        for key, rows in other.rows.items():
            mine = self.rows.setdefault(key, Rows())
            for name in Rows.__slots__:
                getattr(mine, name).extend(getattr(rows, name))
        self.refused += other.refused

    def columns(self, terms: Terms) -> dict[Key, Columns]:
        """The rows of the contract's devices and channels, in ticks and in order of arrival."""
        devices = {device.id for device in terms.devices}
        wanted = {key: rows for key, rows in self.rows.items() if key[0] in devices and key[1] in terms.channels}
        clock = Clock.of(terms)
        return {key: self._columns(key, rows, terms.channels[key[1]].resolution, clock) for key, rows in wanted.items()}

    def refused_in(self, start: int, end: int) -> dict[Key, int]:
        """How many refused rows each device and channel has in [start, end), those of unknown time included."""
        inside = [row.key for row in self.refused if row.time is None or start <= row.time < end]
        return dict(Counter(inside))

    def _columns(self, key: Key, rows: Rows, resolution: Decimal, clock: Clock) -> Columns:
        ticks, too_large = to_ticks(rows.values, resolution)
        times, arrivals = np.array(rows.times, np.int64), np.array(rows.arrivals, np.int64)
        names = tuple(sorted(set(rows.boots) - {""}))
        places = {"": NO_BOOT, **{name: place for place, name in enumerate(names)}}
        boots = np.array([places[boot] for boot in rows.boots], np.int64)
        for place in np.flatnonzero(too_large):
            message = f"the value {rows.values[place][:40]} is more than 2^53 steps of {resolution}"
            remedy = "Correct the value, or the channel's resolution in the contract"
            problem = Problem(self.path, rows.lines[place], 1, message, remedy)
            self.refused.append(Refused(key, rows.times[place], problem))
        order = np.argsort(_arrival_order(arrivals), kind="stable")
        order = order[~too_large[order]]
        times, arrivals = times[order], arrivals[order]
        return Columns(times, ticks[order], arrivals, boots[order], lateness(times, arrivals, clock), names)


def _arrival_order(arrivals: Ints) -> Ints:
    """Arrivals, where a row without one is taken to come right after the row above it."""
    known = arrivals != ARRIVAL_UNKNOWN
    last = np.maximum.accumulate(np.where(known, np.arange(len(arrivals)), -1))
    return np.where(last >= 0, arrivals[last], ARRIVAL_UNKNOWN)


def read_table(text: str, path: str) -> Table:
    """Read a CSV of readings; raises ProblemsFound where it has no usable header at all."""
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip().lower().lstrip("\ufeff") for name in next(reader, [])]
    missing = [name for name in _REQUIRED if name not in header]
    if missing:
        message = f"the header lacks {', '.join(missing)}"
        raise ProblemsFound(
            [Problem(path, 1, 1, message, "The first line names the columns: device,channel,time,value")]
        )
    places = [header.index(name) if name in header else sys.maxsize for name in (*_REQUIRED, "arrival", "boot")]
    table = Table(path)
    for line, cells in _lines(reader):
        if cells is None:
            problem = Problem(path, line, 1, "this line cannot be read as CSV", "Check its quotes")
            table.refused.append(Refused(("", ""), None, problem))
        elif any(cells):
            _add(table, cells, places, line)
    return table


def _lines(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str] | None]]:
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield reader.line_num, None  # type: ignore[attr-defined]
            continue
        yield reader.line_num, cells  # type: ignore[attr-defined]


def _add(table: Table, cells: list[str], places: list[int], line: int) -> None:
    last = len(cells)
    cells.append("")  # what a column or a short line lacks is empty
    device, channel, when, number, arrived, boot = [cells[place if place < last else last].strip() for place in places]
    key = (device, channel)
    time = None
    try:
        time = checked_time(when)
        value = checked_value(number)
        arrival = checked_time(arrived) if arrived else ARRIVAL_UNKNOWN
    except ValueError as error:
        problem = Problem(table.path, line, 1, str(error), "Correct the line and run again")
        table.refused.append(Refused(key, time, problem))
        return
    rows = table.rows.get(key)
    if rows is None:
        rows = table.rows[key] = Rows()
    rows.times.append(time)
    rows.values.append(value)
    rows.arrivals.append(arrival)
    rows.boots.append(sys.intern(boot))
    rows.lines.append(line)


def checked_value(text: str) -> str:
    """A decimal or a boolean as decimal text; raises ValueError saying what it is instead."""
    if _PLAIN.fullmatch(text):
        return text
    word = _WORDS.get(text.lower())
    if word is not None:
        return word
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"the value {text[:40]!r} is not a number") from None
    if not number.is_finite() or "_" in text:
        raise ValueError(f"the value {text[:40]!r} is not a number that can be measured")
    return text


def checked_time(text: str) -> int:
    """Milliseconds since the epoch from digits or RFC 3339 text; raises ValueError with the reason."""
    if text.isdecimal() or (text[:1] in "+-" and text[1:].isdecimal()):
        return time_in_range(int(text) if len(text) < 25 else LATEST_MS * 10**9)
    try:
        moment = datetime.fromisoformat(text.upper())  # RFC 3339 allows a small t and z
    except ValueError:
        raise ValueError(f"the time {text[:40]!r} is neither milliseconds nor RFC 3339") from None
    if moment.tzinfo is None:
        raise ValueError(f"the time {text[:40]!r} does not say its offset; end it with Z for UTC")
    return time_in_range((moment - _EPOCH) // timedelta(milliseconds=1))


def time_in_range(ms: int) -> int:
    """The time itself, or ValueError saying which other unit it looks like."""
    if EARLIEST_MS <= ms <= LATEST_MS:
        return ms
    for unit, factor in (("seconds", 1_000), ("microseconds", Decimal("0.001")), ("nanoseconds", Decimal("0.000001"))):
        if EARLIEST_MS <= ms * factor <= LATEST_MS:
            raise ValueError(f"the time {ms} looks like {unit}; times are milliseconds since 1970")
    raise ValueError(f"the time {str(ms)[:25]} lies outside the years 1990 to 2100")
