"""Readings come back from InfluxDB as exactly the numbers that were written, however the answer is cut in chunks."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.influx.columns import ReadBackFault, columns

FIRST_MS, LAST_MS = 631_152_000_000, 4_102_444_800_000  # 1990 to 2100

Row = tuple[int, float]
ROWS = st.lists(
    st.tuples(st.integers(FIRST_MS, LAST_MS), st.floats(allow_nan=False, allow_infinity=False)), max_size=40
)


def _row(time_ms: int, value: float) -> str:
    """A row as InfluxDB writes it: no more decimals of a second than there are."""
    whole = datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    decimals = f".{time_ms % 1000:03d}".rstrip("0").rstrip(".")
    return f",_result,0,{whole}{decimals}Z,{value!r}\r\n"


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(ROWS, st.integers(1, 200))
def test_what_was_written_comes_back_however_it_is_cut(rows: list[Row], size: int) -> None:
    """Times to the millisecond and values to the last bit, for any rows and chunks of any size."""
    data = ("".join(_row(*row) for row in rows) + "\r\n").encode()
    times, values = columns(_cut(data, size))
    assert times.tolist() == [time for time, _ in rows]
    assert values.tolist() == [value for _, value in rows]


def test_an_answer_without_rows_is_an_empty_series() -> None:
    """A channel that has no readings comes back empty, not as a fault."""
    times, values = columns([b"\r\n"])
    assert (len(times), len(values)) == (0, 0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"error,reference\r\nout of memory,897\r\n", "no series of readings"),
        (b",_result,0,2026-01-01T00:00:00Z,broken\r\n", "no number"),
        (b",_result,0,2026-01-01T00:00:00Z,\r\n", "no number"),
        (b",_result,0,2026-01-01T00:00:00.1234Z,1\r\n", "finer than a millisecond"),
        (b",_result,0,2026-13-01T00:00:00Z,1\r\n", "without a time"),
        (b",_result,0,2026-01-01T00:00:00Z,1\r\n,_result,1,2026-01-01T00:00:00Z,1\r\n", "no series of readings"),
    ],
)
def test_what_fairmeter_never_wrote_is_named(answer: bytes, reason: str) -> None:
    """An error in the middle of an answer, or another writer's values, are never taken for readings."""
    with pytest.raises(ReadBackFault, match=reason):
        columns([answer])
