"""The state between two statements: complete as JSON, so that a period needs nothing but it and its readings."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.canonical import readable
from contracts.compute import compute_period
from contracts.counter import Baseline, Counting, Low
from contracts.judging import Key
from contracts.metering import DeviceState, begin_period, keys_of, opening_devices
from contracts.meters import MeterState
from contracts.periods import period_named
from contracts.readings import Judged
from contracts.sides.carried import State
from contracts.state import read_state, state_document
from contracts.statement import Input, meter_period
from contracts.timeline import FALSE, TRUE
from tests.contracts.machines import CONTRACT, DAYS, readings
from tests.contracts.samples import JANUARY, SECOND

TERMS = CONTRACT.terms
SIZED = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def through_json(state: State) -> State:
    """A state as the next statement's computer reads it."""
    return read_state(TERMS, json.loads(readable(state_document(TERMS, state))))


def begun(state: State) -> dict[str, DeviceState]:
    """What of a state a next period starts from; neither a meter that knows nothing nor what no meter looks at."""
    found = {}
    for name, device in state.devices.items():
        begins = begin_period(device)
        knowing = {meter: each for meter, each in begins.meters.items() if each != MeterState()}
        held = {key: last for key, last in begins.held.items() if key in keys_of(TERMS, name)}
        found[name] = replace(begins, meters=knowing, held=held)
    return found


def opened(judged: dict[Key, Judged]) -> State:
    """The state with which the contract begins."""
    series = {key: each.series() for key, each in judged.items()}
    return State(JANUARY, opening_devices(TERMS, period_named(TERMS, DAYS[0]), series))


@SIZED
@given(readings(), st.sampled_from(DAYS))
def test_a_state_survives_its_journey_as_json(judged: dict[Key, Judged], last: str) -> None:
    """Nothing that the next period depends on is lost between two statements."""
    state = opened(judged)
    for day in DAYS[: DAYS.index(last) + 1]:
        assert begun(through_json(state)) == begun(state)
        period = period_named(TERMS, day)
        _, devices = meter_period(TERMS, period, state, Input(judged))
        state = State(period.span.end, devices)
    assert through_json(state).at == state.at
    assert begun(through_json(state)) == begun(state)
    assert state_document(TERMS, through_json(state)) == state_document(TERMS, state)


def computed(day: str, state: State, judged: dict[Key, Judged]) -> tuple[dict[str, Any], State]:
    """The statement of a day and the state after it."""
    period = period_named(TERMS, day)
    outcome = compute_period(CONTRACT, period, state, Input(judged), status="computed", keep=lambda _: None)
    return outcome.document, outcome.closing


@SIZED
@given(readings())
def test_each_period_from_the_one_befores_json_is_what_all_at_once_gives(judged: dict[Key, Judged]) -> None:
    """A customer with one statement's evidence and the readings computes the next as the gateway does."""
    state = apart = opened(judged)
    for day in DAYS:
        whole, state = computed(day, state, judged)
        # The other computer has the opening state and this period's readings alone.
        period = period_named(TERMS, day)
        inside = {key: within(each, period.span.start, period.span.end) for key, each in judged.items()}
        alone, apart = computed(day, through_json(apart), inside)
        assert alone == whole


def within(judged: Judged, start: int, end: int) -> Judged:
    """The readings of a span alone, with what became of them."""
    times = judged.columns.times
    where = (times >= start) & (times < end)
    return Judged(judged.columns.at(where), judged.dispositions[where])


def test_every_field_of_a_counter_is_kept() -> None:
    """Baseline, waiting reading, announced restart and exchange: the next reading is judged by all four."""
    counting = Counting(
        Baseline(JANUARY, 7), Low(2, JANUARY + SECOND, JANUARY + 2 * SECOND, 0), restarted=True, exchanged=True
    )
    meters = {"energy": MeterState(counting), "faults": MeterState(before=(FALSE, JANUARY + 5))}
    held = {("m1", "register"): (JANUARY, -3)}
    devices = {
        "m1": DeviceState(JANUARY, True, "b\u00fc", held, {}, meters),
        "m2": DeviceState(JANUARY, meters={"faults": MeterState(before=(TRUE, JANUARY))}),
    }
    state = State(JANUARY, devices)
    assert through_json(state).devices["m1"] == devices["m1"]
    assert through_json(state).devices["m2"].meters == devices["m2"].meters
    register = state_document(TERMS, state)["devices"]["m1"]["channels"]["register"]
    assert register == {"time": "2026-01-01T00:00:00.000Z", "value": "-1.5"}


def test_the_state_is_a_closed_record_with_the_places_of_later_balances() -> None:
    """Its form is complete from the first statement on (semantics §8)."""
    document = state_document(TERMS, opened({}))
    assert set(document) == {
        "schema", "contract", "at", "balances", "year_to_date", "credits", "claims", "measured_over", "incidents",
        "last_known", "excused_until", "devices",
    }  # fmt: skip
    assert set(document["devices"]) == {"m1", "m2"}
    assert set(document["devices"]["m1"]) == {"in_force", "boot", "channels", "meters", "services"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("schema", "fairmeter.state/9"), ("contract", "OTHER"), ("at", "yesterday"), ("at", 5), ("devices", [])],
)
def test_what_is_not_a_state_of_this_contract_is_refused(field: str, value: Any) -> None:
    """No period opens with another contract's state, or with half of one."""
    document = state_document(TERMS, opened({}))
    with pytest.raises((ValueError, TypeError, AttributeError)):
        read_state(TERMS, {**document, field: value})


def test_a_value_that_no_register_has_is_refused() -> None:
    """A state with a number beyond 2⁵³ steps was not written by this software."""
    document = state_document(TERMS, opened({}))
    document["devices"]["m1"]["channels"] = {"register": {"time": "2026-01-01T00:00:00.000Z", "value": "1e30"}}
    with pytest.raises(ValueError, match="is not a value of register"):
        read_state(TERMS, document)


def test_a_device_that_joins_later_opens_with_nothing() -> None:
    """A new version of a contract may have a device that the earlier state does not know."""
    document = state_document(TERMS, opened({}))
    del document["devices"]["m2"]
    assert read_state(TERMS, document).devices["m2"] == DeviceState(JANUARY, meters={})
