"""The book: every contract a gateway serves, in all its versions, from one folder of YAML files.

Some faults show only between files. Then the later file is left out and the earlier one stands, as it may already
have been billed by; where neither is later (one id and version, twice), both are left out. Every file left out is
a problem that is reported; the other contracts go on.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

from contracts.contract import Contract
from contracts.language.load import load_terms
from contracts.language.terms import Terms
from contracts.language.yaml_text import MAX_CHARACTERS, parse_yaml
from contracts.periods import period_of
from contracts.problems import Problem
from contracts.readings import Clock

Key = tuple[str, str]

_MOST_BYTES: Final = 4 * MAX_CHARACTERS + 4  # UTF-8 needs at most four bytes a character, and a mark before them
_LARGE: Final = "Is this a contract? Contracts stand alone in their folder"


@dataclass(frozen=True, slots=True)
class ChannelRule:
    """What every contract agrees on for the readings of one device and channel, so that they are stored once.

    `resolution` makes ticks of values. `clock` says which readings are not counted as seen when lateness is judged:
    it is that of the terms that named the channel first, so that a later contract never changes an earlier count.
    """

    resolution: Decimal
    clock: Clock


@dataclass(frozen=True, slots=True)
class Book:
    """The contracts in force at a gateway, sorted by first day, id and version, and what they say of each channel."""

    contracts: tuple[Contract, ...]
    rules: Mapping[Key, ChannelRule]
    devices: frozenset[str]

    def versions(self, contract_id: str) -> tuple[Contract, ...]:
        """The versions of a contract by their first day; empty for a contract the book has not."""
        return tuple(contract for contract in self.contracts if contract.terms.id == contract_id)

    def contract_for(self, contract_id: str, day: date) -> Contract:
        """The version in force for the period that contains a local day (semantics §2).

        The first version also covers the days before it in its own first period. KeyError for a contract or a day
        that the book does not cover.
        """
        versions = self.versions(contract_id)
        begun = [contract for contract in versions if contract.terms.valid.from_ <= day]
        if begun:
            return begun[-1]
        if versions and period_of(versions[0].terms, day).after > versions[0].terms.valid.from_:
            return versions[0]
        raise KeyError(f"no version of {contract_id} is in force on {day}")

    def terms_for(self, contract_id: str, day: date) -> Terms:
        """The terms in force for the period that contains a local day; KeyError as in `contract_for`."""
        return self.contract_for(contract_id, day).terms

    def channel(self, device: str, channel: str) -> ChannelRule | None:
        """How this channel's readings are stored; None where no contract names it."""
        return self.rules.get((device, channel))

    def fingerprint(self) -> str:
        """What the block store depends on, as a digest: where it differs, blocks must be rebuilt."""
        digest = hashlib.sha256()
        for (device, channel), rule in sorted(self.rules.items()):
            clock = rule.clock
            line = (device, channel, str(rule.resolution.normalize()), str(clock.ahead_ms), str(clock.behind_ms))
            digest.update("\t".join(line).encode() + b"\n")
        parties: dict[Key, int] = {}
        for terms in (contract.terms for contract in self.contracts):
            for each in terms.devices:
                parties.setdefault((terms.id, each.id), terms.data.clock_ahead)
        for pair, ahead_ms in sorted(parties.items()):  # which events are whose
            digest.update("\t".join((*pair, str(ahead_ms))).encode() + b"\n")
        return digest.hexdigest()


def load_book(folder: Path) -> tuple[Book, list[Problem]]:
    """The contracts in the `*.yaml` and `*.yml` files of a folder, and everything wrong with those left out."""
    if not folder.is_dir():
        return bind([]), [Problem(str(folder), 0, 0, "there is no such folder", "Make it and put contracts in it")]
    contracts: dict[str, Contract] = {}
    problems: list[Problem] = []
    for path in sorted(each for each in folder.iterdir() if each.suffix in (".yaml", ".yml")):
        found = _read(path)
        if isinstance(found, Contract):
            contracts[str(path)] = found
        else:
            problems += found
    for problem in _twice(contracts):
        problems.append(problem)
        contracts.pop(problem.path, None)
    standing: list[Contract] = []
    for name, contract in sorted(contracts.items(), key=lambda item: _age(item[1])):
        faults = [*_version_faults(name, contract, standing), *_resolution_faults(name, contract, standing)]
        problems += faults
        if not faults:
            standing.append(contract)
    return bind(standing), sorted(set(problems))


def bind(contracts: list[Contract]) -> Book:
    """A book of contracts that agree with each other."""
    ordered = tuple(sorted(contracts, key=_age))
    rules: dict[Key, ChannelRule] = {}
    for contract in ordered:
        clock = Clock.of(contract.terms)
        for device in contract.terms.devices:
            for name, channel in contract.terms.channels.items():
                rules.setdefault((device.id, name), ChannelRule(channel.resolution, clock))
    return Book(ordered, rules, frozenset(device for device, _ in rules))


def _age(contract: Contract) -> tuple[date, str, int]:
    terms = contract.terms
    return terms.valid.from_, terms.id, terms.version


def _read(path: Path) -> Contract | list[Problem]:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        return [Problem(str(path), 0, 0, f"the file cannot be read: {error.strerror}", "Correct its rights")]
    if len(data) > _MOST_BYTES:
        return [Problem(str(path), 0, 0, f"the file has more than {_MOST_BYTES:,} bytes", _LARGE)]
    terms, problems = load_terms(data, str(path))
    return problems if terms is None else Contract(terms, data.decode("utf-8-sig"))


# --- faults between files -----------------------------------------------------------------------------------------


def _twice(contracts: Mapping[str, Contract]) -> Iterator[Problem]:
    """Files that are the same version of the same contract."""
    files: dict[tuple[str, int], list[str]] = {}
    for path, contract in contracts.items():
        files.setdefault((contract.terms.id, contract.terms.version), []).append(path)
    for (contract_id, version), paths in files.items():
        for path in paths if len(paths) > 1 else ():
            others = ", ".join(Path(other).name for other in paths if other != path)
            said = f"version {version} of {contract_id} is also in {others}; none of them is in force"
            remedy = "Keep one of the files, or give the new terms the next version and a later valid.from"
            yield _problem(path, contracts[path], ("version",), said, remedy)


def _version_faults(path: str, contract: Contract, standing: list[Contract]) -> Iterator[Problem]:
    """How a version fails to follow the one before it (semantics §2, contract language)."""
    terms = contract.terms
    earlier = [each.terms for each in standing if each.terms.id == terms.id]
    if not earlier:
        return
    before = earlier[-1]
    if terms.version < before.version or terms.valid.from_ == before.valid.from_:
        said = f"version {terms.version} of {terms.id} does not begin after version {before.version}, on "
        said += f"{before.valid.from_}"
        remedy = "Number versions in the order of their valid.from; a new version begins later than the one before"
        yield _problem(path, contract, ("valid", "from"), said, remedy)
        return
    period = period_of(before, terms.valid.from_)
    if period.first != terms.valid.from_:
        said = f"version {terms.version} begins on {terms.valid.from_}, inside the period {period.name}"
        remedy = f"A new version begins with a period: on {period.first} or {period.after}"
        yield _problem(path, contract, ("valid", "from"), said, remedy)


def _resolution_faults(path: str, contract: Contract, standing: list[Contract]) -> Iterator[Problem]:
    """Channels to which an earlier version, or another contract with the same device, gives another resolution."""
    terms = contract.terms
    devices = {device.id for device in terms.devices}
    for other in (each.terms for each in standing):
        shared = min(devices.intersection(device.id for device in other.devices), default=None)
        for name, channel in terms.channels.items() if shared or other.id == terms.id else ():
            agreed = other.channels.get(name)
            if agreed is None or agreed.resolution == channel.resolution:
                continue
            if other.id == terms.id:
                said = f"the resolution of {name} was {agreed.resolution} in version {other.version}"
                remedy = "A channel keeps its resolution; report finer steps under another channel's name"
            else:
                said = f"{name} of {shared} has the resolution {agreed.resolution} in {other.id}"
                remedy = "Readings of a device and channel are stored once: use one resolution in both contracts"
            yield _problem(path, contract, ("channels", name, "resolution"), said, remedy)


def _problem(path: str, contract: Contract, at: tuple[str, ...], said: str, remedy: str) -> Problem:
    return Problem(path, *parse_yaml(contract.text, path).place(at), said, remedy)
