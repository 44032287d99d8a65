"""The contract language, version 1: one model per noun, as `docs/contract-language.md` explains them.

The same models load a contract, make the JSON Schema for editors, and are what metering and pricing read.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from contracts.language.charges import Charge
from contracts.language.conditions import Condition, ConditionLike, Duration, Model
from contracts.language.promises import Guarantee, Obligation
from contracts.language.values import Day, Name, Positive, RateLike, Resolution
from contracts.units import HOUR_MS, UNIT_MS, Rounding

PeriodKind = Literal["day", "week", "month", "quarter", "year"]
MeterKind = Literal["counter", "integral", "duration", "count"]


class Contact(Model):
    """A named person or desk to talk to."""

    name: str
    email: str | None = None
    phone: str | None = None


class Party(Model):
    """One of the two sides of the contract."""

    name: str = Field(min_length=1)
    contact: Contact | None = None


class Validity(Model):
    """The local dates between which the contract is in force; `until` is exclusive."""

    from_: Day = Field(alias="from")
    until: Day | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Validity:
        if self.until is not None and self.until <= self.from_:
            raise ValueError(f"until {self.until} is not after from {self.from_}")
        return self


class DataTerms(Model):
    """What holds for every channel that does not say otherwise."""

    reporting: Duration | None = Field(None, description="how often the device reports, for people to read")
    max_hold: Duration = Field(120_000, gt=0, description="how long a value holds without a next reading")
    clock_ahead: Duration = Field(300_000, description="readings further ahead of their arrival are quarantined")


class Device(Model):
    """A machine of the contract, by the id in its MQTT topic."""

    id: Name
    serial: str | None = None
    title: str | None = None
    since: Day | None = Field(None, description="first local day in force; default: the contract's first")
    until: Day | None = Field(None, description="first local day no longer in force")


class Channel(Model):
    """One quantity that a device reports."""

    unit: str = "1"
    resolution: Resolution = Field(Decimal(1), description="the smallest step that the register or sensor really shows")
    max_hold: Duration | Literal["device"] | None = None
    title: str | None = None


class Meter(Model):
    """How readings become a quantity (semantics §3). Exactly one of counter, integral, duration, count."""

    counter: str | None = Field(None, description="the channel of a register")
    integral: str | None = Field(None, description="the channel of a rate, summed over time")
    duration: ConditionLike | None = Field(None, description="the condition whose time is measured")
    count: ConditionLike | None = Field(None, description="the condition whose beginnings are counted")
    per: Duration | None = Field(None, gt=0, description="the time in the unit of an integral's channel: 1h for m3/h")
    unit: str | None = None
    title: str | None = None
    resolution: Resolution | None = None
    max_rate: RateLike | None = None
    reset_below: Positive | None = None
    width: Positive | None = None
    only_when: ConditionLike | None = None
    unknown: Literal["off_quality", "full", "nothing"] = "off_quality"

    @model_validator(mode="after")
    def _one_kind(self) -> Meter:
        kinds = [kind for kind in ("counter", "integral", "duration", "count") if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"a meter has exactly one of counter, integral, duration, count; found {kinds or 'none'}")
        if (self.reset_below or self.width) and self.max_rate is None:
            raise ValueError("reset_below and width need max_rate, which tells a reset from a read error")
        if kinds != ["counter"] and (self.max_rate or self.reset_below or self.width):
            raise ValueError("max_rate, reset_below and width belong to a counter")
        if kinds == ["integral"] and self.per is None:
            raise ValueError("an integral says the time in its channel's unit: per: 1h for m3/h")
        if kinds != ["integral"] and self.per is not None:
            raise ValueError("per belongs to an integral")
        if kinds == ["duration"] and self.unit is not None and self.unit not in UNIT_MS:
            raise ValueError(f"a duration is measured in one of {', '.join(UNIT_MS)}, not in {self.unit!r}")
        if "unknown" in self.model_fields_set and self.only_when is None:
            raise ValueError("unknown says where the unknown time of only_when goes; there is no only_when")
        return self

    @cached_property
    def kind(self) -> MeterKind:
        """Which of the four kinds of meter this is."""
        kinds: tuple[MeterKind, ...] = ("counter", "integral", "duration", "count")
        return next(kind for kind in kinds if getattr(self, kind) is not None)

    @property
    def channel(self) -> str | None:
        """The channel of a counter or an integral."""
        return self.counter or self.integral

    @property
    def condition(self) -> Condition | None:
        """The condition of a duration or a count."""
        return self.duration or self.count

    @property
    def unit_ms(self) -> int:
        """Milliseconds in the unit of a duration."""
        return UNIT_MS[self.unit] if self.unit else HOUR_MS


class Terms(Model):
    """A contract: who, what is measured, and what it costs."""

    terms: Literal[1] = Field(description="version of the contract language")
    id: Name
    version: Annotated[int, Field(ge=1)] = 1
    title: str | None = None
    clause_prefix: str | None = None
    provider: Party
    customer: Party
    locale: str = "en"
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    timezone: str
    valid: Validity
    period: PeriodKind
    anchor: Annotated[int, Field(ge=1, le=31)] = 1
    grace: Duration = 3 * UNIT_MS["d"]
    corrections: Duration = 90 * UNIT_MS["d"]
    rounding: Rounding = "half_up"
    data: DataTerms = DataTerms()
    devices: tuple[Device, ...] = Field(min_length=1)
    channels: dict[Name, Channel] = Field(min_length=1)
    conditions: dict[Name, ConditionLike] = Field(default_factory=dict)
    meters: dict[Name, Meter] = Field(default_factory=dict)
    charges: tuple[Charge, ...] = ()
    guarantees: tuple[Guarantee, ...] = Field((), description="what the provider promises")
    obligations: tuple[Obligation, ...] = Field((), description="what the customer promises")

    @model_validator(mode="before")
    @classmethod
    def _a_mapping(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValueError("a contract is a mapping of keys such as id, provider, customer, devices")  # noqa: TRY004
        return data

    def hold_ms(self, channel: str) -> int | None:
        """How long a value of the channel holds, in ms; None means: as long as its device is known (`device`)."""
        hold = self.channels[channel].max_hold
        if hold == "device":
            return None
        return self.data.max_hold if hold is None else hold

    def meter_unit(self, name: str) -> str:
        """The unit of a meter's quantity, as its lines show it."""
        meter = self.meters[name]
        if meter.unit:
            return meter.unit
        if meter.kind == "duration":
            return "h"
        return self.channels[meter.channel].unit if meter.channel else "1"

    def meter_resolution(self, name: str) -> Decimal:
        """The step to which a device's quantity is rounded at the end of its period (semantics §3)."""
        meter = self.meters[name]
        if meter.resolution is not None:
            return meter.resolution
        if meter.channel is not None:
            return self.channels[meter.channel].resolution
        return Decimal("0.001") if meter.kind == "duration" else Decimal(1)

    def meter_channels(self, name: str, measured: str) -> tuple[str, ...]:
        """The channels of the device `measured` on which a meter's quantity stands, sorted."""
        meter = self.meters[name]
        if meter.channel is not None:
            return (meter.channel,)
        assert meter.condition is not None, "a meter has a channel or a condition"
        return tuple(
            sorted({channel for device, channel in self.compared(meter.condition) if device in (None, measured)})
        )

    def compared(self, condition: Condition) -> set[tuple[str | None, str]]:
        """The (device, channel) pairs a condition compares; device None is the one measured."""
        if condition.condition is not None:
            return self.compared(self.conditions[condition.condition])
        if condition.channel is not None:
            return {(condition.device, condition.channel)}
        return {pair for part in condition.parts() for pair in self.compared(part)}
