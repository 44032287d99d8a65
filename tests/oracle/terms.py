"""Terms as plain Python: dicts and lists whose every number is still the text the contract was written with."""

import re
from fractions import Fraction
from typing import Any

import yaml

Terms = dict[str, Any]

UNIT_MS = {"ms": 1, "s": 1_000, "min": 60_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
"""Milliseconds in each unit a duration is written in."""

COMPARISONS = ("above", "at_least", "below", "at_most", "is", "between")


def read_terms(text: str) -> Terms:
    """Parse a contract; scalars stay text, so no number is ever a float."""
    terms: Terms = yaml.load(text, Loader=yaml.BaseLoader)
    return terms


def duration_ms(text: str) -> int:
    """Milliseconds of `500ms`, `90s`, `5m`, `5min`, `8h` or `3d`."""
    match = re.fullmatch(r"(\d+)(ms|s|min|m|h|d)", text)
    assert match, f"not a duration: {text}"
    return int(match[1]) * UNIT_MS[match[2]]


def rate_per_ms(text: str) -> Fraction:
    """Units per millisecond of `400/h` or `2/15m`."""
    amount, _, per = text.partition("/")
    return Fraction(amount) / duration_ms(per if per[0].isdigit() else "1" + per)


def device(terms: Terms, name: str) -> Terms:
    """Return the declaration of a device."""
    return next(d for d in terms["devices"] if d["id"] == name)


def resolution(terms: Terms, channel: str) -> str:
    """Return the smallest step a channel shows, as written; 1 unless the terms say otherwise (semantics §1)."""
    text: str = terms["channels"][channel].get("resolution", "1")
    return text


def hold_text(terms: Terms, channel: str) -> str:
    """Return how long a value of the channel holds, as written: a duration, or `device`."""
    text: str = terms["channels"][channel].get("max_hold", terms.get("data", {}).get("max_hold", "120s"))
    return text


def kind_of(meter: Terms) -> str:
    """Return which of the meters of semantics §3 this is."""
    return next(kind for kind in ("counter", "integral", "duration", "count") if kind in meter)


def meter_resolution(terms: Terms, meter: Terms) -> str:
    """Return the step a meter's quantity is rounded to (semantics §3): its own, else its channel's."""
    kind = kind_of(meter)
    usual = {"duration": "0.001", "count": "1"}
    own: str = meter.get("resolution") or usual.get(kind) or resolution(terms, meter[kind])
    return own


def meter_unit(terms: Terms, meter: Terms) -> str:
    """Return the unit a meter's quantity is in."""
    kind = kind_of(meter)
    if "unit" in meter:
        return str(meter["unit"])
    return {"duration": "h", "count": "1"}.get(kind) or str(terms["channels"][meter[kind]]["unit"])


def named(terms: Terms, condition: Any) -> Terms:
    """Return the condition itself where only its name is given."""
    found: Terms = terms["conditions"][condition] if isinstance(condition, str) else condition
    return found


def sources(terms: Terms, condition: Any, measured: str) -> set[tuple[str, str]]:
    """Return every (device, channel) a condition looks at when `measured` is the device measured (semantics §4)."""
    condition = named(terms, condition)
    if "condition" in condition:
        return sources(terms, condition["condition"], measured)
    if "not" in condition:
        return sources(terms, condition["not"], measured)
    for several in ("all", "any"):
        if several in condition:
            return {source for part in condition[several] for source in sources(terms, part, measured)}
    return {(condition.get("device", measured), condition["channel"])}
