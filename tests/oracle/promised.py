"""Random two-sided contracts: what is charged, guaranteed and owed, as the YAML an author would write."""

from random import Random
from typing import Any

from tests.oracle.contract_texts import block_style
from tests.oracle.stage import Stage

Item = dict[str, Any]

HOURS: list[Item] = [
    {"days": "mon-sat", "from": "05:00", "to": "23:00"},
    {"days": "daily", "from": "22:00", "to": "06:00"},
    {"from": "02:15", "to": "03:00"},
    {"from": "02:30", "to": "02:30"},
    {"days": "[fri, sat, sun]", "from": "12:00"},
    {"days": "mon-fri", "to": "02:30"},
    {"days": '"sat,sun,mon"', "from": "01:30", "to": "24:00"},
]
TIERS = ["99.9", "99", "95", "90", "75", "50", "20"]


class Author:
    """Writes one contract with a random hand; ids already promised are at hand for what refers to them."""

    def __init__(self, luck: Random, stage: Stage) -> None:
        self.luck, self.stage = luck, stage
        self.charges: list[Item] = []
        self.guarantees: list[Item] = []
        self.obligations: list[Item] = []

    def maybe(self, chance: float, item: Item) -> Item:
        """Return an item with some chance, else nothing."""
        return item if self.luck.random() < chance else {}

    def some(self, names: list[str], most: int = 3) -> str:
        """Return a list of at least one of the names."""
        chosen = self.luck.sample(names, self.luck.randint(1, min(most, len(names))))
        return "[" + ", ".join(sorted(chosen)) + "]"

    def condition(self) -> Any:
        """Return a condition."""
        return self.luck.choice(
            [
                "{condition: up}",
                "{condition: up}",
                "{condition: fit}",
                "{all: [{condition: up}, {condition: fit, for: 10m}]}",
                "{any: [{condition: up}, {condition: busy}]}",
                "{not: {condition: busy}}",
                "{channel: state, is: 1, for: 30m}",
            ]
        )

    def service_hours(self, chance: float = 0.5) -> Item:
        """Return service hours or none."""
        if self.luck.random() > chance:
            return {}
        hours = {key: f'"{text}"' if ":" in text else text for key, text in self.luck.choice(HOURS).items()}
        day = self.stage.contract.first
        choice = self.luck.choice(["", "", f"[{day}]", "[BE, US-NY]", f"{day}", "AU"])
        return {"service_hours": {**hours, **({"holidays": choice} if choice else {})}}

    def write_charges(self) -> None:
        """Write charges of every base a credit can have: per device, pooled, contract-wide."""
        luck = self.luck
        self.charges = [
            {"id": "base", "price": {"flat": luck.choice(["900.00", "31", "0.05", "77.77"]), "per": "device"}},
            {"id": "volume", "meter": "volume", "price": {"per_unit": luck.choice(["0.42", "1.237"])}},
        ]
        if luck.random() < 0.6:
            self.charges.append({"id": "pooled", "meter": "running", "pool": "true", "price": {"per_unit": "3.3"}})
        if luck.random() < 0.5:
            self.charges.append({"id": "whole", "price": {"flat": "100.01"}})
        if luck.random() < 0.4:
            share = {
                "meter": luck.choice(["volume", "pages"]),
                "per": "running",
                "baseline": luck.choice(["0.5", "3", "20"]),
                "price": "0.15",
                "customer_surplus": luck.choice(["0.5", "0", "1"]),
                "customer_shortfall": luck.choice(["0", "0.25"]),
            }
            item = {"id": "saved", "price": {"gain_share": share | self.maybe(0.8, {"min_coverage": "20"})}}
            self.charges.append(item | self.maybe(0.5, {"pool": "true"}))
        luck.shuffle(self.charges)

    def money(self, *, over: bool) -> Item:
        """Return what a guarantee pays back, rewards and returns."""
        luck = self.luck
        ids = [charge["id"] for charge in self.charges if charge["id"] != "saved"]
        found: Item = {}
        if luck.random() < 0.85:
            belows = sorted(luck.sample(TIERS, luck.randint(1, 4)), key=float, reverse=True)
            percents = sorted(luck.sample(["5", "10", "12.5", "33.3", "50", "60", "100"], len(belows)), key=float)
            tiers = [{"below": below, "percent": percent} for below, percent in zip(belows, percents, strict=True)]
            found["credits"] = {
                "tiers": tiers,
                "of": self.some(ids),
                **self.maybe(0.3, {"cap_percent": luck.choice(["40", "10", "100"])}),
                **self.maybe(0.4, {"rolling_cap_percent": luck.choice(["5", "2", "20"])}),
            }
            if luck.random() < 0.6:
                found["earn_back"] = {
                    "periods": "1" if over else luck.choice(["1", "1", "2", "3"]),
                    "percent": luck.choice(["50", "100", "33.3"]),
                }
        bonus = {"at_least": luck.choice(["99.95", "99", "90", "50"]), "percent": "1.5", "of": self.some(ids)}
        return found | self.maybe(0.4, {"bonus": bonus})

    def guarantee(self, name: str) -> Item:
        """Write one guarantee."""
        luck = self.luck
        kind = luck.choice(["uptime", "uptime", "uptime", "level", "level", "response", "response"])
        item: Item = {"id": name}
        planned = {"allowance": luck.choice(["1h", "30m", "4h", "3d"]), "notice": luck.choice(["48h", "1h", "1h"])}
        frame = self.service_hours() | self.maybe(0.7, {"planned": planned})
        if kind == "response":
            opens = luck.choice(
                ["{event: breakdown}", "{event: breakdown}", "{channel: state, is: 0}", "{condition: busy}"]
            )
            closes = luck.choice(["{event: repaired}", "{event: repaired}", "{event: arrived}", "{condition: up}"])
            item["response"] = {"from": opens, "to": closes, "within": luck.choice(["8h", "1h", "15m", "30h"])}
            price = {"per_hour": luck.choice(["25.00", "3.33"])}
            price |= self.maybe(0.5, {"cap": luck.choice(["50", "100.01"])}) | self.maybe(0.4, {"started": "true"})
            return item | frame | {"credits": price}
        over = self.maybe(0.2, {"over": luck.choice(["quarter", "year"])})
        if kind == "uptime":
            item |= {"available_when": self.condition(), "unknown": luck.choice(["excluded", "down", "up"])}
        else:
            item |= {"level": self.condition()}
        scope = {"scope": "contract", "at_least_devices": str(luck.randint(1, len(self.stage.devices)))}
        if luck.random() < 0.2:
            item |= scope
        if kind == "level":
            item |= self.maybe(0.7, {"while": luck.choice(["busy", "{not: {condition: fit}}"])})
        item |= {"target": luck.choice(["99.5", "99", "95", "80", "50", "100"])}
        return (
            item
            | frame
            | over
            | self.maybe(0.5, {"ignore_below": luck.choice(["60s", "10m"])})
            | self.money(over=bool(over))
        )

    def write_guarantees(self) -> None:
        """Write guarantees; now and then one stands instead of others of its kind of scope."""
        count = self.luck.randint(1, 4)
        self.guarantees = [self.guarantee(f"g-{n}") for n in range(count)]
        paying = [g for g in self.guarantees if "credits" in g and "scope" not in g and "response" not in g]
        if len(paying) > 1 and self.luck.random() < 0.4:
            chosen, *others = self.luck.sample(paying, self.luck.randint(2, len(paying)))
            chosen["instead_of"] = "[" + ", ".join(sorted(other["id"] for other in others)) + "]"

    def consequence(self, *, intervals: bool) -> Item:
        """Write what a breach causes."""
        luck = self.luck
        ids = [g["id"] for g in self.guarantees]
        paying = [g["id"] for g in self.guarantees if "credits" in g]
        found: Item = {}
        if intervals and luck.random() < 0.8:
            found |= {"excuse": self.some(ids)}
            found |= self.maybe(0.5, {"window": luck.choice(["2h", "15m", "30h"])})
        if paying and luck.random() < 0.25:
            found |= {"void_credits": self.some(paying, 1)}
        prices = self.maybe(0.6, {"flat": "12.34"}) | self.maybe(0.6, {"per_hour": "7.77"} if intervals else {})
        if prices and luck.random() < 0.5:
            found |= {"surcharge": prices}
        return found or {"notify": "true"}

    def obligation(self, name: str) -> Item:
        """Write one obligation."""
        luck = self.luck
        kind = luck.choice(
            ["limit", "limit", "service", "service", "connected", "connected", "minimum_use", "use_limit"]
        )
        item: Item = {"id": name}
        if kind == "limit":
            item["limit"] = luck.choice(["{channel: level, at_most: 3}", "{condition: fit}", "{condition: busy}"])
            item |= self.maybe(0.3, {"while": "up"}) | self.maybe(0.7, {"tolerance": luck.choice(["2", "20", "50"])})
            item |= self.maybe(0.4, {"unknown": luck.choice(["breach", "ignored"])})
        elif kind == "service":
            every = {
                "every": luck.choice(["5", "20", "100"]),
                "of": luck.choice(["running", "pages", "volume", "starts"]),
            }
            days = {"or_days": luck.choice(["1", "2", "7"])}
            rule = {"event": "serviced"} | luck.choice([every, days, every | days])
            item["service"] = rule | {"by": luck.choice(["customer", "customer", "provider"])}
        elif kind == "connected":
            item |= {"connected": luck.choice(["95", "99.9", "70", "50", "100"])} | self.service_hours(0.3)
        elif kind == "minimum_use":
            return item | self.minimum_use()
        else:
            rule = {"meter": luck.choice(["starts", "volume"]), "per": luck.choice(["running", "pages"])}
            item["use_limit"] = rule | {"at_most": luck.choice(["0.05", "0.5", "2"])}
        return item | {"consequence": self.consequence(intervals=kind != "use_limit")}

    def minimum_use(self) -> Item:
        """Write a minimum of use, by period or contract year."""
        luck = self.luck
        rule: Item = {"meter": luck.choice(["volume", "running", "pages"]), "per": luck.choice(["period", "year"])}
        rule["at_least"] = luck.choice(["5", "50", "1000"])
        shares = [g["id"] for g in self.guarantees if "response" not in g]
        rule |= self.maybe(0.6, {"relief": self.some(shares, 2)}) if shares else {}
        consequence = self.consequence(intervals=False)
        consequence |= self.maybe(0.7, {"surcharge": {"per_unit_short": luck.choice(["0.01", "0.37"])}})
        return {"minimum_use": rule, "consequence": consequence}


def contract_text(luck: Random, stage: Stage) -> str:
    """Write a contract for a stage."""
    author = Author(luck, stage)
    author.write_charges()
    author.write_guarantees()
    author.obligations = [author.obligation(f"o-{n}") for n in range(luck.randint(0, 4))]
    hold = luck.choice({"day": ["1h", "2h", "30m"], "week": ["6h", "3h", "1d"], "month": ["1d", "2d"]}[stage.kind])
    terms: Item = {
        "terms": 1,
        "id": "CASE-3",
        "title": "A random two-sided case",
        "provider": {"name": "Provider"},
        "customer": {"name": "Customer"},
        "currency": luck.choice(["EUR", "EUR", "JPY"]),
        "timezone": stage.zone,
        "valid": {"from": stage.contract.first, "until": stage.contract.after},
        "period": stage.kind,
        **({"anchor": stage.anchor} if stage.kind == "month" else {}),
        "rounding": luck.choice(["half_up", "half_even"]),
        "devices": [{"id": name, "since": days.first, "until": days.after} for name, days in stage.devices.items()],
        "channels": {
            "state": {"unit": "one", "max_hold": luck.choice([hold, hold, "device"])},
            "level": {"unit": "bar", "resolution": "0.5", "max_hold": hold},
            "flow": {"unit": "m3/h", "resolution": "0.1", "max_hold": luck.choice(["6h", hold, hold, hold])},
            "register": {"unit": "page", "max_hold": luck.choice(["1d", hold, hold])},
        },
        "conditions": {
            "up": {"channel": "state", "is": "1"},
            "fit": {"channel": "level", "at_least": "2.5"},
            "busy": {"channel": "flow", "above": "0"},
        },
        "meters": {
            "volume": {"integral": "flow", "per": "1h", "unit": "m3", **author.maybe(0.3, {"only_when": "fit"})},
            "running": {"duration": "up", "unit": "h"},
            "pages": {"counter": "register", "max_rate": "400/h", **author.maybe(0.5, {"reset_below": "20"})},
            "starts": {"count": "{condition: up}"},
        },
        "charges": author.charges,
        "guarantees": author.guarantees,
        **({"obligations": author.obligations} if author.obligations else {}),
    }
    return block_style(terms)
