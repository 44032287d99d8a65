"""Small contracts and readings for the tests of the core, written as an author and a device would write them."""

from datetime import datetime
from typing import Any

import numpy as np

from contracts.compute import compute
from contracts.contract import Contract, read_contract
from contracts.language.terms import Terms
from contracts.readings import ARRIVAL_UNKNOWN, NO_BOOT, Columns, Series
from contracts.table import Table, read_table

JANUARY = 1_767_225_600_000
"""2026-01-01T00:00:00Z, where the contracts here begin."""
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

BODY = """
channels: {pages: {unit: page}}
meters: {pages: {counter: pages}}
charges: [{id: pages, meter: pages, price: {per_unit: 0.10}}]
"""


def contract_text(
    body: str = BODY,
    *,
    devices: str = "[{id: m1}]",
    currency: str = "EUR",
    timezone: str = "UTC",
    period: str = "month",
    valid: str = "{from: 2026-01-01}",
    data: str = "{max_hold: 2h}",
    more: str = "",
) -> str:
    """The text of a contract of one device, whose `body` says what is measured and what it costs."""
    return f"""terms: 1
id: T-1
provider: {{name: Provider}}
customer: {{name: Customer}}
currency: {currency}
timezone: {timezone}
valid: {valid}
period: {period}
data: {data}
devices: {devices}
{more}
{body}"""


def contract(body: str = BODY, **head: str) -> Contract:
    """That contract, read."""
    return read_contract(contract_text(body, **head), "terms.yaml")


def terms(body: str = BODY, **head: str) -> Terms:
    """Its terms alone."""
    return contract(body, **head).terms


def ms(text: str) -> int:
    """A moment, `2026-01-01T00:00Z`, in milliseconds since the epoch."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def csv(lines: str) -> Table:
    """The readings in lines `device,channel,time,value`, further columns being named by a first line of their own."""
    header = "" if lines.lstrip().startswith("device,") else "device,channel,time,value\n"
    return read_table(header + lines.lstrip(), "readings.csv")


def statement(agreed: Contract, lines: str, period: str = "2026-01") -> dict[str, Any]:
    """The statement of a period from readings alone."""
    return compute(agreed, csv(lines), period)


def register(values: dict[int, int], channel: str = "pages") -> str:
    """Lines of one register: its value at each number of hours since the contract began."""
    return "".join(f"m1,{channel},{JANUARY + hour * HOUR},{value}\n" for hour, value in values.items())


def series(readings: dict[int, int]) -> Series:
    """Readings that stand: ticks by time in ms."""
    times = np.array(sorted(readings), np.int64)
    ticks = np.array([readings[time] for time in sorted(readings)], np.int64)
    return Series(times, ticks, np.full(len(times), NO_BOOT, np.int64))


def columns(times: list[int], ticks: list[int], arrivals: list[int] | None = None) -> Columns:
    """Readings as they arrived, with or without the times at which they did."""
    known = arrivals if arrivals is not None else [ARRIVAL_UNKNOWN] * len(times)
    late = np.zeros(len(times), np.bool_)
    boots = np.full(len(times), NO_BOOT, np.int64)
    return Columns(np.array(times, np.int64), np.array(ticks, np.int64), np.array(known, np.int64), boots, late)
