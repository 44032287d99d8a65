"""A contract as it was agreed: its text to the byte, and what the text means."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.canonical import sha256
from contracts.language.load import load_terms
from contracts.language.terms import Terms
from contracts.problems import ProblemsFound


@dataclass(frozen=True, slots=True)
class Contract:
    """One version of a contract. The text, not a copy of its meaning, is what statements cite and carry."""

    terms: Terms
    text: str

    @property
    def sha256(self) -> str:
        """The digest of the text by which a statement names the terms it applied."""
        return sha256(self.text.encode())


def read_contract(data: str | bytes, path: str) -> Contract:
    """The contract in a text; raises ProblemsFound with everything that is wrong with it."""
    terms, problems = load_terms(data, path)
    if terms is None:
        raise ProblemsFound(problems)
    return Contract(terms, data if isinstance(data, str) else data.decode("utf-8-sig"))
