"""The measurement `telemetry`: the accepted readings of a device as lines, one for each moment.

A field is a channel, and its value the double nearest to the reading. Lines are made by a template that is repeated
and filled in one step, because a call for each line would cost more than everything else on the way to InfluxDB.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contracts.readings import NO_BOOT, Ints
from gateway.influx.points import key

MEASUREMENT: Final = "telemetry"
BOOT: Final = "boot#"  # no channel can be named so

Floats = npt.NDArray[np.float64]

_EXACT: Final = 2**53


@dataclass(frozen=True, slots=True)
class Standing:
    """The readings of one channel that stand: times in ms, values, and places of restart marks (-1 for none)."""

    times: Ints
    values: Floats
    boots: Ints


def lines(device: str, channels: Mapping[str, Standing]) -> list[str]:
    """The readings of a device as lines of line protocol, each without its end."""
    found = {name: each for name, each in channels.items() if len(each.times)}
    if not found:
        return []
    times = [each.times for each in found.values()]
    boots = [each.boots for each in found.values()]
    if all(np.array_equal(times[0], other) for other in times[1:]):
        place = reduce(np.maximum, boots)
        columns = {name: each.values for name, each in found.items()}
        return _with_boots(device, times[0], columns, place)
    return _ragged(device, found)


def values_of(ticks: Ints, resolution: Decimal) -> Floats:
    """Ticks as the doubles nearest to the numbers they stand for."""
    numerator, denominator = _ratio(resolution)
    if denominator <= _EXACT and int(np.abs(ticks).max(initial=0)) * numerator <= _EXACT:
        found: Floats = (ticks * numerator) / np.float64(denominator)
        return found
    return np.array([tick * numerator / denominator for tick in ticks.tolist()], np.float64)


@lru_cache
def _ratio(resolution: Decimal) -> tuple[int, int]:
    return Fraction(resolution).as_integer_ratio()


def _ragged(device: str, channels: Mapping[str, Standing]) -> list[str]:
    """Lines where some moments have other channels than others."""
    times = np.unique(np.concatenate([each.times for each in channels.values()]))
    places = [np.searchsorted(times, each.times) for each in channels.values()]
    present = np.zeros((len(channels), len(times)), np.bool_)
    values = np.zeros((len(channels), len(times)))
    boots = np.full(len(times), NO_BOOT)
    for row, (where, each) in enumerate(zip(places, channels.values(), strict=True)):
        present[row, where] = True
        values[row, where] = each.values
        boots[where] = np.maximum(boots[where], each.boots)
    names = np.array(list(channels))
    found = []
    for pattern in np.unique(present, axis=1).T:
        where = np.flatnonzero((present == pattern[:, None]).all(axis=0))
        columns = {str(name): values[row, where] for row, name in enumerate(names) if pattern[row]}
        found += _with_boots(device, times[where], columns, boots[where])
    return found


def _with_boots(device: str, times: Ints, columns: Mapping[str, Floats], boots: Ints) -> list[str]:
    marked = boots != NO_BOOT
    lists: list[Sequence[Any]] = [column.tolist() for column in columns.values()]
    template = ",".join(f"{_literal(name)}=%r" for name in columns)
    if not marked.any():
        return _filled(device, template, [*lists, times.tolist()])
    if marked.all():
        return _filled(device, f"{template},{BOOT}=%di", [*lists, boots.tolist(), times.tolist()])
    found = []
    for where in (marked, ~marked):
        found += _with_boots(
            device, times[where], {name: column[where] for name, column in columns.items()}, boots[where]
        )
    return found


def _filled(device: str, fields: str, columns: Sequence[Sequence[Any]]) -> list[str]:
    """A line for each row of the columns, the last of which are the times."""
    template = f"{MEASUREMENT},device={_literal(device)} {fields} %d\n"
    count = len(columns[-1])
    flat: list[Any] = [None] * (count * len(columns))
    for place, column in enumerate(columns):
        flat[place :: len(columns)] = column
    return ((template * count) % tuple(flat)).split("\n")[:-1]


def _literal(text: str) -> str:
    return key(text).replace("%", "%%")
