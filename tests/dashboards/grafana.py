"""What Grafana does between a dashboard and InfluxDB, as far as a query can tell: it fills in what a query leaves open,
and it takes the answer apart into frames, of which a panel draws or lists one field after the other.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

Row = Mapping[str, Any]
SPECIAL = re.compile(r"[\\^$*+?.()|\[\]{}/]")
USED = re.compile(r"\$\{(\w+)(?:\.[^:}]+)?(?::(\w+))?\}")


@dataclass(frozen=True, slots=True)
class View:
    """Somebody looks: at what time range, how finely, into which bucket, with which variables chosen."""

    start_ms: int
    stop_ms: int
    bucket: str
    chosen: Mapping[str, tuple[str, ...]]
    organization: str = "-"
    step: str = "1h0m0s"


def interpolated(flux: str, view: View) -> str:
    """The query as InfluxDB gets it; every variable in it must be one that is chosen, in the form of a pattern."""

    def value(found: re.Match[str]) -> str:
        assert found[2] == "regex", f"{found[0]}: in a query a variable is written as a pattern"
        return pattern(view.chosen[found[1]])

    filled = USED.sub(value, flux)
    assert "$" not in filled.replace(")$/", ")/"), filled
    for name, text in {
        "timeRangeStart": moment(view.start_ms),
        "timeRangeStop": moment(view.stop_ms),
        "windowPeriod": view.step,
        "defaultBucket": f'"{view.bucket}"',
        "organization": f'"{view.organization}"',
    }.items():
        # Grafana replaces these after any name, so no record in a query may have a field that is called like one.
        filled = re.sub(rf"[a-zA-Z]+\.{name}", text, filled)
    return filled


def pattern(values: tuple[str, ...]) -> str:
    """Chosen values as the regular expression that `${name:regex}` stands for."""
    escaped = [SPECIAL.sub(r"\\\g<0>", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def moment(time_ms: int) -> str:
    """A moment as Grafana writes it into Flux."""
    return datetime.fromtimestamp(time_ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Frame:
    """One table of an answer: a series of values in time, which the labels name, or plain columns."""

    rows: Sequence[Row]
    is_series: bool
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> set[str]:
        """The columns in which anything stands."""
        return {name for row in self.rows for name in row}


def frames(rows: Iterable[Row]) -> list[Frame]:
    """An answer as Grafana takes it: what has `_value` and a time is a series, and texts beside them are labels."""
    found = []
    for _, table in groupby(rows, key=lambda row: row["table"]):
        bare = [{name: value for name, value in row.items() if name not in ("result", "table")} for row in table]
        first = bare[0]
        is_series = "_value" in first and any(name in first for name in ("_time", "_start", "_stop"))
        labels = {name: value for name, value in first.items() if not name.startswith("_") and isinstance(value, str)}
        found.append(Frame(bare, is_series, labels if is_series else {}))
    return found
