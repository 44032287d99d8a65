"""What can go wrong, as a scenario names it: one small closed record for each kind of fault."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(?:\d{1,9}(?:ms|min|s|m|h|d))+")
_PART = re.compile(r"(\d+)(ms|min|s|m|h|d)")


def duration_ms(text: object) -> int:
    """Milliseconds of `90s`, `5m`, `5d3h`. ValueError says what was expected."""
    if not isinstance(text, str) or not _DURATION.fullmatch(text):
        raise ValueError("a duration is written like 90s, 20m, 2h or 5d3h")
    return sum(int(number) * _UNIT_MS[unit] for number, unit in _PART.findall(text))


Offset = Annotated[int, BeforeValidator(duration_ms)]
Duration = Annotated[int, BeforeValidator(duration_ms), Field(gt=0)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Text = Annotated[str, Field(min_length=1, max_length=64)]


class Closed(BaseModel):
    """Unknown keys are errors, nothing changes after loading, and numbers are not made of text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


class _Fault(Closed):
    """Every fault names its device and its offset from the start of the period; `workday` keeps it off weekends."""

    device: Id
    at: Offset
    workday: bool = False


class Stretch(_Fault):
    """A fault that lasts."""

    lasts: Annotated[Duration, Field(alias="for")]


class Withheld(Stretch):
    """Readings that do not go out in time: never (dropout), in one burst afterwards, or when asked for (late_batch)."""

    kind: Literal["dropout", "burst", "late_batch"]


class Breakdown(Stretch):
    """The machine itself stands still: its registers too, and what it did not do it never makes up for."""

    kind: Literal["breakdown"]


class Duplicate(Stretch):
    """A share (percent) of the reading sets goes out twice."""

    kind: Literal["duplicate"]
    share: Annotated[int, Field(ge=1, le=100)] = 100


class Reorder(Stretch):
    """Reading sets go out shuffled, in groups of `within`."""

    kind: Literal["reorder"]
    within: Annotated[int, Field(ge=2, le=10_000)] = 10


class ClockSkew(Stretch):
    """The device's clock is ahead by `ahead`, or behind by `behind`."""

    kind: Literal["clock_skew"]
    ahead: Offset = 0
    behind: Offset = 0


class Stuck(Stretch):
    """A sensor keeps showing what it showed first."""

    kind: Literal["stuck"]
    channel: str


class CounterReset(_Fault):
    """A register starts again from zero, announced by a new boot id or not."""

    kind: Literal["counter_reset"]
    channel: str
    boot: Text | None = None


class BadZero(_Fault):
    """One reading of a register is zero."""

    kind: Literal["bad_zero"]
    channel: str


class Conflict(_Fault):
    """One reading comes a second time with a value so many ticks (smallest steps) away."""

    kind: Literal["conflict"]
    channel: str
    ticks: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 1


class Reboot(_Fault):
    """The device restarts: a new boot id, and its sequence numbers from zero."""

    kind: Literal["reboot"]
    boot: Text


Fault = Annotated[
    Withheld | Breakdown | Duplicate | Reorder | ClockSkew | Stuck | CounterReset | BadZero | Conflict | Reboot,
    Field(discriminator="kind"),
]
