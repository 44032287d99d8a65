"""What excuses a failure: the other side's breaches, higher force, and planned work (semantics §6)."""

from dataclasses import dataclass, field

from tests.oracle.book import Book, Chapter
from tests.oracle.events import announced_in_time, counting
from tests.oracle.obligations import Duty, excused_by
from tests.oracle.spans import Spans, first_of, joined, shared
from tests.oracle.terms import Terms, duration_ms

Reasons = list[tuple[str, Spans]]


@dataclass
class Record:
    """The obligations of the periods so far, in order."""

    duties: list[list[Duty]] = field(default_factory=list)

    def breaches(self, obligation: Terms, device: str | None) -> Spans:
        """Return every breach of an obligation so far, of a device or, asked for none, of any."""
        return joined(
            span
            for of_period in self.duties
            for duty in of_period
            if duty.obligation is obligation and device in (None, duty.device)
            for span in duty.breaches
        )


def excuses(book: Book, chapter: Chapter, record: Record, promise: tuple[Terms, str | None], failed: Spans) -> Reasons:
    """Return what excuses which part of the failed time of a guarantee on a device in a period.

    A guarantee of the contract (no device) is excused by what concerns any of the devices in force in the period.
    """
    guarantee, device = promise
    concerned = [device] if device is not None else [scene.device for scene in chapter.scenes]
    found: Reasons = []
    for obligation in book.promises("obligations"):
        if guarantee["id"] in obligation.get("consequence", {}).get("excuse", []):
            excused = joined(*(excused_by(obligation, record.breaches(obligation, each)) for each in concerned))
            found.append((f"obligation:{obligation['id']}", shared(failed, excused)))
    planned = []
    for event in counting(book.events, "planned", "force_majeure", "excused"):
        if not any(event.concerns(each) for each in concerned):
            continue
        window = shared(failed, [(event.start, event.end)])
        if event.type != "planned":
            found.append((f"{event.type}:{event.id}", window))
        elif "planned" in guarantee and announced_in_time(
            book.events, event, duration_ms(guarantee["planned"].get("notice", "0s"))
        ):
            planned.append(window)
            found.append((f"planned:{event.id}", window))
    if "allowance" in guarantee.get("planned", {}):
        used = first_of(joined(*planned), duration_ms(guarantee["planned"]["allowance"]))
        found = [(why, shared(spans, used) if why.startswith("planned:") else spans) for why, spans in found]
    return found
