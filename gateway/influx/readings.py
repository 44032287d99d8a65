"""The accepted readings on their way from the block store to InfluxDB (measurement `telemetry`).

It goes by rounds. A round takes every hour of a device that readings came to since the last round ended, judges the
whole hour, as what stands may depend on all of it, and sends what stands and is new. Where people decided meanwhile
that another value stands, it sends that hour whole. The cursor is remembered between hours, so that a round that was
interrupted goes on; hours that were sent and not remembered are sent again, which changes nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from contracts.events import Docket
from contracts.readings import Decision, Disposition, judge
from contracts.sides.told import decisions_of
from contracts.units import HOUR_MS
from gateway import block_format
from gateway.block_format import POSITION, Rows
from gateway.blocks import BlockStore
from gateway.book import Book, Key
from gateway.influx.cursor import FIRST, Cursor
from gateway.influx.sending import Sender
from gateway.influx.telemetry import Standing, lines, values_of

HOURS_A_STEP: Final = 50  # a device that reports three channels each second: half a million readings

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

    def _lines(self, hours: Iterable[tuple[int, str]], since: int, decisions: Decisions) -> Iterator[str]:
        """The readings of these hours that stand and came after position `since`."""
        for hour, device in hours:
            found = self.blocks.hour(device, hour)
            standing = {
                channel: self._standing((device, channel), rows, since, decisions) for channel, rows in found.items()
            }
            yield from lines(device, {channel: each for channel, each in standing.items() if each is not None})

    def _standing(self, key: Key, rows: Rows, since: int, decisions: Decisions) -> Standing | None:
        rule = self.book.channel(*key)
        if rule is None or not rows.shape[1]:
            return None
        judged = judge(block_format.columns(rows, ()), rule.clock, decisions.get(key, ()))
        kept = (judged.dispositions == Disposition.ACCEPTED) & (rows[POSITION] > since)
        columns = judged.columns
        return Standing(columns.times[kept], values_of(columns.ticks[kept], rule.resolution), columns.boots[kept])

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
