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
