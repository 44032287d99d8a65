"""What failing costs: credits by tier, under their caps and the lines they come from (semantics §6)."""

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from tests.oracle.book import Book, Chapter, closes_window, months_later, previous_period, same_window
from tests.oracle.dates import device_days
from tests.oracle.guarantees import Figures, Judged
from tests.oracle.obligations import Duty
from tests.oracle.price import MINOR_DIGITS, in_money
from tests.oracle.terms import Terms
from tests.oracle.terms import device as declaration_of

Place = tuple[int, int]
"""A charge line: the number of its period and its place among that period's charges."""
Promise = tuple[str, str | None]
"""A guarantee's id and a device, or none for the contract."""

OVER_MONTHS = {"quarter": 3, "year": 12}


@dataclass
class Credit:
    """A credit on its way to a line: the exact amount so far, and the shares of lines it is taken from."""

    promise: Promise
    amount: Fraction
    parts: dict[Place, Fraction] = field(default_factory=dict)
    from_lines: bool = True


@dataclass
class Claim:
    """A credit that can be earned back: what it was, in which contract year, and the good periods in a row since."""

    amount: Fraction
    year: date
    row: int = 0


@dataclass
class Ledger:
    """What money carries from one period to the next."""

    left: dict[Place, Fraction] = field(default_factory=dict)
    bases: dict[tuple[str, str | None, int], Fraction] = field(default_factory=dict)
    given: dict[tuple[str, str | None, int], Fraction] = field(default_factory=dict)
    claims: dict[Promise, Claim] = field(default_factory=dict)


def percent_of(text: str) -> Fraction:
    """Return a percentage as a share."""
    return Fraction(text) / 100


def parts_of(chapter: Chapter, charges: list[str], device: str | None) -> dict[Place, Fraction]:
    """Return what a device (or the contract) has of each line of some charges."""
    days = sum(scene.days.days for scene in chapter.scenes)
    mine = sum(scene.days.days for scene in chapter.scenes if scene.device == device)
    parts = {}
    for place, line in enumerate(chapter.charges):
        if line["id"] not in charges:
            continue
        if device is None or line["device"] == device:
            parts[chapter.number, place] = Fraction(line["amount"])
        elif line["device"] is None:
            parts[chapter.number, place] = Fraction(line["amount"]) * mine / days
    return parts


def basis_of(parts: dict[Place, Fraction]) -> Fraction:
    """Return the base that parts of lines make up, never below nothing."""
    return max(Fraction(0), sum(parts.values(), Fraction(0)))


def window_chapters(book: Book, chapter: Chapter, judged: Judged) -> list[Chapter]:
    """Return the periods so far that a guarantee is measured over, of those its device was in force in."""
    over = judged.guarantee.get("over")
    found = same_window(book, chapter, OVER_MONTHS[over]) if over else [chapter]
    return [c for c in found if judged.device is None or c.scene_of(judged.device)]


def is_decided(book: Book, chapter: Chapter, guarantee: Terms, name: str | None) -> bool:
    """Tell whether this period decides a guarantee: the last of what it is measured over, or of the device's time."""
    if "over" not in guarantee or closes_window(book.terms, chapter, OVER_MONTHS[guarantee["over"]]):
        return True
    return name is not None and device_days(book.terms, declaration_of(book.terms, name)).after <= chapter.days.after


def settled_parts(book: Book, chapter: Chapter, judged: Judged, charges: list[str]) -> dict[Place, Fraction]:
    """Return the parts of lines that a guarantee's settlement stands on."""
    parts: dict[Place, Fraction] = {}
    for each in window_chapters(book, chapter, judged):
        of_period = parts_of(each, charges, judged.device)
        parts |= of_period if basis_of(of_period) else dict.fromkeys(of_period, Fraction(0))
    return parts


def tiered(book: Book, chapter: Chapter, ledger: Ledger, judged: Judged, figures: Figures) -> Credit | None:
    """Return the credit of the lowest tier met, under the guarantee's own caps."""
    guarantee, terms = judged.guarantee, judged.guarantee["credits"]
    promise = (guarantee["id"], judged.device)
    this = basis_of(parts_of(chapter, terms["of"], judged.device))
    ledger.bases[*promise, chapter.number] = this
    share = figures.share
    if share is None or not is_decided(book, chapter, guarantee, judged.device):
        return None
    met = [tier for tier in terms["tiers"] if share < percent_of(tier["below"])]
    if not met:
        return None
    lowest = min(met, key=lambda tier: Fraction(tier["below"]))
    percent = percent_of(lowest["percent"])
    if "cap_percent" in terms:
        percent = min(percent, percent_of(terms["cap_percent"]))
    parts = settled_parts(book, chapter, judged, terms["of"])
    amount = percent * basis_of(parts)
    if "rolling_cap_percent" in terms:
        bases, given = twelve_months(book, chapter, ledger, promise)
        amount = max(Fraction(0), min(amount, percent_of(terms["rolling_cap_percent"]) * bases - given))
    return Credit(promise, amount, parts)


def twelve_months(book: Book, chapter: Chapter, ledger: Ledger, promise: Promise) -> tuple[Fraction, Fraction]:
    """Return bases and credits of the periods that end within the twelve months to this period's end."""
    this = ledger.bases[*promise, chapter.number]
    bases, given = this, Fraction(0)
    earliest = months_later(chapter.days.after, -12)
    number, days = chapter.number - 1, previous_period(book.terms, chapter.days)
    while days.after > earliest:
        bases += ledger.bases.get((*promise, number), this)
        given += ledger.given.get((*promise, number), Fraction(0))
        number, days = number - 1, previous_period(book.terms, days)
    return bases, given


def voided(owed: list[Credit], duties: list[Duty]) -> None:
    """Take away the credits of guarantees that a customer's breach voids."""
    for duty in duties:
        if duty.met is not False:
            continue
        named = duty.obligation.get("consequence", {}).get("void_credits", [])
        for credit in owed:
            guarantee, device = credit.promise
            if guarantee in named and (device is None or duty.device in (None, device)):
                credit.amount = Fraction(0)


def only_the_largest(book: Book, owed: list[Credit]) -> None:
    """Where a credit is due that stands instead of others, leave the largest; of equal ones the first in the file."""
    for guarantee in book.promises("guarantees"):
        if "instead_of" not in guarantee:
            continue
        rivals = {guarantee["id"], *guarantee["instead_of"]}
        for device in {credit.promise[1] for credit in owed if credit.promise[0] == guarantee["id"]}:
            group = [c for c in owed if c.promise[0] in rivals and c.promise[1] == device]
            for credit in group:
                if credit is not max(group, key=lambda each: each.amount):
                    credit.amount = Fraction(0)


def drawn(terms: Terms, ledger: Ledger, credit: Credit, period: int) -> Fraction:
    """Return a credit in money and take it, in proportion, from its lines of this period.

    No more than is left of a line is taken from it; a rounded-up minor unit must find room on one of the lines, else
    the credit is cut to the minor unit below.
    """
    if not credit.from_lines or not credit.amount:
        return Fraction(in_money(terms, credit.amount))
    whole = sum((part for part in credit.parts.values() if part > 0), Fraction(0))
    takes = {place: credit.amount * part / whole for place, part in credit.parts.items() if part > 0}
    own = [place for place in takes if place[0] == period]
    for place in own:
        takes[place] = min(takes[place], ledger.left[place])
    exact = sum(takes.values(), Fraction(0))
    amount = Fraction(in_money(terms, exact))
    room = sum((ledger.left[place] - takes[place] for place in own), Fraction(0))
    if amount - exact > room:
        unit = Fraction(1, 10 ** MINOR_DIGITS.get(terms["currency"], 2))
        amount = (exact + room) // unit * unit
    moved = amount - exact
    for place in own if moved > 0 else own[::-1]:
        step = min(moved, ledger.left[place] - takes[place]) if moved > 0 else max(moved, -takes[place])
        takes[place] += step
        moved -= step
    for place in own:
        ledger.left[place] -= takes[place]
    return amount
