"""What a time, a reading, a channel's name and a short text may be, and how to mend what is not.

A device's maker reads these reasons, on `feedback/{device}` or in the list of rejected messages.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, Final

from gateway.payloads.decoded import Fault
from gateway.payloads.document import TWICE, NotFinite

EARLIEST_MS: Final = 631_152_000_000  # 1990-01-01
LATEST_MS: Final = 4_102_444_800_000  # 2100-01-01, exclusive

_CHANNEL: Final = re.compile(r"[A-Za-z0-9_.\-/]{1,128}")
_RFC_3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))?", re.ASCII
)
_NUMBER: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_SEND_MS: Final = "send whole milliseconds since 1970-01-01 UTC, such as 1767225600000, or RFC 3339 text with a zone"


def time_ms(value: Any) -> int | Fault:
    """A device's time in milliseconds UTC, text floored to the millisecond; between 1990 and 2100."""
    if type(value) is str:
        return _time_of_text(value)
    if type(value) not in (int, float):
        return Fault(f"the time is {_named(value)}", _SEND_MS)
    if not EARLIEST_MS <= value < LATEST_MS:
        return _misplaced(value)
    if value != int(value):
        return Fault("the time is not a whole number of milliseconds", _SEND_MS)
    return int(value)


def _misplaced(value: float) -> Fault:
    for unit, per_ms in (("seconds", 0.001), ("microseconds", 1e3), ("nanoseconds", 1e6)):
        if EARLIEST_MS * per_ms <= value < LATEST_MS * per_ms:
            return Fault(f"the time is in {unit}, not milliseconds", _SEND_MS)
    return Fault("the time is not between the years 1990 and 2100", "set the device's clock; " + _SEND_MS)


def _time_of_text(text: str) -> int | Fault:
    match = _RFC_3339.fullmatch(text)
    if match is None:
        if _NUMBER.fullmatch(text):
            return Fault("the time is a number as text", "send it without quotes")
        return Fault("the time is text that is not RFC 3339", _SEND_MS)
    year, month, day, hour, minute, second, fraction, utc, sign, offset_hours, offset_minutes = match.groups()
    if utc is None and sign is None:
        return Fault("the time has no zone", "end it with Z for UTC, or with an offset such as +02:00")
    try:
        offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=zone)
    except ValueError as error:
        return Fault(f"the time does not exist: {error}", _SEND_MS)
    ms = (moment - _EPOCH) // _MILLISECOND + int((fraction or "").ljust(3, "0")[:3])
    if EARLIEST_MS <= ms < LATEST_MS:
        return ms
    return Fault("the time is not between the years 1990 and 2100", "set the device's clock")


def value_fault(value: Any) -> Fault | None:
    """Why this is not a reading; None where it is one: a number or true or false (semantics §1)."""
    kind = type(value)
    if kind in (int, float, bool):
        return None
    if kind is NotFinite:
        return Fault(f"{value} is not a measurement", "leave the channel out while there is none")
    if kind is str and _NUMBER.fullmatch(value):
        return Fault("the value is a number as text", "send it without quotes")
    if value is None:
        return Fault("the value is null", "leave the channel out while there is no reading")
    return Fault(f"the value is {_named(value)}", "send a number, true or false")


@lru_cache(maxsize=4096)
def channel_fault(name: str) -> Fault | None:
    """Why this cannot be a channel's name; None where it can."""
    if _CHANNEL.fullmatch(name):
        return None
    return Fault("the channel's name is not allowed", "use 1 to 128 of A-Z a-z 0-9 _ . - /")


def text(value: Any, longest: int = 64) -> str | Fault:
    """A short text on one line; a whole number is taken as its digits."""
    if type(value) is int:
        value = str(value) if abs(value) < 10**longest else ""
    if type(value) is not str:
        return Fault(f"it is {_named(value)}, not text", f"send text of 1 to {longest} characters")
    if not 1 <= len(value) <= longest or not value.isprintable():
        return Fault("it is empty, too long or has control characters", f"send text of 1 to {longest} characters")
    return value


def _named(value: Any) -> str:
    names = {bool: "true or false", dict: "an object", list: "a list", str: "text", NotFinite: "not a number"}
    if value is None:
        return "null"
    if value is TWICE:
        return "given twice"
    return names.get(type(value), "a number")
