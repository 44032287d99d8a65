"""The same journal makes the same store: in one step or many, live or rebuilt, left alone or killed half-way."""

import json
import random
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.readings import Clock, judge
from contracts.units import DAY_MS
from gateway.message import Message
from gateway.project import ProjectionError
from tests.gateway.site import FOR_EVER, START_MS, Site, a_busy_day, flow, terms

CLOCK = Clock(300_000, 90 * DAY_MS)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A gateway with one contract of one device, and no messages yet."""
    with Site.open(tmp_path, air=terms()) as opened:
        yield opened


@pytest.mark.parametrize("limit_messages", [1, 37])
def test_how_the_journal_is_cut_into_steps_changes_nothing(tmp_path: Path, limit_messages: int) -> None:
    """The same journal makes the same store, byte for byte, whether projected live or at once."""
    with Site.open(tmp_path / "live", air=terms()) as live, Site.open(tmp_path / "once", air=terms()) as once:
        messages = a_busy_day(2)
        for place in range(0, len(messages), 11):
            part = messages[place : place + 11]
            live.receive(*part)
            once.receive(*part)
            if place % 5 == 0:
                live.project(limit_messages)
        live.project(limit_messages)
        once.project()
        assert live.dump() == once.dump()


def test_a_rebuild_makes_what_the_live_projection_made(site: Site) -> None:
    """The store can be thrown away at any time: the journal is the record."""
    for place, message in enumerate(a_busy_day(3)):
        site.receive(message)
        if place % 9 == 0:
            site.project()
    site.project()
    live = site.dump()
    site.projector().rebuild()
    assert site.dump() == live


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 5))
def test_order_and_repetition_of_arrival_change_only_counts(chance: random.Random, again: int) -> None:
    """Readings that agree with each other give the same accepted series in any order, each sent once or more."""
    readings = [flow(minute, minute / 3, arrival_ms=START_MS + DAY_MS) for minute in range(0, 240, 7)]
    shuffled = readings + chance.choices(readings, k=again)
    chance.shuffle(shuffled)
    series: dict[str, list[list[int]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for name, messages in (("straight", readings), ("shuffled", shuffled)):
            with Site.open(Path(folder) / name, air=terms()) as site:
                site.receive(*messages)
                site.project()
                judged = judge(site.flows(), CLOCK)
                series[name] = [judged.series().times.tolist(), judged.series().ticks.tolist()]
                assert judged.counts(0, FOR_EVER).duplicate == len(messages) - len(readings)
    assert series["straight"] == series["shuffled"]


def test_a_step_holds_a_bounded_part_of_the_journal(site: Site) -> None:
    """However large the messages that piled up, a step takes some of them and commits before it takes more."""
    padded = json.dumps({"t": START_MS, "v": {"flow": 1}}).encode() + b" " * 500_000
    for _ in range(10):
        site.receive(*(Message("telemetry/dev-1", padded, START_MS) for _ in range(8)))
    steps = site.project()
    assert [step.position for step in steps] == [9, 10]
    assert len(site.flows()) == 80


# --- crashes and mix-ups --------------------------------------------------------------------------------------------

_PROJECT_SLOWLY = """
import sys
from pathlib import Path
from tests.gateway.site import Site
with Site.open(Path(sys.argv[1])) as site:
    projector = site.projector()
    print("ready", flush=True)
    while projector.project_next(limit_messages=1):
        pass
print("done", flush=True)
"""


def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path: Path) -> None:
    """A projection killed again and again in the middle of its work makes the same store as one left alone."""
    with Site.open(tmp_path / "killed", air=terms()) as killed, Site.open(tmp_path / "alone", air=terms()) as alone:
        for message in a_busy_day(4, count=400):
            killed.receive(message)
            alone.receive(message)
        alone.project()
        positions = [0]
        for pause_ms in (3, 11, 29, 47, 71):
            command = [sys.executable, "-c", _PROJECT_SLOWLY, str(killed.folder)]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
                try:
                    process.wait(pause_ms / 1000)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
            positions.append(killed.store.cursor().position)
        assert positions == sorted(positions)
        assert positions[-1] > 0
        killed.project(limit_messages=3)
        assert killed.dump() == alone.dump()


def test_projecting_what_is_projected_does_nothing(site: Site) -> None:
    """After a commit the cursor has moved: nothing is ever counted twice."""
    site.receive(*a_busy_day(5, count=20))
    site.project()
    before = site.dump()
    assert site.project() == []
    assert site.dump() == before


def test_a_store_of_another_journal_is_refused(tmp_path: Path) -> None:
    """A journal restored from an old copy, or mixed up, is told at once and not projected on top of."""
    with Site.open(tmp_path / "ours", air=terms()) as ours, Site.open(tmp_path / "theirs", air=terms()) as theirs:
        ours.receive(flow(0, 1))
        ours.receive(flow(1, 1))
        ours.project()
        theirs.receive(flow(0, 2))
        mixed = Site(ours.folder, theirs.journal, ours.store)
        with pytest.raises(ProjectionError, match="fairmeter rebuild"):
            mixed.project()
        theirs.receive(flow(1, 2))
        theirs.receive(flow(2, 2))
        with pytest.raises(ProjectionError, match="batch 2 of another journal"):
            mixed.project()
        mixed.projector().rebuild()
        assert ours.flows().ticks.tolist() == [200, 200, 200]
