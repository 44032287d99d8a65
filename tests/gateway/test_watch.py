"""What is said of promises while a period runs: opened, closed, withdrawn, and warnings before it is too late."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.outlook import outlook
from gateway.watch import Breach, EarlyWarning, Known, payload, step
from tests.gateway.living import Living, at, living

RENT = "charges: [{id: rent, price: {flat: 1000.00, per: device}}]\n"
UPTIME = "guarantees: [{id: uptime, available_when: {channel: up, is: 1}, target: 99, unknown: excluded}]\n"
COOL = "obligations: [{id: cool, limit: {channel: load, at_most: 5}, tolerance: 50}]\n"


@dataclass
class Watched:
    """A contract that is looked at now and then; what was said before is remembered."""

    living: Living
    known: Known = field(default_factory=Known)

    def look(self, now: str) -> list[Breach | EarlyWarning]:
        """What is said at that moment."""
        document, terms = self.living.statement(now), self.living.contract.terms
        seen = outlook(self.living.contract, document, at(now))
        said, self.known = step(self.known, terms, document, seen, at(now))
        return said

    def breaches(self, now: str) -> list[tuple[str, str, int, int | None]]:
        """What is said of breaches: (state, promise, start, end)."""
        return [(one.state, one.promise, one.start, one.end) for one in self.look(now) if isinstance(one, Breach)]

    def warnings(self, now: str) -> list[tuple[str, int]]:
        """What is warned of: (promise, level)."""
        return [(one.promise, one.level) for one in self.look(now) if isinstance(one, EarlyWarning)]


@contextmanager
def watched(body: str, **head: str) -> Iterator[Watched]:
    """A contract of that body, nothing said yet."""
    with living(body, **head) as one:
        yield Watched(one)


def test_a_breach_is_opened_once_and_closed_once() -> None:
    """A machine that is down is said to be when it is seen, not again while it stays so, and then that it is over."""
    with watched(UPTIME) as one:
        one.living.report("01-02T00:00", up=1)
        assert one.breaches("01-02T08:00") == []
        one.living.report("01-02T09:00", up=0)
        assert one.breaches("01-02T09:01") == [("opened", "uptime", at("01-02T09:00"), None)]
        assert one.breaches("01-02T09:30") == []
        one.living.report("01-02T10:00", up=1)
        assert one.breaches("01-02T10:01") == [("closed", "uptime", at("01-02T09:00"), at("01-02T10:00"))]
        assert one.breaches("01-02T11:00") == []


def test_what_was_over_before_it_was_seen_is_said_once_as_closed() -> None:
    """An outage that arrives whole, from a device's memory, is one word: closed, with its beginning and end."""
    with watched(UPTIME) as one:
        for moment, up in (("01-02T00:00", 1), ("01-02T09:00", 0), ("01-02T10:00", 1)):
            one.living.report(moment, up=up)
        assert one.breaches("01-02T11:00") == [("closed", "uptime", at("01-02T09:00"), at("01-02T10:00"))]


def test_a_late_reading_withdraws_a_breach_or_moves_its_end() -> None:
    """What a machine reports later counts: an outage that was none is withdrawn, one that was shorter ends sooner."""
    with watched(UPTIME) as one:
        for moment, up in (("01-02T00:00", 1), ("01-02T09:00", 0), ("01-02T10:00", 1)):
            one.living.report(moment, up=up)
        one.look("01-02T11:00")
        one.living.report("01-02T09:20", up=1)
        assert one.breaches("01-02T11:01") == [("closed", "uptime", at("01-02T09:00"), at("01-02T09:20"))]
        one.living.say("01-02T11:02", type="excused", by="Ann", side="customer", id="x", reason="our own work",
                       start=at("01-02T09:00"), end=at("01-02T09:30"))  # fmt: skip
        assert one.breaches("01-02T11:03") == [("withdrawn", "uptime", at("01-02T09:00"), at("01-02T09:20"))]
        assert one.breaches("01-02T11:04") == []


def test_an_outage_within_what_is_ignored_is_said_only_when_it_has_become_longer() -> None:
    """Five minutes count as up: nothing is said before, and then with the true beginning."""
    with watched(UPTIME.replace("target: 99", "target: 99, ignore_below: 5m")) as one:
        one.living.report("01-02T00:00", up=1)
        one.living.report("01-02T09:00", up=0)
        assert one.breaches("01-02T09:04") == []
        assert one.breaches("01-02T09:05") == [("opened", "uptime", at("01-02T09:00"), None)]


def test_silence_closes_a_breach_where_unknown_time_is_nobodys() -> None:
    """Without further readings a value holds only so long: then nothing is known, and nothing is a breach."""
    for carries, end in (("excluded", at("01-02T11:00")), ("down", None)):
        with watched(UPTIME.replace("excluded", carries).replace("channel: up", "channel: beat")) as one:
            one.living.report("01-02T09:00", beat=0)
            assert one.breaches("01-02T12:00")[-1][3] == end, carries


def test_excused_downtime_is_no_breach() -> None:
    """While planned work goes on as announced, a machine that is down breaks no promise; after it, it does."""
    planned = UPTIME.replace("target: 99", "target: 99, planned: {allowance: 8h}")
    with watched(planned) as one:
        one.living.report("01-02T00:00", up=1)
        one.living.say("01-02T01:00", type="planned", by="Ann", side="provider", id="p",
                       start=at("01-02T09:00"), end=at("01-02T10:00"))  # fmt: skip
        one.living.report("01-02T09:00", up=0)
        assert one.breaches("01-02T09:30") == []
        assert one.breaches("01-02T10:30") == [("opened", "uptime", at("01-02T10:00"), None)]


def test_an_obligation_within_its_tolerance_is_kept_again() -> None:
    """Beyond its tolerance all of it is the breach; where the share comes back within, it is withdrawn."""
    with watched(COOL) as one:
        one.living.report("01-01T00:00", load=9)
        assert one.breaches("01-01T01:00") == [("opened", "cool", at("01-01T00:00"), None)]
        one.living.report("01-01T02:00", load=1)
        assert one.breaches("01-01T03:00") == [("closed", "cool", at("01-01T00:00"), at("01-01T02:00"))]
        assert one.breaches("01-01T05:00") == [("withdrawn", "cool", at("01-01T00:00"), at("01-01T02:00"))]


def test_an_obligation_without_moments_is_one_breach_of_its_period() -> None:
    """More pages an hour than agreed have no moment: the breach lasts from the period's beginning until they fit."""
    use = "obligations: [{id: gently, use_limit: {meter: pages, per: busy, at_most: 10}}]\n"
    with watched("  busy: {duration: {channel: load, is: 1}}\n" + use) as one:
        one.living.report("01-01T00:00", load=1, pages=0)
        one.living.report("01-01T01:00", pages=50)
        assert one.breaches("01-01T02:00") == [("opened", "gently", at("01-01T00:00"), None)]
        assert one.breaches("01-01T06:00") == [("withdrawn", "gently", at("01-01T00:00"), None)]


def test_a_condition_that_must_last_is_not_broken_by_having_just_begun() -> None:
    """After silence a machine that is well from its first reading on was never down, though it must last a minute."""
    lasting = UPTIME.replace("is: 1", "is: 1, for: 1m")
    with watched(lasting) as one:
        one.living.report("01-02T09:00:00.000", up=1)
        assert one.breaches("01-02T09:00:10.000") == []
        assert one.breaches("01-02T09:02:00.000") == []
        one.living.report("01-02T10:00:00.000", up=0)
        assert one.breaches("01-02T10:00:01.000") == [("opened", "uptime", at("01-02T10:00"), None)]


def test_a_time_to_respond_is_broken_when_it_is_over() -> None:
    """A breakdown not mended within four hours is a breach from then until the repair."""
    text = "guarantees: [{id: fix, response: {from: {event: breakdown}, to: {event: repaired}, within: 4h}}]\n"
    with watched(text) as one:
        one.living.say("01-02T08:00", type="breakdown", by="Ann", side="customer", id="b")
        assert one.warnings("01-02T11:00") == [("fix", 50)]
        assert one.warnings("01-02T11:30") == [("fix", 80)]
        assert one.breaches("01-02T12:30") == [("opened", "fix", at("01-02T12:00"), None)]
        one.living.say("01-02T13:00", type="repaired", by="Ann", side="provider", id="r")
        assert one.breaches("01-02T13:10") == [("closed", "fix", at("01-02T12:00"), at("01-02T13:00"))]


def test_a_period_ends_its_breaches_and_the_next_begins_with_its_own() -> None:
    """A machine down over midnight of the last day is one breach in each period, as each has its own statement."""
    with watched(UPTIME) as one:
        one.living.report("01-02T00:00", up=1)
        one.living.report("01-31T23:00", up=0)
        assert one.breaches("01-31T23:30") == [("opened", "uptime", at("01-31T23:00"), None)]
        assert one.breaches("02-01T00:00") == [("closed", "uptime", at("01-31T23:00"), at("02-01T00:00"))]
        january, one.known = one.known, Known()
        assert one.breaches("02-01T00:30") == [("opened", "uptime", at("02-01T00:00"), None)]
        assert {breach.period for breach in january.breaches.values()} == {"2026-01"}


def test_what_is_said_live_is_what_the_final_statement_says() -> None:
    """Once the statement is final, it confirms what was said: nothing is said again, and nothing is provisional."""
    with watched(RENT + UPTIME + COOL) as one:
        for moment, up in (("01-02T00:00", 1), ("01-09T09:00", 0), ("01-09T10:00", 1), ("01-31T22:00", 0)):
            one.living.report(moment, up=up, load=1)
            one.look(moment[:-2] + "30")
        one.look("02-01T00:00")
        final = {**one.living.statement("02-01T00:00"), "status": "final"}
        said, known = step(one.known, one.living.contract.terms, final, None, at("02-05T00:00"))
    assert said == []
    assert [(one.start, one.provisional) for one in known.breaches.values()] == [
        (at("01-09T09:00"), False),
        (at("01-31T22:00"), False),
    ]


def test_warnings_come_at_half_at_four_fifths_and_at_the_whole_of_the_downtime_each_once() -> None:
    """January at 99 % allows 7 h 26 min 24 s of downtime: each level is said when it is reached, and not again."""
    with watched(RENT + UPTIME) as one:
        one.living.report("01-01T00:00", up=1)
        one.living.report("01-05T00:00", up=0)
        assert one.warnings("01-05T03:00") == []
        (half,) = [each for each in one.look("01-05T04:00") if isinstance(each, EarlyWarning)]
        assert (half.level, half.at) == (50, at("01-05T03:43:12"))
        assert one.warnings("01-05T05:00") == []
        assert one.warnings("01-05T06:00") == [("uptime", 80)]
        assert one.warnings("01-05T08:00") == [("uptime", 100)]
        assert one.warnings("01-05T20:00") == []


def test_an_allowance_that_will_run_out_is_warned_of_with_the_date() -> None:
    """Half of the pages are used in a quarter of the month: at this pace they last until the sixteenth."""
    charge = "charges: [{id: p, title: Pages, meter: pages, allowance: {included: 1000}, price: {per_unit: 0.1}}]\n"
    with watched(charge) as one:
        one.living.report("01-01T00:00", pages=0)
        one.living.report("01-08T00:00", pages=480)
        assert one.warnings("01-08T12:00") == []
        one.living.report("01-08T17:00", pages=500)
        (warning,) = one.look("01-08T18:00")
        assert isinstance(warning, EarlyWarning)
        assert warning.text == "50 % of the 1 000 page included are used; at this pace they run out on 2026-01-16"
        one.living.report("01-12T17:00", pages=1001)
        (warning,) = one.look("01-13T00:00")
        assert isinstance(warning, EarlyWarning)
        assert (warning.level, warning.text) == (100, "All of the 1 000 page included are used")


def test_what_is_said_has_the_same_keys_whatever_it_is() -> None:
    """Whoever listens finds the contract, the promise, the device and the times under the same names."""
    with watched(RENT + UPTIME) as one:
        one.living.report("01-01T00:00", up=1)
        one.living.report("01-05T00:00", up=0)
        said: dict[str, dict[str, Any]] = {}
        for told in (payload(each, at("01-05T06:00")) for each in one.look("01-05T06:00")):
            said[told["event"]] = told
    assert set(said) == {"opened", "warning"}
    assert set(said["opened"]) < set(said["warning"])
    assert said["opened"] == {
        "id": said["opened"]["id"], "contract": "T-1", "period": "2026-01", "promise": "uptime", "side": "guarantee",
        "device": "m1", "event": "opened", "provisional": True, "start": "2026-01-05T00:00:00.000Z", "end": None,
        "title": "uptime", "reason": "not as promised; 94.11 % so far, 99 % promised", "t": "2026-01-05T06:00:00.000Z",
    }  # fmt: skip
    assert said["warning"]["text"].startswith("80 % of the downtime allowed is used, 1 h 29 min 16 s left")
