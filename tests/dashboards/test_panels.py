"""Every panel says what it shows, in which unit and what it means; every dashboard fits the screen and leads on."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from dashboards.files import FOLDER
from tests.dashboards.grafana import USED
from tests.dashboards.queries import BOARDS, FILES, KINDS
from tests.markdown import Document, tables

SOURCE = {"type": "influxdb", "uid": "fairmeter-influxdb"}
PANELS = [pytest.param(name, panel, id=f"{name}-{panel['id']}") for name, b in BOARDS.items() for panel in b["panels"]]
BUILT_IN = {"__field", "__data", "__value", "__url_time_range"}
COLUMNS = 24


def test_there_are_four_dashboards_with_addresses_that_stay() -> None:
    """What somebody has bookmarked, or linked to, goes on leading there; each has its file by its name."""
    assert set(BOARDS) == {"portfolio", "contract", "device", "gateway"}
    assert {path.stem for path in (FOLDER / "dashboards").glob("*.json")} == set(BOARDS)
    for board in BOARDS.values():
        assert board["schemaVersion"] == 36, "that of Grafana 9.0; every later one brings it up to date"
        assert board["tags"] == ["fairmeter"]
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_a_panel_says_what_it_shows(board: str, panel: dict[str, Any]) -> None:
    """It is of a type that Grafana 9 has, and has a title, a description in a sentence, a unit and a no-data text."""
    del board
    assert panel["type"] in KINDS
    assert panel["title"]
    assert re.fullmatch(r"[A-Z].{30,}\.", panel["description"])
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert len(defaults["noValue"]) > 5
    assert panel["datasource"] == SOURCE
    assert all(target["datasource"] == SOURCE for target in panel["targets"])
    assert defaults["thresholds"]["steps"][0]["value"] is None


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_a_column_has_a_name_in_words(board: str, panel: dict[str, Any]) -> None:
    """A table shows no name of a field of InfluxDB, and every setting of a column is of one that is there."""
    del board
    for organize in panel.get("transformations", []):
        headers = list(organize["options"]["renameByName"].values())
        assert all(re.fullmatch(r"[A-Z][A-Za-z, -]+", header) for header in headers)
        assert len(headers) == len(set(headers))
        named = [each["matcher"] for each in panel["fieldConfig"]["overrides"]]
        assert {each["options"] for each in named if each["id"] == "byName"} <= set(headers)


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_only_a_moment_has_the_unit_of_one(board: str, panel: dict[str, Any]) -> None:
    """Of a text with such a unit Grafana would make no number, and every link that carries it would lead nowhere."""
    del board
    for organize in panel.get("transformations", []):
        names = {header: name for name, header in organize["options"]["renameByName"].items()}
        for each in panel["fieldConfig"]["overrides"]:
            if {"id": "unit", "value": "dateTimeAsIso"} in each["properties"]:
                assert re.search("^time$|_ms$", names[each["matcher"]["options"]])


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_what_is_faint_in_a_timeline_is_drawn_faint(board: str, panel: dict[str, Any]) -> None:
    """Grafana keeps the transparency of a colour of eight hexadecimal digits; all others it draws alike."""
    del board
    if panel["type"] == "state-timeline":
        colours = set(re.findall(r'"color": "([^"]+)"', json.dumps(panel["fieldConfig"])))
        assert not [colour for colour in colours if colour == "transparent" or "rgba" in colour]
        assert "#00000000" in colours, "what is to come is not drawn"


@pytest.mark.parametrize("board", BOARDS)
def test_no_panel_overlaps_and_no_place_is_empty(board: str) -> None:
    """Panels fill the rows of the screen, from left to right."""
    taken: set[tuple[int, int]] = set()
    for panel in BOARDS[board]["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, panel["title"]
        taken |= cells
    height = max(y for _, y in taken) + 1
    assert taken == {(x, y) for x in range(COLUMNS) for y in range(height)}


@pytest.mark.parametrize("board", BOARDS)
def test_the_first_row_is_big_numbers(board: str) -> None:
    """Whoever glances at a dashboard sees single figures, not a picture to be studied."""
    assert {panel["type"] for panel in BOARDS[board]["panels"] if panel["gridPos"]["y"] == 0} == {"stat"}


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


@pytest.mark.parametrize("board", BOARDS)
def test_a_variable_that_is_used_is_there(board: str) -> None:
    """No title, link or query names a variable that the dashboard has not, and none is there for nothing."""
    document = BOARDS[board]
    declared = [variable["name"] for variable in document["templating"]["list"]]
    used = {found[1] for text in texts(document) for found in USED.finditer(text)}
    assert used - BUILT_IN == set(declared)
    for place, variable in enumerate(document["templating"]["list"]):
        assert variable["datasource"] == SOURCE
        assert {found[1] for found in USED.finditer(variable["query"])} <= set(declared[:place]), "chained in order"


@pytest.mark.parametrize("board", BOARDS)
def test_a_link_leads_to_a_dashboard_that_takes_what_it_carries(board: str) -> None:
    """Each link goes to one of the four, and sets variables that this one has."""
    for text in texts(BOARDS[board]):
        for uid, carried in re.findall(r"/d/([\w-]+)/?\??(\S*)", text):
            there = {f"fairmeter-{name}": each for name, each in BOARDS.items()}[uid]
            names = {variable["name"] for variable in there["templating"]["list"]}
            assert set(re.findall(r"var-(\w+)=", carried)) <= names


def test_the_portfolio_leads_to_the_contract_in_its_period() -> None:
    """A click on a contract opens it at the period of the row, with the time range of that period."""
    said = json.dumps(BOARDS["portfolio"])
    assert said.count("from=${__data.fields.start_ms.numeric}&to=${__data.fields.end_ms.numeric}") == 3
    assert "/d/fairmeter-device/" in said


def test_rules_name_contract_device_and_what_to_do() -> None:
    """Four rules, each with a text for people, a link to a panel that is there, and silence where there is no data."""
    assert {rule.document["title"] for rule in FILES.rules} == {
        "Guarantee at risk",
        "Obligation breached",
        "Device silent",
        "Projection lag",
    }
    panels = {(board["uid"], panel["id"]) for board in BOARDS.values() for panel in board["panels"]}
    for rule in FILES.rules:
        document = rule.document
        assert (document["dashboardUid"], document["panelId"]) in panels
        assert document["noDataState"] == "OK"
        assert re.search(r"\b(Keep|Call|Ask|Run)\b", document["annotations"]["description"])
        asked, reduced = document["data"]
        assert (asked["refId"], asked["datasourceUid"]) == ("A", SOURCE["uid"])
        assert (reduced["refId"], reduced["datasourceUid"]) == (document["condition"], "__expr__")
        assert (reduced["model"]["type"], reduced["model"]["expression"]) == ("reduce", "A")


def test_provisioning_has_one_source_and_no_variable_of_the_environment() -> None:
    """The data source is Flux by the uid that all panels name; Grafana would replace a dollar sign in a rule."""
    (source,) = yaml.safe_load((FOLDER / "provisioning/datasources/fairmeter.yaml").read_text())["datasources"]
    assert (source["type"], source["uid"]) == (SOURCE["type"], SOURCE["uid"])
    assert source["jsonData"]["version"] == "Flux"
    assert source["secureJsonData"]["token"].startswith("$__file{")
    assert "$" not in (FOLDER / "provisioning/alerting/fairmeter.yaml").read_text()
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/fairmeter.yaml").read_text())["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)


def test_the_document_tells_of_every_dashboard_and_rule() -> None:
    """What account managers read has a section for each dashboard, and says of each rule when it fires."""
    document = Document("docs/dashboards.md")
    assert all(document.section(name.capitalize()) for name in BOARDS)
    ((*rules,),) = tables(document.section("Alerts"))
    assert [row[0] for row in rules] == [rule.document["title"] for rule in FILES.rules]
