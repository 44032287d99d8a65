"""A block: the readings of one device, channel and UTC hour as few bytes (architecture, decision 2).

Rows are an int64 array of shape (5, n): TIME and ARRIVAL in ms UTC, TICKS, journal POSITION, and MARK, which holds
the boot's place and two flags. Within a block rows stand by time, then by journal position, and nothing is left out:
duplicates, conflicts and readings with an impossible clock are all there.

A body is zstd over the columns, one after the other, each value as the zigzag of its difference to the one before,
the first to zero. Differences of regular telemetry are small, and zigzag keeps their upper bytes zero whatever the
sign. Many blocks are unpacked at once: one cumulative sum runs through all of them, and what it had reached at
the beginning of each block is taken off again.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import zstandard

from contracts.readings import Columns, Flags, Ints
from contracts.units import HOUR_MS

Rows = npt.NDArray[np.int64]

TIME, TICKS, ARRIVAL, POSITION, MARK = range(5)
NO_ROWS: Final[Rows] = np.empty((5, 0), np.int64)

BY_ARRIVAL: Final = 1  # the reading came without a time and has that of its arrival (semantics §1)
LATE: Final = 2  # it is earlier than the newest seen of its channel before it (semantics §8)
_FLAG_BITS: Final = 2

_ROW_BYTES: Final = 5 * 8
_LEVEL: Final = -1  # as small as level 1 for such bodies, in half the time


def marks(boots: Ints, by_arrival: Flags) -> Ints:
    """The MARK of readings not yet judged late; `boots` are places among the device's boots, -1 for none."""
    found: Ints = ((boots + 1) << _FLAG_BITS) | by_arrival * BY_ARRIVAL
    return found


def hours(rows: Rows) -> Ints:
    """The UTC hour, counted from 1970, in whose block each reading stands."""
    found: Ints = rows[TIME] // HOUR_MS
    return found


def columns(rows: Rows, boot_names: tuple[str, ...]) -> Columns:
    """The rows as judging and metering take them."""
    boots = (rows[MARK] >> _FLAG_BITS) - 1
    late = (rows[MARK] & LATE) != 0
    return Columns(rows[TIME], rows[TICKS], rows[ARRIVAL], boots, late, boot_names)


def pack(rows: Rows, starts: Ints) -> list[bytes]:
    """The bodies of the blocks that begin at `starts`; the first is 0, and each goes on to the next."""
    steps = rows.copy()
    steps[:, 1:] -= rows[:, :-1]
    steps[:, starts] = rows[:, starts]
    zigzag = (steps << 1) ^ (steps >> 63)
    compress = zstandard.ZstdCompressor(level=_LEVEL).compress
    edges = [*starts.tolist(), rows.shape[1]]
    return [compress(zigzag[:, start:end].tobytes()) for start, end in pairwise(edges)]


def unpack(bodies: Sequence[bytes]) -> tuple[Rows, Ints]:
    """The rows of many blocks, one block after the other, and how many each has; ZstdError for a damaged body."""
    if not bodies:
        return NO_ROWS, np.empty(0, np.int64)
    decompress = zstandard.ZstdDecompressor().decompress
    raw = [decompress(body) for body in bodies]
    lengths = np.fromiter(map(len, raw), np.int64, len(raw)) // _ROW_BYTES
    zigzag = _gathered(np.frombuffer(b"".join(raw), np.uint64), lengths)
    steps = (zigzag >> np.uint64(1)).view(np.int64) ^ -(zigzag & np.uint64(1)).view(np.int64)
    rows = np.cumsum(steps, axis=1)
    firsts = np.cumsum(lengths) - lengths
    before = rows[:, firsts] - steps[:, firsts]
    rows -= np.repeat(before, lengths, axis=1)
    return rows, lengths


def _gathered(words: npt.NDArray[np.uint64], lengths: Ints) -> npt.NDArray[np.uint64]:
    """Blocks that hold five columns each, as five columns that hold all blocks."""
    firsts = np.cumsum(lengths) - lengths
    place = np.arange(len(words) // 5) + np.repeat(4 * firsts, lengths)
    stride = np.repeat(lengths, lengths)
    return np.stack([words[place + column * stride] for column in range(5)])
