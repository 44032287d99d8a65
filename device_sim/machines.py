"""Machines as pure functions of time: what each would report at any moment, if nothing ever went wrong.

Every device reports at the whole multiples of its interval since the epoch. Pieces of one local day keep memory flat.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from device_sim import compressor, printer
from device_sim.chance import Ints
from device_sim.days import Day, local_days
from device_sim.telemetry import Channel, Columns, ReadingSet


@dataclass(frozen=True, slots=True)
class Model:
    """A kind of machine: the channels it has, and their ticks at moments of one local day, by seed."""

    channels: tuple[Channel, ...]
    observe: Callable[[int, Day, Ints], Columns]


MODELS = {
    "printer": Model(printer.CHANNELS, printer.observe),
    "compressor": Model(compressor.CHANNELS, compressor.observe),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A simulated machine: its model, the seed that makes it this one, where it stands, and how often it reports."""

    model: str
    seed: int
    zone: ZoneInfo
    interval_ms: int


def channels(model: str) -> dict[str, Channel]:
    """The channels a model reports, by name."""
    return {channel.name: channel for channel in MODELS[model].channels}


def next_report_ms(machine: Machine, t_ms: int) -> int:
    """The first moment at or after `t_ms` at which the machine reports."""
    return -(-t_ms // machine.interval_ms) * machine.interval_ms


def observe(machine: Machine, t_ms: int) -> dict[str, int]:
    """What the machine shows at one moment, in ticks by channel."""
    (day,) = local_days(t_ms, t_ms + 1, machine.zone)
    columns = MODELS[machine.model].observe(machine.seed, day, np.array([t_ms], dtype=np.int64))
    return {name: int(ticks[0]) for name, ticks in columns.items()}


def reports(machine: Machine, start_ms: int, end_ms: int) -> Iterator[tuple[Ints, Columns]]:
    """Everything reported in [start_ms, end_ms), a local day at a time: the moments, and the ticks of each channel."""
    for day in local_days(start_ms, end_ms, machine.zone):
        first = next_report_ms(machine, max(start_ms, day.start_ms))
        times = np.arange(first, min(end_ms, day.end_ms), machine.interval_ms, dtype=np.int64)
        if len(times):
            yield times, MODELS[machine.model].observe(machine.seed, day, times)


def speak(machine: Machine, boot: str, switched_on_ms: int, start_ms: int, end_ms: int) -> Iterator[ReadingSet]:
    """The reading sets of [start_ms, end_ms) of a device without faults, numbered from when it was switched on."""
    known = channels(machine.model)
    first = next_report_ms(machine, switched_on_ms)
    for times, columns in reports(machine, start_ms, end_ms):
        names = tuple(columns)
        rows = zip(*(known[name].values(columns[name]) for name in names), strict=True)
        for t_ms, row in zip(times.tolist(), rows, strict=True):
            seq = (t_ms - first) // machine.interval_ms
            yield ReadingSet(t_ms, dict(zip(names, row, strict=True)), seq, boot, t_ms, t_ms)
