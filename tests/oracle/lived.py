"""What happens under a random two-sided contract: readings with outages and silence, and what people say of it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from tests.oracle.dates import rfc3339
from tests.oracle.reading import Row
from tests.oracle.service_hours import EPOCH
from tests.oracle.spans import Spans
from tests.oracle.stage import DAY, HOUR, MINUTE, NUDGES, Stage

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Life:
    """One device's: when it was down, and when it was silent."""

    device: str
    down: Spans
    silent: Spans

    def edges(self) -> list[int]:
        """Return the moments at which something began or ended."""
        return [edge for spans in (self.down, self.silent) for span in spans for edge in span]


def lives(luck: Random, stage: Stage) -> list[Life]:
    """Draw what becomes of each device."""
    return [Life(name, stage.stretches(luck, 6), stage.stretches(luck, 4)) for name in stage.devices]


def inside(moment: int, spans: Spans) -> bool:
    """Tell whether a moment lies in one of the stretches."""
    return any(start <= moment < end for start, end in spans)


def rows_of(luck: Random, stage: Stage, life: Life) -> list[Row]:
    """Draw a device's readings: regular, at every change, none in silence."""
    regular = {"day": [30 * MINUTE, HOUR, HOUR], "week": [6 * HOUR, 3 * HOUR], "month": [DAY, 12 * HOUR]}
    rows: list[Row] = []
    total = luck.choice([0, 5, 9990])
    boot = luck.choice([None, "a"])
    for channel in ("state", "level", "flow", "register"):
        spacing = luck.choice(regular[stage.kind])
        begin = stage.start - luck.choice([0, 0, 2 * HOUR, 90 * MINUTE])
        times = set(range(begin, stage.end, spacing))
        if channel == "state":
            times |= {edge for span in life.down for edge in span}
        if luck.random() < 0.5:
            times |= {edge for span in life.silent for edge in span}
        pattern = [luck.randint(0, 9) for _ in range(luck.randint(1, 12))]
        gain = luck.choice([0, 1, 7, 40])
        for index, time in enumerate(sorted(times)):
            if inside(time, life.silent):
                continue
            total += gain if channel == "register" else 0
            ticks = {
                "state": int(not inside(time, life.down)),
                "level": pattern[index % len(pattern)],
                "flow": 10 * max(0, pattern[index % len(pattern)] - 3),
                "register": total,
            }[channel]
            step = {"level": Decimal("0.5"), "flow": Decimal("0.1")}.get(channel, Decimal(1))
            rows.append(Row(life.device, channel, time, f"{ticks * step:f}", boot))
    return rows


def spoiled(luck: Random, rows: list[Row]) -> list[Row]:
    """Draw a file of the rows with spikes, low values, repetitions, conflicts, displaced and missing lines."""
    file = list(rows)
    if not file:
        return file
    for _ in range(luck.randint(0, 8)):
        at = luck.randrange(len(file))
        row = file[at]
        if row.channel == "register":
            file[at] = replace(row, value=luck.choice(["0", "3", "20000", str(int(row.value) + 900)]))
    for _ in range(luck.randint(0, 6)):
        file.insert(luck.randrange(len(file)), luck.choice(file))
    for _ in range(luck.choice([0, 0, 1, 3])):
        row = luck.choice(file)
        file.insert(luck.randrange(len(file)), replace(row, value=f"{Decimal(row.value) + luck.choice([1, 2, 500])}"))
    for _ in range(luck.randint(0, min(20, len(file) // 2))):
        file.pop(luck.randrange(len(file)))
    if luck.random() < 0.3:
        luck.shuffle(file)
    if luck.random() < 0.3:
        odd = [-5 * MINUTE, -5 * MINUTE - 1, -HOUR, 3 * HOUR, 90 * DAY, 90 * DAY + 1]
        file = [replace(row, arrival=row.time + (1000 if luck.random() < 0.95 else luck.choice(odd))) for row in file]
    return file


class Witness:
    """Tells random events, most of them at the moments that matter."""

    def __init__(self, luck: Random, stage: Stage, found: list[Life]) -> None:
        self.luck, self.stage = luck, stage
        self.edges = [edge for life in found for edge in life.edges()] or stage.edges
        self.records: list[Record] = []

    def moment(self) -> int:
        """Draw a moment: an edge of an outage or silence, or any other that matters."""
        if self.luck.random() < 0.5:
            return self.luck.choice(self.edges) + self.luck.choice(NUDGES)
        return self.stage.moment(self.luck)

    def written(self, moment: int) -> Any:
        """Write a moment in one of the ways that are understood."""
        if self.luck.random() < 0.5:
            return moment
        if self.luck.random() < 0.5:
            return rfc3339(moment)
        local = (EPOCH + timedelta(milliseconds=moment)).astimezone(UTC) + timedelta(hours=5, minutes=45)
        return datetime.isoformat(local.replace(tzinfo=None), timespec="milliseconds") + "+05:45"

    def tell(self, kind: str, side: str, **keys: Any) -> Record:
        """Add an event."""
        record = {"id": f"e-{len(self.records):02d}", "type": kind, "side": side, "by": "Someone", "reason": "because"}
        devices = [*self.stage.devices, *self.stage.devices, None]
        device = keys.pop("device", self.luck.choice(devices))
        record |= ({"device": device} if device else {}) | keys
        self.records.append(record)
        return record

    def side(self) -> str:
        """Draw a side."""
        return self.luck.choice(["provider", "provider", "customer"])

    def tell_spans(self) -> None:
        """Tell of planned work, higher force and other excuses."""
        for _ in range(self.luck.randint(0, 7)):
            start = self.moment()
            end = start + self.luck.choice([1, HOUR, 30 * MINUTE, 2 * HOUR, 9 * HOUR])
            kind = self.luck.choice(["planned", "planned", "planned", "force_majeure", "excused"])
            keys = {"start": self.written(start), "end": self.written(end)}
            if kind == "planned":
                ahead = self.luck.choice([48 * HOUR, 48 * HOUR - 1, HOUR, HOUR - 1, 72 * HOUR, 0])
                keys["entered"] = self.written(start - ahead)
                if self.luck.random() < 0.3:
                    keys["announced"] = self.written(start - max(ahead, self.luck.choice([48 * HOUR, 47 * HOUR, HOUR])))
            self.settle_claim(self.tell(kind, self.side(), **keys))

    def tell_moments(self) -> None:
        """Tell of maintenance and failures."""
        kinds = ["serviced", "serviced", "access_refused", "breakdown", "breakdown", "repaired", "repaired", "arrived"]
        for _ in range(self.luck.randint(0, 9)):
            self.settle_claim(self.tell(self.luck.choice(kinds), self.side(), time=self.written(self.moment())))

    def tell_settlements(self, lines: list[str]) -> None:
        """Tell of amounts the parties settled on, some of them accepted."""
        for _ in range(self.luck.choice([0, 0, 1, 2])):
            side = self.side()
            period, disputed, amount = (
                self.luck.choice(self.stage.periods),
                self.luck.choice(lines),
                self.luck.choice([-12, 7]),
            )
            keys: dict[str, Any] = {"period": period, "line": disputed, "amount": amount}
            record = self.tell("settlement", side, time=self.stage.start, **keys)
            moment = self.stage.moment(self.luck)
            for decider in self.luck.sample(["provider", "customer"], self.luck.randint(0, 2)):
                verdict = self.luck.choice(["accept", "accept", "accept", "discard"])
                self.tell("decision", decider, of=record["id"], verdict=verdict, time=moment)
                moment += HOUR

    def settle_claim(self, record: Record) -> None:
        """Let the other side contest a claim, and both decide, now and then."""
        helps = {
            "provider": ("planned", "force_majeure", "excused", "access_refused", "arrived", "repaired"),
            "customer": ("breakdown", "serviced"),
        }
        side = record["side"]
        other = "customer" if side == "provider" else "provider"
        told = {"device": record.get("device")}
        later = self.stage.end + DAY
        if record["type"] in helps[side] and self.luck.random() < 0.2:
            self.tell("contested", other, of=record["id"], time=later, **told)
        for decider in self.luck.sample([side, other, other], self.luck.choice([0, 0, 0, 1, 2, 3])):
            later += HOUR
            verdict = self.luck.choice(["accept", "accept", "discard"])
            self.tell("decision", decider, of=record["id"], verdict=verdict, time=later, **told)

    def tell_of_readings(self, rows: list[Row]) -> None:
        """Tell of readings accepted or discarded, and of a register exchanged."""
        odd = [row for row in rows if row.channel == "register" and row.value in ("0", "3", "20000")]
        odd += [row for row in rows if row.arrival is not None and not 0 <= row.arrival - row.time <= 90 * DAY]
        for _ in range(self.luck.choice([0, 0, 0, 1, 2]) if rows else 0):
            row = self.luck.choice(odd or rows)
            others = {other.value for other in rows if (other.device, other.channel, other.time) == row_identity(row)}
            keys = {"value": Decimal(row.value)} if len(others) > 1 or self.luck.random() < 0.5 else {}
            self.tell(
                "decision",
                self.side(),
                device=row.device,
                channel=row.channel,
                time=row.time,
                verdict=self.luck.choice(["accept", "accept", "discard"]),
                entered=row.time + HOUR + len(self.records),
                **keys,
            )
        if self.luck.random() < 0.35:
            device = self.luck.choice(list(self.stage.devices))
            old, new = self.luck.choice([10, 400, 10_100]), self.luck.choice([0, 7, 10_000])
            channel = self.luck.choice([{}, {"channel": "register"}])
            moment = self.stage.moment(self.luck) + 17
            self.tell("meter_exchanged", self.side(), device=device, time=moment, old=old, new=new, **channel)


def row_identity(row: Row) -> tuple[str, str, int]:
    """Return what makes a reading the same as another."""
    return row.device, row.channel, row.time
