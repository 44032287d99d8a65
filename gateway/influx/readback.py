"""What InfluxDB holds of a contract, as the core wants it: terms, readings, new meter ids, events."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from contracts.canonical import sha256
from contracts.contract import Contract, read_contract
from contracts.event_text import event_of
from contracts.events import Event
from contracts.judging import Key
from contracts.periods import Period, Span, rfc3339
from contracts.readings import NO_BOOT, Ints, Series, to_ticks
from contracts.sides.told import MeterId
from gateway.influx.columns import Floats, ReadBackFault, columns
from gateway.influx.flux import ALL_TIME, points_in
from gateway.influx.server import Influx
from gateway.influx.telemetry import BOOT, MEASUREMENT

_DAY_MS: Final = 86_400_000
_STRETCH_MS: Final = 7 * _DAY_MS  # what one query asks for, so that InfluxDB need not hold a year of a channel


@dataclass(frozen=True, slots=True)
class ReadBack:
    """One bucket, read by the contract's own words."""

    influx: Influx
    _marks: dict[tuple[str, Span], tuple[Ints, Floats]] = field(default_factory=dict)

    def contract(self, contract_id: str, version: int) -> Contract:
        """The terms in force; ReadBackFault where they are not there or no longer what was written."""
        named = {"contract": contract_id, "version": str(version)}
        found = {row["_field"]: row["_value"] for row in self._rows("terms", named, "last()")}
        if "parts" not in found:
            raise ReadBackFault(f"version {version} of {contract_id} is not in InfluxDB; {REMEDY}")
        text = "".join(str(found.get(f"text_{place}", "")) for place in range(int(found["parts"])))
        # InfluxDB's CSV does not tell the two kinds of line ends apart; the digest does.
        for each in (text, text.replace("\n", "\r\n")):
            if sha256(each.encode()) == found.get("sha256"):
                return read_contract(each, f"{contract_id} version {version} in InfluxDB")
        raise ReadBackFault(f"the terms of {contract_id} in InfluxDB are not what was written; {REMEDY}")

    def events(self, contract_id: str) -> list[Event]:
        """What people said, as far as it is known by now."""
        rows = self._rows("event", {"contract": contract_id}, 'filter(fn: (r) => r._field == "document")')
        return [event_of(json.loads(row["_value"])) for row in rows]

    def meter_ids(self, device: str, period: Period) -> tuple[MeterId, ...]:
        """The new meter ids that a device announced in a period."""
        start, end = rfc3339(period.span.start), rfc3339(period.span.end)
        rows = self._rows(
            "announced",
            {"device": device, "kind": "meter"},
            'filter(fn: (r) => r._field == "details")',
            within=f"range(start: {start}, stop: {end})",
        )
        found = [(row["_time"], json.loads(row["_value"])) for row in rows]
        return tuple(
            MeterId(time, said["meter"], said["before"]) for time, said in sorted(found, key=lambda one: one[0])
        )

    def series(self, contract: Contract, key: Key, span: Span) -> Series:
        """The accepted readings of a channel, in ticks, with the places of their restart marks.

        ReadBackFault where something else stands among them.
        """
        device, channel = key
        times, values = self._field(device, channel, span)
        ticks, refused = to_ticks(values, contract.terms.channels[channel].resolution)
        if refused.any():
            raise ReadBackFault(f"{channel} of {device} has values that no reading can have; {REMEDY}")
        marked, places = self._restarts(device, span)
        boots = np.full(len(times), NO_BOOT, np.int64)
        if len(marked):
            found = np.minimum(np.searchsorted(marked, times), len(marked) - 1)
            boots = np.where(marked[found] == times, places[found].astype(np.int64), NO_BOOT)
        return Series(times, ticks, boots)

    def _restarts(self, device: str, span: Span) -> tuple[Ints, Floats]:
        """The restart marks of a device, the same for all its channels: the last that were asked for are kept."""
        if (device, span) not in self._marks:
            self._marks.clear()
            self._marks[device, span] = self._field(device, BOOT, span)
        return self._marks[device, span]

    def _field(self, device: str, field: str, span: Span) -> tuple[Ints, Floats]:
        parts = []
        for start in range(span.start, span.end, _STRETCH_MS):
            stop = min(start + _STRETCH_MS, span.end)
            flux = points_in(
                self.influx.bucket,
                MEASUREMENT,
                {"device": device, "_field": field},
                f"range(start: {rfc3339(start)}, stop: {rfc3339(stop)})",
            )
            times, values = columns(self.influx.query(f'{flux} |> keep(columns: ["_time", "_value"])', bare=True))
            inside = (times >= start) & (times < stop)  # 1.8 also gives what stands at the stop
            parts.append((times[inside], values[inside]))
        times, values = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
        order = np.argsort(times, kind="stable")  # InfluxDB promises no order where series are put together
        return times[order], values[order]

    def _rows(
        self, measurement: str, tags: Mapping[str, str], then: str, within: str = ALL_TIME
    ) -> Iterator[dict[str, Any]]:
        yield from self.influx.tables(f"{points_in(self.influx.bucket, measurement, tags, within)} |> {then}")


REMEDY: Final = "`fairmeter rebuild --influx` writes all of it again"
