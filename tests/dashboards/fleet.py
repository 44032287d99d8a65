"""The demo's fleet in InfluxDB: a month of its machines, billed, and what runs since, by the gateway's own code.

Of its contracts two are taken, which between them have something for every panel: drawing the hours of all takes long.
"""

from collections.abc import Iterator
from heapq import merge
from pathlib import Path

from contracts.periods import Period
from device_sim.entries import between, entries
from device_sim.faults import told
from device_sim.publish import pack
from device_sim.scenario import shipped
from device_sim.telemetry import Fate
from gateway.close import NotDue
from gateway.demo import EXAMPLES, SCENARIO, prepare
from gateway.influx.cursor import Cursor
from gateway.influx.feeding import fill_again
from gateway.influx.health import Health
from gateway.influx.sending import Sender
from gateway.influx.server import Influx
from gateway.message import Message
from gateway.settings import InfluxSettings, load_settings
from gateway.stores import Stores
from gateway.view import LiveView
from gateway.watching.lookout import Lookout

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CONTRACTS = ("compressed-air", "truck-uptime")
SETS_PER_MESSAGE = 60
BATCH = 200


def fill(influx: InfluxSettings, folder: Path, now_ms: int) -> Period:
    """Fill a bucket with what the demo shows; gives the month that was billed."""
    prepared = prepare(folder, 1883, now_ms)
    for name in set(EXAMPLES) - set(CONTRACTS):
        (folder / "contracts" / f"{name}.yaml").unlink()
    settings = load_settings(prepared.settings).model_copy(update={"influx": influx})
    month = prepared.month
    with Stores.open(settings) as stores:
        waiting = list(arriving(month.span.start, month.span.end, month.span.start))
        waiting += arriving(now_ms - DAY_MS, now_ms, month.span.start)
        for first in range(0, len(waiting), BATCH):
            stores.journal.append(tuple(waiting[first : first + BATCH]))
        projector = stores.projector()
        if projector.needs_rebuild():
            projector.rebuild()
        while projector.project_next():
            pass
        Lookout(stores, LiveView(stores)).look(now_ms, reached_only=False)
        for contract in stores.closer.contract_ids():
            close(stores, contract, now_ms)
        fill_again(stores, lambda _: None)
        with Influx.open(influx) as server, Cursor.open(settings.data / "influx.sqlite") as cursor:
            health, sender = Health(stores, cursor), Sender(server, cursor)
            for seconds in (30, 20, 10):
                health.bring_up_to_date(sender, now_ms - seconds * 1_000)
    return month


def arriving(start_ms: int, end_ms: int, period_ms: int) -> Iterator[Message]:
    """All that the machines report, and people enter, in a stretch of time, each at the moment at which it is known."""
    scenario = shipped(SCENARIO)
    streams = []
    for device in scenario.devices:
        sets = (one for one in told(scenario, device.id, start_ms, end_ms, period_ms) if one.fate is Fate.SENT)
        entered = entries(scenario, device.id, start_ms, end_ms, period_ms)
        streams.append(
            [
                Message(f"{each.purpose}/{device.id}", each.payload, each.reached_ms)
                for each in pack(between(sets, entered), SETS_PER_MESSAGE)
            ]
        )
    return merge(*streams, key=lambda message: message.arrival_ms)


def close(stores: Stores, contract: str, now_ms: int) -> None:
    """Close every period of a contract that is due."""
    while True:
        try:
            stores.closer.close(contract, now_ms)
        except NotDue:
            return
