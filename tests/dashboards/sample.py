"""A small fleet as points written by hand, by the schema alone: every case that a panel has a colour or a word for.

Two customers, two contracts. The compressors are well but for one that is silent; the truck has used most of the
downtime that its guarantee allows, and its customer has let a service lapse.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from gateway.influx.points import Point, Value

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
AIR, TRUCK = "AIR-1", "TRK-1"
PROMISED = {
    "guarantee": {"uptime": "The truck can drive", "repair": "Mended within six hours"},
    "obligation": {"inspection": "Have it inspected", "connected": "Keep it online"},
}
BREWERY, HAULIER = "Brouwerij Zuid", "Transport Devos / Noord"


def month_before(first: datetime) -> datetime:
    """The first moment of the month before."""
    return (first - timedelta(days=1)).replace(day=1)


class Months:
    """The running month and the one before, in UTC."""

    def __init__(self, now_ms: int) -> None:
        now = datetime.fromtimestamp(now_ms / 1_000, UTC)
        first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        before = month_before(first)
        self.now_ms = now_ms
        self.start_ms, self.before_ms = (int(each.timestamp() * 1_000) for each in (first, before))
        self.end_ms = int((first + timedelta(days=32)).replace(day=1).timestamp() * 1_000)
        self.name, self.name_before = first.strftime("%Y-%m"), before.strftime("%Y-%m")
        self.hour_end_ms = (now_ms // HOUR_MS + 1) * HOUR_MS

    def hours(self) -> Iterator[tuple[str, int]]:
        """The ends of some hours with the period they belong to: the end of last month, and the last two days."""
        yield from ((self.name_before, self.start_ms - back * DAY_MS) for back in (2, 1, 0))
        since = max(self.start_ms + HOUR_MS, self.hour_end_ms - 2 * DAY_MS)
        yield from ((self.name, at) for at in range(since, self.hour_end_ms + 1, HOUR_MS))


def sample(now_ms: int) -> list[Point]:
    """Every measurement of the schema, as it would stand now."""
    months = Months(now_ms)
    return [
        *_parties(months),
        *_promised(months.before_ms),
        *_agreed(months),
        *_figures(months),
        *_changes(months),
        *_said(months),
        *_now(months),
    ]


def _parties(months: Months) -> Iterator[Point]:
    for contract, customer, title, devices in (
        (AIR, BREWERY, "Compressed air by the cubic metre", ("comp-01", "comp-02")),
        (TRUCK, HAULIER, "Truck with guaranteed uptime", ("truck-01",)),
    ):
        tags = {"contract": contract, "customer": customer}
        fields: dict[str, Value] = {
            "title": title,
            "customer_contact": "Fleet manager",
            "customer_email": "planning@devos.example",
            "customer_phone": "+32 9 555 04 05" if contract == TRUCK else None,
            "provider": "Longhaul Leasing NV",
            "provider_contact": "Uptime desk",
            "provider_email": "uptime@longhaul.example",
            "provider_phone": "+32 9 555 04 04",
            "currency": "EUR" if contract == AIR else "GBP",
            "timezone": "Europe/Brussels",
            "version": 1,
            "devices": len(devices),
            "valid_until": "2030-01-01",
        }
        yield Point("contract", tags, fields, months.before_ms)
        for device in devices:
            said: dict[str, Value] = {
                "since_ms": months.before_ms,
                "serial": f"S-{device}",
                "title": f"Machine {device}",
            }
            yield Point("member", {**tags, "device": device}, said, months.before_ms)
        for name, start, end, status in (
            (months.name_before, months.before_ms, months.start_ms, "final"),
            (months.name, months.start_ms, months.end_ms, "open"),
        ):
            span: dict[str, Value] = {"start_ms": start, "end_ms": end, "status": status}
            yield Point("period", {"contract": contract, "period": name}, span, start)


def _agreed(months: Months) -> Iterator[Point]:
    lines: list[tuple[dict[str, str], float, str]] = [
        ({"contract": AIR, "subject": "volume", "kind": "allowance"}, 20_000.0, "m3"),
        ({"contract": AIR, "subject": "volume", "kind": "tier", "step": "1"}, 40_000.0, "m3"),
        ({"contract": AIR, "subject": "volume", "kind": "price", "step": "1"}, 0.021, "EUR/m3"),
        ({"contract": TRUCK, "subject": "km", "kind": "allowance", "device": "truck-01"}, 12_000.0, "km"),
        ({"contract": TRUCK, "subject": "uptime", "kind": "target"}, 98.0, "%"),
        ({"contract": TRUCK, "subject": "uptime", "kind": "credit_tier", "step": "1"}, 98.0, "%"),
    ]
    for device in ("comp-01", "comp-02"):
        at = {"contract": AIR, "subject": "in_spec", "device": device, "channel": "pressure"}
        lines += [({**at, "kind": "limit_below"}, 7.0, "bar"), ({**at, "kind": "limit_above"}, 9.5, "bar")]
    for start, end in ((months.before_ms, months.start_ms), (months.start_ms, months.end_ms)):
        for moment in (*range(start, end, HOUR_MS), end - 1):
            yield from (Point("agreed", tags, {"value": value, "unit": unit}, moment) for tags, value, unit in lines)


def _figures(months: Months) -> Iterator[Point]:
    for period, at in months.hours():
        gone = (at - (months.start_ms if period == months.name else months.before_ms)) / DAY_MS
        for contract, cost in ((AIR, 1_800 + 30 * gone), (TRUCK, 2_205 + gone)):
            fields = {
                "amount": cost,
                "hour": 1.25,
                "forecast": cost * 1.4,
                "coverage": 98.5,
                "readings": int(900 * gone),
            }
            yield Point("total", {"contract": contract, "period": period}, fields, at)
        in_air, in_truck = {"contract": AIR, "period": period}, {"contract": TRUCK, "period": period}
        for device, coverage in (("comp-01", 100.0), ("comp-02", 97.0)):
            used = {"quantity": 700 * gone, "hour": 29.2, "off_quality": 0.5, "coverage": coverage, "known_ms": 1}
            yield Point("usage", {**in_air, "meter": "volume", "device": device}, {**used, "accepted": 1_440}, at)
        driven = {"quantity": 390 * gone, "hour": 16.2, "off_quality": 0.0, "coverage": 99.0, "known_ms": 1}
        yield Point("usage", {**in_truck, "meter": "km", "device": "truck-01"}, {**driven, "accepted": 720}, at)
        volume = {"amount": 30 * gone, "hour": 1.25, "quantity": 1_400 * gone}
        yield Point("cost", {**in_air, "line": "volume", "kind": "charge"}, volume, at)
        yield Point("cost", {**in_air, "line": "base", "kind": "charge"}, {"amount": 1_800.0, "hour": 0.0}, at)
        km = {"amount": 0.0, "hour": 0.0, "quantity": 390 * gone}
        yield Point("cost", {**in_truck, "line": "km", "device": "truck-01", "kind": "charge"}, km, at)
        credit = {"amount": -245.0, "hour": 0.0, "quantity": 1.0}
        yield Point("cost", {**in_truck, "line": "uptime", "device": "truck-01", "kind": "credit"}, credit, at)
        included = {"included": 20_000.0, "used": 1_400 * gone, "left": 20_000 - 1_400 * gone, "percent": 7 * gone}
        yield Point(
            "allowance", {**in_air, "charge": "volume"}, {**included, "runs_out_ms": months.end_ms - DAY_MS}, at
        )
        yield from _promises(in_truck, at)


def _promised(since: int) -> Iterator[Point]:
    for side, promises in PROMISED.items():
        for promise, title in promises.items():
            yield Point("promise", {"contract": TRUCK, "promise": promise, "side": side}, {"title": title}, since)


def _promises(period: dict[str, str], at: int) -> Iterator[Point]:
    down = {"percent": 97.2, "target": 98.0, "met": 0, "agreed_ms": 9 * DAY_MS, "down_ms": 7 * HOUR_MS}
    down |= {"excused_ms": 2 * HOUR_MS, "unknown_ms": HOUR_MS, "coverage": 99.1}
    budget = {"budget_ms": 8 * HOUR_MS, "budget_left_ms": HOUR_MS, "budget_used": 87.5, "margin_at_risk": 245.0}
    yield Point("guarantee", {**period, "guarantee": "uptime", "device": "truck-01"}, {**down, **budget}, at)
    # A promise about the fleet as a whole has no device; one that nothing was measured of is not decided.
    idle: dict[str, Value] = {"agreed_ms": 0, "down_ms": 0, "excused_ms": 0, "unknown_ms": 0, "budget_ms": HOUR_MS}
    idle |= {"budget_left_ms": HOUR_MS, "budget_used": 0.0}
    yield Point("guarantee", {**period, "guarantee": "repair"}, idle, at)
    lapsed = {"met": 0, "measured": 12.5, "limit": 0.0, "breached_ms": 45_000_000}
    yield Point("obligation", {**period, "obligation": "inspection", "device": "truck-01"}, lapsed, at)
    kept = {"met": 1, "measured": 99.0, "limit": 95.0, "breached_ms": 0}
    yield Point("obligation", {**period, "obligation": "connected", "device": "truck-01"}, kept, at)


def _changes(months: Months) -> Iterator[Point]:
    truck = {"contract": TRUCK, "device": "truck-01"}
    uptime = {**truck, "promise": "uptime", "side": "guarantee"}
    states = (("off", 0), ("up", 5), ("down", 8), ("excused", 12), ("unknown", 13), ("up", 14), ("off", 23))
    for start in (months.before_ms, months.start_ms):
        yield from (Point("timeline", uptime, {"state": state}, start + hour * HOUR_MS) for state, hour in states)
        inspection = {**truck, "promise": "inspection", "side": "obligation"}
        yield Point("timeline", inspection, {"state": "kept"}, start)
        yield Point("timeline", inspection, {"state": "breach"}, start + DAY_MS)
        for state, hour in (("true", 0), ("false", 8), ("unknown", 13)):
            yield Point("state", {**truck, "condition": "roadworthy"}, {"state": state}, start + hour * HOUR_MS)
        for device in ("comp-01", "comp-02"):
            yield Point("state", {"contract": AIR, "device": device, "condition": "in_spec"}, {"state": "true"}, start)


def _said(months: Months) -> Iterator[Point]:
    hour_ago = months.now_ms - HOUR_MS
    yield from _events(hour_ago)
    yield from _warned(months, hour_ago)
    yield from _statements(months)


def _events(hour_ago: int) -> Iterator[Point]:
    said: dict[str, Value] = {"title": "Breakdown on truck-01 by planning", "text": "Gearbox", "by": "planning"}
    said |= {"side": "customer", "standing": "accepted", "counts": 1, "document": "{}", "end_ms": hour_ago + 600_000}
    yield Point("event", {"contract": TRUCK, "device": "truck-01", "type": "breakdown", "id": "e-1"}, said, hour_ago)
    note: dict[str, Value] = {"title": "Note by us", "text": "Call on Monday", "by": "us", "side": "provider"}
    note |= {"standing": "noted", "counts": 0, "document": "{}"}
    yield Point("event", {"contract": TRUCK, "type": "note", "id": "e-2"}, note, hour_ago)
    restart = {"id": "a-1", "details": '{"boot": "7"}'}
    yield Point("announced", {"device": "truck-01", "kind": "boot"}, restart, hour_ago)


def _warned(months: Months, hour_ago: int) -> Iterator[Point]:
    breach: dict[str, Value] = {"id": "b-1", "open": 1, "provisional": 1, "start_ms": hour_ago, "duration_ms": HOUR_MS}
    breach |= {"state": "opened", "title": "Inspection is overdue", "period": months.name}
    breach |= {"reason": "112 engine hours since the last"}
    at = {"contract": TRUCK, "promise": "inspection", "side": "obligation", "device": "truck-01"}
    yield Point("breach", at, breach, hour_ago)
    warned: dict[str, Value] = {"text": "87 % of the downtime allowed is used", "value": 87.5, "id": "w-1"}
    at = {"contract": TRUCK, "promise": "uptime", "kind": "budget", "level": "80", "device": "truck-01"}
    yield Point("warning", {**at, "period": months.name}, {**warned, "forecast_ms": months.end_ms}, hour_ago)
    differs: dict[str, Value] = {"text": "12 readings are in the journal and not in InfluxDB", "readings": 12}
    at = {"contract": AIR, "period": months.name_before, "device": "comp-01", "channel": "pressure"}
    yield Point("alarm", at, differs, hour_ago)


def _statements(months: Months) -> Iterator[Point]:
    for contract in (AIR, TRUCK):
        statement: dict[str, Value] = {"number": 1, "total": 2_205.0, "total_text": "2205.00 EUR", "currency": "EUR"}
        statement |= {"lines": 4, "adjustments": 0, "issued_ms": months.start_ms + 3 * DAY_MS, "sha256": "00"}
        statement |= {"show": f"fairmeter statement show {contract} {months.name_before}"}
        if contract == TRUCK:
            statement |= {"agrees": 1, "link": "https://statements.example/TRK-1/1/statement.txt"}
        tags = {"contract": contract, "period": months.name_before}
        yield Point("statement", tags, statement, months.before_ms)


def _now(months: Months) -> Iterator[Point]:
    for minutes in range(180, -1, -1):
        at = months.now_ms - minutes * 60_000
        for contract, device, silent in ((AIR, "comp-01", 0), (AIR, "comp-02", 1), (TRUCK, "truck-01", 0)):
            silent_ms = 7_200_000 if silent else 20_000
            state = {"silent": silent, "last_seen_ms": at - silent_ms, "silent_ms": silent_ms, "online": 1 - silent}
            yield Point("device", {"contract": contract, "device": device}, state, at)
            said = {"pressure": 7.4, "air_flow": 30.0} if contract == AIR else {"odometer": 120_000.0 + minutes}
            yield Point("telemetry", {"device": device}, {**said, "boot#": 7}, at - silent_ms)
        counted = {"received": 1_000 + 180 - minutes, "rejected": 3 + (minutes < 60), "stored": 900, "unassigned": 1}
        counted |= {"lag_ms": 40, "position": 900, "projected": 900, "influx_behind": 0, "influx_delay_ms": 700}
        counted |= {"influx_hours": 0, "refused_points": 0}
        yield Point("gateway", {"gateway": "g-1"}, {**counted, "rate": 1.5, "memory_mb": 84.0}, at)
