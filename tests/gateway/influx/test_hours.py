"""A period walked hour by hour comes to what its statement says, however the readings came."""

from decimal import Decimal
from typing import Any

import pytest

from contracts.periods import next_period
from gateway.influx.following import final_walk
from gateway.influx.hours import Standing, Walk
from gateway.influx.progress import Figures, figures_of
from gateway.meter import Source
from tests.gateway.history import DAY_MS, DAYS, HOUR_MS, START_MS, History, history, random_messages

SEEDS = range(2)
SAID = ("lines", "total", "guarantees", "obligations", "balances", "adjustments")


def lived(site: History, seed: int) -> None:
    """Let everything arrive in time order, each period closed as soon as it may be."""
    for message in random_messages(seed):
        site.close_all(message.arrival_ms)
        site.receive(message)
    site.close_all(START_MS + 20 * DAY_MS)


def walked(walk: Walk, source: Source, now_ms: int, hours: int = 5) -> list[tuple[Figures, Standing]]:
    """Every hour up to now, a few at a time, with the sums before it."""
    found = []
    while ends := walk.edges(now_ms)[:hours]:
        passed = list(walk.standings(source, ends, "open"))
        for _, standing in passed:
            walk.keep(standing.mark)
        found += passed
    return found


def counted(document: dict[str, Any]) -> list[Any]:
    """A statement's figures, but for counts of readings that could not be kept, which no series shows."""
    usage = [{**row, "counts": {**row["counts"], "rejected": 0}} for row in document["usage"]]
    return [usage, *(document[name] for name in SAID)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_hours_of_a_final_period_come_to_its_statement(seed: int) -> None:
    """From what it opened with and the journal up to its cut, its last hour is the statement, and all hours add up."""
    with history() as site:
        lived(site, seed)
        finals = site.closer.finals("HIS-1")
        assert len(finals) == DAYS
        for final in finals:
            walk = final_walk(site.closer, final)
            source = Source(site.site.store, final.contract.terms, final.issued.document["input"]["batch"])
            hours = walked(walk, source, final.period.span.end)
            assert [standing.until for _, standing in hours][-1] == final.period.span.end
            assert len(hours) == 24
            assert counted(hours[-1][1].document) == counted(final.issued.document)
            stated = figures_of(final.issued.document)
            assert sum(Decimal(each.document["total"]) - before.total for before, each in hours) == stated.total
            for place, quantity in stated.usage.items():
                now = (figures_of(each.document).usage.get(place, Decimal(0)) for _, each in hours)
                assert (
                    sum(one - before.usage.get(place, 0) for one, (before, _) in zip(now, hours, strict=True))
                    == quantity
                )


@pytest.mark.parametrize("seed", SEEDS)
def test_hours_fed_one_by_one_are_those_fed_all_at_once(seed: int) -> None:
    """Readings may come one by one, late, and in any order: the hours walked and walked again are the same hours."""
    with history() as site:
        contract, first = site.closer.next_due("HIS-1") or pytest.fail("the contract has begun")
        period = next_period(contract.terms, first)
        opening = Source(site.site.store, contract.terms, 0).first_opening(period)
        walk = Walk(contract, period, opening, Source(site.site.store, contract.terms, 0))
        known: dict[int, Standing] = {}
        for message in random_messages(seed):
            before = site.site.store.cursor().position
            site.receive(message)
            source = Source(site.site.store, contract.terms, site.site.store.cursor().position)
            for hour, device in site.site.store.touched(before, (0, ""), 1000):
                if device in walk.reporters:
                    walk.back(hour * HOUR_MS)
            if site.site.store.contracts_told_of(before):
                walk.back(period.span.start)
                walk.hear(source)
            known |= {each.until: each for _, each in walked(walk, source, message.arrival_ms)}
        source = Source(site.site.store, contract.terms)
        known |= {each.until: each for _, each in walked(walk, source, period.span.end)}
        again = walked(Walk(contract, period, opening, source), source, period.span.end, 24)
        assert len(again) == 24
        for _, each in again:
            assert counted(known[each.until].document) == counted(each.document)
