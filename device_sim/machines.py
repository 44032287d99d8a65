"""Machines as pure functions of time: what each would report at any moment, if nothing ever went wrong.

Every device reports at the whole multiples of its interval since the epoch. Pieces of one local day keep memory flat.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np

from device_sim import compressor, printer, truck, van
from device_sim.chance import Ints
from device_sim.days import Day, local_days
from device_sim.telemetry import Channel, Columns, Kind, ReadingSet


@dataclass(frozen=True, slots=True)
class Model:
    """A kind of machine: the channels it has, and their ticks at moments of one local day, by seed.

    `standing` is what its gauges and flags show while it is broken down, where a scenario may say that it is.
    """

    channels: tuple[Channel, ...]
    observe: Callable[[int, Day, Ints], Columns]
    standing: Mapping[str, int] | None = None


MODELS = {
    "printer": Model(printer.CHANNELS, printer.observe),
    "compressor": Model(compressor.CHANNELS, compressor.observe),
    "van": Model(van.CHANNELS, van.observe, van.STANDING),
    "truck": Model(truck.CHANNELS, truck.observe, truck.STANDING),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A simulated machine: its model, the seed that makes it this one, where it stands, and how often it reports.

    `broken` are the times [start_ms, end_ms) in which it stands still, one after the other. What it did not do in
    them it never makes up for: its registers go on from where they stood.
    """

    model: str
    seed: int
    zone: ZoneInfo
    interval_ms: int
    broken: tuple[tuple[int, int], ...] = ()


def channels(model: str) -> dict[str, Channel]:
    """The channels a model reports, by name."""
    return {channel.name: channel for channel in MODELS[model].channels}


def next_report_ms(machine: Machine, t_ms: int) -> int:
    """The first moment at or after `t_ms` at which the machine reports."""
    return -(-t_ms // machine.interval_ms) * machine.interval_ms


def observe(machine: Machine, t_ms: int) -> dict[str, int]:
    """What the machine shows at one moment, in ticks by channel."""
    (day,) = local_days(t_ms, t_ms + 1, machine.zone)
    columns = _observed(machine, day, np.array([t_ms], dtype=np.int64))
    return {name: int(ticks[0]) for name, ticks in columns.items()}


def reports(machine: Machine, start_ms: int, end_ms: int) -> Iterator[tuple[Ints, Columns]]:
    """Everything reported in [start_ms, end_ms), a local day at a time: the moments, and the ticks of each channel."""
    for day in local_days(start_ms, end_ms, machine.zone):
        first = next_report_ms(machine, max(start_ms, day.start_ms))
        times = np.arange(first, min(end_ms, day.end_ms), machine.interval_ms, dtype=np.int64)
        if len(times):
            yield times, _observed(machine, day, times)


def _observed(machine: Machine, day: Day, times: Ints) -> Columns:
    """What the machine shows at moments of one local day, its breakdowns taken in."""
    columns = dict(MODELS[machine.model].observe(machine.seed, day, times))
    undisturbed = replace(machine, broken=())
    registers = [name for name, channel in channels(machine.model).items() if channel.kind is Kind.REGISTER]
    lost = {name: np.zeros_like(times) for name in registers}
    for start_ms, end_ms in machine.broken:
        if times[-1] < start_ms:
            break
        during = (times >= start_ms) & (times < end_ms)
        before, after = (observe(undisturbed, t_ms) for t_ms in (start_ms, end_ms))
        for name in registers:
            until = np.where(during, columns[name], after[name])
            lost[name] += np.where(times < start_ms, 0, until - before[name])
        for name, ticks in (MODELS[machine.model].standing or {}).items():
            columns[name] = np.where(during, ticks, columns[name])
    return columns | {name: columns[name] - lost[name] for name in registers}


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
