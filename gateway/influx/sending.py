"""Sending: lines in requests of a useful size, and requests taken apart where InfluxDB refuses some of their lines.

A refused request has mostly been written but for the lines at fault, and InfluxDB names one of them at best. So it is
halved, and halved again, until each refused line is known, and that line is sent field by field. Writing a point twice
changes nothing, so what had been written meanwhile does no harm.
"""

import re
import threading
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import structlog

from gateway.influx.cursor import Cursor, Refusal
from gateway.influx.points import Point, line
from gateway.influx.server import Influx, LinesRefused

log = structlog.get_logger(__name__)

LINES_A_REQUEST: Final = 5_000

_ANOTHER: Final = (
    "stop the other writer or give it a bucket of its own, remove the whole measurement, ours with it, "
    "then `fairmeter rebuild --influx`"
)
_TOO_OLD: Final = "`fairmeter influx init --keep-days` lets the bucket keep longer; then `fairmeter rebuild --influx`"

_LINE: Final = re.compile(r"((?:[^ \\]|\\.)+) (.+) (-?\d+)", re.DOTALL)
_FIELD: Final = re.compile(r'((?:[^,= \\]|\\.)+)=("(?:[^"\\]|\\.)*"|[^,]+)', re.DOTALL)

# What the reasons of one fault do not have in common; with it every refusal would be remembered on its own.
_VARYING: Final = re.compile(r" dropped=.*|dropped \d+ (?=points)| - oldest point.*", re.DOTALL)


class Sender:
    """Whoever has points sends them here, from any thread.

    What InfluxDB refuses for what is in it is remembered with its reason, and everything else is written. An
    InfluxDB that cannot be reached, or will not, raises Unreachable or Refused; nothing is kept for later here, so
    the caller sends its points again.
    """

    def __init__(self, influx: Influx, cursor: Cursor) -> None:
        self.influx = influx
        self._cursor = cursor
        self._counting = threading.Lock()
        self.sent = 0  # lines written since the start

    def send(self, points: Iterable[Point]) -> None:
        """Write points; on return each is stored, or remembered as refused."""
        self.send_lines(each for point in points if (each := line(point)))

    def send_lines(self, lines: Iterable[str]) -> None:
        """Write lines of line protocol, each without its end."""
        waiting = iter(lines)
        while request := list(islice(waiting, LINES_A_REQUEST)):
            self._write(request)
            with self._counting:
                self.sent += len(request)

    def _write(self, lines: Sequence[str]) -> None:
        try:
            self.influx.write("\n".join(lines).encode())
        except LinesRefused as refusal:
            if len(lines) > 1 and refusal.dropped != len(lines):
                middle = len(lines) // 2
                self._write(lines[:middle])
                self._write(lines[middle:])
                return
            fields = by_field(lines)
            if len(fields) == 1:
                self._refuse(_refusals(lines, refusal))
                return
            for each in fields.values():
                self._write(each)

    def _refuse(self, refusals: Sequence[Refusal]) -> None:
        """Remember what was refused; the log is told of each reason once, until InfluxDB is filled anew."""
        with self._counting:
            known = {each.reason for each in self._cursor.refused()}
            self._cursor.refuse(refusals)
        for each in {each.reason: each for each in refusals if each.reason not in known}.values():
            log.warning(
                "InfluxDB refuses points; all others are written",
                such_as=each.series,
                reason=each.reason,
                remedy=remedy(each.reason),
            )


def remedy(reason: str) -> str:
    """What to do where InfluxDB refused points for this reason."""
    if "conflict" in reason:
        return _ANOTHER
    return _TOO_OLD if "retention" in reason else "report it with this text"


def by_field(lines: Iterable[str]) -> dict[str, list[str]]:
    """The same points as lines of one field each, by the field's name."""
    found: dict[str, list[str]] = {}
    for each in lines:
        head, fields, time = _parts(each)
        for name, value in _FIELD.findall(fields):
            found.setdefault(name, []).append(f"{head} {name}={value} {time}")
    return found


def _refusals(lines: Sequence[str], refusal: LinesRefused) -> list[Refusal]:
    reason = _VARYING.sub("", str(refusal))
    found = []
    for head, fields, time in map(_parts, lines):
        moment = int(time)
        found.append(Refusal(f"{head} {fields.partition('=')[0]}", reason, 1, moment, moment))
    return found


def _parts(text: str) -> tuple[str, str, str]:
    """Measurement with tags, fields, and time of a line."""
    found = _LINE.fullmatch(text)
    assert found is not None, f"a line of ours is measurement, fields and time: {text}"
    return found[1], found[2], found[3]
