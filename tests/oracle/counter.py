"""Counter steps, rule by rule, in order of time (semantics §3)."""

from dataclasses import dataclass, field
from fractions import Fraction

from tests.oracle.reading import Judged
from tests.oracle.terms import Terms, rate_per_ms


@dataclass(frozen=True, slots=True)
class Rules:
    """A counter's terms, in ticks and milliseconds: its greatest rate, where it resets, where it wraps."""

    ticks_per_ms: Fraction | None
    reset_below: Fraction | None
    width: Fraction | None

    def plausible(self, step: Fraction, since: int, until: int) -> bool:
        """Tell whether a register could have gained a step in that time: at most the rate, plus one tick."""
        if step < 0:
            return False
        return self.ticks_per_ms is None or step <= self.ticks_per_ms * (until - since) + 1

    def may_be_reset(self, ticks: int) -> bool:
        """Tell whether a value is low enough to follow a reset, where the terms set a bound."""
        return self.reset_below is not None and ticks < self.reset_below


@dataclass(frozen=True, slots=True)
class Mark:
    """A register value, in ticks, at a moment."""

    time: int
    ticks: int


@dataclass(frozen=True, slots=True)
class Step:
    """What a register gained between its baseline (`since`) and a reading (`time`), in ticks."""

    since: int
    time: int
    ticks: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """A new register put in place of an old one: what both showed, in ticks."""

    time: int
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Aside:
    """A quarantined reading, and the baseline it was judged against."""

    mark: Mark
    baseline: Mark

    @property
    def at_stake(self) -> int:
        """Return the ticks accepting it alone would bill: the difference if it is higher, nothing if it is lower."""
        return max(0, self.mark.ticks - self.baseline.ticks)


@dataclass
class Register:
    """The walk along one register: what was accepted, what waits, what is set aside."""

    rules: Rules
    baselines: list[Mark] = field(default_factory=list)
    waiting: list[Mark] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    accepted: list[Mark] = field(default_factory=list)
    quarantined: list[Aside] = field(default_factory=list)
    discarded: list[Mark] = field(default_factory=list)

    def quarantine(self, *marks: Mark) -> None:
        """Set readings aside: not billed, no baseline."""
        self.quarantined += [Aside(mark, self.baselines[-1]) for mark in marks]

    def accept(self, mark: Mark, step: Fraction | int) -> None:
        """Make a reading the baseline and bill its step."""
        self.steps.append(Step(self.baselines[-1].time, mark.time, int(step)))
        self.accepted.append(mark)
        self.baselines.append(mark)


def rules_of(meter: Terms, resolution: str) -> Rules:
    """Read a counter's terms."""
    tick = Fraction(resolution)
    return Rules(
        rate_per_ms(meter["max_rate"]) / tick if "max_rate" in meter else None,
        Fraction(meter["reset_below"]) / tick if "reset_below" in meter else None,
        Fraction(meter["width"]) / tick if "width" in meter else None,
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What people said of a register: what they decided of readings, by their moment, and its exchanges."""

    verdicts: dict[int, str]
    exchanges: list[Exchange]


def walk(rules: Rules, readings: list[Judged], restarts: list[int], baseline: Mark | None, told: Told) -> Register:
    """Judge readings in order of time; `baseline` is a value from before `since` that still held."""
    register = Register(rules)
    if baseline is not None:
        register.baselines.append(baseline)
    exchanges = list(told.exchanges)
    for reading in readings:
        mark = Mark(reading.row.time, reading.ticks)
        while exchanges and exchanges[0].time <= mark.time:
            exchange(register, exchanges.pop(0))
        if not register.baselines:
            register.baselines.append(mark)
            register.accepted.append(mark)
        else:
            restarted = any(register.baselines[-1].time < moment <= mark.time for moment in restarts)
            judge(register, mark, restarted=restarted, verdict=told.verdicts.get(mark.time))
    for later in exchanges:
        exchange(register, later)
    return register


def exchange(register: Register, told: Exchange) -> None:
    """Bill up to the closing value of an old register and go on from the opening value of the new one."""
    register.quarantine(*register.waiting)
    register.waiting = []
    if register.baselines:
        base = register.baselines[-1]
        if register.rules.plausible(Fraction(told.old - base.ticks), base.time, told.time):
            register.steps.append(Step(base.time, told.time, told.old - base.ticks))
    register.baselines.append(Mark(told.time, told.new))


def judge(register: Register, mark: Mark, *, restarted: bool, verdict: str | None) -> None:
    """Apply the five rules to one reading, first match first; a person decides only what would be set aside."""
    rules, base = register.rules, register.baselines[-1]
    lower = mark.ticks < base.ticks
    if not lower and rules.plausible(Fraction(mark.ticks - base.ticks), base.time, mark.time):  # rule 1
        register.quarantine(*register.waiting)
        register.waiting = []
        register.accept(mark, mark.ticks - base.ticks)
    elif (  # rule 2
        restarted
        and lower
        and rules.plausible(Fraction(mark.ticks), base.time, mark.time)
        and (rules.reset_below is None or rules.may_be_reset(mark.ticks))
    ):
        register.quarantine(*register.waiting)
        register.waiting = []
        register.accept(mark, mark.ticks)
    elif register.waiting and proves_reset(register, mark):  # rule 3, the reading that decides
        register.accepted.extend(register.waiting)
        register.waiting = []
        register.accept(mark, mark.ticks)
    elif not register.waiting and wraps(rules, base, mark):  # rule 4
        assert rules.width is not None
        register.accept(mark, mark.ticks + rules.width - base.ticks)
    elif verdict == "accept":
        register.quarantine(*register.waiting)
        register.waiting = []
        register.accept(mark, max(0, mark.ticks - base.ticks))
    elif verdict == "discard":
        register.discarded.append(mark)
    elif register.waiting:
        keep_waiting(register, mark)
    elif lower and rules.may_be_reset(mark.ticks):  # rule 3, the reading that waits
        register.waiting = [mark]
    else:  # rule 5
        register.quarantine(mark)


def wraps(rules: Rules, base: Mark, mark: Mark) -> bool:
    """Tell whether a lower value is a register of a known width that went past its end."""
    return (
        mark.ticks < base.ticks
        and not rules.may_be_reset(mark.ticks)
        and rules.width is not None
        and rules.plausible(mark.ticks + rules.width - base.ticks, base.time, mark.time)
    )


def proves_reset(register: Register, mark: Mark) -> bool:
    """Tell whether a reading goes on from the low one that waits."""
    low = register.waiting[-1]
    return mark.ticks > low.ticks and register.rules.plausible(Fraction(mark.ticks - low.ticks), low.time, mark.time)


def keep_waiting(register: Register, mark: Mark) -> None:
    """Rule 3 where neither the old baseline nor the low reading is continued."""
    low = register.waiting[-1]
    if mark.ticks == low.ticks:
        register.waiting.append(mark)
    elif mark.ticks < low.ticks:
        register.quarantine(*register.waiting)
        register.waiting = [mark]
    else:
        register.quarantine(mark)


def at_stake(rules: Rules, quarantined: list[Aside]) -> int:
    """Return what accepting every quarantined reading would bill, where three plausible ones in a row are one case."""
    runs: list[list[Aside]] = []
    for aside in quarantined:
        last = runs[-1][-1] if runs else None
        if (
            last is not None
            and last.baseline == aside.baseline
            and rules.plausible(Fraction(aside.mark.ticks - last.mark.ticks), last.mark.time, aside.mark.time)
        ):
            runs[-1].append(aside)
        else:
            runs.append([aside])
    return sum(run[-1].at_stake if len(run) >= 3 else sum(aside.at_stake for aside in run) for run in runs)
