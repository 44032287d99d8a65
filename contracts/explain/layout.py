"""Text on a page 100 wide: lines that wrap between words, tables whose cells wrap, moments on the contract's clock."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import zip_longest
from zoneinfo import ZoneInfo

from contracts.figures import lasting

WIDTH = 100
NARROWEST = 8
RULE = "─" * WIDTH

Row = Sequence[str]

# A figure and its unit stay on one line: `2 450.00 EUR`, `6 h 30 min`, `98 %`.
_TOGETHER = re.compile(r"(?<=\d) (?=\d{3}(?!\d)|%|[A-Z]{3}\b|h\b|min\b|s\b)|(?<=[−+]) (?=\d)")
_HARD = "\xa0"


def filled(text: str, indent: int = 0, hanging: int | None = None) -> list[str]:
    """A text as lines no wider than the page, indented; the further lines by `hanging`."""
    return _wrapped(text, WIDTH, " " * indent, " " * (indent if hanging is None else hanging))


def headed(head: str, text: str, indent: int = 0) -> list[str]:
    """A head and a text beside it, whose further lines stand under its first."""
    return filled(f"{head}{text}".rstrip(), indent, min(indent + len(head), WIDTH // 2))


def apart(left: str, right: str) -> list[str]:
    """One text to the left and one, such as an amount, to the right; a long one on the left goes on below."""
    if len(right) > WIDTH // 2:
        return [*filled(left), *filled(right, 4)]
    first, *rest = _wrapped(left, WIDTH - len(right) - 4) or [""]
    return [f"{first}{' ' * (WIDTH - len(first) - len(right))}{right}", *(f"    {line}" for line in rest)]


def table(head: Row, rows: Sequence[Row], left: Iterable[int]) -> Iterator[str]:
    """Columns as wide as what is in them, numbers to the right; where it is too much, columns of text wrap."""
    yield RULE
    for block in blocks([head, *rows], left):
        yield from block


def blocks(rows: Sequence[Row], left: Iterable[int]) -> list[list[str]]:
    """The same columns for every row, and the printed lines of each."""
    textual = frozenset(left)
    widths = _fitting([max(map(len, column)) for column in zip(*rows, strict=True)], textual)
    return [[*_block(row, widths, textual)] for row in rows]


def _block(row: Row, widths: Sequence[int], textual: frozenset[int]) -> Iterator[str]:
    cells = [_wrapped(text, width) or [""] for text, width in zip(row, widths, strict=True)]
    for line in zip_longest(*cells, fillvalue=""):
        parts = enumerate(zip(line, widths, strict=True))
        padded = (text.ljust(width) if place in textual else text.rjust(width) for place, (text, width) in parts)
        yield "  ".join(padded).rstrip()


def _fitting(widths: list[int], textual: frozenset[int]) -> list[int]:
    """Widths that fit on the page: the widest column of text gives way, then the widest of all."""
    fitted = list(widths)
    while sum(fitted) + 2 * (len(fitted) - 1) > WIDTH:
        roomy = [place for place in textual if fitted[place] > NARROWEST] or range(len(fitted))
        fitted[max(roomy, key=lambda place: fitted[place])] -= 1
    return fitted


def _wrapped(text: str, width: int, indent: str = "", hanging: str = "") -> list[str]:
    kept = _TOGETHER.sub(_HARD, text)
    lines = textwrap.wrap(kept, width, initial_indent=indent, subsequent_indent=hanging)
    return [line.replace(_HARD, " ") for line in lines]


# --- moments --------------------------------------------------------------------------------------------------------


def moment(text: str, zone: ZoneInfo) -> str:
    """A moment of a statement on the contract's clock: `2026-01-05 09:00`, with seconds where it has some."""
    return _clock(local(text, zone))


def stretch(start: str, end: str, zone: ZoneInfo) -> str:
    """From when to when: `2026-01-05 09:00 to 18:00`, or to a moment of another day."""
    first, after = local(start, zone), local(end, zone)
    if first.date() == after.date():
        return f"{_clock(first)} to {_clock(after)[11:]}"
    if after.time() == time() and after.date() == first.date() + timedelta(days=1):
        return f"{_clock(first)} to 24:00"
    return f"{_clock(first)} to {_clock(after)}"


def length_ms(start: str, end: str) -> int:
    """How long it is from one moment of a statement to another."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)) // timedelta(milliseconds=1)


def length(start: str, end: str) -> str:
    """The same as people read it."""
    return lasting(length_ms(start, end))


def local(text: str, zone: ZoneInfo) -> datetime:
    """A moment of a statement on the contract's clock."""
    return datetime.fromisoformat(text).astimezone(UTC).astimezone(zone)


def _clock(at: datetime) -> str:
    """Date and time; in the hour that a clock change repeats, also which of the two it is."""
    shown = f"{at:%Y-%m-%d %H:%M}"
    if at.second or at.microsecond:
        shown += f":{at:%S}" + (f".{at.microsecond // 1000:03d}" if at.microsecond else "")
    twice = at.replace(fold=0).utcoffset() != at.replace(fold=1).utcoffset()
    return f"{shown} ({at:%Z})" if twice else shown
