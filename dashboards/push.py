"""`fairmeter dashboards push`: bring a Grafana that someone runs to what it is to hold, and say what was different.

Rules this file obeys:

- It looks before it writes, and writes only what differs: a second push writes nothing.
- It touches what has our uid, the teams it names, and who may view our folders. It deletes nothing.
- What Grafana was given by files of its own stays as it is: Grafana would not let it be changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote

from dashboards.difference import between_dashboards, between_fields, digest
from dashboards.files import Document
from dashboards.server import Grafana
from dashboards.wanted import OURS, Wanted, WantedFolder

Kind = Literal["created", "changed", "unchanged", "left alone"]

VIEW: Final = 1
RULES_SINCE: Final = (9, 1)
_FROM_FILES: Final = ("it comes from files of that Grafana",)


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one thing, or in a dry run would: and in which parts it differed, or what else is to be said."""

    kind: Kind
    what: str
    name: str
    parts: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether this Grafana was not as it is to be."""
        return self.kind in ("created", "changed")


def push(grafana: Grafana, wanted: Wanted, *, dry_run: bool = False) -> Iterator[Step]:
    """Do what is needed, one thing after the other; in a dry run only look. GrafanaFault where it cannot go on."""
    yield _source(grafana, wanted, dry_run)
    for folder in wanted.folders:
        yield from _folder(grafana, folder, dry_run)
        for dashboard in folder.dashboards:
            yield _dashboard(grafana, folder, dashboard, dry_run)
    yield from _rules(grafana, wanted, dry_run)


# --- the data source ----------------------------------------------------------------------------------------------


def _source(grafana: Grafana, wanted: Wanted, dry_run: bool) -> Step:
    ours, sources = wanted.source, grafana.api.datasource
    uid, name = ours["uid"], ours["name"]
    there = grafana.look("data sources", lambda: sources.get_datasource_by_uid(uid))
    if there is None:
        if dry_run:
            return Step("created", "data source", name)
        grafana.ask("data sources", lambda: sources.create_datasource({**ours, "secureJsonData": wanted.secret}))
        return Step("created", "data source", name, _health(grafana, uid))
    if there.get("readOnly"):
        return Step("left alone", "data source", name, _FROM_FILES)
    parts = between_fields(there, ours)
    health = _health(grafana, uid)
    # A token cannot be read back: whether Grafana has ours shows in whether it can read with it.
    if not there.get("secureJsonFields", {}).get("token") or any("unauthorized" in each.lower() for each in health):
        parts += ("token",)
    if not parts:
        return Step("unchanged", "data source", name, health)
    if not dry_run:
        kept = {key: there[key] for key in ("isDefault", "basicAuth", "withCredentials") if key in there}
        settings = {**(there.get("jsonData") or {}), **ours["jsonData"]}
        body = {**kept, **ours, "jsonData": settings, "secureJsonData": wanted.secret}
        grafana.ask("data sources", lambda: sources.update_datasource_by_uid(uid, body))
        parts += _health(grafana, uid)
    return Step("changed", "data source", name, parts)


def _health(grafana: Grafana, uid: str) -> tuple[str, ...]:
    fault = grafana.source_fault(uid)
    return () if fault is None else (f"Grafana cannot read from it: {fault}",)


# --- folders, and who may view them -------------------------------------------------------------------------------


def _folder(grafana: Grafana, wanted: WantedFolder, dry_run: bool) -> Iterator[Step]:
    folders = grafana.api.folder
    there = grafana.look("folders", lambda: folders.get_folder(wanted.uid))
    if there is None:
        if not dry_run:
            grafana.ask("folders", lambda: folders.create_folder(wanted.title, wanted.uid))
        yield Step("created", "folder", wanted.title)
    elif there["title"] != wanted.title:
        if not dry_run:
            grafana.ask("folders", lambda: folders.update_folder(wanted.uid, wanted.title, overwrite=True))
        yield Step("changed", "folder", wanted.title, ("title",))
    else:
        yield Step("unchanged", "folder", wanted.title)
    team = _team(grafana, wanted.team)
    if team is None:
        if not dry_run:
            made = grafana.ask("teams", lambda: grafana.api.teams.add_team({"name": wanted.team}))
            team = made["teamId"]
        yield Step("created", "team", wanted.team)
    else:
        yield Step("unchanged", "team", wanted.team)
    if team is None or (there is None and dry_run):
        yield Step("created", "permission", wanted.title, (f"{wanted.team} may view",))
    else:
        yield _permission(grafana, wanted, team, dry_run)


def _team(grafana: Grafana, name: str) -> int | None:
    found = grafana.ask("teams", lambda: grafana.api.teams.get_team_by_name(quote(name)))
    return next((team["id"] for team in found if team["name"] == name), None)


def _permission(grafana: Grafana, wanted: WantedFolder, team: int, dry_run: bool) -> Step:
    """The team may view; whoever is just a viewer in this Grafana may not; all others keep what they may."""
    folders = grafana.api.folder
    what = "the permissions of folders"
    listed = grafana.ask(what, lambda: folders.get_folder_permissions(wanted.uid))
    there = [_entry(each) for each in listed if not each.get("inherited")]
    others = [each for each in there if each.get("role") != "Viewer" and each.get("teamId") != team]
    items = [*others, {"teamId": team, "permission": VIEW}]
    parts: tuple[str, ...] = ()
    if {"teamId": team, "permission": VIEW} not in there:
        parts += (f"{wanted.team} may view",)
    if any(each.get("role") == "Viewer" for each in there):
        parts += ("not everybody who may view something may view this",)
    if not parts:
        return Step("unchanged", "permission", wanted.title)
    if not dry_run:
        grafana.ask(what, lambda: folders.update_folder_permissions(wanted.uid, {"items": items}))
    return Step("changed", "permission", wanted.title, parts)


def _entry(listed: Document) -> Document:
    """A permission as Grafana takes it, of one as Grafana lists it."""
    who = next((key for key in ("userId", "teamId", "role") if listed.get(key)), "role")
    return {who: listed.get(who, ""), "permission": listed["permission"]}


# --- dashboards ---------------------------------------------------------------------------------------------------


def _dashboard(grafana: Grafana, folder: WantedFolder, wanted: Document, dry_run: bool) -> Step:
    uid, name = wanted["uid"], f"{wanted['title']} in {folder.title}"
    there = grafana.look("dashboards", lambda: grafana.api.dashboard.get_dashboard(uid))
    message = f"Fairmeter {digest(wanted)}"
    body = {"dashboard": wanted, "folderUid": folder.uid, "overwrite": False, "message": message}
    if there is None:
        if not dry_run:
            grafana.ask("dashboards", lambda: grafana.api.dashboard.update_dashboard(body))
        return Step("created", "dashboard", name)
    if there["meta"].get("provisioned"):
        return Step("left alone", "dashboard", name, _FROM_FILES)
    parts = between_dashboards(there["dashboard"], wanted)
    # A newer Grafana may keep a dashboard in another form; what it saved last was ours all the same.
    if parts and _last_message(grafana, uid) == message:
        parts = ()
    if there["meta"].get("folderUid") != folder.uid:
        parts += ("folder",)
    if not parts:
        return Step("unchanged", "dashboard", name)
    if not dry_run:
        body["dashboard"] = {**wanted, "version": there["dashboard"].get("version", 0)}
        grafana.ask("dashboards", lambda: grafana.api.dashboard.update_dashboard(body))
    return Step("changed", "dashboard", name, parts)


def _last_message(grafana: Grafana, uid: str) -> str:
    # grafana-client's own call sends `limit` where Grafana does not look for it, and so gets every version.
    path = f"/dashboards/uid/{uid}/versions?limit=1"
    found: Any = grafana.look("dashboards", lambda: grafana.api.client.GET(path))
    listed = found.get("versions") if isinstance(found, dict) else found  # a list before Grafana 11
    return str(listed[0].get("message", "")) if listed else ""


# --- alert rules --------------------------------------------------------------------------------------------------


def _rules(grafana: Grafana, wanted: Wanted, dry_run: bool) -> Iterator[Step]:
    if wanted.rules and (grafana.release() or RULES_SINCE) < RULES_SINCE:
        names = ", ".join(rule["title"] for rule in wanted.rules)
        yield Step("left alone", "alert rules", names, ("they need Grafana 9.1 or newer; update it and push again",))
        return
    for rule in wanted.rules:
        yield _rule(grafana, wanted, rule, dry_run)
    for group, every_s in wanted.every_s.items():
        yield from _group(grafana, group, every_s, dry_run)


def _rule(grafana: Grafana, wanted: Wanted, rule: Document, dry_run: bool) -> Step:
    rules, uid, title = grafana.api.alertingprovisioning, rule["uid"], rule["title"]
    there = grafana.look("alert rules", lambda: rules.get_alertrule(uid))
    if there is None:
        if not dry_run:
            source = grafana.ask(
                "data sources", lambda: grafana.api.datasource.get_datasource_by_uid(wanted.source["uid"])
            )
            grafana.ask("alert rules", lambda: rules.create_alertrule({**rule, "orgID": source["orgId"]}))
        return Step("created", "alert rule", title)
    if there.get("provenance") == "file":
        return Step("left alone", "alert rule", title, _FROM_FILES)
    parts = between_fields(there, rule)
    if not parts:
        return Step("unchanged", "alert rule", title)
    if not dry_run:
        grafana.ask("alert rules", lambda: rules.update_alertrule(uid, {**rule, "orgID": there["orgID"]}))
    return Step("changed", "alert rule", title, parts)


def _group(grafana: Grafana, group: str, every_s: int, dry_run: bool) -> Iterator[Step]:
    """How often a group is evaluated stands beside its rules, which begin with Grafana's own interval."""
    rules, name = grafana.api.alertingprovisioning, quote(group)
    there = grafana.look("alert rules", lambda: rules.get_rule_group(OURS, name))
    if there is None or there.get("interval") == every_s:
        return
    if any(each.get("provenance") == "file" for each in there.get("rules") or ()):
        return
    if not dry_run:
        grafana.ask("alert rules", lambda: rules.update_rule_group(OURS, name, {**there, "interval": every_s}))
    yield Step("changed", "alert group", group, ("how often it is evaluated",))
