"""A contract while it runs: machines report, and the statement so far is asked for whenever one likes."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.contract import Contract, read_contract
from contracts.periods import period_at
from gateway.live import LivePeriod
from gateway.meter import Source
from gateway.outlook import Outlook, outlook
from tests.contracts.samples import contract_text, ms
from tests.gateway.site import Site, event, telemetry

CHANNELS = """
channels:
  up:    {max_hold: 400d}
  load:  {max_hold: 400d}
  beat:  {max_hold: 2h}
  pages: {unit: page, max_hold: 400d}
meters:
  pages: {counter: pages}
"""
"""A value of `up`, `load` or `pages` holds until the next, one of `beat` for two hours. January has 744 hours."""


def at(moment: str) -> int:
    """A moment of 2026, `01-31T12:00`, in milliseconds."""
    return ms(f"2026-{moment}Z")


@dataclass
class Living:
    """The contract, and the files that what is reported of it goes into."""

    contract: Contract
    site: Site

    def report(self, moment: str, device: str = "m1", **values: float) -> None:
        """A machine reports values, which arrive at once."""
        self.site.receive(telemetry({"t": at(moment), "v": values}, at(moment) + 50, device))

    def say(self, moment: str, device: str = "m1", **said: Any) -> None:
        """A person enters an event of a machine at that moment."""
        self.site.receive(event(at(moment), device, **said))

    def statement(self, now: str) -> dict[str, Any]:
        """The statement so far of the period that runs now; earlier ones must not matter to it."""
        self.site.project()
        period = period_at(self.contract.terms, at(now) - 1)
        source = Source(self.site.store, self.contract.terms)
        live = LivePeriod(self.contract, period, source.first_opening(period), at(now))
        live.update(source, {}, at(now))
        return live.statement(source, at(now))

    def outlook(self, now: str) -> Outlook:
        """What that statement says of the rest of the period."""
        return outlook(self.contract, self.statement(now), at(now))


@contextmanager
def living(body: str, **head: str) -> Iterator[Living]:
    """A contract with the channels above and this body: charges, guarantees, obligations."""
    text = contract_text(CHANNELS + body, **head)
    with tempfile.TemporaryDirectory() as folder, Site.open(Path(folder), terms=text) as site:
        yield Living(read_contract(text, "terms.yaml"), site)
