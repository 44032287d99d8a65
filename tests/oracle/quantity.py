"""From readings to the usage rows of a statement: one quantity for each meter and device in force (semantics §3)."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import Any

from tests.oracle.counter import Exchange, Mark, Register, Told, at_stake, rules_of, walk
from tests.oracle.dates import Span, device_days, midnight_ms, period_name, period_named
from tests.oracle.events import counting
from tests.oracle.reading import Judged, decided_values, restarts, standing, ticks_of
from tests.oracle.terms import (
    UNIT_MS,
    Terms,
    device,
    duration_ms,
    kind_of,
    meter_resolution,
    meter_unit,
    resolution,
    sources,
)
from tests.oracle.timeline import Piece, State, World, cuts, state_at, timeline

LOOK_BACK_MS = 7 * UNIT_MS["d"]


@dataclass(frozen=True, slots=True)
class Scene:
    """One device in one period: what there is to look at, and the time in force as [start, end)."""

    world: World
    judged: list[Judged]
    device: str
    days: Span
    start: int
    end: int

    @property
    def terms(self) -> Terms:
        """Return the contract."""
        return self.world.terms


@dataclass(frozen=True, slots=True)
class Gain:
    """A part of a quantity: spread evenly over [start, end), or all at one moment where both are equal."""

    start: int
    end: int
    amount: Fraction


@dataclass(frozen=True, slots=True)
class Measured:
    """A meter's figures before rounding: exact quantities in its unit, and its known and unknown pieces."""

    good: Fraction
    off_quality: Fraction
    known: list[Piece]
    quarantined: Fraction = Fraction(0)
    register: Register | None = None
    gains: list[Gain] = field(default_factory=list)


def scenes(world: World, judged: list[Judged], period: Span) -> list[Scene]:
    """Return a scene for each device that is in force in the period, in the order of the file."""
    terms = world.terms
    found = []
    for declared in terms["devices"]:
        days = device_days(terms, declared).within(period)
        if days.days:
            start, end = (midnight_ms(day, terms["timezone"]) for day in (days.first, days.after))
            found.append(Scene(world, judged, declared["id"], days, start, end))
    return found


def measure(scene: Scene, meter: Terms) -> Measured:
    """Return what one meter measured of one device in the period."""
    ways = {"counter": counted, "integral": integrated, "duration": lasted, "count": happened}
    return ways[kind_of(meter)](scene, meter)


def quality(scene: Scene, meter: Terms) -> list[Piece]:
    """Return the time `only_when` holds over the time in force; a meter without it always counts in full."""
    if "only_when" not in meter:
        return [Piece(scene.start, scene.end, state=True)]
    return timeline(scene.world, meter["only_when"], scene.device, scene.start, scene.end)


def part(meter: Terms, state: State) -> str:
    """Return where usage in a state of `only_when` goes: `good`, `off_quality` or `nothing`."""
    if state is None:
        unknown: str = meter.get("unknown", "off_quality")
        return "good" if unknown == "full" else unknown
    return "good" if state else "off_quality"


def channel_known(scene: Scene, channel: str) -> list[Piece]:
    """Return when a channel's value was known over the time in force: true or unknown."""
    source = (scene.device, channel)
    moments = cuts(scene.world, {source}, scene.start, scene.end)
    known = [None if scene.world.ticks_at(source, moment) is None else True for moment in moments]
    return [Piece(a, b, state) for a, b, state in zip(moments[:-1], moments[1:], known[:-1], strict=True)]


def integrated(scene: Scene, meter: Terms) -> Measured:
    """Add value × time over known time."""
    channel = meter["integral"]
    scale = Fraction(resolution(scene.terms, channel)) / duration_ms(meter.get("per", "1h"))
    pieces = quality(scene, meter)
    gains: dict[str, list[Gain]] = {"good": [], "off_quality": [], "nothing": []}
    for held in scene.world.held[scene.device, channel]:
        for piece in pieces:
            start, end = max(held.start, piece.start), min(held.end, piece.end)
            if start < end:
                gains[part(meter, piece.state)].append(Gain(start, end, held.ticks * (end - start) * scale))
    return measured(gains, channel_known(scene, channel))


def lasted(scene: Scene, meter: Terms) -> Measured:
    """Add the time a condition holds."""
    unit_ms = UNIT_MS[meter_unit(scene.terms, meter)]
    holding = timeline(scene.world, meter["duration"], scene.device, scene.start, scene.end)
    gains: dict[str, list[Gain]] = {"good": [], "off_quality": [], "nothing": []}
    for held in holding:
        for piece in quality(scene, meter):
            start, end = max(held.start, piece.start), min(held.end, piece.end)
            if held.state is True and start < end:
                gains[part(meter, piece.state)].append(Gain(start, end, Fraction(end - start, unit_ms)))
    return measured(gains, holding)


def happened(scene: Scene, meter: Terms) -> Measured:
    """Count how often a condition goes from known-false to known-true, over unknown time too, at most 7 days back."""
    now = timeline(scene.world, meter["count"], scene.device, scene.start, scene.end)
    gains: dict[str, list[Gain]] = {"good": [], "off_quality": [], "nothing": []}
    for moment in rises(scene, meter["count"]):
        gains[part(meter, state_at(quality(scene, meter), moment))].append(Gain(moment, moment, Fraction(1)))
    return measured(gains, now)


def rises(scene: Scene, condition: Any) -> list[int]:
    """Return the moments at which a condition became true after it was last known to be false."""
    now = timeline(scene.world, condition, scene.device, scene.start, scene.end)
    last: Piece | None = None
    moments = []
    for piece in [*timeline_before(scene, condition, scene.days.first, device_first_day(scene)), *now]:
        if piece.state is None:
            continue
        rose = piece.state and last is not None and not last.state and piece.start - last.end < LOOK_BACK_MS
        if rose and piece.start >= scene.start:
            moments.append(piece.start)
        last = piece
    return moments


def measured(gains: dict[str, list[Gain]], known: list[Piece]) -> Measured:
    """Add up what was gained, in full and off-quality."""
    good, off = (sum((gain.amount for gain in gains[part]), Fraction(0)) for part in ("good", "off_quality"))
    return Measured(good, off, known, gains=gains["good"])


def device_first_day(scene: Scene) -> date:
    """Return the first day the device of a scene is in force."""
    return device_days(scene.terms, device(scene.terms, scene.device)).first


def timeline_before(scene: Scene, condition: Any, day: date, first_day: date) -> list[Piece]:
    """Return the condition in the periods before a day, each cut at its own edges, as far back as counting looks."""
    pieces: list[Piece] = []
    while day > first_day and midnight_ms(day, scene.terms["timezone"]) > scene.start - LOOK_BACK_MS:
        earlier = period_named(scene.terms, period_name(scene.terms, day - timedelta(days=1)))
        begin = max(earlier.first, first_day)
        start, end = (midnight_ms(edge, scene.terms["timezone"]) for edge in (begin, day))
        pieces = timeline(scene.world, condition, scene.device, start, end) + pieces
        day = begin
    return pieces


def counted(scene: Scene, meter: Terms) -> Measured:
    """Add the accepted steps of a register whose later reading lies in the time in force."""
    channel = meter["counter"]
    tick = resolution(scene.terms, channel)
    source = (scene.device, channel)
    since = midnight_ms(device_first_day(scene), scene.terms["timezone"])
    readings = [r for r in standing(scene.judged, source) if since <= r.row.time < scene.end]
    before = next((h for h in scene.world.held[source] if h.time < since and h.start <= since < h.end), None)
    baseline = None if before is None else Mark(before.time, before.ticks)
    told = told_of(scene, channel, tick)
    register = walk(rules_of(meter, tick), readings, restarts(scene.judged, scene.device), baseline, told)
    register.quarantine(*register.waiting)
    pieces = quality(scene, meter)
    scale = Fraction(tick)
    gains: list[Gain] = []
    off_quality = 0
    for step in register.steps:
        if step.time >= scene.start:
            in_full, off = shared(scene, meter, pieces, (step.since, step.time, step.ticks))
            gains.append(Gain(step.time, step.time, in_full * scale))
            off_quality += off
    aside = at_stake(register.rules, [a for a in register.quarantined if a.mark.time >= scene.start])
    good = sum((gain.amount for gain in gains), Fraction(0))
    known = channel_known(scene, channel)
    return Measured(good, off_quality * scale, known, aside * scale, register, gains)


def told_of(scene: Scene, channel: str, tick: str) -> Told:
    """Return what people said of a register in force, until the end of the period."""
    since = midnight_ms(device_first_day(scene), scene.terms["timezone"])
    events = scene.world.events
    decided = decided_values(scene.terms, [judged.row for judged in scene.judged], events)
    verdicts = {
        judged.row.time: decided.get((scene.device, channel, judged.row.time), {}).get(judged.ticks, "")
        for judged in standing(scene.judged, (scene.device, channel))
    }
    exchanges = [
        Exchange(event.start, ticks_of(event.record["old"], tick), ticks_of(event.record["new"], tick))
        for event in counting(events, "meter_exchanged")
        if event.concerns(scene.device)
        and event.record.get("channel", channel) == channel
        and since <= event.start < scene.end
    ]
    return Told(verdicts, exchanges)


def shared(scene: Scene, meter: Terms, pieces: list[Piece], step: tuple[int, int, int]) -> tuple[int, int]:
    """Split a step (since, time, ticks) into what counts and what is off-quality, by the time `only_when` held."""
    since, until, ticks = step
    since = max(since, scene.start)
    shares = {"good": 0, "off_quality": 0, "nothing": 0}
    for piece in pieces:
        overlap = min(piece.end, until) - max(piece.start, since)
        if overlap > 0:
            shares[part(meter, piece.state)] += overlap
    span = until - since
    if span == 0:
        shares[part(meter, state_at(pieces, until))] = span = 1
    good = round(Fraction(ticks * shares["good"], span))
    not_off = round(Fraction(ticks * (span - shares["off_quality"]), span))
    return good, ticks - not_off


def rounded(exact: Fraction, step: str) -> Decimal:
    """Round a quantity once, half to even, to a resolution, and write it with the resolution's decimals."""
    with localcontext(prec=80):
        places = max(0, -int(Decimal(step).normalize().as_tuple().exponent))
        return (round(exact / Fraction(step)) * Decimal(step)).quantize(Decimal(1).scaleb(-places))


def down_to_four(share: Fraction) -> str:
    """Write a share as a percentage with 4 decimals, rounded down, so that 99.99999 never reads 100."""
    whole, rest = divmod(int(share * 100 * 10_000), 10_000)
    return f"{whole}.{rest:04d}"


def count_gaps(pieces: list[Piece]) -> int:
    """Return the number of unbroken unknown stretches."""
    states = [True, *(piece.state for piece in pieces)]
    return sum(1 for before, now in pairwise(states) if now is None and before is not None)


def counts_of(scene: Scene, meter: Terms, measured: Measured) -> dict[str, int]:
    """Return what became of the rows a meter is read from, in the time in force (semantics §8)."""
    kind = kind_of(meter)
    if kind in ("duration", "count"):
        looked_at = {s for s in sources(scene.terms, meter[kind], scene.device) if s[0] == scene.device}
    else:
        looked_at = {(scene.device, meter[kind])}
    in_force = [j for j in scene.judged if scene.start <= j.row.time < scene.end]
    mine = [j for j in in_force if (j.row.device, j.row.channel) in looked_at]
    fates = [j.fate for j in mine]
    aside = 0
    if measured.register is not None:
        set_aside = [a.mark for a in measured.register.quarantined] + measured.register.discarded
        aside = sum(1 for mark in set_aside if mark.time >= scene.start)
    return {
        "accepted": fates.count("standing") - aside,
        "duplicate": fates.count("duplicate"),
        "conflicting": fates.count("conflicting"),
        "late": sum(1 for j in mine if j.late),
        "quarantined": fates.count("clock") + aside,
        "rejected": 0,
        "gaps": count_gaps(measured.known),
    }


def register_edges(scene: Scene, meter: Terms, measured: Measured) -> tuple[str | None, str | None]:
    """Return a register's opening and closing value; nothing for other meters, or before the first baseline."""
    if measured.register is None or not measured.register.baselines:
        return None, None
    marks = measured.register.baselines
    opening = next((mark for mark in reversed(marks) if mark.time < scene.start), marks[0])
    tick = resolution(scene.terms, meter["counter"])
    first, last = (rounded(mark.ticks * Fraction(tick), tick) for mark in (opening, marks[-1]))
    return f"{first:f}", f"{last:f}"


def usage_row(scene: Scene, name: str) -> dict[str, Any]:
    """Return the usage row of one meter and device, as the statement's JSON has it."""
    meter = scene.terms["meters"][name]
    measured = measure(scene, meter)
    step = meter_resolution(scene.terms, meter)
    known_ms = sum(piece.length for piece in measured.known if piece.state is not None)
    opening, closing = register_edges(scene, meter, measured)
    return {
        "meter": name,
        "device": scene.device,
        "quantity": f"{rounded(measured.good, step):f}",
        "off_quality": f"{rounded(measured.off_quality, step):f}",
        "quarantined": f"{rounded(measured.quarantined, step):f}",
        "unit": meter_unit(scene.terms, meter),
        "opening": opening,
        "closing": closing,
        "known_ms": known_ms,
        "coverage": down_to_four(Fraction(known_ms, scene.end - scene.start)),
        "counts": counts_of(scene, meter, measured),
    }
