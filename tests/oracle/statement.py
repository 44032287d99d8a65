"""The oracle's statement: the parts of the statement JSON it has an opinion on."""

from fractions import Fraction
from typing import Any

from tests.oracle.dates import midnight_ms, period_named, rfc3339
from tests.oracle.price import in_money, lines
from tests.oracle.quantity import scenes, usage_row
from tests.oracle.reading import Row
from tests.oracle.terms import Terms


def statement(terms: Terms, rows: list[Row], period: str) -> dict[str, Any]:
    """Return period, usage, lines and total of a contract's period, from its rows in file order."""
    days = period_named(terms, period)
    zone = terms["timezone"]
    found = scenes(terms, rows, days)
    usage = [usage_row(scene, meter) for meter in terms["meters"] for scene in found]
    billed = lines(terms, days, found, usage)
    return {
        "period": {
            "name": period,
            "start": rfc3339(midnight_ms(days.first, zone)),
            "end": rfc3339(midnight_ms(days.after, zone)),
            "timezone": zone,
        },
        "usage": usage,
        "lines": billed,
        "total": in_money(terms, sum((Fraction(line["amount"]) for line in billed), Fraction(0))),
    }
