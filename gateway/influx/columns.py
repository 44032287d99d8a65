"""Columns from InfluxDB: the CSV of a Flux answer becomes arrays as it streams in, without an object per row.

A query that keeps `_time` and `_value` of one series answers with rows `,_result,0,2026-01-01T00:00:01.5Z,7.02`. Times
have as many decimals of a second as they need; values are doubles or whole numbers, each the exact decimal text of
what was written.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.readings import Ints

Floats = npt.NDArray[np.float64]
Octets = npt.NDArray[np.uint8]

_PREFIX: Final = b",_result,0,"
_SECONDS: Final = len("2026-01-01T00:00:00")
_ZERO, _DOT, _COMMA, _SPACE, _LINE_END, _UTC = (ord(sign) for sign in "0., \nZ")
_MOST_DECIMALS: Final = 3


class ReadBackFault(Exception):  # noqa: N818 - whose fault it is says it best
    """InfluxDB answered with something that Fairmeter did not write; the message says what."""


def columns(chunks: Iterable[bytes]) -> tuple[Ints, Floats]:
    """Times in ms and values of an answer that arrives in chunks; ReadBackFault where a row is none of ours."""
    rest, parts = b"", [(np.empty(0, np.int64), np.empty(0, np.float64))]
    for chunk in chunks:
        data = rest + chunk
        end = data.rfind(b"\n") + 1
        rest = data[end:]
        if end:
            parts.append(_rows(data[:end]))
    if rest.strip():
        parts.append(_rows(rest + b"\n"))
    return np.concatenate([times for times, _ in parts]), np.concatenate([values for _, values in parts])


def _rows(data: bytes) -> tuple[Ints, Floats]:
    octets = np.frombuffer(bytearray(data), np.uint8)
    ends = np.flatnonzero(octets == _LINE_END)
    starts = np.concatenate([[0], ends[:-1] + 1])
    filled = ends - starts > 1  # a table ends with an empty line
    starts, ends = starts[filled], ends[filled]
    if not len(starts):
        return np.empty(0, np.int64), np.empty(0, np.float64)
    stamp = starts + len(_PREFIX)
    if (ends - stamp < _SECONDS + 2).any() or (_window(octets, starts, len(_PREFIX)) != list(_PREFIX)).any():
        raise ReadBackFault(f"an answer that is no series of readings: {_excerpt(data)}")
    seconds = np.ascontiguousarray(_window(octets, stamp, _SECONDS)).view(f"S{_SECONDS}")[:, 0]
    try:
        whole = seconds.astype("datetime64[ms]").astype(np.int64)
    except ValueError:
        raise ReadBackFault(f"a row without a time: {_excerpt(data)}") from None
    thousandths, behind = _thousandths(octets, stamp + _SECONDS)
    if (octets[behind] != _UTC).any() or (octets[behind + 1] != _COMMA).any():
        raise ReadBackFault(f"a time finer than a millisecond, which Fairmeter never writes: {_excerpt(data)}")
    return whole + thousandths, _values(octets, starts, behind + 2, data)


def _thousandths(octets: Octets, places: Ints) -> tuple[Ints, Ints]:
    """The decimals of the seconds as ms, read where a dot stands; and the place behind them."""
    found = np.zeros(len(places), np.int64)
    going = octets[places] == _DOT
    behind = places + going
    for power in (100, 10, 1):
        digit = octets[behind].astype(np.int64) - _ZERO
        going &= (digit >= 0) & (digit <= 9)
        found[going] += digit[going] * power
        behind = behind + going
    return found, behind


def _values(octets: Octets, starts: Ints, values: Ints, data: bytes) -> Floats:
    """The numbers at the ends of the rows: everything before them becomes blank, and the rest is read as numbers."""
    edges = np.zeros(len(octets) + 1, np.int8)
    edges[starts] += 1
    edges[values] -= 1
    octets[np.cumsum(edges[:-1], dtype=np.int8) > 0] = _SPACE
    missing = octets[values] <= _SPACE  # the line's end: numpy would make a number of nothing
    try:
        numbers: Floats = np.fromstring(octets.tobytes(), np.float64, sep=" ")
    except ValueError:
        numbers = np.empty(0, np.float64)
    if missing.any() or len(numbers) != len(starts):
        raise ReadBackFault(f"a value that is no number, written by somebody else: {_excerpt(data)}")
    return numbers


def _window(octets: Octets, places: Ints, width: int) -> Octets:
    window: Octets = octets[places[:, None] + np.arange(width)]
    return window


def _excerpt(data: bytes) -> str:
    return data[:200].decode(errors="replace").strip()
