"""What is wrong with a text somebody wrote, in words that help its author mend it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault in a file: where it stands, what is wrong, and how to mend it.

    Lines and columns count from 1, as editors do; 0 means that the fault is the file's as a whole.
    """

    path: str
    line: int
    column: int
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        return f"{place}: {self.message}. {self.remedy}"


class ProblemsFound(Exception):  # noqa: N818 - it carries values; it is not itself the error
    """Raised at the edge of the program where a file with problems cannot be used at all."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
