"""Questions in Flux, as everything here asks them: the points of one measurement, by their tags and field."""

from collections.abc import Mapping
from typing import Final

ALL_TIME: Final = "range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)"


def points_in(bucket: str, measurement: str, tags: Mapping[str, str], within: str = ALL_TIME) -> str:
    """The points of a measurement with these tags, `_field` being one of them, within a time."""
    asked = {"_measurement": measurement, **tags}
    test = " and ".join(f"r[{quoted(name)}] == {quoted(value)}" for name, value in asked.items())
    return f"from(bucket: {quoted(bucket)}) |> {within} |> filter(fn: (r) => {test})"


def quoted(text: str) -> str:
    """A text as Flux writes it; letters of all languages stand for themselves."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
