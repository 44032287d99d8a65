"""Which devices are silent, as series: a picture of now, each minute, and no part of what is billed."""

from collections.abc import Iterator

from contracts.language.terms import Terms
from contracts.periods import in_force, period_at
from gateway.blocks import BlockStore
from gateway.influx.points import Point


def device_points(store: BlockStore, terms: Terms, now_ms: int) -> Iterator[Point]:
    """Each device in force: since when nothing was heard of it, and whether that is longer than its values hold."""
    for device in terms.devices:
        force = in_force(terms, device, period_at(terms, now_ms))
        if not force.start <= now_ms < force.end:
            continue
        last = max(store.newest_ms(device.id, channel) for channel in terms.channels)
        status = store.last_status(device.id)
        silent_ms = max(0, now_ms - (last or force.start))
        fields = {
            "silent": int(silent_ms > longest_hold_ms(terms)),
            "last_seen_ms": last or None,
            "silent_ms": silent_ms,
            "online": None if status is None else int(status.online),
        }
        yield Point("device", {"contract": terms.id, "device": device.id}, fields, now_ms)


def longest_hold_ms(terms: Terms) -> int:
    """How long a device may be silent before none of its values is known any more."""
    holds = [hold for channel in terms.channels if (hold := terms.hold_ms(channel)) is not None]
    return max(holds, default=terms.data.max_hold)
