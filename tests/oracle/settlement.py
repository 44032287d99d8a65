"""From what was promised and measured to the lines it causes (semantics §6, §7)."""

from fractions import Fraction

from tests.oracle.book import Book, Chapter, window_of
from tests.oracle.credits import (
    Claim,
    Credit,
    Ledger,
    Promise,
    basis_of,
    drawn,
    is_decided,
    only_the_largest,
    percent_of,
    settled_parts,
    tiered,
    voided,
)
from tests.oracle.dates import midnight_ms
from tests.oracle.events import verdicts
from tests.oracle.guarantees import Figures, Judged
from tests.oracle.obligations import Duty, breach_hours
from tests.oracle.price import Line, in_money
from tests.oracle.quantity import down_to_four
from tests.oracle.terms import Terms

Found = tuple[Judged, Figures]
"""A guarantee in one period, and its figures over the time it is measured over."""

ENOUGH_COVERAGE = Fraction(99, 100)


def line(kind: str, promise: Promise, amount: str, coverage: Fraction | None = None) -> Line:
    """Return a line that prices no quantity."""
    name, device = promise
    seen = None if coverage is None else down_to_four(coverage)
    return {"id": name, "device": device, "kind": kind, "quantity": None, "unit": None,
            "amount": amount, "coverage": seen}  # fmt: skip


def met_of(book: Book, chapter: Chapter, found: Found) -> bool | None:
    """Tell whether a guarantee was met, if that is decided and anything was agreed."""
    judged, figures = found
    if "response" in judged.guarantee:
        return figures.down == 0
    if figures.share is None or not is_decided(book, chapter, judged.guarantee, judged.device):
        return None
    return figures.share >= percent_of(judged.guarantee["target"])


def settle(book: Book, chapter: Chapter, ledger: Ledger, found: list[Found], duties: list[Duty]) -> list[Line]:
    """Return all lines of a period, in their order."""
    for place, charge in enumerate(chapter.charges):
        ledger.left[chapter.number, place] = max(Fraction(0), Fraction(charge["amount"]))
    return [
        *chapter.charges,
        *surcharges(book.terms, duties),
        *credit_lines(book, chapter, ledger, found, duties),
        *bonuses(book, chapter, found),
        *earned_back(book, chapter, ledger, found),
        *settlements(book, chapter),
    ]


def surcharges(terms: Terms, duties: list[Duty]) -> list[Line]:
    """Return what the customer pays for its breaches."""
    lines = []
    for duty in duties:
        prices = duty.obligation.get("consequence", {}).get("surcharge")
        if prices and duty.met is False:
            exact = Fraction(prices.get("flat", "0"))
            exact += Fraction(prices.get("per_hour", "0")) * breach_hours(duty)
            exact += Fraction(prices.get("per_unit_short", "0")) * duty.short
            lines.append(line("surcharge", (duty.obligation["id"], duty.device), in_money(terms, exact)))
    return lines


def credit_lines(book: Book, chapter: Chapter, ledger: Ledger, found: list[Found], duties: list[Duty]) -> list[Line]:
    """Return the credits of a period, and note them for the periods after."""
    owed = []
    coverages = {(judged.guarantee["id"], judged.device): figures.coverage for judged, figures in found}
    for judged, figures in found:
        promise = (judged.guarantee["id"], judged.device)
        if "response" in judged.guarantee:
            if judged.beyond and judged.owed is not None:
                owed.append(Credit(promise, judged.owed, from_lines=False))
        elif "credits" in judged.guarantee:
            credit = tiered(book, chapter, ledger, judged, figures)
            if credit is not None:
                owed.append(credit)
    voided(owed, duties)
    only_the_largest(book, owed)
    lines = []
    for credit in owed:
        amount = drawn(book.terms, ledger, credit, chapter.number)
        ledger.given[*credit.promise, chapter.number] = amount
        lines.append(line("credit", credit.promise, in_money(book.terms, -amount), coverages[credit.promise]))
    return lines


def bonuses(book: Book, chapter: Chapter, found: list[Found]) -> list[Line]:
    """Return what the provider gets for doing better than promised, on a device it failed in nothing else."""
    lines = []
    for judged, figures in found:
        bonus = judged.guarantee.get("bonus")
        if not bonus or figures.share is None or not is_decided(book, chapter, judged.guarantee, judged.device):
            continue
        failed = [
            other
            for other, its in found
            if other is not judged
            and met_of(book, chapter, (other, its)) is False
            and (None in (other.device, judged.device) or other.device == judged.device)
        ]
        seen = figures.coverage is not None and figures.coverage >= ENOUGH_COVERAGE
        if seen and figures.share >= percent_of(bonus["at_least"]) and not failed:
            exact = percent_of(bonus["percent"]) * basis_of(settled_parts(book, chapter, judged, bonus["of"]))
            promise = (judged.guarantee["id"], judged.device)
            lines.append(line("bonus", promise, in_money(book.terms, exact), figures.coverage))
    return lines


def earned_back(book: Book, chapter: Chapter, ledger: Ledger, found: list[Found]) -> list[Line]:
    """Return what the provider gets back of a credit after good periods in a row, and open new claims."""
    lines = []
    year = window_of(book.terms, chapter, 12).first
    for judged, figures in found:
        terms = judged.guarantee.get("earn_back")
        promise = (judged.guarantee["id"], judged.device)
        if not terms or not is_decided(book, chapter, judged.guarantee, judged.device):
            continue
        claim = ledger.claims.get(promise)
        met = met_of(book, chapter, (judged, figures))
        if claim is not None and (claim.year != year or met is False):
            del ledger.claims[promise]
        elif claim is not None:
            good = met is True and figures.coverage is not None and figures.coverage >= ENOUGH_COVERAGE
            claim.row = claim.row + 1 if good else 0
            if claim.row == int(terms["periods"]):
                exact = percent_of(terms["percent"]) * claim.amount
                lines.append(line("earn_back", promise, in_money(book.terms, exact), figures.coverage))
                del ledger.claims[promise]
        given = ledger.given.get((*promise, chapter.number), Fraction(0))
        if given > 0:
            ledger.claims[promise] = Claim(given, year)
    return lines


def settlements(book: Book, chapter: Chapter) -> list[Line]:
    """Return what both sides settled on and the other side accepted in this period."""
    lines = []
    start, end = (midnight_ms(day, book.terms["timezone"]) for day in (chapter.days.first, chapter.days.after))
    for event in sorted(book.events, key=lambda each: (each.start, each.id)):
        if event.type != "settlement":
            continue
        other = "customer" if event.side == "provider" else "provider"
        accepts = [
            decision.entered
            for decision in book.events
            if decision.type == "decision" and decision.record.get("of") == event.id and decision.side == other
        ]
        if verdicts(book.events, event).get(other) == "accept" and start <= accepts[-1] < end:
            amount = in_money(book.terms, Fraction(str(event.record["amount"])))
            lines.append(line("settlement", (event.record["line"], event.device), amount))
    return lines
