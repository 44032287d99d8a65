"""Whether a running gateway does its work, judged from its data folder alone, in a moment and without disturbing it.

For whoever starts and watches it: a container engine, a service of the system. What may be wrong beside that, and how
to mend it, is for `fairmeter doctor`.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

SIGN: Final = ".alive"
SIGN_EVERY_S: Final = 10.0
SILENT_AFTER_MS: Final = 60_000
WAITING_AFTER_MS: Final = 300_000
ROOM_BYTES: Final = 1024 * 1024  # with less, a batch may not fit any more


async def show_life(data: Path, subscribed: Awaitable[None]) -> None:
    """Renew a sign in the data folder for as long as the gateway's loop turns, once the broker has let it in."""
    sign = data / SIGN
    sign.unlink(missing_ok=True)  # of an earlier run
    await subscribed
    while True:
        sign.touch()
        await asyncio.sleep(SIGN_EVERY_S)


def ailments(data: Path, now_ms: int) -> list[str]:
    """What keeps the gateway on a data folder from its work; empty where it is well."""
    found = []
    try:
        silent_ms = now_ms - round((data / SIGN).stat().st_mtime * 1000)
    except FileNotFoundError:
        found.append("it has not been let in by the broker since its start, or does not run")
    else:
        if silent_ms > SILENT_AFTER_MS:
            found.append(f"it has given no sign of life for {silent_ms // 1000} s")
    if data.is_dir() and shutil.disk_usage(data).free < ROOM_BYTES:
        found.append("its disk is full, so that nothing can be acknowledged; make room")
    try:
        waiting_ms = now_ms - (_oldest_waiting(data) or now_ms)
    except sqlite3.Error as error:
        return [*found, f"its files in {data} cannot be read ({error}); `fairmeter doctor` looks closer"]
    if waiting_ms > WAITING_AFTER_MS:
        found.append(f"readings have waited for {waiting_ms // 60_000} minutes to be metered")
    return found


def _oldest_waiting(data: Path) -> int | None:
    """When the oldest batch that is not projected yet arrived; None where everything is."""
    if not (data / "blocks.sqlite").exists():
        return None
    projected = _one(data / "blocks.sqlite", "SELECT position FROM cursor")
    return _one(data / "journal.sqlite", "SELECT last_arrival_ms FROM batch WHERE position = ?", (projected or 0) + 1)


def _one(path: Path, query: str, *values: int) -> int | None:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        row = connection.execute(query, values).fetchone()
    finally:
        connection.close()
    return None if row is None else int(row[0])
