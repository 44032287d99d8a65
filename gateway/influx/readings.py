"""The accepted readings on their way from the block store to InfluxDB (measurement `telemetry`).

It goes by rounds. A round takes every hour of a device that readings came to since the last round ended, judges the
whole hour, as what stands may depend on all of it, and sends what stands and is new. Where people decided meanwhile
that another value stands, it sends that hour whole. The cursor is remembered between hours, so that a round that was
interrupted goes on; hours that were sent and not remembered are sent again, which changes nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from contracts.events import Docket
from contracts.readings import Decision, Disposition, Ints, judge
from contracts.sides.told import decisions_of
from contracts.units import HOUR_MS
from gateway import block_format
from gateway.block_format import ARRIVAL, POSITION, TIME, Rows
from gateway.blocks import BlockStore
from gateway.book import Book, Key
from gateway.influx.cursor import FIRST, Cursor
from gateway.influx.sending import Sender
from gateway.influx.telemetry import Standing, lines, values_of

HOURS_A_STEP: Final = 50  # a device that reports three channels each second: half a million readings
_HOURS_READ: Final = 10  # of them together

Decisions = dict[Key, tuple[Decision, ...]]


@dataclass(slots=True)
class Readings:
    """The one that sends accepted readings, a step at a time, from one thread."""

    book: Book
    blocks: BlockStore
    cursor: Cursor
    sender: Sender
    _decided: tuple[int, Decisions] | None = None

    def step(self) -> bool:
        """Send the next hours; False where everything in the block store has been sent.

        Raises what the sender and the stores raise; the next step then takes the same hours.
        """
        filled, tip = self.cursor.filled(), self.blocks.cursor()
        if tip.position <= filled.tip.position or tip.position < filled.goal.position:
            return False  # nothing new; or the block store is being made again, and is not yet where it was
        if filled.place == FIRST:
            filled = replace(filled, goal=tip)
        since = filled.tip.position
        before, now = self._decisions(since), self._decisions(filled.goal.position)
        hours = self.blocks.touched(since, filled.place, HOURS_A_STEP)
        self.sender.send_lines(self._lines(hours, since, now))
        if self.blocks.cursor().position < filled.goal.position:
            return False  # it was emptied meanwhile
        if len(hours) == HOURS_A_STEP:
            self.cursor.fill(replace(filled, place=hours[-1]))
            return True
        if before != now:
            self.sender.send_lines(self._lines(_differing(before, now), 0, now))
        self.cursor.fill(replace(filled, tip=filled.goal, place=FIRST))
        self._decided = filled.goal.position, now
        return True

    def _lines(self, hours: Sequence[tuple[int, str]], since: int, decisions: Decisions) -> Iterator[str]:
        """The readings of these hours that stand and came after position `since`."""
        for start in range(0, len(hours), _HOURS_READ):
            places, rows, lengths = self.blocks.hours(hours[start : start + _HOURS_READ])
            clear = self._beyond_doubt([place[1:] for place in places], rows, lengths)
            found: dict[tuple[int, str], dict[str, Standing]] = {}
            ends = np.cumsum(lengths)
            for (hour, device, channel), first, end, clearly in zip(places, ends - lengths, ends, clear, strict=True):
                decided = decisions.get((device, channel), ())
                each = self._standing((device, channel), rows[:, first:end], since, decided, clear=clearly)
                if each is not None:
                    found.setdefault((hour, device), {})[channel] = each
            for (_, device), channels in found.items():
                yield from lines(device, channels)

    def _beyond_doubt(self, keys: Sequence[Key], rows: Rows, lengths: Ints) -> list[bool]:
        """Of which blocks every reading stands unless people decided otherwise; asked of all blocks at once."""
        rules = [self.book.channel(*key) for key in keys]
        clocks = [(0, 0) if rule is None else (rule.clock.ahead_ms, rule.clock.behind_ms) for rule in rules]
        ahead, behind = (np.repeat(each, lengths) for each in np.array(clocks, np.int64).reshape(-1, 2).T)
        lead = rows[TIME] - rows[ARRIVAL]
        doubtful = (lead > ahead) | (lead < -behind)
        doubtful[1:] |= rows[TIME, 1:] == rows[TIME, :-1]  # also where a block begins as the one before it ended
        block = np.repeat(np.arange(len(keys)), lengths)
        found: list[bool] = (np.bincount(block[doubtful], minlength=len(keys)) == 0).tolist()
        return found

    def _standing(
        self, key: Key, rows: Rows, since: int, decisions: tuple[Decision, ...], *, clear: bool
    ) -> Standing | None:
        rule = self.book.channel(*key)
        if rule is None:
            return None
        columns, kept = block_format.columns(rows, ()), rows[POSITION] > since
        if decisions or not clear:
            judged = judge(columns, rule.clock, decisions)
            columns, kept = judged.columns, kept & (judged.dispositions == Disposition.ACCEPTED)
        if not kept.all():
            columns = columns.at(kept)
        return Standing(columns.times, values_of(columns.ticks, rule.resolution), columns.boots)

    def _decisions(self, upto: int) -> Decisions:
        """What people have decided of readings by a position, whatever contract they did it in."""
        if (
            self._decided is not None
            and self._decided[0] <= upto
            and not self.blocks.contracts_told_of(self._decided[0])
        ):
            return self._decided[1]
        found: dict[Key, dict[Decision, None]] = {}
        for contract in self.book.contracts:
            terms = contract.terms
            docket = Docket.of(self.blocks.contract_events(terms.id, upto))
            for device in terms.devices:
                for channel, decisions in decisions_of(terms, docket, device.id).items():
                    found.setdefault((device.id, channel), {}).update(dict.fromkeys(decisions))
        return {key: tuple(each) for key, each in found.items()}


def _differing(before: Decisions, now: Decisions) -> list[tuple[int, str]]:
    """The hours, each with its device, of readings on which the decisions differ."""
    differ = {
        (each.time // HOUR_MS, key[0])
        for key in before.keys() | now.keys()
        for each in set(before.get(key, ())) ^ set(now.get(key, ()))
    }
    return sorted(differ)
