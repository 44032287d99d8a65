"""Points of InfluxDB, and the line protocol in which they are sent (docs/influxdb.md)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

Value = float | int | str | None

# A tag can hold no line break, and a backslash cannot be escaped in it.
_KEY: Final = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ ", "\n": "\\ ", "\r": "\\ ", "\\": "/"})
_TEXT: Final = str.maketrans({"\\": "\\\\", '"': '\\"'})


@dataclass(frozen=True, slots=True)
class Point:
    """What is known of one thing at one moment: `time_ms` in ms since 1970, UTC.

    A point with the same measurement, tags and time is the same point: its fields replace the earlier ones. A field
    is a float, an int (an integer for ever after in that measurement) or a text; None, like an empty tag, is left out.
    """

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, Value]
    time_ms: int


def line(point: Point) -> str:
    """One point as a line without its end; empty for a point that has no field."""
    fields = ",".join(f"{key(name)}={value(each)}" for name, each in point.fields.items() if each is not None)
    if not fields:
        return ""
    tags = "".join(f",{key(name)}={key(each)}" for name, each in sorted(point.tags.items()) if each)
    return f"{key(point.measurement)}{tags} {fields} {point.time_ms}"


def lines(points: Iterable[Point]) -> bytes:
    """Points as line protocol in milliseconds, each line with its end."""
    return "".join(f"{each}\n" for point in points if (each := line(point))).encode()


def key(text: str) -> str:
    """A tag key, a tag value or a field key, escaped."""
    return text.translate(_KEY)


def value(field: float | int | str) -> str:
    """The value of a field, in the type it will have in InfluxDB."""
    if isinstance(field, str):
        return f'"{field.translate(_TEXT)}"'
    assert not isinstance(field, bool), "flags are the integers 1 and 0, which can be drawn"
    if isinstance(field, int):
        return f"{field}i"
    assert isfinite(field), f"InfluxDB has no {field}"
    return repr(float(field))
