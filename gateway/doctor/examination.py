"""All that the doctor looks at, in the order in which a reading meets it."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator

from gateway.book import load_book
from gateway.clock import now_ms
from gateway.doctor import files
from gateway.doctor.broker import broker
from gateway.doctor.clock import clock
from gateway.doctor.finding import Finding, fault, parted
from gateway.settings import Settings


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything these settings name, one thing after the other; what fails stops nothing else."""
    book, problems = load_book(settings.contracts)
    data, influx_url, grafana_url = settings.data, settings.influx.url, settings.grafana.url
    yield from files.contracts(settings, book, problems)
    yield files.disk(data)
    servers = {"InfluxDB": (influx_url, "ping"), "Grafana": (grafana_url, "api/health")}
    asked = {name: f"{url.rstrip('/')}/{path}" for name, (url, path) in servers.items() if url}
    yield from clock(data, asked, now_ms)
    try:
        connection = settings.connection()
    except OSError as error:
        yield parted("broker", error)
    else:
        yield from broker(connection)
    yield from _read("gateway", lambda: [files.running(data, now_ms())])
    yield from _read("journal", lambda: [files.journal(data / "journal.sqlite")])
    yield from _read("block store", lambda: [files.blocks(settings, book)])
    yield from _read("ledger", lambda: files.ledger(data))
    if influx_url:
        from gateway.doctor.influx import influx  # noqa: PLC0415 - its client is heavy

        yield from influx(settings, now_ms())
    if grafana_url:
        from gateway.doctor.grafana import grafana  # noqa: PLC0415 - likewise

        yield from grafana(settings, book)


def _read(what: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What is found in a file; that it cannot be read is a finding, too."""
    try:
        yield from look()
    except sqlite3.Error as error:
        yield fault(what, f"it cannot be read: {error}", files.RESTORE)
