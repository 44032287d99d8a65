"""From a message as it arrived to what it says (interfaces, MQTT). JSON is the one encoding there is so far."""

from gateway.payloads.decoded import Column, Decoded, Refusal, Rejected, Status, Telemetry, Value
from gateway.payloads.json import decode
from gateway.payloads.layout import Layout, Mapped, Shape

__all__ = [
    "Column",
    "Decoded",
    "Layout",
    "Mapped",
    "Refusal",
    "Rejected",
    "Shape",
    "Status",
    "Telemetry",
    "Value",
    "decode",
]
