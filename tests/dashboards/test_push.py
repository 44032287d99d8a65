"""`fairmeter dashboards push` against a Grafana that holds it to Grafana's own description."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from dashboards.files import Files, Rule, read_files
from dashboards.push import Step, push
from dashboards.server import Grafana, GrafanaFault
from dashboards.wanted import PORTFOLIO_TEAM, Source, Wanted, customer_mark, wanted
from tests.dashboards.description import read_description
from tests.dashboards.grafana_server import CREATOR, INFLUX_TOKEN, TOKEN, FakeGrafana, serving

SOURCE = Source("http://influx:8086", "site", "fairmeter", INFLUX_TOKEN)
CUSTOMERS = ("Brouwerij Zuid", "Müller & Söhne")
SOUTH = f"fairmeter-for-brouwerij-zuid-{customer_mark('Brouwerij Zuid')}"


def dashboard(uid: str, title: str, *variables: dict[str, Any]) -> dict[str, Any]:
    """A small dashboard with one panel that leads to another dashboard."""
    panel = {
        "id": 1,
        "type": "stat",
        "title": "Cost",
        "description": "to date",
        "links": [{"url": "/d/fairmeter-device"}],
    }
    return {"uid": uid, "title": title, "tags": ["fairmeter"], "panels": [panel], "templating": {"list": [*variables]}}


CUSTOMER = {"name": "customer", "type": "query", "query": "…", "includeAll": True, "allValue": ".*"}
CONTRACT = {"name": "contract", "type": "query", "query": "… $customer", "includeAll": True, "allValue": ".*"}
QUERY = {
    "refId": "A",
    "datasourceUid": "fairmeter-influxdb",
    "relativeTimeRange": {"from": 600, "to": 0},
    "model": {"query": ""},
}
RULE = {"uid": "fairmeter-silent", "title": "Device silent", "condition": "A", "for": "5m", "data": [QUERY]}
FILES = Files(
    (
        dashboard("fairmeter-contract", "Contract", CUSTOMER, CONTRACT),
        dashboard("fairmeter-device", "Device", CUSTOMER),
        dashboard("fairmeter-gateway", "Gateway"),
    ),
    (Rule("Fairmeter", 30, RULE),),
    {
        "uid": "fairmeter-influxdb",
        "name": "Fairmeter",
        "type": "influxdb",
        "access": "proxy",
        "isDefault": True,
        "url": "http://influxdb:8086",
        "jsonData": {"version": "Flux", "organization": "stack"},
    },
)


@pytest.fixture
def grafana() -> Iterator[FakeGrafana]:
    """A Grafana that nobody has pushed to."""
    with serving(FakeGrafana(read_description())) as running:
        yield running


def pushed(grafana: FakeGrafana, files: Files = FILES, *, dry_run: bool = False, source: Source = SOURCE) -> list[Step]:
    """What a push says that it did."""
    return list(push(Grafana(grafana.url, TOKEN), wanted(files, CUSTOMERS, source), dry_run=dry_run))


def different(steps: list[Step]) -> list[Step]:
    """What was not as it is to be."""
    return [step for step in steps if step.differs]


def test_a_first_push_brings_everything(grafana: FakeGrafana) -> None:
    """An empty Grafana gets the data source, a folder for all and one for each customer, dashboards and rules."""
    steps = pushed(grafana)
    assert {step.kind for step in steps} == {"created", "changed"}
    assert {each["title"] for each in grafana.folders.values()} == {
        "Fairmeter",
        "Fairmeter: Brouwerij Zuid",
        "Fairmeter: Müller & Söhne",
    }
    assert len(grafana.dashboards) == 3 + 2 * 2, "what shows no customer is for those who see all"
    assert grafana.secrets["fairmeter-influxdb"] == {"token": INFLUX_TOKEN}
    source = grafana.sources["fairmeter-influxdb"]
    assert source["jsonData"] == {"version": "Flux", "organization": "site", "defaultBucket": "fairmeter"}
    assert (source["url"], source["isDefault"]) == (SOURCE.url, False), "which source is the default is not for us"
    assert grafana.rules["fairmeter-silent"]["folderUID"] == "fairmeter"
    assert grafana.intervals == {("fairmeter", "Fairmeter"): 30}


def test_a_second_push_changes_nothing(grafana: FakeGrafana) -> None:
    """Pushing again writes nothing at all, and says so."""
    pushed(grafana)
    before = len(grafana.asked)
    steps = pushed(grafana)
    assert {step.kind for step in steps} == {"unchanged"}
    assert all(each.startswith("GET ") for each in grafana.asked[before:])


def test_a_dry_run_only_looks(grafana: FakeGrafana) -> None:
    """A dry run says what a push would do, and writes nothing, on an empty Grafana and on a full one."""
    expected = {(step.what, step.name) for step in pushed(grafana, dry_run=True)}
    assert all(each.startswith("GET ") for each in grafana.asked)
    assert not grafana.folders
    done = {(step.what, step.name) for step in pushed(grafana)}
    assert done - expected == {("alert group", "Fairmeter")}, "a group has no interval before it has rules"


def test_what_somebody_changed_by_hand_is_seen_and_mended(grafana: FakeGrafana) -> None:
    """A changed dashboard, rule, folder and permission are named in a dry run, part by part, and a push mends them."""
    pushed(grafana)
    changed = grafana.dashboards["fairmeter-contract"]["dashboard"]
    original = deepcopy(changed["panels"])
    changed["panels"][0]["title"] = "Money"
    changed["panels"].append({"id": 9, "title": "Mine"})
    changed["version"] += 1
    grafana.saved["fairmeter-contract"].append({"version": 2, "message": ""})
    grafana.rules["fairmeter-silent"]["for"] = "1h"
    grafana.folders[SOUTH]["title"] = "South"
    grafana.permissions[SOUTH] = [{"role": "Viewer", "permission": 1}]
    seen = different(pushed(grafana, dry_run=True))
    assert {(step.kind, step.what, step.parts) for step in seen} == {
        ("changed", "dashboard", ("panel Cost", "panel Mine is not ours")),
        ("changed", "alert rule", ("how long until it fires",)),
        ("changed", "folder", ("title",)),
        (
            "changed",
            "permission",
            ("Fairmeter: Brouwerij Zuid may view", "not everybody who may view something may view this"),
        ),
    }
    assert different(pushed(grafana)) == seen
    assert grafana.dashboards["fairmeter-contract"]["dashboard"]["panels"] == original
    assert different(pushed(grafana)) == []


def test_a_grafana_that_keeps_dashboards_in_another_form_is_not_pushed_to_for_ever(grafana: FakeGrafana) -> None:
    """What Grafana itself made of a dashboard is no change by hand, as long as nobody saved it after us."""
    pushed(grafana)
    grafana.dashboards["fairmeter-contract"]["dashboard"]["schemaVersion"] = 42
    assert different(pushed(grafana)) == []
    grafana.saved["fairmeter-contract"].append({"version": 2, "message": "mine"})
    assert [step.parts for step in different(pushed(grafana))] == [("schemaVersion",)]


def test_a_customer_sees_only_its_own(grafana: FakeGrafana) -> None:
    """In a customer's folder the customer is fixed, "all" means all of this customer's, and links stay inside."""
    pushed(grafana)
    mark = customer_mark("Brouwerij Zuid")
    kept = grafana.dashboards[f"fairmeter-contract-{mark}"]
    customer, contract = kept["dashboard"]["templating"]["list"]
    assert kept["meta"]["folderUid"] == SOUTH
    assert (customer["type"], customer["query"], customer["skipUrlSync"]) == ("constant", "Brouwerij Zuid", True)
    assert contract["allValue"] is None
    assert kept["dashboard"]["panels"][0]["links"] == [{"url": f"/d/fairmeter-device-{mark}"}]
    assert kept["dashboard"]["tags"] == [f"fairmeter-{mark}"]


def test_a_team_may_view_its_folder_and_others_keep_what_they_may(grafana: FakeGrafana) -> None:
    """The customer's team may only view; not every viewer may; editors, and whoever was let in by hand, still may."""
    pushed(grafana)
    grafana.permissions[SOUTH].append({"userId": 12, "permission": 1})
    pushed(grafana)
    teams = {each["name"]: each["id"] for each in grafana.teams}
    assert teams.keys() == {PORTFOLIO_TEAM, "Fairmeter: Brouwerij Zuid", "Fairmeter: Müller & Söhne"}
    assert {
        (each.get("role") or each.get("userId") or each.get("teamId"), each["permission"])
        for each in grafana.permissions[SOUTH]
    } == {("Editor", 2), (CREATOR, 4), (12, 1), (teams["Fairmeter: Brouwerij Zuid"], 1)}


def test_what_is_not_ours_is_not_touched(grafana: FakeGrafana) -> None:
    """Folders, dashboards, rules and data sources of others are neither read into nor changed by a push."""
    others: dict[str, Any] = {"folders": {"x": {"uid": "x", "title": "Theirs", "version": 1}}}
    grafana.folders.update(deepcopy(others["folders"]))
    grafana.sources["y"] = {"uid": "y", "name": "Theirs", "orgId": 1}
    grafana.teams.append({"id": 1, "name": "Theirs"})
    pushed(grafana)
    assert grafana.folders["x"] == others["folders"]["x"]
    assert grafana.sources["y"]["name"] == "Theirs"
    assert not any("/x" in each or "/y" in each for each in grafana.asked)
    assert not any(each.startswith("DELETE") for each in grafana.asked)


def test_another_token_for_influxdb_is_noticed(grafana: FakeGrafana) -> None:
    """A token cannot be read back from Grafana; that it cannot read with it is said, and the right one is given."""
    wrong = Source(SOURCE.url, SOURCE.organization, SOURCE.bucket, "wrong")
    source = pushed(grafana, source=wrong)[0]
    assert "unauthorized" in source.parts[0]
    assert different(pushed(grafana))[0].parts == ("token",)
    assert different(pushed(grafana)) == []


def test_what_grafana_has_from_its_own_files_stays(grafana: FakeGrafana) -> None:
    """Where Grafana is provisioned from files, these are left alone and named, and the rest is pushed."""
    pushed(grafana)
    grafana.sources["fairmeter-influxdb"] |= {"readOnly": True, "url": "http://elsewhere"}
    grafana.dashboards["fairmeter-gateway"]["meta"]["provisioned"] = True
    grafana.dashboards["fairmeter-gateway"]["dashboard"]["title"] = "Other"
    grafana.rules["fairmeter-silent"] |= {"provenance": "file", "title": "Other"}
    left = [step.what for step in pushed(grafana) if step.kind == "left alone"]
    assert left == ["data source", "dashboard", "alert rule"]


@pytest.mark.parametrize(
    ("denied", "what"),
    [
        ("/datasources", "data sources"),
        ("/folders", "folders"),
        ("/teams", "teams"),
        ("/dashboards", "dashboards"),
        ("/v1", "alert rules"),
    ],
)
def test_a_token_that_may_not_is_told_what_it_lacks(grafana: FakeGrafana, denied: str, what: str) -> None:
    """Where a permission is missing, the message says for what, and which role gives it."""
    grafana.denied = (denied,)
    with pytest.raises(GrafanaFault, match=f"the token may not touch {what}: .* role Admin"):
        pushed(grafana)


def test_a_wrong_token_is_told_where_to_get_one(grafana: FakeGrafana) -> None:
    """A token that Grafana does not know is named as such, with the place where a new one is made."""
    with pytest.raises(GrafanaFault, match=r"does not accept the token.*Service accounts"):
        list(push(Grafana(grafana.url, "old"), wanted(FILES, CUSTOMERS, SOURCE)))


def test_a_grafana_that_is_too_old_is_refused_before_anything_is_written(grafana: FakeGrafana) -> None:
    """A Grafana before 9 is told by its version, and gets nothing."""
    grafana.version = "8.5.27"
    with pytest.raises(GrafanaFault, match=r"8\.5\.27 .* too old: .*9 or newer"):
        pushed(grafana)
    assert grafana.asked == ["GET /health"]


def test_grafana_9_0_gets_all_but_the_alert_rules(grafana: FakeGrafana) -> None:
    """The first 9 cannot take alert rules as they are; they are left out, and that is said."""
    grafana.version = "9.0.9"
    last = pushed(grafana)[-1]
    assert (last.kind, last.name) == ("left alone", "Device silent")
    assert "9.1" in last.parts[0]
    assert not grafana.rules


def test_a_dashboard_of_the_same_name_is_not_overwritten(grafana: FakeGrafana) -> None:
    """Somebody's own dashboard in our folder under the title of ours stops the push with a remedy, and stays."""
    pushed(grafana)
    theirs = {"dashboard": {"uid": "theirs", "title": "Contract", "version": 1}, "meta": {"folderUid": "fairmeter"}}
    grafana.dashboards["theirs"] = deepcopy(theirs)
    del grafana.dashboards["fairmeter-contract"]
    with pytest.raises(GrafanaFault, match=r"same name.*rename"):
        pushed(grafana)
    assert grafana.dashboards["theirs"] == theirs


def test_a_grafana_that_is_not_there_is_named_with_its_address() -> None:
    """An address where nobody answers is told, with the reason."""
    with pytest.raises(GrafanaFault, match=r"cannot be reached at http://127\.0\.0\.1:9: .*check"):
        Grafana("http://127.0.0.1:9", TOKEN)


def test_the_dashboards_of_the_repository_can_be_pushed(grafana: FakeGrafana) -> None:
    """The very files that Grafana is provisioned from are taken by a Grafana over HTTP, and once is enough."""
    files = read_files()
    assert files.dashboards and files.rules
    pushed(grafana, files)
    assert different(pushed(grafana, files)) == []
    told: Wanted = wanted(files, CUSTOMERS, SOURCE)
    assert all(len(folder.dashboards) >= 1 for folder in told.folders)
    assert all(each["uid"].startswith("fairmeter") for each in (*files.dashboards, *told.rules))
