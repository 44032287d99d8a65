"""The documentation is tested: what there is stands in it, and what it shows works."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from contracts.event_record import Record
from contracts.event_text import read_events
from contracts.events import TYPES
from contracts.language import charges, promises, terms
from contracts.language.conditions import Condition
from contracts.language.load import LATER, json_schema, load_terms
from contracts.language.yaml_text import parse_yaml
from gateway.cli import COMMANDS, app
from gateway.message import Message
from gateway.payloads import Rejected, decode
from gateway.settings import MappedChannel, Settings, load_settings
from tests.contracts.language.json_schema import faults as json_schema_faults
from tests.markdown import DOCUMENTS, ROOT, Document, code, tables

README, ARCHITECTURE = Document("README.md"), Document("ARCHITECTURE.md")
BILL, LANGUAGE = Document("docs/how-your-bill-is-computed.md"), Document("docs/contract-language.md")
COMMANDS_DOC, SETTINGS = Document("docs/commands.md"), Document("docs/settings.md")
DEVICES = Document("docs/devices.md")
SCHEMA = ROOT / "docs/contract.schema.json"
ARRIVAL_MS = 1_767_225_660_000

# --- every document -----------------------------------------------------------------------------------------------


def test_the_readme_is_short() -> None:
    """A newcomer reads the whole of the first page."""
    assert len(README.text.splitlines()) <= 120


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.path)
def test_every_link_leads_somewhere(document: Document) -> None:
    """A link inside the project points at a file that is there, and at a heading that is in it."""
    for link in document.links():
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / document.path).parent / path if path else ROOT / document.path
        assert target.exists(), link
        if anchor:
            assert anchor in Document(target.resolve().relative_to(ROOT).as_posix()).anchors(), link


def test_nothing_names_the_machine_it_was_written_on() -> None:
    """What people read and CI runs works anywhere: no path outside the project, no user's folder, no registry."""
    traces = re.compile(r"(?<![\w.])/(?:work|root|home|Users|tmp)/|index-url|" + re.escape(f"{ROOT}/"))
    for path in (*(document.path for document in DOCUMENTS), ".ci/run", "Makefile", "docs/contract.schema.json"):
        assert not traces.search((ROOT / path).read_text("utf-8")), path


# --- commands -----------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name."""
    group: Any = typer.main.get_command(app)
    for name in COMMANDS:
        command = group.get_command(None, name)
        inner = getattr(command, "commands", None)
        if inner is None:
            yield f"fairmeter {name}", command
        else:
            yield from ((f"fairmeter {name} {each}", found) for each, found in inner.items())


def documented(title: str) -> set[str]:
    """The options and arguments in a command's table."""
    return {code(row[0])[0] for table in tables(COMMANDS_DOC.section(title)) for row in table}


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_and_option_is_documented(name: str) -> None:
    """A command's section lists its options and arguments, and none it has not."""
    command = dict(commands())[name]
    there = {
        next((opt for opt in each.opts if opt.startswith("--")), each.name)
        for each in command.params
        if each.name != "help"
    }
    assert documented(name) == there


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.path)
def test_every_command_shown_can_be_given(document: Document) -> None:
    """Commands in examples exist and take these options; targets of make are in the Makefile."""
    for block in document.blocks("console"):
        for line in block.text.splitlines():
            words = shlex.split(line.removeprefix("$ ").partition(" > ")[0])
            if words[0] == "make":
                assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text(), line
            elif words[0] == "fairmeter":
                name = next(each for each in (" ".join(words[:3]), " ".join(words[:2])) if each in dict(commands()))
                command = dict(commands())[name]
                command.make_context(name, words[len(name.split()) :])
            elif words[0] == ".venv/bin/python":
                assert find_spec(words[2]), line
            else:
                assert words[0].startswith("mosquitto_"), line


# --- settings -----------------------------------------------------------------------------------------------------


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting by its dotted name."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def test_every_setting_is_documented_with_its_variable_and_default() -> None:
    """The table of settings is complete, and says what holds where nothing is set."""
    rows = {code(row[0])[0]: row for row in tables(SETTINGS.section("Every setting"))[0]}
    assert rows.keys() == dict(leaves(Settings)).keys()
    for name, field in leaves(Settings):
        default = json.dumps(field.default) if isinstance(field.default, bool | list) else str(field.default)
        assert code(rows[name][1]) == ["FAIRMETER_" + name.upper().replace(".", "__")]
        assert code(rows[name][2]) == ([] if field.default is None else [default]), name
    mapped = {code(row[0])[0] for row in tables(SETTINGS.section("Every setting"))[1]}
    assert mapped == MappedChannel.model_fields.keys()


@pytest.mark.parametrize("name", ["gateway", "limits.payload_bytes"])
def test_a_documented_variable_sets_its_setting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment wins over the default under the documented name."""
    monkeypatch.setenv("FAIRMETER_" + name.upper().replace(".", "__"), "4096")
    settings = load_settings(None).model_dump(mode="json")
    for step in name.split("."):
        settings = settings[step]
    assert str(settings) == "4096"


@pytest.mark.parametrize("document", [README, SETTINGS], ids=lambda document: document.path)
def test_settings_shown_are_settings(document: Document, tmp_path: Path) -> None:
    """Every settings file in the documentation loads, and says what it seems to say."""
    for block in document.blocks("toml"):
        (tmp_path / "fairmeter.toml").write_text(block.text)
        settings = load_settings(tmp_path / "fairmeter.toml")
        assert settings.gateway == tomllib.loads(block.text)["gateway"]


def test_another_makers_json_maps_as_the_settings_say(tmp_path: Path) -> None:
    """The example of a mapping gives the readings that the text under it names."""
    (tmp_path / "fairmeter.toml").write_text(SETTINGS.blocks("toml")[0].text)
    said = next(each for each in code(SETTINGS.section("A whole file")) if each.startswith("{") and "press" in each)
    message = Message("factory/2/line/comp-01/data", said.encode(), ARRIVAL_MS)
    decoded: Any = decode(message, load_settings(tmp_path / "fairmeter.toml").layout())
    assert decoded.device == "comp-01"
    assert {name: column.values for name, column in decoded.content.columns.items()} == {
        "pressure": [7.021],
        "air_flow": [41.5],
    }


# --- the contract language ----------------------------------------------------------------------------------------

SECTIONS: dict[str, list[type[BaseModel]]] = {
    "The contract": [terms.Terms],
    "Parties": [terms.Party, terms.Contact],
    "Validity": [terms.Validity],
    "Data": [terms.DataTerms],
    "Devices": [terms.Device],
    "Channels": [terms.Channel],
    "Conditions": [Condition],
    "Meters": [terms.Meter],
    "Charges": [charges.Charge, charges.Allowance, charges.Rollover],
    "Prices": [charges.Price, charges.Tier, charges.Package, charges.GainShare],
    "Guarantees": [promises.Guarantee, promises.Planned, promises.Response, promises.Happening],
    "Service hours": [promises.ServiceHours],
    "Credits, bonus and earn-back": [promises.Credits, promises.CreditTier, promises.Bonus, promises.EarnBack],
    "Obligations": [promises.Obligation, promises.Service, promises.MinimumUse, promises.UseLimit],
    "Consequences": [promises.Consequence, promises.Surcharge],
}
EMPTY: tuple[Any, ...] = (None, {}, (), terms.DataTerms(), promises.Consequence())
PLAIN = """terms: 1
id: DOC-1
provider: {name: Provider}
customer: {name: Customer}
currency: EUR
timezone: Europe/Brussels
valid: {from: 2026-01-01}
period: month
devices: [{id: comp-01}, {id: comp-02}]
"""
CHANNELS = ("air_flow", "pressure", "energy", "run_hours", "fault", "inlet_temp")


def test_no_part_of_the_language_lacks_a_section() -> None:
    """Every model of the language is one that the next test looks for."""
    models = {model.__name__ for each in SECTIONS.values() for model in each}
    assert models == {"Terms", *json_schema()["$defs"]}


@pytest.mark.parametrize("title", SECTIONS)
def test_every_key_is_documented_with_its_default(title: str) -> None:
    """A section's tables list the keys of its models, whether they are required, and what holds without them."""
    for model, table in zip(SECTIONS[title], tables(LANGUAGE.section(title)), strict=True):
        rows = {code(row[0])[0]: row[1] for row in table}
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        assert rows.keys() == fields.keys(), model
        for key, field in fields.items():
            assert (rows[key] == "required") == field.is_required(), key
            if code(rows[key]):
                adapter: TypeAdapter[Any] = TypeAdapter(Annotated[field.annotation, "as documented", *field.metadata])  # type: ignore[arg-type] # any field's
                assert adapter.validate_python(code(rows[key])[0]) == field.default, key
            elif not field.is_required():
                assert field.get_default(call_default_factory=True) in EMPTY, key


def test_what_is_kept_for_later_is_named() -> None:
    """The keys that this version refuses as not computed yet are the ones the document lists."""
    assert set(code(LANGUAGE.section("Kept for later"))) == LATER


def whole(example: str) -> str:
    """An example as a whole contract: channels it does not declare itself are there, and so is its head."""
    if "terms: 1" in example:
        return example
    sections = re.split(r"^(?=\w)", example, flags=re.M)
    mine = "".join(each.removeprefix("channels:\n") for each in sections if each.startswith("channels:"))
    rest = "".join(each for each in sections if not each.startswith("channels:"))
    others = "".join(f"  {name}: {{resolution: 0.01}}\n" for name in CHANNELS if f"  {name}:" not in mine)
    return f"{PLAIN}channels:\n{mine}{others}{rest}"


@pytest.mark.parametrize("example", [*LANGUAGE.blocks("yaml"), *BILL.blocks("yaml")], ids=lambda each: each.text[:24])
def test_every_contract_shown_is_one(example: Any) -> None:
    """Examples of the language load without a problem, and no editor marks anything in them."""
    text, schema = whole(example.text), json_schema()
    _, problems = load_terms(text, "example.yaml")
    assert not problems
    assert list(json_schema_faults(parse_yaml(text, "example.yaml").value, schema, schema)) == []


def test_the_schema_file_is_the_one_the_command_prints() -> None:
    """Editors see the language of this version (mend with `fairmeter schema > docs/contract.schema.json`)."""
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(json_schema()))
    assert f"$schema={SCHEMA.name}" in LANGUAGE.text


# --- devices ------------------------------------------------------------------------------------------------------


def test_every_payload_shown_is_understood() -> None:
    """What firmware engineers copy is understood in whole."""
    layout = Settings().layout()
    shown = [block for block in DEVICES.blocks("json") if block.info]
    assert len(shown) >= 4
    for block in shown:
        decoded = decode(Message(block.info, block.text.encode(), ARRIVAL_MS), layout)
        assert not isinstance(decoded.content, Rejected)
        assert not decoded.refused


def test_every_event_shown_is_one() -> None:
    """Examples of a file of events are read without a problem, and every type and key of an event is documented."""
    agreed = load_terms(PLAIN + "channels: {pressure: {}}\n", "example.yaml")[0]
    assert agreed is not None
    for block in COMMANDS_DOC.blocks("yaml"):
        events, problems = read_events(block.text, "events.yaml", agreed)
        assert (len(events), problems) == (3, [])
    keys, types = tables(DEVICES.section("Events: `event/{device}`"))
    assert {each for row in types for each in code(row[0])} == set(TYPES)
    said = {each for row in (*keys, *types) for cell in row[:2] for each in code(cell)}
    assert said >= Record.model_fields.keys()


@pytest.mark.parametrize(
    "row", tables(DEVICES.section("What can be refused, and what to do"))[0], ids=lambda row: row[1]
)
def test_every_refusal_is_the_one_documented(row: list[str]) -> None:
    """A bad payload gets the reason that its row gives."""
    payload = code(row[0])[0] if code(row[0]) else ""
    decoded = decode(Message("telemetry/comp-01", payload.encode(), ARRIVAL_MS), Settings().layout())
    reasons = [f"{each.where}: {each.reason}" for each in decoded.refused]
    if isinstance(decoded.content, Rejected):
        reasons = [decoded.content.reason]
    assert reasons == [row[1]]
    assert row[2]


# --- architecture, changes, CI ------------------------------------------------------------------------------------


def test_the_house_has_every_room() -> None:
    """ARCHITECTURE names every module, and every part that the project depends on."""
    house = set(code(ARCHITECTURE.section("The house")))
    for package in ("contracts", "gateway", "device_sim"):
        for file in (ROOT / package).rglob("*.py"):
            if not file.stem.startswith("__"):
                inner = file.parent.name != package
                assert file.stem in house or (inner and f"{file.parent.name}/" in house), file
    parts = {row[0] for row in tables(ARCHITECTURE.section("The parts, and why"))[0]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert parts >= {re.split(r"[^\w-]", each)[0] for each in project["project"]["dependencies"]}
    development = {re.split(r"[^\w-]", each)[0] for each in project["dependency-groups"]["dev"]}
    assert all(each in ARCHITECTURE.text for each in development)
    assert f"## {project['project']['version']}" in Document("CHANGELOG.md").text


def test_every_guarantee_has_its_test() -> None:
    """The tests that ARCHITECTURE names as proof of a guarantee are there."""
    named = [name for row in tables(ARCHITECTURE.section("Guarantees"))[0] for name in code(row[1])]
    assert len(named) >= 12
    for name in named:
        path, _, test = name.partition("::")
        assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(), re.M), name


def test_a_skipped_test_fails_where_nothing_may_be_missing(tmp_path: Path) -> None:
    """In CI a test that is skipped for a missing part is a failure; one that says `not here:` may stay."""
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]")
    (tmp_path / "test_parts.py").write_text(
        "import pytest\n"
        "def test_a(): pytest.skip('the broker is not installed')\n"
        "@pytest.mark.skipif(True, reason='not here: another system')\n"
        "def test_b(): raise AssertionError\n"
    )
    (tmp_path / "test_module.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    said = {}
    for value in ("0", "1"):
        environment = {**os.environ, "FAIRMETER_NO_SKIPS": value}
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        said[value] = ran.stdout
    assert "1 failed, 1 skipped, 1 error" in said["1"]
    assert "the broker is not installed; with FAIRMETER_NO_SKIPS=1 nothing may be missing" in said["1"]
    assert "left out: 1 test; the broker is not installed\n" in said["0"]
    assert all("left out: 1 test; not here: another system\n" in each for each in said.values())
