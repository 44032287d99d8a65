"""The plain shape, in which most readings come: a set with a time, or a list of sets with the same channels.

In a plain message everything is as it should be, so that nothing of it needs a word. What is not plain is looked at
with care elsewhere (`gateway.payloads.json`), which gives the same readings for a plain message, only later.
"""

from typing import Any, Final

from gateway.payloads.decoded import Value
from gateway.payloads.fields import EARLIEST_MS, LATEST_MS, text

_NUMBERS: Final = frozenset({int, float, bool})
_BOOTS: Final = frozenset({str, type(None)})

Set = tuple[int, str | None, dict[str, Value], int | None]  # time, restart mark, readings by channel, message number


def plain_set(each: Any, colons: int) -> Set | None:
    """What a plain set says, given the colons of its payload; None for any other. Names of channels are not checked."""
    try:
        moment, values, boot, seq = each["t"], each["v"], each.get("boot"), each.get("seq")
        faultless = (
            type(moment) is int
            and EARLIEST_MS <= moment < LATEST_MS
            and len(values) > 0
            and colons == len(each) + len(values)
            and (boot is None or (type(boot) is str and text(boot) is boot))
            and (seq is None or type(seq) is int)
            and _NUMBERS.issuperset(map(type, values.values()))
        )
    except (LookupError, TypeError, AttributeError):
        return None
    return (moment, boot, values, seq) if faultless else None


def plain_list(sets: Any, colons: int) -> tuple[list[int], list[str | None], dict[str, list[Value]], list[int]] | None:
    """What a plain list says, with its readings by channel; None for any other. Names of channels are not checked."""
    try:
        names, count = sets[0]["v"].keys(), len(sets)
        times = [each["t"] for each in sets]
        values = [each["v"] for each in sets]
        boots = [each.get("boot") for each in sets]
        sequence = [each["seq"] for each in sets if "seq" in each]
        if (
            not names
            or colons != sum(map(len, sets)) + count * len(names)
            or not {int}.issuperset(map(type, times))
            or min(times) < EARLIEST_MS
            or max(times) >= LATEST_MS
            or not {int}.issuperset(map(type, sequence))
            or not _BOOTS.issuperset(map(type, boots))
            or any(boot is not None and text(boot) is not boot for boot in set(boots))
            or not {dict}.issuperset(map(type, values))
            or any(each.keys() != names for each in values)
        ):
            return None
        columns = {name: [each[name] for each in values] for name in names}
    except (LookupError, TypeError, AttributeError):
        return None
    if not all(_NUMBERS.issuperset(map(type, column)) for column in columns.values()):
        return None
    return times, boots, columns, sequence
