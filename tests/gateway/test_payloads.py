"""What a device sends is understood, or it is told why not; nothing is lost without a word."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.message import Cut, Message
from gateway.payloads import Layout, Refusal, Status, Telemetry, decode
from gateway.payloads.document import parse
from gateway.payloads.fields import EARLIEST_MS, LATEST_MS
from gateway.payloads.json import _careful, _plain
from tests.gateway.decoding import ARRIVAL_MS, NEW_YEAR_MS, readings, rejected, sent

# --- what is understood ------------------------------------------------------------------------------------


def test_the_example_of_the_interface_is_understood() -> None:
    """The object that interfaces shows gives its readings, times, restart mark and number."""
    decoded = sent({"t": NEW_YEAR_MS, "v": {"pressure": 7.02, "fault": False}, "seq": 118, "boot": "a1f3"})
    assert decoded.device == "comp-01"
    assert decoded.refused == ()
    assert readings(decoded) == {"pressure": [(NEW_YEAR_MS, 7.02)], "fault": [(NEW_YEAR_MS, False)]}
    assert isinstance(decoded.content, Telemetry)
    assert decoded.content.sequence == [118]
    assert decoded.content.columns["pressure"].boots == ["a1f3"]
    assert decoded.content.columns["pressure"].by_arrival == [False]


def test_values_keep_their_type() -> None:
    """An integer, a decimal and a boolean are not turned into one another."""
    columns = readings(sent({"t": NEW_YEAR_MS, "v": {"a": 1, "b": 1.0, "c": True, "d": 2**53}}))
    assert [type(columns[name][0][1]) for name in "abcd"] == [int, float, bool, int]


def test_without_a_time_the_arrival_counts_and_is_marked() -> None:
    """A device without a clock is metered by arrival, visibly (semantics §1)."""
    decoded = sent([{"v": {"a": 1}}, {"t": NEW_YEAR_MS, "v": {"a": 2}}])
    assert readings(decoded) == {"a": [(ARRIVAL_MS, 1), (NEW_YEAR_MS, 2)]}
    assert isinstance(decoded.content, Telemetry)
    assert decoded.content.columns["a"].by_arrival == [True, False]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-01-01T00:00:00Z", NEW_YEAR_MS),
        ("2026-01-01t01:00:00.5+01:00", NEW_YEAR_MS + 500),
        ("2025-12-31T19:00:00.123999999-05:00", NEW_YEAR_MS + 123),
        ("2026-01-01 00:00:00.0009Z", NEW_YEAR_MS),
        ("2099-12-31T23:59:59.999Z", LATEST_MS - 1),
    ],
)
def test_rfc_3339_text_is_floored_to_the_millisecond(text: str, ms: int) -> None:
    """A time as text is the millisecond it falls in, in any zone."""
    assert readings(sent({"t": text, "v": {"a": 1}})) == {"a": [(ms, 1)]}


def test_a_whole_number_written_as_a_float_is_a_time() -> None:
    """1.7672256e12 is what some encoders make of milliseconds."""
    assert readings(sent(b'{"t": 1.7672256e12, "v": {"a": 1}}')) == {"a": [(NEW_YEAR_MS, 1)]}


def test_sets_with_different_channels_share_one_message() -> None:
    """Channels sent only on change are as good as those in every set."""
    decoded = sent([{"t": NEW_YEAR_MS, "v": {"a": 1, "b": 2}}, {"t": NEW_YEAR_MS + 1, "v": {"b": 3}}])
    assert readings(decoded) == {"a": [(NEW_YEAR_MS, 1)], "b": [(NEW_YEAR_MS, 2), (NEW_YEAR_MS + 1, 3)]}


def test_a_boot_may_be_a_number() -> None:
    """A restart counter is as good a mark of a restart as a text."""
    decoded = sent({"t": NEW_YEAR_MS, "v": {"a": 1}, "boot": 17})
    assert isinstance(decoded.content, Telemetry)
    assert decoded.content.columns["a"].boots == ["17"]


# --- what is not, and why ----------------------------------------------------------------------------------

WHOLE_MESSAGES = [
    (b"", "empty"),
    (b"   ", "empty"),
    (b"\xff\xfe{}", "not UTF-8: byte 0 is 0xff"),
    (b'{"v": {"\xc3\x28": 1}}', "not UTF-8"),
    (b'\xef\xbb\xbf{"v": {"a": 1}}', "byte order mark"),
    (b'{"t": 1767225600000, "v": {"a": 1', "ends too early"),
    (b'{"t": 1767225600000, "v": {"a', "ends too early"),
    (b"pressure=7.02", "not JSON"),
    (b'{"v": {"a": 1}} x', "not JSON"),
    (b"[" * 100_000, "nested too deep"),
    (b'{"v": ' + b"[" * 2_000 + b"]" * 2_000 + b"}", "nested too deep"),
    (b'{"v": {"a": ' + b"9" * 5_000 + b', "b": NaN}}', "cannot be read"),
    (b"null", "not a JSON object"),
    (b"7.02", "not a JSON object"),
    (b'"7.02"', "not a JSON object"),
    (b"[]", "the list is empty"),
    (b"[1, 2]", "[0]: this is not a JSON object (and 1 more)"),
    (b"{}", 'no "v"'),
    (b'{"v": {}}', '"v" is empty'),
    (b'{"v": [1]}', '"v" is not an object'),
    (b'{"v": {"a": 1}, "v": {"a": 2}}', '"v" is given twice'),
]


@pytest.mark.parametrize(("payload", "reason"), WHOLE_MESSAGES, ids=[reason for _, reason in WHOLE_MESSAGES])
def test_a_message_in_which_nothing_is_understood_is_rejected_with_its_reason(payload: bytes, reason: str) -> None:
    """Each kind of broken payload gets a reason of its own and a remedy."""
    rejection = rejected(sent(payload))
    assert reason in rejection.reason
    assert rejection.remedy


TIMES = [
    (1_767_225_600, "in seconds"),
    (1_767_225_600.25, "in seconds"),
    (1_767_225_600_000_000, "in microseconds"),
    (1_767_225_600_000_000_000, "in nanoseconds"),
    (31_556_952_000_000_000, "not between the years"),
    (0, "not between the years"),
    (-1, "not between the years"),
    (EARLIEST_MS - 1, "not between the years"),
    (LATEST_MS, "not between the years"),
    (10**400, "not between the years"),
    (NEW_YEAR_MS + 0.5, "not a whole number"),
    ("1767225600000", "a number as text"),
    ("2026-01-01T00:00:00", "no zone"),
    ("2026-02-30T00:00:00Z", "does not exist"),
    ("2026-01-01T24:00:00Z", "does not exist"),
    ("9999-12-31T23:59:59-23:59", "not between the years"),
    ("yesterday", "not RFC 3339"),
    (True, "true or false"),
    (None, "null"),
    ({"s": 1}, "an object"),
]


@pytest.mark.parametrize(("time", "reason"), TIMES)
def test_a_wrong_time_is_refused_with_its_reason(time: object, reason: str) -> None:
    """A time in another unit, without a zone or out of this century says so, and names the channels it cost."""
    decoded = sent([{"t": time, "v": {"a": 1, "b": 2}}, {"t": NEW_YEAR_MS, "v": {"a": 3}}])
    assert readings(decoded) == {"a": [(NEW_YEAR_MS, 3)]}
    (refusal,) = decoded.refused
    assert refusal.where == "[0].t"
    assert reason in refusal.reason
    assert refusal.channels == ("a", "b")
    assert reason in rejected(sent({"t": time, "v": {"a": 1}})).reason


VALUES = [
    (b'"7.02"', "a number as text"),
    (b'"open"', "is text"),
    (b"null", "null"),
    (b"NaN", "NaN is not a measurement"),
    (b"-Infinity", "-Infinity is not a measurement"),
    (b"1e999", "1e999 is not a measurement"),
    (b"[7.02]", "a list"),
    (b'{"value": 7.02}', "an object"),
    (b'1, "bad": 2', "given twice"),
]


@pytest.mark.parametrize(("value", "reason"), VALUES, ids=[reason for _, reason in VALUES])
def test_one_bad_value_does_not_cost_the_good_ones(value: bytes, reason: str) -> None:
    """The readings beside it are kept; it is refused with its place, its reason and a remedy."""
    decoded = sent(b'[{"t": 1767225600000, "v": {"good": 7.02, "bad": ' + value + b"}}]")
    assert readings(decoded) == {"good": [(NEW_YEAR_MS, 7.02)]}
    (refusal,) = decoded.refused
    assert refusal.where == "[0].v.bad"
    assert reason in refusal.reason
    assert refusal.channels == ("bad",)
    assert refusal.remedy


@pytest.mark.parametrize("name", ["", "a b", "températur", "x" * 129, "a\nb", "a,b", 'a"b', "=1+1"])
def test_a_channel_name_that_cannot_be_written_safely_is_refused(name: str) -> None:
    """Names go into file names and tables; what could break them is refused."""
    decoded = sent({"t": NEW_YEAR_MS, "v": {name: 1, "line/motor-1.temp_C": 2}})
    assert readings(decoded) == {"line/motor-1.temp_C": [(NEW_YEAR_MS, 2)]}
    assert [refusal.channels for refusal in decoded.refused] == [(name,)]


@pytest.mark.parametrize("boot", ["", "x" * 65, "a\nb", 1.5, True, {}, [], 10**80])
def test_a_bad_boot_or_number_does_not_cost_the_readings(boot: object) -> None:
    """A restart mark that cannot be understood is as none, and said."""
    decoded = sent({"t": NEW_YEAR_MS, "v": {"a": 1}, "boot": boot, "seq": "7"})
    assert readings(decoded) == {"a": [(NEW_YEAR_MS, 1)]}
    assert [refusal.where for refusal in decoded.refused] == ["boot", "seq"]
    assert isinstance(decoded.content, Telemetry)
    assert decoded.content.columns["a"].boots == [None]


def test_an_oversized_payload_is_rejected_with_its_length() -> None:
    """The device's maker learns how large it was."""
    message = Message("telemetry/a", b"x" * 4096, ARRIVAL_MS, cut=Cut(2_000_000, bytes(32)))
    decoded = decode(message, Layout())
    assert decoded.device == "a"
    assert "2000000 bytes" in rejected(decoded).reason


# --- the two ways give the same ------------------------------------------------------------------------------

_values = st.one_of(st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
_channels = st.sampled_from(["a", "b", "motor/temp", "x.y-z"])
_sets = st.fixed_dictionaries(
    {"t": st.integers(EARLIEST_MS, LATEST_MS - 1), "v": st.dictionaries(_channels, _values, min_size=1)},
    optional={"boot": st.text("abc1:", min_size=1, max_size=64), "seq": st.integers(0, 2**32)},
)


@settings(deadline=None, max_examples=200)
@given(st.one_of(_sets, st.lists(_sets, min_size=1, max_size=6)))
def test_the_short_way_and_the_careful_way_agree(document: Any) -> None:
    """Speed changes nothing: a faultless message gives the same columns either way, and none is refused."""
    payload = json.dumps(document).encode()
    careful = _careful(parse(payload), ARRIVAL_MS, "a", None)
    assert careful.refused == ()
    decoded = sent(payload)
    assert decoded.content == careful.content
    quick = _plain(parse(payload), payload.count(b":"))
    assert quick is None or quick == careful.content


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(st.sampled_from(["t", "v", "boot", "seq", "online", "type", "id", "x"]), inner)
            ),
            max_leaves=12,
        ).map(lambda document: json.dumps(document).encode()),
    ),
    st.sampled_from(["telemetry/a", "status/a", "event/a", "other", "telemetry/"]),
)
def test_whatever_is_sent_there_is_an_answer(payload: bytes, topic: str) -> None:
    """No payload makes decoding fail; what is not understood has a reason, and values kept are finite numbers."""
    decoded = sent(payload, topic)
    for refusal in decoded.refused:
        assert refusal.reason
        assert refusal.remedy
    if isinstance(decoded.content, Telemetry):
        assert decoded.content.columns
        for column in decoded.content.columns.values():
            assert len(column.times_ms) == len(column.values) == len(column.boots) == len(column.by_arrival) > 0
            assert all(math.isfinite(value) for value in column.values)
            assert all(EARLIEST_MS <= time < LATEST_MS for time in column.times_ms)


# --- status --------------------------------------------------------------------------------


def test_a_status_says_who_is_there() -> None:
    """The device's own word, and its last will without a time, which arrives by the broker."""
    own = {"online": True, "t": NEW_YEAR_MS, "boot": "a1f3", "firmware": "2.4.1", "meter": "K4711"}
    assert sent(own, "status/comp-01").content == Status(True, NEW_YEAR_MS, False, "a1f3", "2.4.1", "K4711")
    assert sent({"online": False}, "status/comp-01").content == Status(False, ARRIVAL_MS, True)


def test_a_status_keeps_what_is_good_in_it() -> None:
    """A bad firmware text or time is refused alone; without `online` there is no status."""
    decoded = sent({"online": True, "t": 17, "firmware": {}}, "status/a")
    assert decoded.content == Status(True, ARRIVAL_MS, True)
    assert [refusal.where for refusal in decoded.refused] == ["t", "firmware"]
    assert '"online"' in rejected(sent({"on": True}, "status/a")).reason
    assert '"online"' in rejected(sent(b'{"online": true, "online": false}', "status/a")).reason
    assert "not a JSON object" in rejected(sent([1], "status/a")).reason


def test_a_refusal_names_its_place_in_a_single_object() -> None:
    """Without a list there is no number in front."""
    decoded = sent({"v": {"a": 1, "b": None}})
    assert decoded.refused == (
        Refusal("v.b", "the value is null", "leave the channel out while there is no reading", ("b",)),
    )
