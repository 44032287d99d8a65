"""What charges and promises carry over, as JSON in a statement's opening and closing state, and back (semantics §8)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from contracts.figures import plain
from contracts.periods import rfc3339
from contracts.sides.carried import Carried, Claim, Figures, Incident, Lot, Past, Promised, Use, Window
from contracts.table import checked_time
from contracts.timeline import FALSE, TRUE


def exact_text(number: Fraction) -> str:
    """A number without loss: as a decimal where it ends, else as `n/d`."""
    text = plain(number)
    return text if Fraction(text) == number else str(number)


def carried_document(carried: Carried) -> dict[str, Any]:
    """Everything carried, as lists of records that each name their promise or charge, and device."""
    return {
        "balances": [
            {"charge": charge, "device": device or None, "units": [_lot(lot) for lot in lots]}
            for (charge, device), lots in sorted(carried.balances.items())
        ],
        "year_to_date": [{"obligation": duty, **_use(use)} for duty, use in sorted(carried.use.items())],
        "credits": [
            {**_named(place), "periods": [_past(each) for each in past]}
            for place, past in sorted(carried.history.items())
        ],
        "claims": [{**_named(place), **_claim(claim)} for place, claim in sorted(carried.claims.items())],
        "measured_over": [{**_named(place), **_window(each)} for place, each in sorted(carried.windows.items())],
        "incidents": [{**_named(place), **_incident(each)} for place, each in sorted(carried.incidents.items())],
        "last_known": [
            {**_named(place), "holds": state == TRUE, "until": rfc3339(until)}
            for place, (state, until) in sorted(carried.before.items())
        ],
        "excused_until": [
            {"obligation": duty, "device": device, "until": rfc3339(until)}
            for (duty, device), until in sorted(carried.excused_until.items())
        ],
    }


def read_carried(document: Mapping[str, Any]) -> Carried:
    """The same from its JSON; raises KeyError, ValueError or TypeError where it is something else."""
    return Carried(
        balances={
            (e["charge"], e["device"] or ""): tuple(_read_lot(lot) for lot in e["units"]) for e in document["balances"]
        },
        excused_until={(e["obligation"], e["device"]): checked_time(e["until"]) for e in document["excused_until"]},
        before={_place(e): (TRUE if e["holds"] else FALSE, checked_time(e["until"])) for e in document["last_known"]},
        incidents={
            _place(e): Incident(checked_time(e["opened"]), e["elapsed_ms"], Fraction(e["credited"]))
            for e in document["incidents"]
        },
        history={_place(e): tuple(_read_past(past) for past in e["periods"]) for e in document["credits"]},
        claims={
            _place(e): Claim(Decimal(e["amount"]), e["kept"], checked_time(e["until"])) for e in document["claims"]
        },
        windows={_place(e): _read_window(e) for e in document["measured_over"]},
        use={e["obligation"]: _read_use(e) for e in document["year_to_date"]},
    )


def _named(place: Promised) -> dict[str, Any]:
    return {"guarantee": place[0], "device": place[1] or None}


def _place(entry: Mapping[str, Any]) -> Promised:
    return entry["guarantee"], entry["device"] or ""


def _lot(lot: Lot) -> dict[str, Any]:
    return {"units": plain(lot.units), "periods": lot.periods}


def _read_lot(entry: Mapping[str, Any]) -> Lot:
    return Lot(Decimal(entry["units"]), entry["periods"])


def _past(past: Past) -> dict[str, str]:
    return {"end": rfc3339(past.end), "base": exact_text(past.base), "credit": plain(past.credit)}


def _read_past(entry: Mapping[str, str]) -> Past:
    return Past(checked_time(entry["end"]), Fraction(entry["base"]), Decimal(entry["credit"]))


def _claim(claim: Claim) -> dict[str, Any]:
    return {"amount": plain(claim.amount), "kept": claim.kept, "until": rfc3339(claim.until)}


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "opened": rfc3339(incident.opened),
        "elapsed_ms": incident.elapsed_ms,
        "credited": exact_text(incident.credited),
    }


def _window(window: Window) -> dict[str, Any]:
    figures = {name: getattr(window.figures, name) for name in Figures.__slots__}
    return {**figures, "credit_base": exact_text(window.credit_base), "bonus_base": exact_text(window.bonus_base)}


def _read_window(entry: Mapping[str, Any]) -> Window:
    figures = Figures(*(int(entry[name]) for name in Figures.__slots__))
    return Window(figures, Fraction(entry["credit_base"]), Fraction(entry["bonus_base"]))


def _use(use: Use) -> dict[str, Any]:
    relief = [{"guarantee": name, "down_ms": down, "agreed_ms": agreed} for name, (down, agreed) in use.relief.items()]
    return {"quantity": plain(use.quantity), "relief": relief}


def _read_use(entry: Mapping[str, Any]) -> Use:
    relief = {each["guarantee"]: (each["down_ms"], each["agreed_ms"]) for each in entry["relief"]}
    return Use(Decimal(entry["quantity"]), relief)
