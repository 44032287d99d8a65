"""Two sealed statements in a row with their evidence, as a customer receives them: for tests of evidence and verify."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.canonical import canonical
from contracts.compute import compute_period
from contracts.evidence import Part
from contracts.metering import opening_devices
from contracts.periods import period_named
from contracts.readings import Clock, judge
from contracts.seal import key_name, statement_sha256
from contracts.sides.carried import State
from contracts.sides.told import MeterId
from contracts.statement import Input
from contracts.verify.evidence import Report
from contracts.verify.statement import verify
from tests.contracts.machines import CONTRACT, DAYS
from tests.contracts.samples import JANUARY, MINUTE, csv, ms

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))


def pem(private: Ed25519PrivateKey) -> bytes:
    """The public half, as a gateway publishes it."""
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


PUBLIC = pem(PRIVATE)


@dataclass(frozen=True, slots=True)
class Sealed:
    """One statement and the files of its evidence."""

    document: dict[str, Any]
    files: dict[str, bytes]

    def checked(
        self,
        *,
        files: dict[str, bytes] | None = None,
        document: dict[str, Any] | None = None,
        key: bytes | None = PUBLIC,
        previous: dict[str, Any] | None = None,
    ) -> Report:
        """What verify finds, with other files, another statement, key or predecessor in place of the right ones."""
        held = self.files if files is None else files
        return verify(document or self.document, held.get, sorted(held), key, previous)


def signed(document: dict[str, Any], private: Ed25519PrivateKey = PRIVATE) -> dict[str, Any]:
    """The statement with a signature over all its other fields."""
    unsigned = {name: value for name, value in document.items() if name != "signature"}
    value = base64.b64encode(private.sign(canonical(unsigned))).decode()
    return {**unsigned, "signature": {"alg": "Ed25519", "key": key_name(pem(private)), "value": value}}


def _readings() -> str:
    """Four hours around a midnight: a reset, a spike, a duplicate, a conflict, a restart, a row that is none."""
    lines = ["device,channel,time,value,arrival,boot"]
    for device in ("m1", "m2"):
        register = 90.0
        for step in range(24):
            time = JANUARY + (22 * 60 + step * 10) * MINUTE
            register = 1.0 if step == 9 else register + 2.5
            boot = "b1" if step < 9 else '"b2, after work"'
            shown = 9_000.0 if step == 15 else register
            lines.append(f"{device},register,{time},{shown},{time + 900},{boot}")
            lines.append(f"{device},flow,{time},{step % 3}.5,{time + 900},{boot}")
            lines.append(f"{device},fault,{time},{int(step in (4, 5))},{time + 900},{boot}")
    again = JANUARY + 22 * 60 * MINUTE
    lines += [f"m1,flow,{again},0.5,{again + 5000},b1", f"m1,flow,{again},7.5,{again + 6000},b1"]
    lines += [f"m2,register,{JANUARY + 26 * 60 * MINUTE},twelve,,"]
    return "\n".join(lines) + "\n"


def two_statements() -> tuple[Sealed, Sealed]:
    """The statements of the first two days, numbered, chained and signed."""
    terms, table = CONTRACT.terms, csv(_readings())
    judged = {key: judge(columns, Clock.of(terms)) for key, columns in table.columns(terms).items()}
    first = period_named(terms, DAYS[0])
    devices = opening_devices(terms, first, {key: each.series() for key, each in judged.items()})
    state = State(first.span.start, devices)
    new_meter = {"m2": (MeterId(ms("2026-01-02T01:00Z"), "K2", "K1"),)}
    sealed: list[Sealed] = []
    for number, day in enumerate(DAYS[:2], start=1):
        period, files = period_named(terms, day), dict[str, bytes]()

        def keep(part: Part, files: dict[str, bytes] = files) -> None:
            files[part.path] = part.packed()

        refused = table.refused_in(period.span.start, period.span.end)
        cut = {"gateway": "site-1", "batch": 7 * number, "batch_sha256": "ab" * 32}
        given = Input(judged, refused, new_meter if day == DAYS[1] else {})
        outcome = compute_period(CONTRACT, period, state, given, status="final", keep=keep, cut=cut)
        state = outcome.closing
        previous = statement_sha256(sealed[-1].document) if sealed else None
        seal = {"number": number, "previous_sha256": previous, "issued_at": "2026-01-06T00:00:00.000Z"}
        sealed.append(Sealed(signed({**json.loads(canonical(outcome.document)), **seal}), files))
    return sealed[0], sealed[1]
