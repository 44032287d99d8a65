"""A contract lived through day by day: readings and events that come in time or late, and every day closed."""

import json
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.verify.evidence import Report
from contracts.verify.statement import verify
from gateway.archive import open_evidence
from gateway.book import load_book
from gateway.close import Closer, NotDue
from gateway.keys import open_signer
from gateway.ledger import Ledger
from gateway.message import Message
from gateway.project import Projector
from tests.gateway.site import Site, telemetry

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
DAYS = 6

TERMS = """
terms: 1
id: HIS-1
provider: {name: Maker}
customer: {name: User}
currency: EUR
timezone: UTC
valid: {from: 2026-01-01, until: 2026-01-07}
period: day
grace: 2h
corrections: 4d
data: {max_hold: 3h}
devices: [{id: m1}, {id: m2, since: 2026-01-02}]
channels:
  count: {unit: page}
  fault: {}
  heat: {unit: C}
conditions:
  well: {channel: fault, is: 0}
meters:
  pages: {counter: count, max_rate: 100/h, reset_below: 5}
  running: {duration: well}
charges:
  - {id: base, price: {flat: 100, per: device}}
  - id: pages
    meter: pages
    allowance: {included: 30, rollover: {cap: 40, expires_after: 2}}
    price: {package: {size: 7, price: 1.10}}
  - {id: hours, meter: running, pool: true, price: {graduated: [{up_to: 10, unit: 0.37}, {unit: 0.11}]}}
guarantees:
  - {id: uptime, available_when: well, target: 95, unknown: excluded, ignore_below: 10m, planned: {allowance: 2h},
     credits: {tiers: [{below: 95, percent: 10}, {below: 80, percent: 40}], of: [base, hours], rolling_cap_percent: 20},
     bonus: {at_least: 99, percent: 1, of: [base]}, earn_back: {periods: 1, percent: 50}}
  - id: repair
    response: {from: {channel: fault, is: 1}, to: {channel: fault, is: 0}, within: 2h}
    credits: {per_hour: 3, cap: 20}
obligations:
  - {id: cool, limit: {channel: heat, at_most: 40}, tolerance: 10, consequence: {excuse: [uptime], window: 1h}}
  - id: service
    service: {event: serviced, every: 60, of: pages, by: customer}
    consequence: {surcharge: {per_hour: 0.5}}
  - {id: online, connected: 60, consequence: {void_credits: [repair]}}
"""


@dataclass
class History:
    """What arrived, in order, and the open files of the gateway it arrived at."""

    site: Site
    closer: Closer
    public: bytes
    projector: Projector

    def receive(self, *messages: Message) -> None:
        """Let messages arrive, and project them."""
        if messages:
            self.site.receive(*messages)
            while self.projector.project_next():
                pass

    def close_all(self, now_ms: int) -> None:
        """Close whatever is due by now."""
        while True:
            try:
                self.closer.close("HIS-1", now_ms)
            except NotDue:
                return

    def statements(self) -> list[dict[str, Any]]:
        """Every final statement, in order."""
        return [issued.document for issued in self.closer.ledger.all("HIS-1")]

    def verified(self, document: dict[str, Any]) -> Report:
        """The report of whoever checks a statement with everything before it at hand."""
        read, paths = open_evidence(self.closer.folder(document) / "evidence")
        before = [each for each in self.statements() if each["number"] < document["number"]]
        return verify(document, read, paths, self.public, before[-1] if before else None, before)


@contextmanager
def history() -> Iterator[History]:
    """An empty history in a folder of its own."""
    with tempfile.TemporaryDirectory() as name, Site.open(Path(name), his=TERMS) as site:
        book, problems = load_book(site.folder / "contracts")
        assert not problems, problems
        signer = open_signer(site.folder / "keys")
        with Ledger.open(site.folder / "ledger.db") as ledger:
            closer = Closer("site-1", book, site.store, ledger, signer, site.folder / "statements")
            yield History(site, closer, signer.public, site.projector())


def random_messages(seed: int) -> list[Message]:
    """Telemetry and events of both devices over all days, each with its arrival: mostly at once, some days late."""
    chance = random.Random(seed)
    found = []
    for device in ("m1", "m2"):
        register, fault, heat = chance.randrange(1000), 0, 30
        moment = START_MS + chance.randrange(HOUR_MS)
        while moment < START_MS + DAYS * DAY_MS:
            register += chance.choice([0, 1, 3, 20])
            fault = chance.choice([fault, fault, fault, 1 - fault])
            heat = chance.choice([30, 30, 41])
            values = {"count": chance.choice([register] * 9 + [0, register + 5000]), "fault": fault, "heat": heat}
            late = chance.choice([50] * 6 + [3 * HOUR_MS, DAY_MS, 3 * DAY_MS + 5, 5 * DAY_MS])
            found.append(telemetry({"t": moment, "v": values}, moment + late, device))
            moment += chance.choice([HOUR_MS // 4, HOUR_MS, HOUR_MS, 2 * HOUR_MS, 7 * HOUR_MS])
    found += [_event(chance, number) for number in range(chance.randrange(5))]
    return sorted(found, key=lambda message: message.arrival_ms)


def _event(chance: random.Random, number: int) -> Message:
    moment = START_MS + chance.randrange(DAYS * DAY_MS)
    said = {"id": f"e{number}", "by": "Ann", "side": chance.choice(["provider", "customer"])}
    kind = chance.choice(["serviced", "planned", "force_majeure"])
    times = {"t": moment} if kind == "serviced" else {"start": moment, "end": moment + chance.randrange(1, 5 * HOUR_MS)}
    late = chance.choice([0, DAY_MS, 2 * DAY_MS]) + times.get("end", moment) - moment
    body = json.dumps({**said, "type": kind, **times}).encode()
    return Message(f"event/{chance.choice(['m1', 'm2'])}", body, moment + late)
