"""Random cases: a contract, a readings file and a period to judge."""

from dataclasses import dataclass

from hypothesis import strategies as st

from tests.oracle.contract_texts import CHANNELS, contract_texts
from tests.oracle.dirty_rows import csv_of, files
from tests.oracle.places import places
from tests.oracle.reading import Row
from tests.oracle.terms import read_terms, resolution


@dataclass(frozen=True, slots=True)
class Case:
    """What a party has in hand: terms, the lines of a readings file, and the name of a period."""

    terms: str
    rows: list[Row]
    period: str

    def __str__(self) -> str:
        """Write it as the files one would save to look into it."""
        return f"--period {self.period}\n--- terms.yaml\n{self.terms}--- readings.csv\n{csv_of(self.rows)}"


@st.composite
def cases(draw: st.DrawFn, *, plain: bool = False) -> Case:
    """Draw a case; a `plain` one has neither conflicts nor arrivals, so that the order of its lines means nothing."""
    place = draw(places())
    text = draw(contract_texts(place))
    terms = read_terms(text)
    steps = {channel: resolution(terms, channel) for channel in CHANNELS}
    devices = [declared["id"] for declared in terms["devices"]]
    return Case(text, draw(files(place.marks(), devices, steps, plain=plain)), place.period)


REGISTER_CONTRACT = """\
terms: 1
id: CASE-2
title: One register
provider: {{name: Provider}}
customer: {{name: Customer}}
currency: EUR
timezone: UTC
valid: {{from: 2026-01-01}}
period: day
devices: [{{id: m-1}}]
channels:
  register: {{unit: kWh, max_hold: 2h}}
  state: {{unit: one, max_hold: 1h}}
conditions: {{good: {{channel: state, is: 1}}}}
meters: {{meter-0: {{counter: register{rules}}}}}
charges: [{{id: charge-0, meter: meter-0, price: {{per_unit: 1}}}}]
"""
REGISTER_RULES = ["", ", reset_below: 20", ", width: 1000", ", reset_below: 20, width: 1000"]
REGISTER_VALUES = [0, 5, 7, 19, 20, 21, 30, 40, 100, 130, 900, 980, 999, 1000, 1031, 5000]
"""Beside the bounds of resets and wraps, and one gain of half an hour (30, at 60 an hour, plus one) apart."""


@st.composite
def register_cases(draw: st.DrawFn) -> Case:
    """Draw one register's readings over two days, dense where the rules of a counter meet."""
    rules = draw(st.sampled_from(REGISTER_RULES))
    if rules or draw(st.booleans()):
        rules = f", max_rate: {draw(st.sampled_from(['60/h', '2/m', '1000/h']))}{rules}"
    if draw(st.booleans()):
        rules += f", only_when: good, unknown: {draw(st.sampled_from(['off_quality', 'full', 'nothing']))}"
    midnight, minute = 1_767_225_600_000, 60_000
    start = midnight + draw(st.sampled_from([0, 12 * 60, 23 * 60, -90, -1])) * minute
    step = st.tuples(st.sampled_from([1, 30, 30, 60, 180]), st.sampled_from(REGISTER_VALUES), st.integers(0, 5))
    rows = []
    boot, time = 0, start
    for minutes, value, luck in draw(st.lists(step, min_size=2, max_size=12)):
        boot += luck == 5
        rows.append(Row("m-1", "register", time, str(value), f"boot-{boot}"))
        if luck in (3, 4):
            rows.append(Row("m-1", "state", time, str(luck - 3), f"boot-{boot}"))
        time += minutes * minute
    return Case(REGISTER_CONTRACT.format(rules=rules), rows, draw(st.sampled_from(["2026-01-01", "2026-01-02"])))
