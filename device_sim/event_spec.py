"""What people enter while a scenario runs, as the scenario writes it: one small closed record for each kind of event.

The words are those of the contract language (contract-language, events); here each has its place in the period instead
of a date.
"""

from typing import Annotated, Literal

from pydantic import Field

from device_sim.fault_spec import Closed, Duration, Id, Offset

Name = Annotated[str, Field(min_length=1, max_length=128)]
Reason = Annotated[str, Field(min_length=1, max_length=1_000)]


class _Entry(Closed):
    """Every event names its device, its offset from the start of the period, who entered it, and for which side.

    `id` lets others name it, and must be given where one does; what is sent has the first day of the period behind it.
    """

    device: Id
    at: Offset
    workday: bool = False
    by: Name
    side: Literal["provider", "customer"] = "provider"
    reason: Reason | None = None
    id: Id | None = None


class Happened(_Entry):
    """Something that has happened, at a moment."""

    type: Literal["serviced", "access_refused", "breakdown", "arrived", "repaired", "note"]


class Excuse(_Entry):
    """A stretch of time that one side wants excused."""

    type: Literal["force_majeure", "excused"]
    lasts: Annotated[Duration, Field(alias="for")]


class PlannedWork(_Entry):
    """Work that is announced so long before it begins; without `announced`, when it begins."""

    type: Literal["planned"]
    lasts: Annotated[Duration, Field(alias="for")]
    announced: Duration | None = None


class Objection(_Entry):
    """One side contests what the other has claimed."""

    type: Literal["contested"]
    of: Id
    reason: Reason


class Decision(_Entry):
    """One side's word on an event: that it is to count, or that it is as if it had never come."""

    type: Literal["decision"]
    of: Id
    verdict: Literal["accept", "discard"]
    reason: Reason


EventSpec = Annotated[Happened | Excuse | PlannedWork | Objection | Decision, Field(discriminator="type")]
