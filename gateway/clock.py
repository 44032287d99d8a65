"""The one place that reads the wall clock; everything else is told what time it is."""

import time


def now_ms() -> int:
    """Milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000
