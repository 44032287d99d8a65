"""Buckets to look at, and who looks: somebody who opens each dashboard, on each contract and machine there is."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.influx.server import Influx
from tests.dashboards.grafana import Frame, View, frames, interpolated
from tests.dashboards.queries import Query
from tests.servers.fixtures import settings_of
from tests.servers.influxd import Influxd

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
Chosen = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Looked:
    """A bucket with a fleet in it: whose contracts it has, and where somebody looks."""

    influx: Influx
    start_ms: int
    stop_ms: int
    everything: Chosen
    contracts: Mapping[str, Chosen]
    step: str = "1h0m0s"

    def answer(self, query: Query, **chosen: tuple[str, ...]) -> list[Frame]:
        """What Grafana makes of the answer, where these variables are chosen and of all others everything."""
        view = View(self.start_ms, self.stop_ms, self.influx.bucket, {**self.everything, **chosen}, step=self.step)
        return self.asked(query, view)

    def asked(self, query: Query, view: View) -> list[Frame]:
        """The answer to a query as one view asks it; a rule asks with no variable, until now."""
        if query.kind == "rule":
            view = replace(view, chosen={})
        return frames(self.influx.tables(interpolated(query.flux, view)))

    def answers(self, query: Query) -> list[list[Frame]]:
        """The answers on the portfolio, of which there is one, or else one after the other of each contract."""
        if query.board not in ("contract", "device"):
            return [self.answer(query)]
        return [self.answer(query, **chosen) for chosen in self.contracts.values()]


@contextmanager
def bucket(server: Influxd, folder: Path, name: str) -> Iterator[Any]:
    """The settings of a bucket of this name, which is gone afterwards."""
    server.make(f"{name}/autogen")
    folder.mkdir(parents=True, exist_ok=True)
    yield settings_of(server, folder, f"{name}/autogen")
    server.drop(f"{name}/autogen")
