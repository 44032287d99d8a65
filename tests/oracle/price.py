"""From quantities to the lines of a statement (semantics §5)."""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.oracle.balance import Ledger, close, package_rest, rolled_over
from tests.oracle.dates import Span, contract_days
from tests.oracle.quantity import Scene, down_to_four, rounded
from tests.oracle.terms import Terms, meter_resolution, meter_unit

MINOR_DIGITS = {"JPY": 0, "KWD": 3}
"""Decimals of the minor unit, where it is not 2."""

Line = dict[str, Any]
Usage = dict[str, Any]


def in_money(terms: Terms, exact: Fraction) -> str:
    """Round an amount once to the currency's minor unit: half away from zero, or half to even."""
    digits = MINOR_DIGITS.get(terms["currency"], 2)
    units = exact * 10**digits
    if terms.get("rounding", "half_up") == "half_even":
        whole = round(units)
    else:
        whole = math.floor(abs(units) + Fraction(1, 2)) * (1 if units >= 0 else -1)
    return f"{Decimal(whole).scaleb(-digits):f}"


def lines(terms: Terms, period: Span, found: list[Scene], usage: list[Usage], ledger: Ledger) -> list[Line]:
    """Return the lines of every charge, in the order of the file, then of the devices; enter balances in the ledger."""
    ledger.rows.append([])
    leaving = [each["id"] for each in terms["devices"] if each.get("until", "9999") <= period.after.isoformat()]
    contract_share = Fraction(contract_days(terms).within(period).days, period.days)
    shares = {scene.device: Fraction(scene.days.days, period.days) for scene in found}
    result = []
    for charge in terms["charges"]:
        price = charge["price"]
        if "flat" in price and price.get("per") == "device":
            result += [flat_line(terms, charge, device, share) for device, share in shares.items()]
        elif "gain_share" in price:
            groups = [found] if charge.get("pool") == "true" else [[scene] for scene in found]
            result += [gain_share_line(terms, charge, group, usage) for group in groups]
        elif "flat" in price:
            result.append(flat_line(terms, charge, None, contract_share))
        else:
            rows = [row for row in usage if row["meter"] == charge["meter"]]
            if charge.get("pool") == "true":
                result.append(metered_line(terms, charge, None, contract_share, (rows, found), ledger))
            else:
                for scene, row in zip(found, rows, strict=True):
                    share, leaves = shares[scene.device], scene.device in leaving
                    line = metered_line(terms, charge, scene.device, share, ([row], [scene]), ledger, leaves=leaves)
                    result.append(line)
    return result


def flat_line(terms: Terms, charge: Terms, device: str | None, share: Fraction) -> Line:
    """Return a flat amount, by the share of the period's days in force."""
    amount = in_money(terms, Fraction(charge["price"]["flat"]) * share)
    return {"id": charge["id"], "device": device, "kind": "charge", "quantity": None, "unit": None,
            "amount": amount, "coverage": None}  # fmt: skip


def metered_line(
    terms: Terms,
    charge: Terms,
    device: str | None,
    share: Fraction,
    metered: tuple[list[Usage], list[Scene]],
    ledger: Ledger,
    *,
    leaves: bool = False,
) -> Line:
    """Return the line of a quantity: of one device, or of all of them added up."""
    rows, found = metered
    meter = terms["meters"][charge["meter"]]
    quantity = sum((Fraction(row[charge.get("part", "quantity")]) for row in rows), Fraction(0))
    step = meter_resolution(terms, meter)
    billable = quantity
    if "allowance" in charge:
        included = Fraction(rounded(Fraction(charge["allowance"]["included"]) * share, step))
        over = max(Fraction(0), quantity - included)
        rolled = rolled_over(ledger, charge, device, over)
        billable = over - rolled
        earned = min(included, max(Fraction(0), included - quantity)) + package_rest(charge, billable)
        close(ledger, charge, device, rolled, earned, leaves=leaves)
    in_force = sum(scene.end - scene.start for scene in found)
    known = sum(row["known_ms"] for row in rows)
    return {
        "id": charge["id"],
        "device": device,
        "kind": "charge",
        "quantity": f"{rounded(quantity, step):f}",
        "unit": meter_unit(terms, meter),
        "amount": in_money(terms, amount_of(charge, billable, share)),
        "coverage": down_to_four(Fraction(known, in_force)) if in_force else None,
    }


def gain_share_line(terms: Terms, charge: Terms, group: list[Scene], usage: list[Usage]) -> Line:
    """Return the provider's share of what was saved, or the customer's compensation for what was not (semantics §6)."""
    rule = charge["price"]["gain_share"]
    devices = [scene.device for scene in group]
    in_force = sum(scene.end - scene.start for scene in group)
    used = {}
    lowest = Fraction(1)
    for key in ("meter", "per"):
        rows = [row for row in usage if row["meter"] == rule[key] and row["device"] in devices]
        used[key] = sum((Fraction(row["quantity"]) for row in rows), Fraction(0))
        known = sum(row["known_ms"] for row in rows)
        lowest = min(lowest, Fraction(known, in_force) if in_force else Fraction(1))
    saving = (Fraction(rule["baseline"]) * used["per"] - used["meter"]) * Fraction(rule["price"])
    if 100 * lowest < Fraction(rule.get("min_coverage", "99")):
        saving = Fraction(0)
    share = rule["customer_surplus"] if saving > 0 else rule["customer_shortfall"]
    device = None if charge.get("pool") == "true" else devices[0]
    amount = in_money(terms, (1 - Fraction(share)) * saving)
    return {"id": charge["id"], "device": device, "kind": "credit" if saving < 0 else "charge", "quantity": None,
            "unit": None, "amount": amount, "coverage": down_to_four(lowest)}  # fmt: skip


def amount_of(charge: Terms, quantity: Fraction, share: Fraction) -> Fraction:
    """Return the exact price of a quantity; `share` of the period shrinks the flats of tiers."""
    price = charge["price"]
    if "per_unit" in price:
        return quantity * Fraction(price["per_unit"])
    if "package" in price:
        package = price["package"]
        over = quantity - Fraction(package.get("free", "0"))
        return max(0, math.ceil(over / Fraction(package["size"]))) * Fraction(package["price"])
    return graduated(price["graduated"], quantity, share, flat_at_zero=charge.get("flat_at_zero") == "true")


def graduated(tiers: list[Terms], quantity: Fraction, share: Fraction, *, flat_at_zero: bool) -> Fraction:
    """Price each unit in its tier (lower, upper], and add the flat of each tier entered."""
    amount = Fraction(0)
    lower = Fraction(0)
    for number, tier in enumerate(tiers):
        upper = Fraction(tier["up_to"]) if "up_to" in tier else None
        entered = quantity > lower or (number == 0 and flat_at_zero)
        if entered:
            inside = max(Fraction(0), (quantity if upper is None else min(quantity, upper)) - lower)
            amount += inside * Fraction(tier.get("unit", "0")) + Fraction(tier.get("flat", "0")) * share
        if upper is None:
            break
        lower = upper
    return amount
