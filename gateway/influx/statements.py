"""Final statements as series: what was billed, how it is shown, and where it can be read."""

from decimal import Decimal

from contracts.periods import Period
from gateway.influx.points import Point
from gateway.ledger import Issued
from gateway.outlook import moment_ms


def statement_point(issued: Issued, period: Period, statements_url: str | None) -> Point:
    """One final statement, at the start of its period; whether a second computation agrees is written when it is."""
    document = issued.document
    contract, number = document["contract"], document["number"]
    link = None if statements_url is None else f"{statements_url.rstrip('/')}/{contract}/{number}/statement.txt"
    fields = {
        "number": number,
        "total": float(Decimal(document["total"])),
        "total_text": f"{document['total']} {document['currency']}",
        "currency": document["currency"],
        "lines": len(document["lines"]),
        "adjustments": len(document["adjustments"]),
        "issued_ms": moment_ms(document["issued_at"]),
        "sha256": issued.sha256,
        "link": link,
        "show": f"fairmeter statement show {contract} {number}",
    }
    return Point("statement", {"contract": contract, "period": period.name}, fields, period.span.start)
