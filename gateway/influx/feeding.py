"""Which parts the feed of a gateway has, and how it is begun."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from gateway.influx.breaches import WatchSeries
from gateway.influx.cursor import Cursor, CursorError
from gateway.influx.feed import AGAIN_AT_MOST_S, Feed, Series
from gateway.influx.health import Health
from gateway.influx.readings import HOURS_A_STEP
from gateway.influx.rechecks import Rechecks
from gateway.influx.series import ContractSeries
from gateway.influx.server import InfluxError
from gateway.stores import Stores

log = structlog.get_logger(__name__)


def series_of(stores: Stores, cursor: Cursor) -> Sequence[Series]:
    """All that is computed for InfluxDB beside the readings."""
    contracts = ContractSeries(stores.closer, stores.settings.influx.statements_url)
    return [
        Health(stores, cursor),
        contracts,
        Rechecks(stores, cursor, contracts),
        WatchSeries(stores.watch),
    ]


async def feed(stores: Stores) -> None:
    """Feed InfluxDB until cancelled; where that cannot even be begun, say why once and try again."""
    said = ""
    while True:
        try:
            with Feed.open(stores, series_of) as opened:
                await opened.run()
        except (InfluxError, CursorError) as error:
            if str(error) != said:
                log.warning("InfluxDB waits; everything is sent later", reason=str(error))
            said = str(error)
        await asyncio.sleep(AGAIN_AT_MOST_S)


def fill_again(stores: Stores, report: Callable[[int], None]) -> None:
    """Send everything again, from the beginning.

    `report` is told after each step how many hours of a device it took; 0 where it sent what is computed of contracts.

    Raises Unreachable, Refused, StoreError or CursorError; a gateway that starts then goes on where this ended.
    """
    with Feed.open(stores, series_of) as opened:
        opened.begin_anew()
        while opened.fill():
            report(HOURS_A_STEP)
        for series in opened.series:
            while opened.bring_up_to_date(series):
                report(0)


def fill_again_later(stores: Stores) -> None:
    """Let the gateway that runs on these files send everything again."""
    with Cursor.open(stores.settings.data / "influx.sqlite") as cursor:
        cursor.begin_anew("", "")
