"""How the gateway itself is doing, as the measurement `gateway`: what arrived, and how far behind anything is."""

import resource
import sys
from pathlib import Path
from typing import Final

from contracts.units import UNIT_MS
from gateway.increment import Counts
from gateway.influx.cursor import Cursor
from gateway.influx.points import Point
from gateway.influx.sending import Sender
from gateway.journal import Journal
from gateway.stores import Stores

EVERY_MS: Final = 10 * UNIT_MS["s"]
_MEMORY: Final = Path("/proc/self/statm")


class Health:
    """Says every ten seconds how the gateway is; what it would have said during an outage is not said later."""

    def __init__(self, stores: Stores, cursor: Cursor) -> None:
        self._stores, self._cursor = stores, cursor
        self._before: tuple[int, int] | None = None  # when it was said last, and the messages received by then

    def begin_anew(self) -> None:
        """Nothing of this is sent again: it was only true then."""

    def bring_up_to_date(self, sender: Sender, now_ms: int) -> None:
        """Say how the gateway is, if it is time to."""
        if self._before is not None and now_ms - self._before[0] < EVERY_MS:
            return
        counts = sum(self._stores.blocks.counts().values(), Counts())
        journal, filled = self._stores.journal, self._cursor.filled()
        position, projected = journal.tip().position, self._stores.blocks.cursor().position
        rate = None
        if self._before is not None:
            rate = (counts.received - self._before[1]) * 1_000 / (now_ms - self._before[0])
        self._before = (now_ms, counts.received)
        fields = {
            "received": counts.received,
            "rejected": counts.rejected,
            "stored": counts.stored,
            "unassigned": counts.unassigned,
            "rate": rate,
            "lag_ms": _age_ms(journal, projected, now_ms),
            "position": position,
            "projected": projected,
            "influx_behind": max(0, position - filled.tip.position),
            "influx_delay_ms": _age_ms(journal, filled.tip.position, now_ms),
            "influx_hours": self._stores.blocks.touched_hours(filled.tip.position),
            "refused_points": sum(each.points for each in self._cursor.refused()),
            "memory_mb": _memory_mb(),
        }
        sender.send([Point("gateway", {"gateway": self._stores.settings.gateway}, fields, now_ms)])


def _age_ms(journal: Journal, done: int, now_ms: int) -> int:
    """How long the first message after a position has been waiting; 0 where none waits."""
    for batch in journal.read(done, 1):
        return max(0, now_ms - batch.messages[0].arrival_ms)
    return 0


def _memory_mb() -> float:
    """What the process holds in memory; where the system does not say, the most that it ever held."""
    try:
        pages = int(_MEMORY.read_text().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1 << 20) if sys.platform == "darwin" else peak / 1_024
    return pages * resource.getpagesize() / (1 << 20)
