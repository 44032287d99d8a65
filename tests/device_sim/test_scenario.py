"""A scenario that is wrong says where, why and how to mend it, and everything at once."""

from importlib import resources
from typing import get_args

import pytest
from pydantic import BaseModel

from device_sim.event_spec import Decision, Excuse, Happened, Objection, PlannedWork
from device_sim.scenario import DeviceSpec, read_scenario, shipped
from tests.markdown import Document, code, tables

HEAD = "name: t\ndevices:\n  - {id: p, model: printer, seed: 5}\n"


def _complaints(text: str) -> list[str]:
    scenario, problems = read_scenario(text)
    assert scenario is None
    return [str(problem) for problem in problems]


def test_the_scenario_shown_to_engineers_is_one_and_no_key_of_an_event_is_left_out() -> None:
    """The example of the documentation loads, and the table under it has every key and type that an event may have."""
    shown = Document("docs/devices.md")
    (example,) = (block.text for block in shown.blocks("yaml"))
    scenario, problems = read_scenario(example)
    assert scenario is not None, problems
    (table,) = tables(shown.section("A fleet to rehearse with"))
    models: list[type[BaseModel]] = [Happened, Excuse, PlannedWork, Objection, Decision]
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert {key for row in table for key in code(row[0])} == keys
    types = {kind for model in models for kind in get_args(model.model_fields["type"].annotation)}
    assert set(code(table[0][1])) == types
    assert set(get_args(DeviceSpec.model_fields["model"].annotation)) <= set(code(shown.prose()))


@pytest.mark.parametrize("name", ["office-printer", "compressed-air", "demo"])
def test_what_is_shipped_can_be_loaded(name: str) -> None:
    """Every scenario of the product is found as package data and has the devices its name promises."""
    assert resources.files("device_sim").joinpath("scenarios", f"{name}.yaml").is_file()
    ids = {device.id for device in shipped(name).devices}
    assert ids <= {"printer-01", "comp-01", "comp-02", "van-01", "van-02", "van-03", "truck-01"}
    assert len(ids) == {"office-printer": 1, "compressed-air": 2, "demo": 7}[name]


def test_everything_wrong_is_told_at_once_with_its_line() -> None:
    """Three mistakes in three lines are three problems, each with its line, place and remedy."""
    text = """name: t
devices:
  - {id: p, model: toaster, seed: 5}
  - {id: q, model: printer, seed: 5, colour: red}
faults:
  - {kind: dropout, device: q, at: 5d, for: 2}
"""
    first, second, third = _complaints(text)
    assert first.startswith("line 3: devices[0].model:")
    assert second == "line 4: devices[1].colour: is not a known key; remove it, or look for a slip of the pen"
    assert third.startswith("line 6: faults[0].for: a duration is written like 90s, 20m, 2h or 5d3h")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            "kind: dropout, device: x, at: 5d, for: 2h",
            "line 5: faults[0].device: no device is called 'x'; use one of p",
        ),
        ("kind: bad_zero, device: p, at: 5d, channel: ink_level", "use one of pages"),
        ("kind: conflict, device: p, at: 5d, channel: error", "use one of pages, ink_level"),
        ("kind: conflict, device: p, at: 5d, channel: pages, ticks: 0", "the same value is no conflict"),
        ("kind: clock_skew, device: p, at: 5d, for: 1h", "give one of ahead and behind"),
        ("kind: earthquake, device: p, at: 5d", "line 5: faults[0]:"),
        ("device: p, at: 5d", "add `kind`"),
        ("kind: reboot, device: p, at: 5d", "line 5: faults[0].boot: Field required; add it"),
        ("kind: reboot, device: p, at: 5d, boot: 7", "put it in quotes"),
        ("kind: dropout, device: p, at: -5d, for: 1h", "a duration is written like"),
        ("kind: dropout, device: p, at: 5d, for: 0s", "greater than 0"),
        ("kind: breakdown, device: p, at: 5d, for: 1h", "let it happen to one of van, truck"),
    ],
)
def test_a_fault_that_cannot_happen_is_refused(fault: str, expected: str) -> None:
    """Each impossible fault is one problem that names what would be possible."""
    (complaint,) = _complaints(f"{HEAD}faults:\n  - {{{fault}}}\n")
    assert expected in complaint


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("type: note, device: x, at: 5d, by: A", "line 5: events[0].device: no device is called 'x'; use one of p"),
        ("type: note, device: p, by: A", "line 5: events[0].at: Field required; add it"),
        ("type: note, device: p, at: 5d", "line 5: events[0].by: Field required; add it"),
        ("device: p, at: 5d, by: A", "add `type`"),
        ("type: earthquake, device: p, at: 5d, by: A", "use one of the kinds named"),
        ("type: note, device: p, at: 5d, by: A, side: judge", "line 5: events[0].side:"),
        ("type: repaired, device: p, at: 5d, for: 2h, by: A", "line 5: events[0].for: is not a known key"),
        ("type: planned, device: p, at: 5d, by: A", "line 5: events[0].for: Field required; add it"),
        (
            "type: planned, device: p, at: 5d, for: 2h, announced: 6d, by: A",
            "events[0].announced: is before the period",
        ),
        (
            "type: decision, device: p, at: 5d, of: w, verdict: accept, by: A",
            "line 5: events[0].reason: Field required",
        ),
        ("type: decision, device: p, at: 5d, of: w, verdict: yes, by: A, reason: R", "line 5: events[0].verdict:"),
        ("type: decision, device: p, at: 5d, of: w, verdict: accept, by: A, reason: R", "no event has the id 'w'"),
    ],
)
def test_an_event_that_cannot_be_entered_is_refused(event: str, expected: str) -> None:
    """What lacks a name, a time or its subject is one problem, with its line."""
    (complaint,) = _complaints(f"{HEAD}events:\n  - {{{event}}}\n")
    assert expected in complaint


def test_events_are_read_together() -> None:
    """An id that is given twice, and a side that contests its own word, are named with their places."""
    text = f"""{HEAD}events:
  - {{type: repaired, id: r, device: p, at: 5d, by: A}}
  - {{type: note, id: r, device: p, at: 5d, by: B}}
  - {{type: contested, of: r, device: p, at: 6d, by: C, reason: It still jams}}
"""
    twice, own = _complaints(text)
    assert twice == "line 6: events[1].id: 'r' appears twice; give each event its own id"
    assert own == "line 7: events[2].side: nobody contests what the own side has said; name the other side"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "(file)"),
        ("just words", "(file)"),
        ("name: [", "is not readable YAML"),
        ("name: \x00", "is not readable YAML"),
        ("a: &a [1]\nb: [*a, *a]", "uses a YAML alias"),
        ("x" * 300_000, "is longer than"),
        ("[" * 50_000, "is nested more than 20 deep"),
        (HEAD + "timezone: Mars/Olympus\n", "no IANA time zone"),
        (HEAD + "timezone: ../../etc/passwd\n", "no IANA time zone"),
        (HEAD + "  - {id: p, model: printer, seed: 6}\n", "line 4: devices[1].id: 'p' appears twice"),
        ("name: t\ndevices: []\n", "line 2: devices"),
    ],
)
def test_a_text_that_is_no_scenario_is_refused(text: str, expected: str) -> None:
    """Neither an empty, a broken, a huge nor a hostile text is loaded or ends in a traceback."""
    assert any(expected in complaint for complaint in _complaints(text))
