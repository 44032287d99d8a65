"""The contracts of the end-to-end tests, as texts: written for machines that were recorded, and for a small fleet."""

import re
from collections.abc import Iterable
from importlib import resources

HEAD = """
terms: 1
id: {id}
provider: {{name: Maker NV}}
customer: {{name: User BV}}
currency: EUR
timezone: {zone}
valid: {{from: {begins}}}
period: {period}
grace: 0s
"""


def agreed(body: str, *, contract: str, begins: object, period: str = "day", zone: str = "UTC") -> str:
    """A contract's text: the usual head, and what is measured and what it costs."""
    return HEAD.format(id=contract, zone=zone, begins=begins, period=period) + body


COMPRESSOR = """
devices: [{id: metro-7}]
data: {max_hold: 15s}
channels:
  loaded:  {}
  current: {unit: A, resolution: 0.0001}
  reservoir: {unit: bar, resolution: 0.001}
conditions:
  under_load: {channel: loaded, is: true}
meters:
  loaded:   {duration: under_load, unit: m, resolution: 0.01}
  long:     {duration: {condition: under_load, for: 105s}, unit: s, resolution: 1}
  idle:     {duration: {not: under_load}, unit: h, resolution: 0.0001}
  starts:   {count: under_load}
  charge:   {integral: current, per: 1h, unit: Ah, only_when: {channel: reservoir, at_least: 8.5}, resolution: 0.001}
charges:
  - {id: hire, price: {flat: 40.00, per: device}}
  - {id: loaded, meter: loaded, price: {graduated: [{up_to: 2.5, unit: 1.99, flat: 3}, {up_to: 5, unit: 0.995}, {unit: 0.333}]}}
  - {id: idle, meter: idle, price: {graduated: [{up_to: 1, unit: 6.10}, {unit: 4.05}]}}
  - {id: starts, meter: starts, price: {per_unit: 0.125}}
  - {id: charge, meter: charge, price: {per_unit: 0.0123}}
  - {id: poor, meter: charge, part: off_quality, price: {per_unit: -0.0011}}
"""  # noqa: E501 - a contract's line

WATER = """
devices: [{id: rig-a}, {id: rig-b}, {id: rig-c}]
data: {max_hold: 1500ms}
channels:
  flow:     {unit: l/min, resolution: 0.0001}
  pressure: {unit: bar, resolution: 0.000001, max_hold: 1s}
conditions:
  in_band: {channel: pressure, between: [0.054711, 0.382638]}
meters:
  water: {integral: flow, per: 1m, unit: l, only_when: in_band, resolution: 0.001}
  sure:  {integral: flow, per: 1m, unit: l, only_when: in_band, resolution: 0.001, unknown: nothing}
charges:
  - id: water
    meter: water
    pool: true
    allowance: {included: 250}
    price: {graduated: [{up_to: 500, unit: 0.0123}, {unit: 0.0101}]}
  - {id: poor, meter: water, part: off_quality, price: {per_unit: 0.0035}}
  - {id: sure, meter: sure, part: off_quality, pool: true, price: {per_unit: 0.0002}}
"""

CAR = """
devices: [{id: car-1}]
data: {max_hold: 2s}
channels:
  engine: {unit: s}
  speed:  {unit: km/h}
  rpm:    {unit: 1/min, resolution: 0.25}
meters:
  distance: {integral: speed, per: 1h, unit: km, resolution: 0.001}
  engine:   {counter: engine, reset_below: 60, max_rate: 2/s, unit: s}
  standing: {duration: {all: [{channel: speed, is: 0}, {channel: rpm, above: 0}]}, unit: m, resolution: 0.01}
charges:
  - {id: distance, meter: distance, allowance: {included: 25}, price: {per_unit: 0.2895}}
  - {id: engine, meter: engine, price: {package: {size: 600, price: 0.85}}}
  - {id: standing, meter: standing, price: {per_unit: 0.05}}
"""

FURNACE = """
devices: [{id: furnace-1}]
data: {max_hold: 10m}
channels:
  heat: {unit: °C, resolution: 0.01}
meters:
  hot:  {duration: {channel: heat, at_least: 94.25}, unit: m, resolution: 1}
  dose: {integral: heat, per: 1h, unit: °C·h, resolution: 0.01}
charges:
  - {id: hot, meter: hot, price: {per_unit: 0.21}}
  - {id: dose, meter: dose, price: {per_unit: 0.0049}}
"""

FLEET = """
name: small fleet
timezone: Europe/Brussels
devices:
  - {id: printer-01, model: printer, seed: 7, boot: p1, meter: P-20931}
  - {id: comp-01, model: compressor, seed: 11, interval: 2m, boot: a1, meter: K4711}
  - {id: comp-02, model: compressor, seed: 12, boot: c1, meter: K4712}
faults:  # on the first day, and on the second; nothing on the third
  - {kind: bad_zero, device: printer-01, channel: pages, at: 11h}
  - {kind: counter_reset, device: printer-01, channel: pages, boot: p2, at: 1d10h20m}
  - {kind: duplicate, device: printer-01, at: 1d12h, for: 2h, share: 30}
  - {kind: dropout, device: comp-01, at: 10h, for: 3h}
  - {kind: reorder, device: comp-01, at: 14h, for: 2h, within: 40}
  - {kind: conflict, device: comp-02, channel: air_flow, ticks: 1250, at: 15h}
  - {kind: late_batch, device: comp-02, at: 1d9h, for: 20m}
  - {kind: reboot, device: comp-02, boot: c2, at: 1d4h}
"""


def daily(example: str, first: object) -> str:
    """A shipped example as a contract by the day that begins on `first` and waits for nobody."""
    text = resources.files("contracts").joinpath("examples", f"{example}.yaml").read_text("utf-8")
    for pattern, by in (
        (r"from: \d{4}-\d\d-\d\d(, until: \d{4}-\d\d-\d\d)?", f"from: {first}"),
        (r"period: month", "period: day"),
        (r"grace: 3d", "grace: 0s"),
    ):
        text, found = re.subn(pattern, by, text)
        assert found == 1, f"the example says {pattern} once"
    return text


def tanks(devices: Iterable[str], *, contract: str, begins: object) -> str:
    """A contract by the day on registers: one meter of litres drawn on each of these devices."""
    listed = ", ".join(f"{{id: {device}}}" for device in devices)
    body = f"""
devices: [{listed}]
channels:
  drawn: {{unit: l, resolution: 0.5}}
meters:
  drawn: {{counter: drawn, unit: l}}
charges:
  - {{id: drawn, meter: drawn, price: {{per_unit: 0.40}}}}
"""
    return agreed(body, contract=contract, begins=begins)
