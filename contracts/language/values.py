"""The values a contract writes: names, exact numbers, money, dates, hours and rates, each with what makes it wrong."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from contracts.units import Rate, moderate, parse_rate

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
COUNTRY = re.compile(r"^[A-Z]{2}(-[A-Z0-9]{1,5})?$")

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}$")]


def _price(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -12:
        raise ValueError(f"{value} has more than 12 decimals, the most a price can have")
    return value


def _resolution(value: Decimal) -> Decimal:
    if value <= 0 or (value != int(value) and (1 / value) != int(1 / value)):
        raise ValueError(f"{value} is neither a whole number nor one part of one (0.001, 0.5, 1, 10)")
    return value


def _date(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError(f"{value!r} is not a date; write it as 2026-01-31")
    if isinstance(value, str) and not "1990" <= value[:4] <= "2100":
        raise ValueError(f"{value} lies outside the years 1990 to 2100")
    return value


def _percent(value: Decimal) -> Decimal:
    if not 0 <= value <= 100:
        raise ValueError(f"{value} is not a percentage between 0 and 100")
    return value


def _clock(written: object) -> int:
    """Minutes since local midnight of `05:00`; `24:00` is the end of the day."""
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)|(24):(00)", str(written), re.ASCII)
    if match is None:
        raise ValueError(f'{written} is not a time of day from "00:00" to "24:00"')
    hours, minutes = (group for group in match.groups() if group)
    return int(hours) * 60 + int(minutes)


def _weekdays(written: object) -> tuple[int, ...]:
    """`mon-sat`, `mon,wed`, `daily` or a list of days as places in the week, Monday first."""
    words = written if isinstance(written, list) and written else str(written).split(",")
    found: set[int] = set()
    for word in (str(each).replace(" ", "").lower() for each in words):
        first, _, last = ("mon-sun" if word == "daily" else word).partition("-")
        if first not in DAYS or (last or first) not in DAYS or word.endswith("-"):
            raise ValueError(f'{word!r} is neither a day nor a range of days; write mon-sat, "mon,wed" or daily')
        start, length = DAYS.index(first), DAYS.index(last or first) - DAYS.index(first)
        found.update((start + step) % 7 for step in range(length % 7 + 1))
    return tuple(sorted(found))


def _holidays(written: object) -> object:
    return written if isinstance(written, list) else [written]


def _holiday(written: object) -> date | str:
    """A date, or a country with, after a dash, a part of it."""
    text = str(written)
    if COUNTRY.fullmatch(text):
        return text
    if not re.match(r"\d", text):
        raise ValueError(f"{text!r} is neither a date such as 2026-12-25 nor a country such as BE or DE-BY")
    _date(text)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text} is not a day of the calendar") from None


Number = Annotated[Decimal, Field(allow_inf_nan=False), AfterValidator(moderate)]
Amount = Annotated[Number, AfterValidator(_price)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Resolution = Annotated[Number, AfterValidator(_resolution)]
Percent = Annotated[Number, AfterValidator(_percent)]
Share = Annotated[Number, Field(ge=0, le=1)]
Day = Annotated[date, BeforeValidator(_date)]
Clock = Annotated[
    int, PlainValidator(_clock, json_schema_input_type=Annotated[str, Field(examples=["05:00", "24:00"])])
]
Weekdays = Annotated[
    tuple[int, ...],
    PlainValidator(
        _weekdays, json_schema_input_type=Annotated[str | list[str], Field(examples=["mon-sat", "mon,wed", "daily"])]
    ),
]
Country = Annotated[str, Field(pattern=COUNTRY.pattern, examples=["BE", "DE-BY"])]
Holiday = Annotated[date | str, PlainValidator(_holiday, json_schema_input_type=Day | Country)]
Holidays = Annotated[
    tuple[Holiday, ...], BeforeValidator(_holidays, json_schema_input_type=Day | Country | list[Day | Country])
]
RateLike = Annotated[
    Rate,
    BeforeValidator(
        lambda value: value if isinstance(value, Rate) else parse_rate(str(value)),
        json_schema_input_type=Annotated[str, Field(examples=["130/h"])],
    ),
]
