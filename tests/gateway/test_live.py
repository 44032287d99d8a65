"""The statement so far: metered hour by hour as readings come, it is what metering the whole period at once gives."""

import random
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts.contract import Contract, read_contract
from contracts.periods import Period, next_period, period_of
from contracts.sides.carried import State
from contracts.statement import draft, meter_period
from contracts.units import HOUR_MS
from gateway.live import LivePeriod
from gateway.message import Message
from gateway.meter import Source
from tests.gateway.site import MINUTE_MS, START_MS, Site, event, telemetry

TERMS = """
terms: 1
id: LIVE
provider: {name: Maker}
customer: {name: User}
currency: EUR
timezone: Asia/Kathmandu
valid: {from: 2026-01-02}
period: week
corrections: 3650d
data: {max_hold: 40m}
devices: [{id: dev-1}, {id: dev-2, since: 2026-01-03}]
channels:
  flow: {unit: m3/h, resolution: 0.01}
  pages: {}
  fault: {max_hold: device}
conditions:
  busy: {channel: flow, above: 40, for: 90m}
  calm: {not: {all: [busy, {channel: fault, is: 1, device: dev-1}]}}
meters:
  volume: {integral: flow, per: 1h, unit: m3, only_when: calm}
  pages: {counter: pages, reset_below: 50, max_rate: 20/m, only_when: busy}
  hours: {duration: busy}
  faults: {count: {channel: fault, is: 1, for: 5m}}
charges:
  - {id: volume, meter: volume, pool: true, price: {per_unit: 0.1}}
  - {id: pages, meter: pages, price: {per_unit: 0.02}}
guarantees:
  - id: sound
    available_when: {channel: fault, is: 0, for: 20m}
    service_hours: {from: "05:00", to: "23:30"}
    target: 99
    unknown: down
    ignore_below: 13m
    credits: {tiers: [{below: 99, percent: 10}], of: [volume, pages]}
  - id: steady
    level: busy
    while: {channel: fault, is: 0}
    target: 50
    bonus: {at_least: 1, percent: 2, of: [volume]}
  - id: answer
    response: {from: {channel: fault, is: 1}, to: {event: repaired}, within: 1h}
    credits: {per_hour: 2, cap: 30}
obligations:
  - {id: gentle, limit: {channel: flow, below: 80}, tolerance: 20, consequence: {excuse: [sound], window: 30m}}
  - {id: service, service: {event: serviced, every: 900, of: pages, by: customer}, consequence: {excuse: [sound]}}
  - {id: online, connected: 80, consequence: {void_credits: [answer]}}
"""

END_MS = START_MS + 5 * 24 * HOUR_MS  # on Tuesday of the contract's second week


def messages(chance: random.Random) -> list[Message]:
    """Five days of two machines, in an order in which much comes late, with gaps, resets, errors and repetitions."""
    pages = {"dev-1": 1_000, "dev-2": 40}
    found: list[tuple[float, str, dict[str, Any]]] = []
    for minute in range(0, 5 * 24 * 60, 12):
        for device, register in pages.items():
            pages[device] = 0 if chance.random() < 0.01 else register + chance.randrange(30)
            value = 0 if chance.random() < 0.01 else pages[device]
            content = {"flow": chance.choice([5, 39.99, 41, 80]), "pages": value, "fault": chance.random() < 0.2}
            one = {"t": START_MS + minute * MINUTE_MS, "v": content, "boot": f"b{minute // 2_000}"}
            if chance.random() < 0.9:
                delay = chance.choice([0, 0, 0, 1, 60, 600, 3_000])
                found += [(minute + delay, device, one)] * (2 if chance.random() < 0.05 else 1)
    found.sort(key=lambda each: each[0])
    sent = [telemetry(one, END_MS + place, device) for place, (_, device, one) in enumerate(found)]
    for number in range(6):
        place, moment = chance.randrange(len(sent)), START_MS + chance.randrange(5 * 24 * HOUR_MS)
        said = {"id": f"e{number}", "type": chance.choice(["serviced", "repaired"]), "t": moment, "by": "Ann"}
        sent.insert(place, event(sent[place].arrival_ms, chance.choice([*pages]), **said))
    return sent


def at_once(source: Source, text: str, week: Period, status: str) -> dict[str, Any]:
    """The statement of a whole period, metered in one stretch from its opening state."""
    contract = read_contract(text, "live.yaml")
    opening, given = source.first_opening(week), source.period(week)
    metered, _ = meter_period(contract.terms, week, opening, given)
    return draft(contract, week, metered, opening.carried, given.docket, status=status)[0]


@pytest.mark.parametrize("seed", range(6))
def test_hour_by_hour_is_the_same_as_all_at_once(tmp_path: Path, seed: int) -> None:
    """However late readings and events come, in days gone by or hours, the figures so far are those of the end."""
    chance = random.Random(seed)
    contract = read_contract(TERMS, "live.yaml")
    week = period_of(contract.terms, date(2026, 1, 2))
    with Site.open(tmp_path, live=TERMS) as site:
        projector = site.projector()
        begun = week.span.start + seed % 3 * 40 * HOUR_MS
        live = LivePeriod(contract, week, Source(site.store, contract.terms).first_opening(week), begun)
        waiting, now = messages(chance), begun
        while waiting:
            now = max(now, chance.randrange(begun, END_MS)) if len(waiting) > 200 else END_MS
            count = chance.choice([1, 3, 40, 200])
            site.receive(*waiting[:count])
            del waiting[:count]
            projector.project_next()
            source = Source(site.store, contract.terms, site.store.cursor().position)
            dirty: dict[str, set[int]] = {}
            pairs = site.store.dirty()
            for device, hour in pairs:
                dirty.setdefault(device, set()).add(hour)
            live.update(source, dirty, now)
            site.store.clear_dirty(pairs, site.store.cursor().position)
        source = Source(site.store, contract.terms)
        expected = at_once(source, TERMS, week, "provisional")
        assert live.statement(source, week.span.end) == expected
        assert expected["total"] != "0.00"


def left_by(source: Source, contract: Contract, period: Period, opening: State) -> State:
    """The state that a period leaves to the next."""
    given = source.period(period)
    metered, devices = meter_period(contract.terms, period, opening, given)
    carried = draft(contract, period, metered, opening.carried, given.docket, status="final")[1]
    return State(period.span.end, devices, carried)


def test_a_period_goes_on_from_another_opening_state(tmp_path: Path) -> None:
    """When the week before changes, this one is what it would have been had it opened so from the start."""
    contract = read_contract(TERMS, "live.yaml")
    first = period_of(contract.terms, date(2026, 1, 2))
    second = next_period(contract.terms, first)
    with Site.open(tmp_path, live=TERMS) as site:
        projector = site.projector()
        source = Source(site.store, contract.terms)
        empty = source.first_opening(first)
        assumed = left_by(source, contract, first, empty)
        site.receive(*messages(random.Random(3)))
        while projector.project_next():
            pass
        live = LivePeriod(contract, second, assumed, second.span.start)
        live.update(source, {}, END_MS)
        source = Source(site.store, contract.terms)
        opening = left_by(source, contract, first, empty)
        assert opening != assumed
        live.reopen(source, opening)
        again = LivePeriod(contract, second, opening, second.span.start)
        again.update(source, {}, END_MS)
        assert live.statement(source, END_MS) == again.statement(source, END_MS)


def test_days_gone_by_are_kept_as_days(tmp_path: Path) -> None:
    """What a running gateway keeps of a period grows by the day and not by the hour, as if it had just been started."""
    contract = read_contract(TERMS, "live.yaml")
    week = period_of(contract.terms, date(2026, 1, 2))
    with Site.open(tmp_path, live=TERMS) as site:
        projector = site.projector()
        site.receive(*messages(random.Random(5)))
        while projector.project_next():
            pass
        source = Source(site.store, contract.terms)
        opening = source.first_opening(week)
        running = LivePeriod(contract, week, opening, week.span.start)
        for now in range(week.span.start, END_MS + 1, 5 * HOUR_MS):
            running.update(source, {}, now)
        running.update(source, {}, END_MS)
        started = LivePeriod(contract, week, opening, END_MS)
        started.update(source, {}, END_MS)
        kept = [[len(chain.segments) for chain in live._chains.values()] for live in (running, started)]
        assert kept[0] == kept[1]
        assert max(kept[0]) < 2 * 24 + 5
        assert running.statement(source, END_MS) == started.statement(source, END_MS)


def test_one_late_reading_leaves_most_hours_alone(tmp_path: Path) -> None:
    """A reading that changes one hour is not paid for by metering the whole period again."""
    contract = read_contract(TERMS, "live.yaml")
    week = period_of(contract.terms, date(2026, 1, 2))
    with Site.open(tmp_path, live=TERMS) as site:
        projector = site.projector()
        source = Source(site.store, contract.terms)
        live = LivePeriod(contract, week, source.first_opening(week), week.span.start)
        site.receive(*messages(random.Random(7)))
        while projector.project_next():
            pass
        live.update(source, {}, END_MS)
        before = list(live._chains["dev-1"].segments)
        moment = START_MS + 60 * HOUR_MS + 7 * MINUTE_MS
        site.receive(telemetry({"t": moment, "v": {"flow": 17}}, END_MS + 9_999_999))
        projector.project_next()
        live.update(source, {"dev-1": {moment // HOUR_MS}}, END_MS)
        after = live._chains["dev-1"].segments
        changed = [place for place, (one, other) in enumerate(zip(before, after, strict=True)) if one is not other]
        assert 1 <= len(changed) <= 4
