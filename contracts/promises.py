"""What each side promises, as the contract language writes it: guarantees, obligations, and what follows from each.

The models only say what was agreed and refuse what cannot be meant. How a promise is measured stands in `guarantees`,
`response` and `obligations`; what it costs in `credits`.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from contracts.conditions import ConditionLike, Duration, Model
from contracts.values import Amount, Day, Name, NotNegative, Number, Positive

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60

GuaranteeKind = Literal["uptime", "level", "response"]
ObligationKind = Literal["limit", "service", "connected", "minimum_use", "use_limit"]


def _percent(value: Decimal) -> Decimal:
    if not 0 <= value <= 100:
        raise ValueError(f"{value} is not a percentage between 0 and 100")
    return value


def _clock(text: object) -> object:
    """Minutes since local midnight of `05:00`; `24:00` is the end of the day."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    match = re.fullmatch(r"(\d{2}):(\d{2})", str(text))
    minutes = int(match[1]) * 60 + int(match[2]) if match else DAY_MINUTES + 1
    if match is None or int(match[2]) > 59 or minutes > DAY_MINUTES:
        raise ValueError(f'{text!r} is not a time of day; write it in quotes, as "05:00"')
    return minutes


def _weekdays(value: object) -> object:
    """`mon-sat`, `mon,wed`, `daily` or a list of days as places in the week, Monday first."""
    if isinstance(value, tuple):
        return value
    words = value if isinstance(value, list) else str(value).lower().replace(" ", "").split(",")
    found: set[int] = set()
    for word in words:
        ends = str(word).lower().split("-")
        if word == "daily":
            found.update(range(7))
        elif len(ends) <= 2 and all(end in DAYS for end in ends):
            first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
            found.update((first + step) % 7 for step in range((last - first) % 7 + 1))
        else:
            raise ValueError(f'{word!r} is neither a day nor a range of days; write mon-sat, "mon,wed" or daily')
    return tuple(sorted(found))


def _listed(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


Percent = Annotated[Number, AfterValidator(_percent)]
Clock = Annotated[
    int, BeforeValidator(_clock, json_schema_input_type=Annotated[str, Field(examples=["05:00", "24:00"])])
]
Weekdays = Annotated[
    tuple[int, ...],
    BeforeValidator(
        _weekdays, json_schema_input_type=Annotated[str | list[str], Field(examples=["mon-sat", "mon,wed", "daily"])]
    ),
]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,5})?$", examples=["BE", "DE-BY"])]
Holidays = Annotated[
    tuple[Day | Country, ...],
    BeforeValidator(_listed, json_schema_input_type=Day | Country | list[Day | Country]),
]


class ServiceHours(Model):
    """The local hours in which a promise is measured; default: always."""

    days: Weekdays = tuple(range(7))
    from_: Clock = Field(0, alias="from")
    to: Clock = Field(DAY_MINUTES, description="earlier than `from`: past midnight; equal: a whole day")
    holidays: Holidays = Field((), description="dates, and countries whose public holidays have no service hours")

    @field_validator("holidays")
    @classmethod
    def _known_countries(cls, listed: tuple[date | str, ...]) -> tuple[date | str, ...]:
        from contracts.service_hours import country_fault  # noqa: PLC0415 - holidays takes a while to load

        faults = [country_fault(each) for each in listed if isinstance(each, str)]
        if any(faults):
            raise ValueError(next(fault for fault in faults if fault))
        return listed


class Planned(Model):
    """Planned work: how much downtime of a device and period it excuses, if entered `notice` ahead."""

    allowance: Duration
    notice: Duration = 0


class CreditTier(Model):
    """Strictly below `below` percent, the customer gets `percent` of the base back."""

    below: Percent
    percent: Percent


class Credits(Model):
    """What a missed promise costs: tiers of a percentage, or an amount per hour beyond a response time."""

    tiers: tuple[CreditTier, ...] | None = Field(None, min_length=1)
    of: tuple[str, ...] = Field((), description="the charges whose lines are the base")
    cap_percent: Percent | None = None
    rolling_cap_percent: Percent | None = None
    per_hour: Annotated[Amount, Field(ge=0)] | None = None
    cap: Annotated[Amount, Field(ge=0)] | None = Field(None, description="the most that one incident costs")
    started: bool = Field(False, description="bill every begun hour in full")

    @model_validator(mode="after")
    def _one_way(self) -> Credits:
        if (self.tiers is None) == (self.per_hour is None):
            raise ValueError("credits have either tiers (of a percentage) or per_hour (of a response)")
        if self.tiers is not None and not self.of:
            raise ValueError("credits in tiers name the charges they are a percentage of: of: [base]")
        if self.tiers is not None and (self.cap is not None or self.started):
            raise ValueError("cap and started belong to per_hour; tiers have cap_percent")
        if self.per_hour is not None and (
            self.of or self.cap_percent is not None or self.rolling_cap_percent is not None
        ):
            raise ValueError("of, cap_percent and rolling_cap_percent belong to tiers; per_hour has cap")
        bounds = [tier.below for tier in self.tiers or ()]
        if len(set(bounds)) != len(bounds):
            raise ValueError("tiers overlap: two of them have the same `below`")
        return self


class Bonus(Model):
    """What the provider earns for doing better than promised."""

    at_least: Percent
    percent: Percent
    of: tuple[str, ...] = Field(min_length=1)


class EarnBack(Model):
    """How much of a credit the provider gets back after so many periods in a row that keep the promise."""

    periods: Annotated[int, Field(ge=1, le=366)]
    percent: Percent


class Happening(Model):
    """The kind of event that begins or ends an incident."""

    event: Literal["breakdown", "arrived", "repaired", "serviced", "access_refused"]


def _happening(value: Any) -> Any:
    """`{event: repaired}` is an event, everything else a condition."""
    return Happening.model_validate(value) if isinstance(value, dict) and "event" in value else value


HappeningLike = Annotated[
    Happening | ConditionLike, BeforeValidator(_happening, json_schema_input_type=Happening | ConditionLike)
]


class Response(Model):
    """From something that happens to something that ends it, within a time."""

    from_: HappeningLike = Field(alias="from")
    to: HappeningLike
    within: Duration


class Guarantee(Model):
    """A promise of the provider (semantics §6). Exactly one of available_when, level, response."""

    id: Name
    title: str | None = None
    available_when: ConditionLike | None = None
    level: ConditionLike | None = None
    while_: ConditionLike | None = Field(None, alias="while", description="only time in which this holds is agreed")
    response: Response | None = None
    service_hours: ServiceHours | None = None
    target: Percent | None = None
    unknown: Literal["excluded", "down", "up"] | None = Field(None, description="where unknown time goes; no default")
    ignore_below: Duration = Field(0, description="outages shorter than this count as up")
    planned: Planned | None = None
    scope: Literal["device", "contract"] = "device"
    at_least_devices: Annotated[int, Field(ge=1)] | None = None
    over: Literal["quarter", "year"] | None = None
    credits: Credits | None = None
    bonus: Bonus | None = None
    earn_back: EarnBack | None = None
    instead_of: tuple[str, ...] = ()

    @property
    def kind(self) -> GuaranteeKind:
        """What is promised."""
        if self.response is not None:
            return "response"
        return "uptime" if self.available_when is not None else "level"

    @property
    def excluded(self) -> bool:
        """Is unknown time left out of the agreed time?"""
        return self.kind == "level" or self.unknown == "excluded"

    @model_validator(mode="after")
    def _one_kind(self) -> Guarantee:
        kinds = [kind for kind in ("available_when", "level", "response") if getattr(self, kind) is not None]
        if len(kinds) != 1:
            said = " and ".join(kinds) or "none of them"
            raise ValueError(f"a guarantee has exactly one of available_when, level, response; this one has {said}")
        for message in (_response_fault if self.response else _share_fault)(self):
            raise ValueError(message)
        if (self.scope == "contract") != (self.at_least_devices is not None):
            raise ValueError("scope: contract and at_least_devices go together: how many devices must be available")
        return self


def _share_fault(promise: Guarantee) -> list[str]:
    """What does not fit a promise that is a share of time."""
    faults = []
    if promise.target is None:
        faults.append("a guarantee says its target, in percent: target: 99.5")
    if promise.kind == "uptime" and promise.unknown is None:
        faults.append("say who carries silence, there is no default: unknown: excluded, down or up")
    if promise.kind == "level" and promise.unknown not in (None, "excluded"):
        faults.append("unknown time is always excluded from a level")
    if promise.kind == "uptime" and promise.while_ is not None:
        faults.append("while belongs to a level; an uptime has service_hours")
    if promise.credits is not None and promise.credits.tiers is None:
        faults.append("per_hour belongs to a response; credits of a percentage have tiers")
    if promise.earn_back is not None and promise.credits is None:
        faults.append("earn_back gives back credits, and there are none")
    return faults


def _response_fault(promise: Guarantee) -> list[str]:
    """What does not fit a promise to respond."""
    faults = [
        f"{key.rstrip('_')} does not belong to a response: it has `within` and credits per hour"
        for key in ("while_", "target", "unknown", "over", "bonus", "earn_back", "at_least_devices")
        if getattr(promise, key) is not None
    ]
    if promise.ignore_below or promise.instead_of:
        faults.append("ignore_below and instead_of do not belong to a response")
    if promise.credits is not None and promise.credits.per_hour is None:
        faults.append("credits of a response are per_hour, with a cap per incident")
    return faults


class Service(Model):
    """Maintenance that is due every so much use, or so many days, whichever comes first."""

    event: Literal["serviced"] = "serviced"
    every: Positive | None = None
    of: str | None = Field(None, description="the meter that `every` counts, since the last service")
    or_days: Annotated[int, Field(ge=1, le=36_600)] | None = None
    by: Literal["customer", "provider"]

    @model_validator(mode="after")
    def _due(self) -> Service:
        if (self.every is None) != (self.of is None):
            raise ValueError("every and of go together: every: 2000, of: running")
        if self.every is None and self.or_days is None:
            raise ValueError("a service is due by use (every, of), by days (or_days), or by both")
        return self


class MinimumUse(Model):
    """At least so much of a meter, over a period or a contract year, by all devices together."""

    meter: str
    per: Literal["period", "year"]
    at_least: Positive
    relief: tuple[str, ...] = Field((), description="guarantees whose downtime shrinks what is owed")


class UseLimit(Model):
    """At most so much of one meter for each unit of another."""

    meter: str
    per: str
    at_most: NotNegative


class Surcharge(Model):
    """What a broken obligation costs the customer."""

    flat: Annotated[Amount, Field(ge=0)] | None = None
    per_hour: Annotated[Amount, Field(ge=0)] | None = Field(None, description="for each hour of the breach")
    per_unit_short: Annotated[Amount, Field(ge=0)] | None = Field(None, description="for each unit of use that lacks")

    @model_validator(mode="after")
    def _something(self) -> Surcharge:
        if self.flat is None and self.per_hour is None and self.per_unit_short is None:
            raise ValueError("a surcharge has flat, per_hour or per_unit_short")
        return self


class Consequence(Model):
    """What follows from a broken obligation."""

    excuse: tuple[str, ...] = Field((), description="guarantees whose downtime it excuses")
    window: Duration = Field(0, description="how long after a breach it still excuses")
    void_credits: tuple[str, ...] = Field((), description="guarantees whose credits it takes away")
    surcharge: Surcharge | None = None
    notify: bool = False

    @model_validator(mode="after")
    def _something(self) -> Consequence:
        if self.window and not self.excuse:
            raise ValueError("window belongs to excuse: how long after a breach it still excuses")
        return self


class Obligation(Model):
    """A promise of the customer (semantics §7). Exactly one of limit, service, connected, minimum_use, use_limit."""

    id: Name
    title: str | None = None
    limit: ConditionLike | None = None
    while_: ConditionLike | None = Field(None, alias="while", description="only time in which this holds is measured")
    tolerance: Percent = Field(Decimal(0), description="percent of known time that may be out of bounds")
    unknown: Literal["ignored", "breach"] = "ignored"
    service: Service | None = None
    connected: Percent | None = Field(None, description="percent of the time in force in which the device is known")
    service_hours: ServiceHours | None = None
    minimum_use: MinimumUse | None = None
    use_limit: UseLimit | None = None
    consequence: Consequence = Consequence()

    @property
    def kind(self) -> ObligationKind:
        """What is promised."""
        kinds: tuple[ObligationKind, ...] = ("limit", "service", "connected", "minimum_use", "use_limit")
        return next(kind for kind in kinds if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _one_kind(self) -> Obligation:
        kinds = ("limit", "service", "connected", "minimum_use", "use_limit")
        found = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(found) != 1:
            said = " and ".join(found) or "none of them"
            raise ValueError(f"an obligation has exactly one of {', '.join(kinds)}; this one has {said}")
        extra = {"while_", "tolerance", "unknown"} & self.model_fields_set
        if extra and self.limit is None:
            raise ValueError(f"{min(extra).rstrip('_')} belongs to a limit")
        if self.service_hours is not None and self.connected is None:
            raise ValueError("service_hours belong to connected")
        if self.consequence.excuse and self.kind in ("minimum_use", "use_limit"):
            raise ValueError(
                f"{self.kind} is a sum without moments, so it cannot excuse; use void_credits or surcharge"
            )
        surcharge = self.consequence.surcharge
        if surcharge and surcharge.per_unit_short is not None and self.minimum_use is None:
            raise ValueError("per_unit_short belongs to minimum_use")
        if surcharge and surcharge.per_hour is not None and self.kind in ("minimum_use", "use_limit"):
            raise ValueError(f"per_hour needs hours of breach, and {self.kind} has none")
        return self
