"""Random contracts in the part of the language the oracle knows, as the YAML an author would write."""

from typing import Any

from hypothesis import strategies as st

from tests.oracle.places import Place

HOLDS = ["1h", "90s", "10m", "6h", "1d"]
CHANNELS = ("register", "flow", "level", "state")


def flow_style(value: Any) -> str:
    """Write a value as YAML in flow style; text is written bare, so numbers keep their decimals."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow_style(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow_style(item) for item in value) + "]"
    return str(value)


def block_style(terms: dict[str, Any]) -> str:
    """Write terms one entry a line, so that a failing case can be read."""
    lines = []
    for key, value in terms.items():
        if isinstance(value, dict) and key in ("channels", "conditions", "meters"):
            lines += [f"{key}:", *(f"  {name}: {flow_style(item)}" for name, item in value.items())]
        elif isinstance(value, list):
            lines += [f"{key}:", *(f"  - {flow_style(item)}" for item in value)]
        else:
            lines.append(f"{key}: {flow_style(value)}")
    return "\n".join(lines) + "\n"


@st.composite
def channels(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the four channels: a register, a flow, a level with halves, and a state that may be sent on change only."""
    hold = st.sampled_from(HOLDS)
    return {
        "register": {
            "unit": "kWh",
            "resolution": draw(st.sampled_from(["1", "0.5", "10", "0.1"])),
            "max_hold": draw(st.sampled_from([*HOLDS, "device"])),
        },
        "flow": {"unit": "m3/h", "resolution": draw(st.sampled_from(["0.1", "1"])), "max_hold": draw(hold)},
        "level": {"unit": "bar", "resolution": "0.5", "max_hold": draw(hold)},
        "state": {"unit": "one", "max_hold": draw(st.sampled_from(["device", *HOLDS]))},
    }


@st.composite
def comparisons(draw: st.DrawFn, devices: list[str]) -> dict[str, Any]:
    """Draw a comparison on one channel, sometimes of a named device."""
    channel = draw(st.sampled_from(["state", "level", "level", "flow"]))
    words = ["is", "is", "above"] if channel == "state" else ["at_least", "above", "below", "at_most", "between", "is"]
    word = draw(st.sampled_from(words))
    bound = draw(st.sampled_from(["0", "1"] if channel == "state" else ["1", "2.5", "0", "3", "4.25"]))
    condition: dict[str, Any] = {"channel": channel, word: ["1", bound] if word == "between" else bound}
    if word == "between" and float(bound) < 1:
        condition[word] = [bound, "1"]
    if draw(st.integers(0, 4)) == 0:
        condition["device"] = draw(st.sampled_from(devices))
    return condition


@st.composite
def conditions(draw: st.DrawFn, devices: list[str], named: list[str], depth: int = 2) -> dict[str, Any]:
    """Draw a condition over those already named."""
    shapes = ["plain", "plain"] + (["named"] if named else []) + (["all", "any", "not"] if depth else [])
    shape = draw(st.sampled_from(shapes))
    condition: dict[str, Any]
    if shape == "plain":
        condition = draw(comparisons(devices))
    elif shape == "named":
        condition = {"condition": draw(st.sampled_from(named))}
    elif shape == "not":
        condition = {"not": draw(conditions(devices, named, depth - 1))}
    else:
        condition = {shape: draw(st.lists(conditions(devices, named, depth - 1), min_size=1, max_size=3))}
    if draw(st.integers(0, 3)) == 0:
        condition["for"] = draw(st.sampled_from(["30s", "1ms", "10m", "45m", "8h"]))
    return condition


@st.composite
def meters(draw: st.DrawFn, devices: list[str], named: list[str]) -> dict[str, Any]:
    """Draw one meter of any kind, sometimes with its own resolution and a condition."""
    kind = draw(st.sampled_from(["counter", "counter", "integral", "duration", "count"]))
    meter: dict[str, Any]
    if kind == "counter":
        meter = {"counter": "register"}
        if draw(st.integers(0, 3)):
            meter["max_rate"] = draw(st.sampled_from(["100/h", "1000/h", "20/m", "1/s"]))
            meter |= draw(
                st.sampled_from([{}, {"reset_below": "20"}, {"width": "1000"}, {"reset_below": "20", "width": "1000"}])
            )
    elif kind == "integral":
        meter = {"integral": "flow", "per": draw(st.sampled_from(["1h", "1m", "1d"])), "unit": "m3"}
    else:
        meter = {kind: draw(conditions(devices, named, 1)), "unit": draw(st.sampled_from(["h", "min", "s"]))}
    if draw(st.booleans()):
        meter["only_when"] = draw(st.sampled_from(named))
        meter |= draw(st.sampled_from([{}, {"unknown": "full"}, {"unknown": "nothing"}, {"unknown": "off_quality"}]))
    if draw(st.integers(0, 2)) == 0 and kind != "count":
        meter["resolution"] = draw(st.sampled_from(["1", "0.5", "0.001", "10"]))
    return meter


def tiers() -> st.SearchStrategy[list[dict[str, str]]]:
    """Draw graduated tiers, with and without flats."""
    return st.sampled_from(
        [
            [{"unit": "0.021"}],
            [{"up_to": "5", "unit": "0.10"}, {"unit": "0.05"}],
            [
                {"up_to": "1", "unit": "0", "flat": "2.50"},
                {"up_to": "20.5", "unit": "0.125", "flat": "1"},
                {"unit": "0.033"},
            ],
        ]
    )


@st.composite
def rollovers(draw: st.DrawFn, *, packages: bool) -> dict[str, Any]:
    """Draw how units not used are kept, the rest of packages among them."""
    rule = {"cap": draw(st.sampled_from(["0", "4.5", "30", "1000"]))}
    rule |= draw(st.sampled_from([{}, {"expires_after": "1"}, {"expires_after": "2"}, {"expires_after": "5"}]))
    return {"rollover": rule} | (draw(st.sampled_from([{}, {"keep_package_rest": "true"}])) if packages else {})


@st.composite
def charges(draw: st.DrawFn, name: str, metered: dict[str, Any]) -> dict[str, Any]:
    """Draw one charge: a flat, or a price on a meter."""
    shape = draw(st.sampled_from(["per_unit", "graduated", "package", "flat"]))
    charge: dict[str, Any] = {"id": name}
    if shape == "flat":
        per = draw(st.sampled_from([{}, {"per": "device"}, {"per": "period"}]))
        return charge | {"price": {"flat": draw(st.sampled_from(["900.00", "0.05", "31"])), **per}}
    charge["meter"] = draw(st.sampled_from(list(metered)))
    charge |= draw(st.sampled_from([{}, {"pool": "true"}]))
    if "only_when" in metered[charge["meter"]]:
        charge |= draw(st.sampled_from([{}, {"part": "off_quality"}]))
    if draw(st.integers(0, 2)) == 0:
        charge["allowance"] = {"included": draw(st.sampled_from(["0", "5", "10.5", "100"]))}
        if draw(st.booleans()):
            charge["allowance"] |= draw(rollovers(packages=shape == "package"))
    if shape == "per_unit":
        price: dict[str, Any] = {"per_unit": draw(st.sampled_from(["0.042", "0.005", "1", "0.000000000001", "12.345"]))}
    elif shape == "package":
        free = draw(st.sampled_from([{}, {"free": "3"}]))
        price = {"package": {"size": draw(st.sampled_from(["15", "0.5", "1"])), "price": "1.00", **free}}
    else:
        price = {"graduated": draw(tiers())}
        charge |= draw(st.sampled_from([{}, {"flat_at_zero": "true"}]))
    return charge | {"price": price}


@st.composite
def contract_texts(draw: st.DrawFn, place: Place) -> str:
    """Draw a contract of one or two devices at a place."""
    both: list[dict[str, Any]] = [
        {"id": "m-1"},
        {"id": "m-2", "since": place.second.first, "until": place.second.after},
    ]
    devices = both[: draw(st.integers(1, 2))]
    ids = [declared["id"] for declared in devices]
    named: dict[str, Any] = {"busy": draw(comparisons(ids))}
    for name in ("fit", "well")[: draw(st.integers(0, 2))]:
        named[name] = draw(conditions(ids, list(named)))
    metered = {f"meter-{n}": draw(meters(ids, list(named))) for n in range(draw(st.integers(1, 3)))}
    terms: dict[str, Any] = {
        "terms": 1,
        "id": "CASE-1",
        "title": "A random case",
        "provider": {"name": "Provider"},
        "customer": {"name": "Customer"},
        "currency": draw(st.sampled_from(["EUR", "EUR", "JPY"])),
        "timezone": place.zone,
        "valid": {"from": place.contract.first, "until": place.contract.after},
        "period": place.kind,
        "grace": "3d",
        "corrections": draw(st.sampled_from(["90d", "2d"])),
        "rounding": draw(st.sampled_from(["half_up", "half_even"])),
        "devices": devices,
        "channels": draw(channels()),
        "conditions": named,
        "meters": metered,
        "charges": [draw(charges(f"charge-{n}", metered)) for n in range(draw(st.integers(1, 3)))],
    }
    if place.kind == "month":
        terms["anchor"] = place.anchor
    return block_style(terms)
