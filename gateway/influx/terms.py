"""Who has agreed what with whom, as series: a contract's parties, its devices, its text, and its periods."""

from collections.abc import Iterator
from typing import Final

from contracts.contract import Contract
from contracts.language.terms import Party, Terms
from contracts.periods import Period, midnight_ms
from gateway.influx.points import Point, Value

LONGEST_TEXT: Final = 30_000  # bytes of UTF-8; InfluxDB takes no text above 64 KiB, escapes included


def contract_points(contract: Contract) -> Iterator[Point]:
    """One version of a contract, at the moment it comes into force: its parties, devices and promises, and its text."""
    terms = contract.terms
    begin = midnight_ms(terms.valid.from_, terms.timezone)
    until = terms.valid.until
    said: dict[str, Value] = {
        "title": terms.title or terms.id,
        **_party("customer", terms.customer),
        **_party("provider", terms.provider),
        "provider": terms.provider.name,
        "currency": terms.currency,
        "timezone": terms.timezone,
        "version": terms.version,
        "devices": len(terms.devices),
        "valid_until": None if until is None else until.isoformat(),
    }
    tags = {"contract": terms.id, "customer": terms.customer.name}
    yield Point("contract", tags, said, begin)
    for device in terms.devices:
        since = begin if device.since is None else midnight_ms(device.since, terms.timezone)
        fields: dict[str, Value] = {
            "since_ms": since,
            "serial": device.serial or "",
            "title": device.title or device.id,
        }
        yield Point("member", {**tags, "device": device.id}, fields, begin)
    for side, promises in (("guarantee", terms.guarantees), ("obligation", terms.obligations)):
        for promise in promises:
            about = {"contract": terms.id, "promise": promise.id, "side": side}
            yield Point("promise", about, {"title": promise.title or promise.id}, begin)
    parts = pieces(contract.text, LONGEST_TEXT)
    texts = {f"text_{place}": part for place, part in enumerate(parts)}
    tags = {"contract": terms.id, "version": str(terms.version)}
    yield Point("terms", tags, {"parts": len(parts), "sha256": contract.sha256, **texts}, begin)


def period_point(terms: Terms, period: Period, status: str) -> Point:
    """A period, at its start: `open` while it runs, `provisional` until it is `final`."""
    fields: dict[str, Value] = {"start_ms": period.span.start, "end_ms": period.span.end, "status": status}
    return Point("period", {"contract": terms.id, "period": period.name}, fields, period.span.start)


def pieces(text: str, most: int) -> list[str]:
    """A text in parts of at most so many bytes of UTF-8, no character divided."""
    data, found, start = text.encode(), list[str](), 0
    while start < len(data):
        end = min(len(data), start + most)
        while end < len(data) and data[end] & 0xC0 == 0x80:  # inside a character
            end -= 1
        found.append(data[start:end].decode())
        start = end
    return found


def _party(side: str, party: Party) -> dict[str, str | None]:
    contact = party.contact
    if contact is None:
        return {}
    return {f"{side}_contact": contact.name, f"{side}_email": contact.email, f"{side}_phone": contact.phone}
