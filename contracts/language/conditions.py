"""Conditions as a contract writes them: a comparison on one channel, or all / any / not of conditions.

One model serves every form, so that a mistake is explained in the terms of what was meant rather than by a list of
all the forms it could have had. What a condition is worth over time stands in `timeline` and `judging`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from contracts.units import moderate, parse_duration_ms

COMPARISONS = ("above", "at_least", "below", "at_most", "is", "between")
FORMS = ("channel", "condition", "all", "any", "not")

Duration = Annotated[
    int,
    BeforeValidator(lambda text: parse_duration_ms(text) if isinstance(text, str) else _not_a_duration(text)),
    Field(json_schema_extra={"type": "string", "examples": ["90s", "5m", "8h", "3d"]}),
]


def _not_a_duration(value: object) -> int:
    raise ValueError(f"{value} has no unit; write a duration as 500ms, 90s, 5m, 8h or 3d")


def _number(value: object) -> object:
    """A comparison's bound: a decimal, or true and false as 1 and 0 (semantics §1)."""
    return Decimal(int(value)) if isinstance(value, bool) else value


Bound = Annotated[Decimal, BeforeValidator(_number), Field(allow_inf_nan=False), AfterValidator(moderate)]


class Model(BaseModel):
    """What every part of the contract language shares: no unknown keys, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Condition(Model):
    """One condition of the device measured: a comparison, a name, or all / any / not of conditions (semantics §4)."""

    channel: str | None = Field(None, description="the channel that is compared")
    device: str | None = Field(None, description="another device whose channel is compared; default: the one measured")
    above: Bound | None = None
    at_least: Bound | None = None
    below: Bound | None = None
    at_most: Bound | None = None
    is_: Bound | None = Field(None, alias="is")
    between: tuple[Bound, Bound] | None = Field(None, description="both ends included")
    condition: str | None = Field(None, description="the name of a condition declared under `conditions`")
    all_: tuple[ConditionLike, ...] | None = Field(None, alias="all", min_length=1)
    any_: tuple[ConditionLike, ...] | None = Field(None, alias="any", min_length=1)
    not_: ConditionLike | None = Field(None, alias="not")
    for_ms: Duration | None = Field(None, alias="for", description="true only in runs at least this long")

    @model_validator(mode="before")
    @classmethod
    def _one_form(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        forms = [form for form in FORMS if form in data]
        if len(forms) != 1:
            said = " and ".join(forms) or "none of them"
            raise ValueError(f"a condition has exactly one of channel, condition, all, any, not; this one has {said}")
        comparisons = [name for name in COMPARISONS if name in data]
        if forms == ["channel"] and len(comparisons) != 1:
            said = " and ".join(comparisons) or "none of them"
            raise ValueError(f"a channel is compared with exactly one of {', '.join(COMPARISONS)}; this one has {said}")
        if forms != ["channel"] and (comparisons or "device" in data):
            raise ValueError(f"{(comparisons or ['device'])[0]} belongs beside channel, not beside {forms[0]}")
        return data

    @model_validator(mode="after")
    def _ordered(self) -> Condition:
        if self.between is not None and self.between[0] > self.between[1]:
            raise ValueError("between has its lower end first")
        return self

    def parts(self) -> tuple[Condition, ...]:
        """The conditions this one is made of, one level down."""
        return (self.all_ or ()) + (self.any_ or ()) + ((self.not_,) if self.not_ else ())


def _by_name(value: object) -> object:
    """A condition given by its name alone: `only_when: in_spec`."""
    return {"condition": value} if isinstance(value, str) else value


ConditionLike = Annotated[Condition, BeforeValidator(_by_name, json_schema_input_type=Condition | str)]
Condition.model_rebuild()
