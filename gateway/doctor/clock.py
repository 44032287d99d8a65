"""Whether this computer's clock is right: arrival times are its, and what a contract calls late depends on them.

There is no clock here to ask that is surely right. InfluxDB and Grafana say the time in every answer, to the second;
and no message can have arrived later than now.
"""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from gateway.doctor.finding import Finding, fault, ok, warning
from gateway.journal import Journal, JournalError

_SECOND_MS: Final = 1_000
NOTICED_MS: Final = 5_000
WRONG_MS: Final = 60_000
_TIMEOUT_S: Final = 5
_REMEDY: Final = "Keep the clock of this computer, and of that one, by NTP"


def clock(data: Path, servers: dict[str, str], now_ms: Callable[[], int]) -> Iterator[Finding]:
    """Compare with the servers, by name and address, and with the last arrival in the journal."""
    arrival = _last_arrival_ms(data / "journal.sqlite")
    if arrival is not None and arrival > now_ms() + _SECOND_MS:
        said = f"the last message arrived {(arrival - now_ms()) / 1000:,.0f} s from now: the clock was put back"
        yield fault(
            "clock", said, "Set the clock right; new messages count as arrived when the last one did until then"
        )
        return
    compared = [(name, off) for name, url in servers.items() if (off := offset_ms(url, now_ms)) is not None]
    for name, off in compared:
        yield judged(name, off)
    if not compared:
        yield ok("clock", "no server to compare with; it is not behind the last arrival")


def judged(name: str, off_ms: int) -> Finding:
    """What a difference to a server's clock means."""
    said = f"{abs(off_ms) / 1000:,.0f} s {'behind' if off_ms > 0 else 'ahead of'} that of {name}"
    if abs(off_ms) > WRONG_MS:
        return fault("clock", said, _REMEDY)
    if abs(off_ms) > NOTICED_MS:
        return warning("clock", said, _REMEDY)
    return ok("clock", f"as that of {name}")


def offset_ms(url: str, now_ms: Callable[[], int]) -> int | None:
    """By how much a server's clock is ahead of ours, as its answer says, to a second; None where it does not."""
    before = now_ms()
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - settings allow http and https
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        with error:
            date = error.headers.get("Date")
    except (OSError, ValueError):
        return None  # that it does not answer is told elsewhere
    if date is None:
        return None
    theirs = round(parsedate_to_datetime(date).timestamp() * 1000) + _SECOND_MS // 2
    off = theirs - (before + now_ms()) // 2
    return 0 if abs(off) <= _SECOND_MS else off


def _last_arrival_ms(path: Path) -> int | None:
    if not path.exists():
        return None
    try:
        with Journal.open(path) as journal:
            batch = next(journal.read(journal.tip().position - 1), None) if journal.tip().position else None
    except JournalError:
        return None  # told elsewhere
    return batch.messages[-1].arrival_ms if batch else None
