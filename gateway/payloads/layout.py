"""Which topics mean what, and where in another maker's JSON the readings stand.

The device id comes from the topic, where a broker's access list can tie it to the client (interfaces, MQTT).
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal

from gateway.payloads.decoded import Fault

Purpose = Literal["telemetry", "status", "event"]
LONGEST_DEVICE_ID: Final = 128


@dataclass(frozen=True, slots=True)
class Mapped:
    """A place in the JSON, as keys joined by dots, and the channel it is; its value is multiplied by `factor`."""

    path: str
    channel: str
    factor: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Shape:
    """A JSON shape that is not ours: where its readings, time, restart mark and message number stand."""

    channels: tuple[Mapped, ...]
    time: str = "t"
    boot: str = "boot"
    seq: str = "seq"


@dataclass(frozen=True, slots=True)
class Layout:
    """Topic patterns (`factory/+/line/{device}/data`), and the shape of telemetry where it is not ours.

    ValueError for a pattern that names no device or puts a wildcard where MQTT allows none.
    """

    telemetry: str = "telemetry/{device}"
    status: str = "status/{device}"
    event: str = "event/{device}"
    shape: Shape | None = None
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        purposes: tuple[Purpose, ...] = ("telemetry", "status", "event")
        alternatives = (f"(?P<{purpose}>{_expression(getattr(self, purpose))})" for purpose in purposes)
        object.__setattr__(self, "_pattern", re.compile("|".join(alternatives), re.DOTALL))

    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return tuple(pattern.replace("{device}", "+") for pattern in (self.telemetry, self.status, self.event))

    def address(self, topic: str) -> tuple[Purpose, str] | Fault:
        """What a message on this topic is, and from which device."""
        match = self._pattern.fullmatch(topic)
        if match is None:
            return Fault("no topic pattern matches", "send to a topic of the form " + self.telemetry)
        # The outer group names the purpose, the one inside it is the device; `lastindex` is the outer one.
        assert match.lastgroup is not None and match.lastindex is not None
        device: str = match.group(match.lastindex + 1)
        if not device:
            return Fault("the device id in the topic is empty", "send to a topic of the form " + self.telemetry)
        if len(device) > LONGEST_DEVICE_ID:
            return Fault(f"the device id in the topic has {len(device)} characters", f"use at most {LONGEST_DEVICE_ID}")
        if not device.isprintable():
            return Fault("the device id in the topic has control characters or is not UTF-8", "use letters and digits")
        return match.lastgroup, device  # type: ignore[return-value] # the named groups are the purposes


def reshaped(document: Any, shape: Shape, twice: object) -> Any:
    """One object in our own shape; a channel found at two places gets `twice`, anything but an object stays."""
    if not isinstance(document, dict):
        return document
    values: dict[str, Any] = {}
    for mapped in shape.channels:
        found, value = _at(document, mapped.path)
        if found:
            values[mapped.channel] = twice if mapped.channel in values else _scaled(value, mapped.factor)
    ours: dict[str, Any] = {"v": values}
    for key, path in (("t", shape.time), ("boot", shape.boot), ("seq", shape.seq)):
        found, value = _at(document, path)
        if found:
            ours[key] = value
    return ours


def _expression(pattern: str) -> str:
    levels = pattern.split("/")
    if levels.count("{device}") != 1:
        raise ValueError(f"topic pattern {pattern!r} must have one level that is {{device}}")
    parts = []
    for number, level in enumerate(levels):
        if level == "{device}":
            parts.append("([^/]*)")
        elif level == "+":
            parts.append("[^/]*")
        elif level == "#" and number == len(levels) - 1:
            parts.append(".*")
        elif any(character in level for character in "+#{}"):
            raise ValueError(f"topic pattern {pattern!r}: {level!r} must be a whole level of its own")
        else:
            parts.append(re.escape(level))
    return "/".join(parts)


def _at(document: Any, path: str) -> tuple[bool, Any]:
    for key in path.split("."):
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif isinstance(document, list) and key.isdecimal() and int(key) < len(document):
            document = document[int(key)]
        else:
            return False, None
    return True, document


def _scaled(value: Any, factor: Decimal) -> Any:
    if factor == 1 or type(value) not in (int, float):
        return value
    # Of a double: its shortest text, as everywhere (semantics §1); the product's own shortest text is then exact.
    product = Decimal(repr(value)) * factor
    return int(product) if product == product.to_integral_value() else float(product)
