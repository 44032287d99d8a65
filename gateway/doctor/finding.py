"""What the doctor found: of what, how it is, what was seen, and what to do."""

from dataclasses import dataclass
from typing import Literal

from contracts.problems import Problem

Result = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. A fault costs data or money if it stays, a warning may; both have a remedy."""

    what: str
    result: Result
    said: str
    remedy: str = ""


def ok(what: str, said: str) -> Finding:
    """All is well."""
    return Finding(what, "ok", said)


def warning(what: str, said: str, remedy: str) -> Finding:
    """It may become a fault, or only looks like one."""
    return Finding(what, "warning", said, remedy)


def fault(what: str, said: str, remedy: str) -> Finding:
    """Something does not work, or will lose data."""
    return Finding(what, "fault", said, remedy)


def parted(what: str, error: Exception) -> Finding:
    """A fault from an error that says what is wrong and, after a semicolon, what to do."""
    if isinstance(error, OSError):
        return fault(what, f"{error.filename}: {error.strerror}", "Let the gateway's user read and write it")
    said, _, remedy = str(error).partition("; ")
    return fault(what, said, remedy or "See the log of the gateway")


def of_problem(what: str, problem: Problem) -> Finding:
    """A fault from a problem of a file."""
    return fault(what, str(problem).removesuffix(f". {problem.remedy}"), problem.remedy)
