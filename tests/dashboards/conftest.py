"""The bucket with the sample fleet, made once for all tests here that look at it."""

from collections.abc import Iterator

import pytest

from gateway.clock import now_ms
from gateway.influx.points import lines
from gateway.influx.server import Influx
from tests.dashboards.buckets import DAY_MS, Looked, bucket
from tests.dashboards.sample import AIR, BREWERY, HAULIER, TRUCK, Months, sample
from tests.servers.influxd import Influxd

LINES = 5_000


@pytest.fixture(scope="session")
def sampled(influx_server: Influxd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looked]:
    """The fleet of `sample`, looked at over the last forty days."""
    now = now_ms()
    months = Months(now)
    everything = {
        "customer": (BREWERY, HAULIER),
        "contract": (AIR, TRUCK),
        "period": (months.name, months.name_before),
        "device": ("comp-01", "comp-02", "truck-01"),
        "channel": ("pressure", "odometer"),
        "charge": ("volume", "km"),
        "currency": ("EUR",),
        "gateway": ("g-1",),
    }
    this = {"period": (months.name,)}
    contracts = {
        AIR: {"contract": (AIR,), "device": ("comp-01",), "charge": ("volume",), "channel": ("pressure",), **this},
        TRUCK: {"contract": (TRUCK,), "device": ("truck-01",), "charge": ("km",), "channel": ("odometer",), **this},
    }
    with (
        bucket(influx_server, tmp_path_factory.mktemp("sampled"), "sampled") as settings,
        Influx.open(settings) as influx,
    ):
        parts = lines(sample(now)).splitlines(keepends=True)
        for first in range(0, len(parts), LINES):
            influx.write(b"".join(parts[first : first + LINES]))
        yield Looked(influx, now - 40 * DAY_MS, now, everything, contracts)
