"""The evidence of a statement: text parts that a spreadsheet opens, their digests, and where a part was altered.

An evidence folder or archive holds `header.json` (terms, cut, digests of all parts), `opening.json`, `closing.json`,
`events.jsonl`, and `readings/{device}/{channel}/{day}.csv.gz` with one line a reading, sorted by time, then by arrival,
duplicates and conflicts included. Digests are SHA-256 of the uncompressed bytes; the digest of `header.json`, which
lists all others, is the root that the signed statement holds.

Beside each digest stand two sums over the part's lines, its *locator*: Σ crc(line) and Σ number × crc(line), modulo a
prime. If one line is altered, the change of the second divided by the change of the first is that line's number.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from importlib.metadata import version
from itertools import repeat
from typing import Any

import numpy as np

from contracts.canonical import readable, sha256
from contracts.contract import Contract
from contracts.judging import Key
from contracts.language.terms import Terms
from contracts.periods import Period, midnight_ms, rfc3339
from contracts.readings import ARRIVAL_UNKNOWN, NO_BOOT, Bytes, Columns, Disposition, Ints, Judged, decimal_texts

SCHEMA = "fairmeter.evidence/1"
COLUMNS = "device,channel,time,value,arrival,boot,disposition"
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\x03"  # level 1, no name, mtime 0, Unix: the same on every machine

_PRIME = 2**61 - 1
_STRIDE = 2**14
_NAMES = [disposition.name.lower() for disposition in Disposition]


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the evidence: its path in the folder, its uncompressed bytes, and how many readings it holds."""

    path: str
    data: bytes
    readings: int = 0

    def packed(self) -> bytes:
        """The bytes as they are written: gzip for readings, plain for the rest."""
        return pack(self.data) if self.path.endswith(".gz") else self.data


@dataclass(frozen=True, slots=True)
class Entry:
    """What the header says of a part."""

    path: str
    sha256: str
    lines: int
    locator: tuple[int, int]

    @staticmethod
    def of(part: Part) -> Entry:
        """The entry of a part as it is."""
        lines = part.data.splitlines(keepends=True)
        return Entry(part.path, sha256(part.data), len(lines), locator(lines))

    @staticmethod
    def read(document: Mapping[str, Any]) -> Entry:
        """The entry as a header holds it."""
        first, second = (int(value, 16) for value in document["locator"])
        return Entry(document["path"], document["sha256"], document["lines"], (first, second))

    def document(self) -> dict[str, Any]:
        """As the header holds it; numbers beyond what JSON keeps exactly are hexadecimal text."""
        sums = [f"{value:016x}" for value in self.locator]
        return {"path": self.path, "sha256": self.sha256, "lines": self.lines, "locator": sums}


@dataclass(slots=True)
class Manifest:
    """The entries of all parts seen so far."""

    entries: list[Entry] = field(default_factory=list)
    reading_parts: int = 0
    readings: int = 0
    events: int = 0

    def take(self, part: Part) -> Part:
        """Note a part on its way to where it is written."""
        self.entries.append(Entry.of(part))
        self.readings += part.readings
        self.reading_parts += part.readings > 0
        return part


def locator(lines: Iterable[bytes]) -> tuple[int, int]:
    """The two sums by which one altered line can be named; lines count from 1."""
    checks = list(map(zlib.crc32, lines))
    total = weighted = 0
    for start in range(0, len(checks), _STRIDE):  # so few that the sums of products stay within 64 bits
        stride = np.array(checks[start : start + _STRIDE], np.int64)
        total += int(stride.sum())
        weighted += int(np.dot(stride, np.arange(1, len(stride) + 1))) + start * int(stride.sum())
    return total % _PRIME, weighted % _PRIME


def altered_line(entry: Entry, data: bytes) -> tuple[int, str] | None:
    """The one line that was altered, removed or added since the entry was made; None if it is more than one line."""
    lines = data.splitlines(keepends=True)
    found = locator(lines)
    first, second = (found[0] - entry.locator[0]) % _PRIME, (found[1] - entry.locator[1]) % _PRIME
    if first == 0:
        return None
    if len(lines) == entry.lines:
        number = second * pow(first, -1, _PRIME) % _PRIME
        return (number, "altered") if 1 <= number <= len(lines) else None
    if abs(len(lines) - entry.lines) > 1:
        return None
    # A line removed or added moves all that follow by one: its number is where both sums are explained at once.
    removed = len(lines) < entry.lines
    moved = sum(map(zlib.crc32, lines)) if removed else sum(map(zlib.crc32, lines)) - zlib.crc32(lines[0])
    for number in range(1, len(lines) + 2 if removed else len(lines) + 1):
        explained = number * first - moved if removed else number * first + moved
        if (second - explained) % _PRIME == 0 and (removed or zlib.crc32(lines[number - 1]) == first):
            return number, "removed" if removed else "added"
        place = number - 1 if removed else number
        moved -= zlib.crc32(lines[place]) if place < len(lines) else 0
    return None


def pack(data: bytes) -> bytes:
    """One gzip member, level 1, without a time of making."""
    deflate = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(data) + deflate.flush()
    return GZIP_HEADER + body + zlib.crc32(data).to_bytes(4, "little") + (len(data) % 2**32).to_bytes(4, "little")


def days_of(period: Period) -> Iterator[tuple[date, int, int]]:
    """The local days of a period with their bounds in ms UTC."""
    day = period.first
    while day < period.after:
        after = day + timedelta(days=1)
        yield day, midnight_ms(day, period.timezone), midnight_ms(after, period.timezone)
        day = after


def reading_parts(
    terms: Terms, period: Period, judged: Mapping[Key, Judged], flagged: Mapping[Key, Ints]
) -> Iterator[Part]:
    """The readings of every declared device and channel, by local day; days without any have no part.

    `flagged` are the times that a counter's rules quarantined.
    """
    moments = _Moments()
    for device in sorted(device.id for device in terms.devices):
        for channel in sorted(terms.channels):
            found = judged.get((device, channel))
            if found is None:
                continue
            dispositions = _final(found, flagged.get((device, channel)))
            for day, start, end in days_of(period):
                low, high = (int(place) for place in np.searchsorted(found.columns.times, [start, end]))
                if low < high:
                    rows = found.columns.at(slice(low, high))
                    lines = _lines(terms, (device, channel), rows, dispositions[low:high], moments)
                    yield Part(f"readings/{device}/{channel}/{day}.csv.gz", lines, high - low)


def _final(found: Judged, flagged: Ints | None) -> Bytes:
    """Dispositions with what a counter quarantined marked as such."""
    if flagged is None or not len(flagged):
        return found.dispositions
    hit = np.isin(found.columns.times, flagged) & (found.dispositions == Disposition.ACCEPTED)
    return np.where(hit, Disposition.QUARANTINED, found.dispositions).astype(np.int8)


class _Moments:
    """Times as text, kept for the next channel: a device's channels mostly share their times and arrivals."""

    def __init__(self) -> None:
        self._seen: dict[bytes, list[str]] = {}

    def texts(self, times: Ints) -> list[str]:
        """RFC 3339 with milliseconds, empty where a time is not known."""
        key = times.tobytes()
        found = self._seen.get(key)
        if found is None:
            if len(self._seen) > 64:
                self._seen.clear()
            found = self._seen[key] = self._render(times)
        return found

    def _render(self, times: Ints) -> list[str]:
        """Each text put together from its date, its second of the day and its milliseconds."""
        seconds, ms = np.divmod(times, 1000)
        days, seconds = np.divmod(seconds, 86_400)
        dates = {day: str(np.datetime64(day, "D")) for day in np.unique(days).tolist()}
        clock, tails = _clock_texts(), _tail_texts()
        parts = zip(days.tolist(), seconds.tolist(), ms.tolist(), strict=True)
        found = [dates[day] + clock[second] + tails[rest] for day, second, rest in parts]
        for place in np.flatnonzero(times == ARRIVAL_UNKNOWN).tolist():
            found[place] = ""
        return found


@cache
def _clock_texts() -> list[str]:
    return [f"T{hour:02}:{minute:02}:{second:02}" for hour in range(24) for minute in range(60) for second in range(60)]


@cache
def _tail_texts() -> list[str]:
    return [f".{ms:03}Z" for ms in range(1000)]


def _lines(terms: Terms, key: Key, rows: Columns, dispositions: Bytes, moments: _Moments) -> bytes:
    device, channel = key
    values = decimal_texts(rows.ticks, terms.channels[channel].resolution)
    boots: Iterable[str] = repeat("")
    if (rows.boots != NO_BOOT).any():
        names = [*map(csv_text, rows.boot_names), ""]
        boots = [names[place] for place in rows.boots.tolist()]
    kinds = [_NAMES[kind] for kind in dispositions.tolist()]
    start = f"{device},{channel},"
    cells = zip(moments.texts(rows.times), values, moments.texts(rows.arrivals), boots, kinds, strict=False)
    body = f"\n{start}".join(map(",".join, cells))
    return f"{COLUMNS}\n{start}{body}\n".encode()


def csv_text(text: str) -> str:
    """A text as a CSV cell."""
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text


def header(
    contract: Contract,
    period: Period,
    manifest: Manifest,
    *,
    cut: dict[str, Any] | None,
    tzdata: str,
    holidays: Mapping[str, Iterable[date]],
    late: Mapping[Key, int],
    rejected: Mapping[Key, int],
) -> Part:
    """The part that names all others: terms, cut, versions, two counts by channel, and the digest of each part.

    `late` is counted by order of arrival, which parts sorted by time do not keep, and what was `rejected` has no
    line in a part; so the header states both.
    """
    document = {
        "schema": SCHEMA,
        "contract": contract.terms.id,
        "period": period.name,
        "start": rfc3339(period.span.start),
        "end": rfc3339(period.span.end),
        "terms_sha256": contract.sha256,
        "cut": cut,
        "tzdata": tzdata,
        "holidays": {promise: [day.isoformat() for day in days] for promise, days in sorted(holidays.items())},
        "late": _by_device(late),
        "rejected": _by_device(rejected),
        "parts": [entry.document() for entry in sorted(manifest.entries, key=lambda entry: entry.path)],
        "terms": contract.text.splitlines(keepends=True),
    }
    return Part("header.json", readable(document))


def _by_device(counts: Mapping[Key, int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (device, channel), count in sorted(counts.items()):
        if count:
            found.setdefault(device, {})[channel] = count
    return found


def tzdata_version() -> str:
    """The version of the time zone rules in use, which a statement's period bounds depend on."""
    return version("tzdata")
