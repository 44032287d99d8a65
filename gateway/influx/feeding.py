"""Which parts the feed of a gateway has, and how it is begun."""

from collections.abc import Sequence

import structlog

from gateway.influx.cursor import Cursor, CursorError
from gateway.influx.feed import Feed, Series
from gateway.influx.health import Health
from gateway.influx.rechecks import Rechecks
from gateway.influx.series import ContractSeries
from gateway.influx.server import InfluxError
from gateway.stores import Stores

log = structlog.get_logger(__name__)


def series_of(stores: Stores, cursor: Cursor) -> Sequence[Series]:
    """All that is computed for InfluxDB beside the readings."""
    closer, statements_url = stores.closer, stores.settings.influx.statements_url
    return [Health(stores, cursor), ContractSeries(closer, statements_url), Rechecks(stores, cursor)]


async def feed(stores: Stores) -> None:
    """Feed InfluxDB until cancelled; return, having logged why, where that cannot be begun."""
    try:
        with Feed.open(stores, series_of) as opened:
            await opened.run()
    except (InfluxError, CursorError) as error:
        log.warning("InfluxDB waits; everything is sent later", reason=str(error))
