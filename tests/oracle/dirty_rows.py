"""Random readings as the field sends them: gaps, resets, wraps, spikes, repetition, disorder, wrong clocks."""

from dataclasses import dataclass, replace
from decimal import Decimal

from hypothesis import strategies as st

from tests.oracle.reading import Row
from tests.oracle.terms import UNIT_MS

MINUTE, HOUR = UNIT_MS["min"], UNIT_MS["h"]
OFFSETS = [0, 0, -1, 1, -90_000, 90_000, -10 * MINUTE, 10 * MINUTE, -HOUR, 2 * HOUR, 7 * HOUR + 123]
"""Milliseconds from a mark at which readings may begin: on edges, beside them, and one hold away from them."""
SPACINGS = [30_000, 90_000, 90_001, 10 * MINUTE, 10 * MINUTE + 1, HOUR, 6 * HOUR]
DELAYS = [0, 1_000, 2 * MINUTE, 3 * HOUR, -5 * MINUTE, -5 * MINUTE - 1, -HOUR, 2 * UNIT_MS["d"], 2 * UNIT_MS["d"] + 1]
"""Milliseconds a reading takes to arrive: negative where the device's clock is ahead."""
FAULTS = ["none", "reset", "reset", "bad zero", "low", "low twice", "spike", "wrap", "stuck", "back"]


@dataclass(frozen=True, slots=True)
class Field:
    """The moments of a case, its device's resolutions, and the moments at which the device restarts."""

    marks: list[int]
    steps: dict[str, str]
    restarts: list[int]


@st.composite
def moments(draw: st.DrawFn, marks: list[int]) -> list[int]:
    """Draw the times a channel is read: a few stretches around the marks, each evenly spaced."""
    times: set[int] = set()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.sampled_from(marks)) + draw(st.sampled_from(OFFSETS))
        spacing = draw(st.sampled_from(SPACINGS))
        times |= {start + n * spacing for n in range(draw(st.integers(1, 25)))}
    return sorted(times)


@st.composite
def register_ticks(draw: st.DrawFn, times: list[int], restarts: list[int]) -> list[int]:
    """Draw what a register shows: it rises, and now and then something happens to it."""
    gains = draw(st.lists(st.sampled_from([0, 1, 1, 3, 10, 40]), min_size=1, max_size=4))
    faults = dict(draw(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(FAULTS)), max_size=4)))
    resets = draw(st.booleans())
    true_value = draw(st.sampled_from([0, 100, 960, 995]))
    values: list[int] = []
    for index, time in enumerate(times):
        true_value += gains[index % len(gains)]
        fault = faults.get(index, "none")
        restarted = index > 0 and any(times[index - 1] < moment <= time for moment in restarts)
        if fault == "reset" or (restarted and resets):
            true_value = gains[0]
        elif fault == "wrap":
            true_value %= 1000
        elif fault == "back":
            true_value = max(0, true_value - 30)
        elif fault == "stuck" and values:
            true_value = values[-1]
        shown = {"bad zero": 0, "low": 7, "spike": true_value + 5000}.get(fault, true_value)
        if fault == "low twice" or (index and faults.get(index - 1) == "low twice"):
            shown = 5
        values.append(shown)
    return values


@st.composite
def plain_ticks(draw: st.DrawFn, channel: str, times: list[int]) -> list[int]:
    """Draw what a sensor shows: a short pattern over and over, so that equal readings and edges are common."""
    highest = {"state": 1, "level": 9, "flow": 60}[channel]
    pattern = draw(st.lists(st.integers(0, highest), min_size=1, max_size=6))
    return [pattern[index % len(pattern)] for index in range(len(times))]


@st.composite
def channel_rows(draw: st.DrawFn, field: Field, device: str, channel: str) -> list[Row]:
    """Draw the readings of one channel, in order of time, some of them off the channel's resolution."""
    times = draw(moments(field.marks))
    shown = register_ticks(times, field.restarts) if channel == "register" else plain_ticks(channel, times)
    ticks = draw(shown)
    step = Decimal(field.steps[channel])
    between = draw(st.sampled_from([Decimal(0), Decimal(0), step / 2, step / 5]))
    rows = []
    for time, tick in zip(times, ticks, strict=True):
        boot = f"boot-{sum(moment <= time for moment in field.restarts)}" if field.restarts else None
        rows.append(Row(device, channel, time, f"{tick * step + between:f}", boot))
    return rows


@st.composite
def disorder(draw: st.DrawFn, rows: list[Row], *, conflicts: bool) -> list[Row]:
    """Draw a file of these rows with repetitions, conflicts and displaced lines."""
    file = list(rows)
    place = st.integers(0, max(0, len(rows) - 1))
    for source, target in draw(st.lists(st.tuples(place, place), max_size=4)):
        file.insert(target, rows[source])
    for source, target in draw(st.lists(st.tuples(place, place), max_size=3 if conflicts else 0)):
        row = rows[source]
        file.insert(target, replace(row, value=f"{Decimal(row.value) + draw(st.sampled_from([1, 20, 500]))}"))
    for source, target in draw(st.lists(st.tuples(place, place), max_size=4)):
        file.insert(target, file.pop(source))
    return file


@st.composite
def arrivals(draw: st.DrawFn, rows: list[Row]) -> list[Row]:
    """Draw when each row arrived: mostly at once, a few late, early, or beyond what the terms allow."""
    usual = draw(st.sampled_from([0, 1_000, 2 * MINUTE]))
    place = st.integers(0, max(0, len(rows) - 1))
    odd = dict(draw(st.lists(st.tuples(place, st.sampled_from(DELAYS)), max_size=8)))
    return [replace(row, arrival=row.time + odd.get(index, usual)) for index, row in enumerate(rows)]


@st.composite
def files(
    draw: st.DrawFn, marks: list[int], devices: list[str], steps: dict[str, str], *, plain: bool = False
) -> list[Row]:
    """Draw the lines of a readings file; a `plain` one has neither conflicts nor arrivals."""
    rows = []
    for device in devices:
        restarts = sorted(
            draw(st.sampled_from(marks)) + draw(st.sampled_from(OFFSETS)) for _ in range(draw(st.integers(0, 2)))
        )
        for channel in steps:
            rows += draw(channel_rows(Field(marks, steps, restarts), device, channel))
    rows.sort(key=lambda row: row.time)
    if plain:
        return rows
    file = draw(disorder(rows, conflicts=True))
    return draw(arrivals(file)) if draw(st.booleans()) else file


def csv_of(rows: list[Row]) -> str:
    """Write rows as `compute --readings` reads them; columns no row fills are left out."""
    names = ["device", "channel", "time", "value"]
    names += [name for name in ("boot", "arrival") if any(getattr(row, name) is not None for row in rows)]
    lines = [",".join("" if getattr(row, name) is None else str(getattr(row, name)) for name in names) for row in rows]
    return "\n".join([",".join(names), *lines]) + "\n"
