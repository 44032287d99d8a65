"""Readings on their way into rows: set aside as they are decoded, and made arrays of all at once.

Readings that share a rule lie in one pile, whatever their device; when they were taken is said once for each set. What
one message adds is a stretch, and stretches are numbered in the order of the journal.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from contracts.readings import Clock, Flags, Ints, lateness, to_ticks
from gateway.block_format import ARRIVAL, TIME, Rows, marks
from gateway.book import ChannelRule
from gateway.message import Message

_SERIES_BITS: Final = 43  # one channel's times, in ms, leave the bits above this one to the number of the channel
MOST_SERIES: Final = 1 << 19


class Source(NamedTuple):
    """A message, and where it stands in the journal."""

    position: int
    number: int
    message: Message


@dataclass(slots=True)
class Sets:
    """When readings were taken and after which restart, once for all channels of a message that share these lists.

    A stretch is what one message adds: `counts` says how many sets it has, `sources` where it comes from.
    """

    times: list[int] = field(default_factory=list)
    boots: list[int] = field(default_factory=list)
    by_arrival: list[bool] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    sources: list[tuple[int, int, Message]] = field(default_factory=list)


@dataclass(slots=True)
class Pile:
    """Values of the channels that share a rule: for each stretch and channel, one for each set."""

    rule: ChannelRule
    values: list[Any] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    stretches: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Form:
    """Plain messages of a device with the same channels; of those with one set the values, message by message."""

    places: list[tuple[Pile, int]]
    values: list[Any] = field(default_factory=list)
    stretches: list[int] = field(default_factory=list)

    def pour(self) -> None:
        """Put the values on the piles of their channels."""
        width, height = len(self.places), len(self.stretches)
        for place, (pile, owner) in enumerate(self.places):
            pile.values += self.values[place::width]
            pile.owners += [owner] * height
            pile.stretches += self.stretches


@dataclass(slots=True)
class Reporter:
    """A metered device that sends plain messages: its restart marks known so far, its messages by their channels."""

    device: str
    boots: dict[str | None, int]
    forms: dict[tuple[str, ...], Form] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stretches:
    """The same as arrays: `times` and `marks` of each set; the rest of each stretch, `firsts` being its first set."""

    times: Ints
    marks: Ints
    counts: Ints
    firsts: Ints
    arrivals: Ints
    positions: Ints


def as_arrays(sets: Sets) -> Stretches:
    """The sets as arrays."""
    boots, by_arrival = np.array(sets.boots, np.int64), np.array(sets.by_arrival, np.bool_)
    counts = np.array(sets.counts, np.int64)
    return Stretches(
        np.array(sets.times, np.int64),
        marks(boots, by_arrival),
        counts,
        np.cumsum(counts) - counts,
        np.array([message.arrival_ms for _, _, message in sets.sources], np.int64),
        np.array([position for position, _, _ in sets.sources], np.int64),
    )


def spread(pile: Pile, stretches: Stretches) -> tuple[Ints, Rows, Flags, Ints]:
    """The readings of a pile in journal order: owner and row of each, whether it is too large, and its stretch."""
    ticks, too_large = to_ticks(pile.values, pile.rule.resolution)
    mine = np.array(pile.stretches, np.int64)
    counts = stretches.counts[mine]
    stretch = np.repeat(mine, counts)
    owners = np.repeat(np.array(pile.owners, np.int64), counts)
    # The sets of a stretch stand together; this run of values begins where `within` is the stretch's first.
    within = np.arange(len(stretch)) + np.repeat(stretches.firsts[mine] - np.cumsum(counts) + counts, counts)
    times, arrivals, positions = stretches.times[within], stretches.arrivals[stretch], stretches.positions[stretch]
    rows = np.stack([times, ticks, arrivals, positions, stretches.marks[within]])
    order = np.argsort(stretch, kind="stable")  # messages of one form were poured together
    return owners[order], rows[:, order], too_large[order], stretch[order]


def late_of_many(owners: Ints, rows: Rows, newest: Ints, clock: Clock) -> Ints:
    """`contracts.readings.lateness` for the readings of many channels at once.

    Each channel gets a stretch of its own on one long axis of time, which begins with the newest already seen of it;
    readings are given in order of arrival within each channel.
    """
    every = np.concatenate([np.arange(len(newest)), owners])
    order = np.argsort(every, kind="stable")
    shift = every[order] << _SERIES_BITS
    times = np.concatenate([newest, rows[TIME]])[order] + shift
    arrivals = np.concatenate([newest, rows[ARRIVAL]])[order] + shift
    late = np.empty(len(every), np.int64)
    late[order] = lateness(times, arrivals, clock)
    return late[len(newest) :]
