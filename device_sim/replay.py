"""Replaying a recording as if its machine were speaking now: every row a reading set, in a contract's words."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from device_sim.link import Broker, Card, Message, at_once, deliver, encode
from device_sim.publish import MAX_SETS_PER_MESSAGE, Progress, Tally
from device_sim.recording import Clock, Row, RowProblem, opened, read_rows

MAX_PROBLEMS_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was read and published, and what was left out: all problems counted, the first thousand listed."""

    rows: int
    messages: int
    readings: int
    problem_count: int
    problems: tuple[RowProblem, ...]


@dataclass(slots=True)
class _RowTally(Tally):
    """The count of one replay as its rows are read and its messages are acknowledged."""

    rows: int = 0
    problem_count: int = 0
    problems: list[RowProblem] = field(default_factory=list)

    def read(self, rows: Iterable[Row | RowProblem]) -> Iterator[Row]:
        """The rows that can be sent; the problems are kept."""
        for row in rows:
            if isinstance(row, Row):
                self.rows += 1
                yield row
                continue
            self.problem_count += 1
            if len(self.problems) < MAX_PROBLEMS_KEPT:
                self.problems.append(row)


async def replay(
    recording: Path | str,
    broker: Broker,
    device: str,
    mapping: Mapping[str, str],
    clock: Clock,
    *,
    speed: float | None = None,
    sets_per_message: int = 60,
    boot: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Replayed:
    """Publish the mapped columns (`{column: channel}`) of a recording, a path or the text itself, as `device`.

    `speed` 1 keeps the recording's own pace, 10 is ten times as fast, None as fast as the broker acknowledges.
    RecordingError when the file cannot be read at all; LinkError when the broker cannot be reached.
    """
    if speed is not None and not speed > 0:
        raise ValueError(f"speed must be more than 0, not {speed}")
    if not 1 <= sets_per_message <= MAX_SETS_PER_MESSAGE:
        raise ValueError(f"sets_per_message must be between 1 and {MAX_SETS_PER_MESSAGE}, not {sets_per_message}")
    tally = _RowTally(device, progress)
    with opened(recording) as lines:
        messages = _pack(tally.read(read_rows(lines, mapping, clock)), sets_per_message, boot)
        windows = at_once(messages) if speed is None else _at_pace(messages, speed)
        await deliver(broker, Card(device, boot), windows, tally.delivered)
    return Replayed(tally.rows, tally.messages, tally.readings, tally.problem_count, tuple(tally.problems))


def _pack(rows: Iterator[Row], sets_per_message: int, boot: str | None) -> Iterator[Message]:
    """Messages of so many rows; a recording has no sequence numbers, so none are made up."""
    named = {} if boot is None else {"boot": boot}
    while together := list(islice(rows, sets_per_message)):
        payloads = [{"t": row.t_ms, "v": row.values, **named} for row in together]
        payload = encode(payloads if len(payloads) > 1 else payloads[0])
        yield Message(payload, sum(len(row.values) for row in together), max(row.t_ms for row in together))


async def _at_pace(messages: Iterator[Message], speed: float) -> AsyncIterator[list[Message]]:
    """Each message when its newest row would have been taken, counted from when the first message went out."""
    began_s, began_at_ms = time.monotonic(), None
    for message in messages:
        began_at_ms = message.reached_ms if began_at_ms is None else began_at_ms
        due_s = began_s + (message.reached_ms - began_at_ms) / 1_000 / speed
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        yield [message]
