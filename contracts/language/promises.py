"""What each side promises, as the contract language writes it: guarantees, obligations, and what follows from each.

The models only say what was agreed and refuse what cannot be meant. How a promise is measured stands in `guarantees`,
`response` and `obligations`; what it costs in `credits`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, ModelWrapValidatorHandler, PlainValidator, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails

from contracts.language.conditions import FORMS, Condition, ConditionLike, Duration, Model
from contracts.language.values import (
    DAY_MINUTES,
    Amount,
    Clock,
    Holidays,
    Name,
    NotNegative,
    Percent,
    Positive,
    Weekdays,
)

GuaranteeKind = Literal["uptime", "level", "response"]
ObligationKind = Literal["limit", "service", "connected", "minimum_use", "use_limit"]

# The way to a key, and why it does not fit the others; the empty way is the whole.
Misfit = tuple[tuple[str, ...], str]


class Fitting(Model):
    """A part whose keys must fit each other. What does not fit is reported together with whatever else is wrong."""

    @classmethod
    def misfits(cls, said: dict[str, Any]) -> Iterator[Misfit]:
        """The way to each key that does not fit the others as written, and why."""
        raise NotImplementedError

    @model_validator(mode="wrap")
    @classmethod
    def _all_at_once(cls, said: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        written = {key: value for key, value in said.items() if value is not None} if isinstance(said, dict) else None
        faults = [] if written is None else [_fault(at, why, said) for at, why in cls.misfits(written)]
        try:
            part = read(said)
        except ValidationError as error:
            faults += [_again(detail) for detail in error.errors()]
        if faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return part


def _fault(at: tuple[str, ...], why: str, said: Any) -> InitErrorDetails:
    return InitErrorDetails(type="value_error", loc=at, input=said, ctx={"error": ValueError(why)})


def _again(detail: ErrorDetails) -> InitErrorDetails:
    return InitErrorDetails(type=detail["type"], loc=detail["loc"], input=detail["input"], ctx=detail.get("ctx", {}))


def _kind_fault(noun: str, kinds: Sequence[str], said: Collection[str]) -> str | None:
    """Why a promise is not of exactly one kind."""
    found = [kind for kind in kinds if kind in said]
    if len(found) == 1:
        return None
    return f"{noun} has exactly one of {', '.join(kinds)}; this one has {' and '.join(found) or 'none of them'}"


class ServiceHours(Model):
    """The local hours in which a promise is measured; default: always."""

    days: Weekdays = tuple(range(7))
    from_: Clock = Field(0, alias="from")
    to: Clock = Field(DAY_MINUTES, description="earlier than `from`: past midnight; equal: a whole day")
    holidays: Holidays = Field((), description="dates, and countries whose public holidays have no service hours")

    @field_validator("from_")
    @classmethod
    def _begins(cls, minutes: int) -> int:
        if minutes == DAY_MINUTES:
            raise ValueError('24:00 is the end of a day; service hours that begin at midnight are from "00:00"')
        return minutes


class Planned(Model):
    """Planned work: how much downtime of a device and period it excuses, if entered `notice` ahead."""

    allowance: Duration
    notice: Duration = 0


class CreditTier(Model):
    """Strictly below `below` percent, the customer gets `percent` of the base back."""

    below: Percent
    percent: Percent


class Credits(Fitting):
    """What a missed promise costs: tiers of a percentage, or an amount per hour beyond a response time."""

    tiers: tuple[CreditTier, ...] | None = Field(None, min_length=1)
    of: tuple[str, ...] = Field((), description="the charges whose lines are the base")
    cap_percent: Percent | None = None
    rolling_cap_percent: Percent | None = None
    per_hour: Annotated[Amount, Field(ge=0)] | None = None
    cap: Annotated[Amount, Field(ge=0)] | None = Field(None, description="the most that one incident costs")
    started: bool = Field(False, description="bill every begun hour in full")

    @classmethod
    def misfits(cls, said: dict[str, Any]) -> Iterator[Misfit]:
        """Tiers and an amount per hour have keys of their own."""
        if ("tiers" in said) == ("per_hour" in said):
            yield (), "credits have either tiers (of a percentage) or per_hour (of a response)"
        elif "tiers" in said:
            if "of" not in said:
                yield (), "credits in tiers name the charges they are a percentage of: of: [base]"
            for key in ("cap", "started"):
                if key in said:
                    yield (key,), f"{key} belongs to per_hour; tiers have cap_percent"
        else:
            for key in ("of", "cap_percent", "rolling_cap_percent"):
                if key in said:
                    yield (key,), f"{key} belongs to tiers; per_hour has cap"

    @field_validator("tiers")
    @classmethod
    def _apart(cls, tiers: tuple[CreditTier, ...] | None) -> tuple[CreditTier, ...] | None:
        bounds = [tier.below for tier in tiers or ()]
        if len(set(bounds)) != len(bounds):
            raise ValueError("tiers overlap: two of them have the same `below`")
        return tiers


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


def _happening(written: Any) -> Any:
    """`{event: repaired}` is an event, everything else a condition."""
    if isinstance(written, dict) and "event" in written:
        return Happening.model_validate(written)
    if isinstance(written, str):
        return Condition(condition=written)
    if not isinstance(written, dict) or not any(form in written for form in FORMS):
        raise ValueError("this is neither an event, {event: breakdown}, nor a condition, {channel: fault, is: 1}")
    return Condition.model_validate(written)


HappeningLike = Annotated[
    Happening | Condition, PlainValidator(_happening, json_schema_input_type=Happening | ConditionLike)
]


class Response(Model):
    """From something that happens to something that ends it, within a time."""

    from_: HappeningLike = Field(alias="from")
    to: HappeningLike
    within: Duration


class Guarantee(Fitting):
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

    @classmethod
    def misfits(cls, said: dict[str, Any]) -> Iterator[Misfit]:
        """A share of time and a time to respond have keys of their own."""
        unclear = _kind_fault("a guarantee", ("available_when", "level", "response"), said)
        if unclear:
            yield (), unclear
            return
        yield from _response_misfits(said) if "response" in said else _share_misfits(said)


def _share_misfits(said: dict[str, Any]) -> Iterator[Misfit]:
    """What does not fit a promise that is a share of time."""
    if "target" not in said:
        yield (), "a guarantee says its target, in percent: target: 99.5"
    if "available_when" in said:
        if "unknown" not in said:
            yield (), "say who carries silence, there is no default: unknown: excluded, down or up"
        if "while" in said:
            yield ("while",), "while belongs to a level; an uptime has service_hours"
    elif said.get("unknown") not in (None, "excluded"):
        yield ("unknown",), "unknown time is always excluded from a level"
    if isinstance(said.get("credits"), dict) and "tiers" not in said["credits"] and "per_hour" in said["credits"]:
        yield ("credits", "per_hour"), "per_hour belongs to a response; credits of a percentage have tiers"
    if "earn_back" in said and "credits" not in said:
        yield ("earn_back",), "earn_back gives back credits, and there are none"
    if said.get("scope") == "contract" and "at_least_devices" not in said:
        yield ("scope",), "scope: contract says how many devices must be available: at_least_devices: 1"
    if said.get("scope") != "contract" and "at_least_devices" in said:
        yield ("at_least_devices",), "at_least_devices belongs to scope: contract"


def _response_misfits(said: dict[str, Any]) -> Iterator[Misfit]:
    """What does not fit a promise to respond."""
    shares = "while target unknown ignore_below scope at_least_devices over bonus earn_back instead_of"
    for key in shares.split():
        if key in said:
            yield (key,), f"{key} does not belong to a response, which has `within` and credits per hour"
    if isinstance(said.get("credits"), dict) and "tiers" in said["credits"] and "per_hour" not in said["credits"]:
        yield ("credits", "tiers"), "credits of a response are per_hour, with a cap per incident"


class Service(Fitting):
    """Maintenance that is due every so much use, or so many days, whichever comes first."""

    event: Literal["serviced"] = "serviced"
    every: Positive | None = None
    of: str | None = Field(None, description="the meter that `every` counts, since the last service")
    or_days: Annotated[int, Field(ge=1, le=36_600)] | None = None
    by: Literal["customer", "provider"]

    @classmethod
    def misfits(cls, said: dict[str, Any]) -> Iterator[Misfit]:
        """By use, by days, or by both."""
        if ("every" in said) != ("of" in said):
            yield (), "every and of go together: every: 2000, of: running"
        if "every" not in said and "or_days" not in said:
            yield (), "a service is due by use (every, of), by days (or_days), or by both"


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


class Surcharge(Fitting):
    """What a broken obligation costs the customer."""

    flat: Annotated[Amount, Field(ge=0)] | None = None
    per_hour: Annotated[Amount, Field(ge=0)] | None = Field(None, description="for each hour of the breach")
    per_unit_short: Annotated[Amount, Field(ge=0)] | None = Field(None, description="for each unit of use that lacks")

    @classmethod
    def misfits(cls, said: dict[str, Any]) -> Iterator[Misfit]:
        """It costs something."""
        if not {"flat", "per_hour", "per_unit_short"} & said.keys():
            yield (), "a surcharge has flat, per_hour or per_unit_short"


class Consequence(Fitting):
    """What follows from a broken obligation."""

    excuse: tuple[str, ...] = Field((), description="guarantees whose downtime it excuses")
    window: Duration = Field(0, description="how long after a breach it still excuses")
    void_credits: tuple[str, ...] = Field((), description="guarantees whose credits it takes away")
    surcharge: Surcharge | None = None
    notify: bool = False

    @classmethod
    def misfits(cls, said: dict[str, Any]) -> Iterator[Misfit]:
        """A window is a part of an excuse."""
        if "window" in said and not said.get("excuse"):
            yield ("window",), "window belongs to excuse: how long after a breach it still excuses"


class Obligation(Fitting):
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
        kinds: tuple[ObligationKind, ...] = get_args(ObligationKind)
        return next(kind for kind in kinds if getattr(self, kind) is not None)

    @classmethod
    def misfits(cls, said: dict[str, Any]) -> Iterator[Misfit]:
        """Each kind has keys of its own, and consequences that can follow from it."""
        unclear = _kind_fault("an obligation", get_args(ObligationKind), said)
        if unclear:
            yield (), unclear
            return
        kind = next(kind for kind in get_args(ObligationKind) if kind in said)
        for key in ("while", "tolerance", "unknown"):
            if key in said and kind != "limit":
                yield (key,), f"{key} belongs to a limit"
        if "service_hours" in said and kind != "connected":
            yield ("service_hours",), "service_hours belong to connected"
        if isinstance(said.get("consequence"), dict):
            yield from _consequence_misfits(kind, said["consequence"])


def _consequence_misfits(kind: ObligationKind, said: dict[str, Any]) -> Iterator[Misfit]:
    """What cannot follow from a broken obligation of this kind."""
    timeless = kind in ("minimum_use", "use_limit")
    if timeless and said.get("excuse"):
        yield (
            ("consequence", "excuse"),
            f"{kind} is a sum without moments, so it cannot excuse; use void_credits or surcharge",
        )
    surcharge = said.get("surcharge")
    if not isinstance(surcharge, dict):
        return
    if timeless and surcharge.get("per_hour") is not None:
        yield ("consequence", "surcharge", "per_hour"), f"per_hour needs hours of breach, and {kind} has none"
    if kind != "minimum_use" and surcharge.get("per_unit_short") is not None:
        yield ("consequence", "surcharge", "per_unit_short"), "per_unit_short belongs to minimum_use"
