"""The values a contract writes: names, exact numbers, money, dates and rates, each with what makes it wrong."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from contracts.units import Rate, moderate, parse_rate

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


Number = Annotated[Decimal, Field(allow_inf_nan=False), AfterValidator(moderate)]
Amount = Annotated[Number, AfterValidator(_price)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Resolution = Annotated[Number, AfterValidator(_resolution)]
Day = Annotated[date, BeforeValidator(_date)]
RateLike = Annotated[
    Rate,
    BeforeValidator(
        lambda value: value if isinstance(value, Rate) else parse_rate(str(value)),
        json_schema_input_type=Annotated[str, Field(examples=["130/h"])],
    ),
]
