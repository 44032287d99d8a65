"""Topics and JSON of other makers are found by patterns and paths."""

from decimal import Decimal

import pytest

from gateway.payloads import Layout, Mapped, Shape, Telemetry
from tests.gateway.decoding import NEW_YEAR_MS, readings, rejected, sent


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("telemetry/", "empty"),
        ("telemetry/" + "x" * 129, "129 characters"),
        ("telemetry/a\x07", "control characters"),
        ("telemetry/\udcff", "not UTF-8"),
        ("telemetry", "no topic pattern"),
        ("telemetry/a/b", "no topic pattern"),
        ("", "no topic pattern"),
        ("telemetry/a\n", "control characters"),
    ],
)
def test_a_topic_that_names_no_device_is_rejected(topic: str, reason: str) -> None:
    """Without a device nobody can be billed; the reason says what is wrong with the topic."""
    decoded = sent({"v": {"a": 1}}, topic)
    assert decoded.device is None
    assert reason in rejected(decoded).reason


@pytest.mark.parametrize("device", ["comp 01", "comp-01", "Ä/".rstrip("/"), "a.b", "x" * 128])
def test_a_device_may_have_any_printable_name(device: str) -> None:
    """Spaces and letters of any language are a site's own choice."""
    assert sent({"v": {"a": 1}}, f"telemetry/{device}").device == device


def test_another_topic_layout_is_mapped_by_a_pattern() -> None:
    """The pattern of the interface finds the device where a site keeps it, and says what to subscribe to."""
    layout = Layout(telemetry="factory/+/line/{device}/data", status="factory/+/line/{device}/state/#")
    assert layout.filters() == ("factory/+/line/+/data", "factory/+/line/+/state/#", "event/+")
    assert sent({"v": {"a": 1}}, "factory/north/line/7/data", layout).device == "7"
    assert sent({"online": True}, "factory/north/line/7/state/x/y", layout).device == "7"
    assert sent({"v": {"a": 1}}, "factory/a/b/line/7/data", layout).device is None


@pytest.mark.parametrize("pattern", ["telemetry/+", "a/{device}/{device}", "a/x{device}", "#/{device}", "a+/{device}"])
def test_a_pattern_that_cannot_work_is_refused_at_once(pattern: str) -> None:
    """A mistake in the settings is an error at the start, not silence later."""
    with pytest.raises(ValueError, match="topic pattern"):
        Layout(telemetry=pattern)


def test_another_json_shape_is_mapped_by_paths_and_factors() -> None:
    """Readings elsewhere in the JSON become channels, scaled exactly; what is absent is simply not there."""
    shape = Shape(
        (
            Mapped("data.temp", "inlet_temp", Decimal("0.1")),
            Mapped("data.0.x", "never"),
            Mapped("data.ok", "healthy", Decimal(5)),
            Mapped("data.list.1", "second"),
        ),
        time="meta.ts",
        boot="meta.boot",
    )
    document = {"meta": {"ts": NEW_YEAR_MS, "boot": 3}, "data": {"temp": 217, "ok": True, "list": [0, 9]}}
    decoded = sent(document, layout=Layout(shape=shape))
    assert readings(decoded) == {
        "inlet_temp": [(NEW_YEAR_MS, 21.7)],
        "healthy": [(NEW_YEAR_MS, True)],
        "second": [(NEW_YEAR_MS, 9)],
    }
    assert isinstance(decoded.content, Telemetry)
    assert decoded.content.columns["second"].boots == ["3"]
    assert '"v" is empty' in rejected(sent({"other": 1}, layout=Layout(shape=shape))).reason


def test_two_places_for_one_channel_are_refused_where_both_are_there() -> None:
    """Two values for one channel and time would be a conflict of our own making."""
    shape = Shape((Mapped("new", "a"), Mapped("old", "a"), Mapped("b", "b")))
    decoded = sent({"t": NEW_YEAR_MS, "new": 1, "old": 2, "b": 3}, layout=Layout(shape=shape))
    assert readings(decoded) == {"b": [(NEW_YEAR_MS, 3)]}
    assert [refusal.reason for refusal in decoded.refused] == ["the value is given twice"]
    assert readings(sent({"t": NEW_YEAR_MS, "old": 2}, layout=Layout(shape=shape))) == {"a": [(NEW_YEAR_MS, 2)]}
