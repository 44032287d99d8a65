"""Where two statements differ, field by field: numbers by their value, everything else to the letter."""

from decimal import Decimal, InvalidOperation
from typing import Any

Statement = dict[str, Any]

PERIOD = ("name", "start", "end", "timezone")
USAGE = ("quantity", "off_quality", "quarantined", "unit", "opening", "closing", "known_ms", "coverage")
GUARANTEE = ("kind", "percent", "target", "met", "service_ms", "agreed_ms", "excused_ms", "down_ms", "unknown_ms")
OBLIGATION = ("kind", "met", "measured", "limit", "unit")
BALANCE = ("opening", "used", "earned", "expired", "closing")
LINE = ("kind", "quantity", "unit", "amount", "coverage")


def as_number(value: Any, places: int | None = None) -> Any:
    """Return a decimal string as its value, so that 1.50 equals 1.5; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return Decimal(value) if places is None else round(Decimal(value), places)
    except InvalidOperation:
        return value


def facts(statement: Statement) -> dict[str, Any]:
    """Return everything the oracle has an opinion on, each under a name that says where it stands."""
    found = {f"period {key}": statement["period"][key] for key in PERIOD}
    for row in statement["usage"]:
        where = f"usage {row['meter']} {row['device']}"
        found |= {f"{where} {key}": as_number(row[key]) for key in USAGE}
        found |= {f"{where} counts {key}": value for key, value in row["counts"].items()}
    for number, row in enumerate(statement.get("guarantees", [])):
        where = f"guarantee {number} {row['id']} {row['device']}"
        found |= {f"{where} {key}": as_number(row[key]) for key in (*GUARANTEE, "coverage")}
        found |= {f"{where} interval {n}": tuple(each.values()) for n, each in enumerate(row["intervals"])}
        found |= {f"{where} incident {n}": tuple(each.values()) for n, each in enumerate(row["incidents"])}
        found[f"{where} decided"] = row["over"] and row["over"]["decided"]
    for number, row in enumerate(statement.get("obligations", [])):
        where = f"obligation {number} {row['id']} {row['device']}"
        found |= {f"{where} {key}": as_number(row[key], 11) for key in OBLIGATION}
        found |= {f"{where} interval {n}": (each["start"], each["end"]) for n, each in enumerate(row["intervals"])}
    for number, line in enumerate(statement["lines"]):
        where = f"line {number} {line['id']} {line['device']}"
        found |= {f"{where} {key}": as_number(line[key]) for key in LINE}
    for number, row in enumerate(statement["balances"]):
        where = f"balance {number} {row['id']} {row['device']}"
        found |= {f"{where} {key}": as_number(row[key]) for key in BALANCE}
    found["total"] = as_number(statement["total"])
    return found


def differences(product: Statement, oracle: Statement) -> list[str]:
    """Return what the product says otherwise than the oracle; nothing where they agree."""
    ours, theirs = facts(product), facts(oracle)
    names = [*theirs, *(name for name in ours if name not in theirs)]
    missing = "absent"
    return [
        f"{name}: product {ours.get(name, missing)}, oracle {theirs.get(name, missing)}"
        for name in names
        if ours.get(name, missing) != theirs.get(name, missing)
    ]
