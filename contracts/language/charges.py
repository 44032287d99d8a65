"""Charges as a contract writes them: what is owed, for which meter, and by which price (semantics §5)."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from contracts.language.conditions import Model
from contracts.language.values import Amount, Name, NotNegative, Percent, Positive, Share

PRICE_MODELS = ("flat", "per_unit", "graduated", "package", "gain_share")


class Tier(Model):
    """Units up to and including `up_to` at `unit` each; `flat` once the tier is entered. The last has no `up_to`."""

    up_to: Positive | None = None
    unit: Amount = Decimal(0)
    flat: Amount = Decimal(0)


class Package(Model):
    """Units sold in packages of `size` at `price`; the first `free` units need none."""

    size: Positive
    price: Amount
    free: NotNegative = Decimal(0)


class GainShare(Model):
    """What is saved against a baseline, shared between both sides (semantics §6)."""

    meter: str = Field(description="what is saved, such as energy")
    per: str = Field(description="the meter it is used for, such as volume")
    baseline: NotNegative = Field(description="units of `meter` that one unit of `per` would have taken")
    price: Amount = Field(description="what one unit of `meter` is worth")
    customer_surplus: Share = Field(description="the customer's share of a saving")
    customer_shortfall: Share = Field(description="the customer's share of a shortfall")
    min_coverage: Percent = Field(Decimal(99), description="below it nothing is shared: not measured")


class Price(Model):
    """How a quantity becomes money. Exactly one of flat, per_unit, graduated, package, gain_share."""

    flat: Amount | None = None
    per: Literal["period", "device"] | None = Field(None, description="a flat is owed per period or per device")
    per_unit: Amount | None = None
    graduated: tuple[Tier, ...] | None = Field(None, min_length=1)
    package: Package | None = None
    gain_share: GainShare | None = None

    @model_validator(mode="after")
    def _one_model(self) -> Price:
        models = [m for m in PRICE_MODELS if getattr(self, m) is not None]
        if len(models) != 1:
            raise ValueError(f"a price has exactly one of {', '.join(PRICE_MODELS)}; found {models or 'none'}")
        if self.per is not None and self.flat is None:
            raise ValueError("per belongs to a flat price")
        if self.graduated is not None:
            _check_tiers(self.graduated)
        return self


def _check_tiers(tiers: tuple[Tier, ...]) -> None:
    bounds = [tier.up_to for tier in tiers]
    if bounds[-1] is not None:
        raise ValueError("the last tier has no up_to, so that every unit has a price")
    inner = bounds[:-1]
    if None in inner:
        raise ValueError("only the last tier goes without up_to")
    if any(a >= b for a, b in pairwise(inner) if a is not None and b is not None):
        raise ValueError("tiers overlap: each up_to must be above the one before")


class Rollover(Model):
    """Units not used, kept for later periods: at most `cap` of them, each for `expires_after` periods or for ever."""

    cap: NotNegative
    expires_after: int | None = Field(None, ge=1, description="without it, units never expire")


class Allowance(Model):
    """Units included in every period, and what becomes of those not used."""

    included: NotNegative
    rollover: Rollover | None = None
    keep_package_rest: bool = Field(False, description="the unused part of paid packages rolls over too")

    @model_validator(mode="after")
    def _kept_somewhere(self) -> Allowance:
        if self.keep_package_rest and self.rollover is None:
            raise ValueError("keep_package_rest belongs to an allowance with rollover")
        return self


class Charge(Model):
    """One reason to pay: a flat, or a meter's quantity at a price."""

    id: Name
    title: str | None = None
    meter: str | None = None
    part: Literal["off_quality"] | None = Field(None, description="price the part outside only_when")
    pool: bool = Field(False, description="add the devices' quantities before pricing")
    allowance: Allowance | None = None
    price: Price
    flat_at_zero: bool = Field(False, description="bill the first tier's flat even at zero usage")

    @model_validator(mode="after")
    def _fits(self) -> Charge:
        if self.price.flat is not None:
            extra = [key for key in ("meter", "part", "pool", "allowance", "flat_at_zero") if getattr(self, key)]
            if extra:
                raise ValueError(f"a flat charge measures nothing, so it has no {' or '.join(extra)}")
        elif self.price.gain_share is not None:
            extra = [key for key in ("meter", "part", "allowance", "flat_at_zero") if getattr(self, key)]
            if extra:
                raise ValueError(f"gain_share names its own meters, so the charge has no {' or '.join(extra)}")
        elif self.meter is None:
            raise ValueError("a charge that is not flat names its meter")
        if self.flat_at_zero and self.price.graduated is None:
            raise ValueError("flat_at_zero belongs to tiers")
        if self.allowance is not None and self.allowance.keep_package_rest and self.price.package is None:
            raise ValueError("keep_package_rest belongs to the price of a package")
        return self
