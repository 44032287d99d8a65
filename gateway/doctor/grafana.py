"""Grafana, looked at as a push would: old or new, what the token may, and whether the dashboards are there."""

from collections.abc import Iterator
from typing import Final

from dashboards.push import Step, push
from dashboards.server import Grafana, GrafanaFault, read_token
from gateway.book import Book
from gateway.commands.dashboards import said, wanted_for
from gateway.doctor.finding import Finding, ok, parted, warning
from gateway.settings import Settings

SHOWN: Final = 3


def grafana(settings: Settings, book: Book) -> Iterator[Finding]:
    """See whether the Grafana of the settings, if there is one, shows what it is to show; nothing is written."""
    url, token_file = settings.grafana.url, settings.grafana.token_file
    if url is None:
        yield ok("Grafana", "none is set")
        return
    if token_file is None:
        remedy = "Put the token of a service account into a file, and name it in grafana.token_file"
        yield warning("Grafana", f"{url} is set without a token, so it cannot be looked at", remedy)
        return
    try:
        target = Grafana(url, read_token(token_file))
        yield ok("Grafana", f"{target.version or 'a Grafana that does not say its version'} at {url} answers")
        steps = list(push(target, wanted_for(settings, book), dry_run=True))
    except GrafanaFault as error:
        yield parted("Grafana", error)
        return
    yield _source(steps[0])
    yield _dashboards(steps)


def _source(step: Step) -> Finding:
    """The data source: there, and read from."""
    if step.kind == "created":
        return warning("Grafana data source", "there is none yet", "`fairmeter dashboards push` makes it")
    if any("cannot read" in part for part in step.parts):
        remedy = (
            "Correct grafana.influx_url, InfluxDB as seen from Grafana, or its token; then `fairmeter dashboards push`"
        )
        return warning("Grafana data source", step.parts[-1], remedy)
    return ok("Grafana data source", "Grafana reads from InfluxDB")


def _dashboards(steps: list[Step]) -> Finding:
    different = [step for step in steps if step.differs]
    if not different:
        return ok("Grafana dashboards", f"all {len(steps)} things are as they are to be")
    first = "; ".join(said(step, dry_run=True) for step in different[:SHOWN])
    more = f"; and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
    return warning("Grafana dashboards", first + more, "`fairmeter dashboards push` puts it right")
