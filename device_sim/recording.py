"""A recorded CSV, read row by row: when each row was taken, and what its columns say under the names a contract uses.

Nothing is improved on the way: steps back in time, repeated values and repeated times stay as they were recorded. What
cannot be read is a problem with its row and column, and the rest goes on.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from device_sim.days import utc_ms
from device_sim.telemetry import Value

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_LATEST_MS = 253_402_300_800_000  # the year 10000


class RecordingError(Exception):
    """The recording as a whole cannot be replayed: no text, no such column; the message says what to do."""


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """Rows carry their time in a column, as ISO 8601 (RFC 3339), or as seconds or milliseconds since the epoch.

    ISO times without an offset are read in `zone`. `shift_ms` is added, so that an old recording can fall into an open
    period.
    """

    column: str
    style: Literal["iso", "epoch_s", "epoch_ms"] = "iso"
    zone: str = "UTC"
    shift_ms: int = 0


@dataclass(frozen=True, slots=True)
class RowClock:
    """Rows carry no time: the first is at `start_ms`, and each next one `every_ms` later."""

    start_ms: int
    every_ms: int


Clock = TimeColumn | RowClock


@dataclass(frozen=True, slots=True)
class Row:
    """One row that could be read: its number (the first after the header is 1), time, and values by channel."""

    number: int
    t_ms: int
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a row, or one cell of it (`column`), was left out."""

    row: int
    column: str | None
    message: str


@contextmanager
def opened(recording: Path | str) -> Iterator[Iterable[str]]:
    """The lines of a recording: of the file at a path, or of a text."""
    if isinstance(recording, str):
        yield StringIO(recording.removeprefix("\ufeff"), newline="")
        return
    try:
        with recording.open(encoding="utf-8-sig", newline="") as lines:
            yield lines
    except UnicodeDecodeError as error:
        raise RecordingError(f"{recording.name} is not UTF-8 text; save it as CSV in UTF-8") from error
    except OSError as error:
        raise RecordingError(f"{recording.name} cannot be read: {error.strerror}") from error


def read_rows(lines: Iterable[str], mapping: Mapping[str, str], clock: Clock) -> Iterator[Row | RowProblem]:
    """Every row, in the file's order, and every problem beside the row it belongs to.

    RecordingError, before anything is read but the header, when a column is not there.
    """
    remaining = iter(lines)
    header_line = next(remaining, "")
    delimiter = ";" if header_line.count(";") > header_line.count(",") else ","
    header = next(csv.reader([header_line], delimiter=delimiter), [])
    wanted = _wanted(header, mapping, clock)
    time_at = header.index(clock.column) if isinstance(clock, TimeColumn) else None
    return _rows(csv.reader(remaining, delimiter=delimiter), len(header), wanted, clock, time_at)


def _rows(
    cells: Iterator[list[str]], width: int, wanted: Mapping[str, tuple[int, str]], clock: Clock, time_at: int | None
) -> Iterator[Row | RowProblem]:
    number = 0
    while True:
        try:
            row = next(cells, None)
        except csv.Error as error:
            number += 1
            yield RowProblem(number, None, f"is not CSV: {error}")
            continue
        if row is None:
            return
        if not row:
            continue
        number += 1
        if len(row) != width:
            yield RowProblem(number, None, f"has {len(row)} cells, the header has {width}")
            continue
        yield from _read_row(number, row, wanted, clock, time_at)


def _wanted(header: list[str], mapping: Mapping[str, str], clock: Clock) -> dict[str, tuple[int, str]]:
    """For each column that is replayed, its place in a row and its channel."""
    if not mapping:
        raise RecordingError("no column is mapped to a channel; name at least one as column=channel")
    if len(set(mapping.values())) < len(mapping):
        raise RecordingError("two columns are mapped to one channel; give each its own")
    needed = [*mapping, *([clock.column] if isinstance(clock, TimeColumn) else [])]
    for column in needed:
        if header.count(column) != 1:
            found = "no column" if column not in header else "more than one column"
            raise RecordingError(f"{found} is called {column!r}; the columns are {', '.join(header) or '(none)'}")
    if isinstance(clock, TimeColumn):
        try:
            ZoneInfo(clock.zone)
        except (KeyError, OSError, ValueError) as error:
            raise RecordingError(f"{clock.zone!r} is no IANA time zone, such as Europe/Brussels") from error
    return {column: (header.index(column), channel) for column, channel in mapping.items()}


def _read_row(
    number: int, row: list[str], wanted: Mapping[str, tuple[int, str]], clock: Clock, time_at: int | None
) -> Iterator[Row | RowProblem]:
    try:
        t_ms = _time_ms(number, row[time_at] if time_at is not None else "", clock)
    except (ValueError, ArithmeticError) as error:
        yield RowProblem(number, clock.column if isinstance(clock, TimeColumn) else None, str(error))
        return
    values: dict[str, Value] = {}
    for column, (at, channel) in wanted.items():
        text = row[at].strip()
        value = _value(text)
        if value is not None:
            values[channel] = value
        elif text:
            yield RowProblem(number, column, f"{text[:40]!r} is no number, true or false")
    if values:
        yield Row(number, t_ms, values)


def _time_ms(number: int, text: str, clock: Clock) -> int:
    """The row's time; ValueError when its cell holds none."""
    if isinstance(clock, RowClock):
        return clock.start_ms + (number - 1) * clock.every_ms
    text = text.strip()
    if clock.style == "iso":
        t_ms = utc_ms(datetime.fromisoformat(text), ZoneInfo(clock.zone))
    elif _NUMBER.fullmatch(text):
        t_ms = int(Decimal(text) * (1_000 if clock.style == "epoch_s" else 1))
    else:
        raise ValueError(f"{text[:40]!r} is no time since the epoch")
    if not 0 <= t_ms + clock.shift_ms < _LATEST_MS:
        raise ValueError(f"{text[:40]!r} is a time before 1970 or after 9999")
    return t_ms + clock.shift_ms


def _value(text: str) -> Value | None:
    """What a cell says; None for an empty one, and for one that is neither a number nor true or false."""
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        number = float(text)
        return number if isfinite(number) else None
    return {"true": True, "false": False}.get(text.lower())
