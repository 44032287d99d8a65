"""The oracle's statement: the parts of the statement JSON it has an opinion on."""

from decimal import Decimal
from fractions import Fraction
from functools import reduce
from typing import Any

from tests.oracle.book import Book, Chapter, same_window, write_book
from tests.oracle.credits import OVER_MONTHS, Ledger, is_decided
from tests.oracle.dates import midnight_ms, rfc3339
from tests.oracle.excuses import Record
from tests.oracle.guarantees import Figures, Interval, Judged, judge
from tests.oracle.obligations import Duty, duties, kind_of, minimum_use
from tests.oracle.price import in_money
from tests.oracle.quantity import down_to_four
from tests.oracle.reading import Row
from tests.oracle.response import Incident, incidents, judge_response
from tests.oracle.settlement import Found, met_of, settle
from tests.oracle.terms import Terms

Events = list[dict[str, Any]]


def statement(terms: Terms, rows: list[Row], period: str, events: Events | None = None) -> dict[str, Any]:
    """Return what a contract's statement of a period says, from its rows and events in file order."""
    return statements(terms, rows, period, events)[-1]


def statements(terms: Terms, rows: list[Row], last: str, events: Events | None = None) -> list[dict[str, Any]]:
    """Return the statements of all periods of a contract up to the last one named."""
    book = write_book(terms, rows, events or [], last)
    record, ledger = Record(), Ledger()
    judged: list[list[Judged]] = []
    running: dict[tuple[str, str], list[Incident]] = {}
    result = []
    for chapter in book.chapters:
        record.duties.append(duties(book, chapter))
        judged.append(judged_of(book, chapter, record, running))
        record.duties[-1] = with_minimum_use(book, chapter, record.duties[-1], judged)
        found = [(each, to_date(book, chapter, each, judged)) for each in judged[-1]]
        lines = settle(book, chapter, ledger, found, record.duties[-1])
        zone = terms["timezone"]
        result.append(
            {
                "period": {
                    "name": chapter.name,
                    "start": rfc3339(midnight_ms(chapter.days.first, zone)),
                    "end": rfc3339(midnight_ms(chapter.days.after, zone)),
                    "timezone": zone,
                },
                "usage": chapter.usage,
                "guarantees": [guarantee_row(book, chapter, each) for each in found],
                "obligations": [obligation_row(duty) for duty in record.duties[-1]],
                "lines": lines,
                "balances": chapter.balances,
                "total": in_money(terms, sum((Fraction(line["amount"]) for line in lines), Fraction(0))),
            }
        )
    return result


def judged_of(
    book: Book, chapter: Chapter, record: Record, running: dict[tuple[str, str], list[Incident]]
) -> list[Judged]:
    """Return every guarantee of a period, of each device in force or of the contract."""
    found = []
    for guarantee in book.promises("guarantees"):
        if guarantee.get("scope") == "contract":
            found.append(judge(book, chapter, record, guarantee, None))
            continue
        for scene in chapter.scenes:
            if "response" in guarantee:
                key = (guarantee["id"], scene.device)
                if key not in running:
                    running[key] = incidents(book, guarantee, scene.device)
                found.append(judge_response(book, chapter, record, (guarantee, scene.device), running[key]))
            else:
                found.append(judge(book, chapter, record, guarantee, scene.device))
    return found


def to_date(book: Book, chapter: Chapter, judged: Judged, history: list[list[Judged]]) -> Figures:
    """Return a guarantee's figures over the periods so far that it is measured over."""
    over = judged.guarantee.get("over")
    if over is None:
        return judged.figures
    counted = {each.number for each in same_window(book, chapter, OVER_MONTHS[over])}
    return total_of(history, judged.guarantee["id"], counted, judged.device)


def total_of(history: list[list[Judged]], guarantee: str, periods: set[int], device: str | None) -> Figures:
    """Add up a guarantee's figures over some periods, of a device or, asked for none, of all."""
    found = [
        each.figures
        for number, of_period in enumerate(history)
        for each in of_period
        if number in periods and each.guarantee["id"] == guarantee and device in (None, each.device)
    ]
    return reduce(Figures.__add__, found, Figures())


def with_minimum_use(book: Book, chapter: Chapter, found: list[Duty], history: list[list[Judged]]) -> list[Duty]:
    """Return the obligations of a period with minimum use among them, in the order of the file."""
    result: list[Duty] = []
    for obligation in book.promises("obligations"):
        if kind_of(obligation) != "minimum_use":
            result += [duty for duty in found if duty.obligation is obligation]
            continue
        rule = obligation["minimum_use"]
        periods = {c.number for c in same_window(book, chapter, 12)} if rule["per"] == "year" else {chapter.number}
        relief = Fraction(0)
        for guarantee in rule.get("relief", []):
            figures = total_of(history, guarantee, periods, None)
            relief += Fraction(figures.down, figures.agreed) if figures.agreed else 0
        result.append(minimum_use(book, chapter, obligation, relief))
    return result


def percent(share: Fraction | None) -> str | None:
    """Write a share as a percentage, if there is one."""
    return None if share is None else down_to_four(share)


def decimals(value: Fraction, places: int) -> str:
    """Write a fraction with some decimals, half to even."""
    return f"{Decimal(round(value * 10**places)).scaleb(-places):f}"


def written(interval: Interval) -> dict[str, Any]:
    """Write an interval as the statement's JSON has it."""
    start, end, state, reason = interval
    return {"start": rfc3339(start), "end": rfc3339(end), "state": state, "reason": reason}


def guarantee_row(book: Book, chapter: Chapter, found: Found) -> dict[str, Any]:
    """Write a guarantee as the statement's JSON has it."""
    judged, figures = found
    guarantee = judged.guarantee
    response = "response" in guarantee
    incidents = [
        {
            "opened": rfc3339(incident["opened"]),
            "closed": None if incident["closed"] is None else rfc3339(incident["closed"]),
            "elapsed_ms": incident["elapsed"],
            "beyond_ms": incident["beyond"],
        }
        for incident in judged.incidents
    ]
    return {
        "id": guarantee["id"],
        "device": judged.device,
        "kind": "response" if response else "level" if "level" in guarantee else "uptime",
        "percent": None if response else percent(figures.share),
        "target": guarantee.get("target"),
        "met": met_of(book, chapter, found),
        "service_ms": figures.service,
        "agreed_ms": figures.agreed,
        "excused_ms": figures.excused,
        "down_ms": figures.down,
        "unknown_ms": figures.unknown,
        "coverage": percent(figures.coverage),
        "intervals": [written(interval) for interval in judged.intervals],
        "incidents": incidents,
        "over": {"decided": is_decided(book, chapter, guarantee, judged.device)} if "over" in guarantee else None,
    }


def obligation_row(duty: Duty) -> dict[str, Any]:
    """Write an obligation as the statement's JSON has it; a ratio or minimum without end has 12 decimals."""
    kind = kind_of(duty.obligation)
    measured: str | None
    if duty.measured is None:
        measured = None
    elif duty.unit == "%":
        measured = down_to_four(duty.measured / 100)
    else:
        measured = decimals(duty.measured, 3 if kind == "service" else 12)
    limit = decimals(duty.limit, 12)
    return {
        "id": duty.obligation["id"],
        "device": duty.device,
        "kind": kind,
        "met": duty.met,
        "measured": measured,
        "limit": limit,
        "unit": duty.unit,
        "intervals": [written((start, end, "breach", None)) for start, end in duty.breaches],
    }
