"""Where nothing may be missing (`FAIRMETER_NO_SKIPS=1`, as in CI), a skipped test is a failed one.

Two kinds of skips stay: those that say `not here:`, for what no computer of this kind can run, and those of the
recordings and of Grafana's description where the folder that holds them is not beside the project.
"""

import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.fixtures import influx, influx_server, own_influxd

__all__ = ["influx", "influx_server", "own_influxd"]  # fixtures of all tests

NOTHING_MAY_BE_MISSING = os.environ.get("FAIRMETER_NO_SKIPS") == "1"
SHARED = Path(__file__).parents[2] / "shared"
BESIDE = {"the recordings are not": SHARED / "recordings", "Grafana's description is not": SHARED / "grafana"}


def is_excused(reason: str) -> bool:
    """Whether a skip for this reason may stay."""
    reason = reason.removeprefix("Skipped: ")
    absent = tuple(begin for begin, folder in BESIDE.items() if not folder.is_dir())
    return reason.startswith(("not here:", *absent))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,  # noqa: ARG001 - pytest passes arguments by name
    call: pytest.CallInfo[None],  # noqa: ARG001
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that was skipped, by a mark or inside."""
    report = yield
    if not hasattr(report, "wasxfail"):
        fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,  # noqa: ARG001
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A whole module that was skipped, by `importorskip` or the like."""
    report = yield
    fail_if_skipped(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was left out, and for want of what, stands last, where it is not overlooked."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"left out: {count} {'tests' if count > 1 else 'test'}; {reason}")


def fail_if_skipped(report: Any) -> None:
    """Turn a skip that is not excused into a failure that says what is missing."""
    if not NOTHING_MAY_BE_MISSING or not report.skipped:
        return
    path, line, reason = report.longrepr
    if not is_excused(reason):
        report.outcome = "failed"
        report.longrepr = f"{path}:{line}: {reason}; with FAIRMETER_NO_SKIPS=1 nothing may be missing"
