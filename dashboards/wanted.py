"""What a Grafana is to hold for the customers of a gateway, worked out from files and names alone.

One folder shows all customers. Each customer has a folder of its own with the dashboards that can be fixed to one
customer, those with a variable `customer`; there it is a constant, which neither a list nor a web address changes.
Every folder has a team that may view it and nothing else. All that is ours is known by its uid, or a team by its name.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from dashboards.files import Document, Files, Rule, seconds

OURS: Final = "fairmeter"  # every uid of ours begins so
_UID_LENGTH: Final = 40  # Grafana's limit
_SLUG_LENGTH: Final = 17  # what is left of it in a folder's uid

PORTFOLIO_TEAM: Final = "Fairmeter: all customers"


@dataclass(frozen=True, slots=True)
class Source:
    """The InfluxDB as Grafana reaches it: its address as seen from there, and the token that it reads with."""

    url: str
    organization: str
    bucket: str
    token: str


@dataclass(frozen=True, slots=True)
class WantedFolder:
    """A folder, the team that may view it, and its dashboards."""

    uid: str
    title: str
    team: str
    dashboards: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that a Grafana is to hold; the rules belong into the first folder, which shows all customers."""

    source: Document
    secret: dict[str, str]
    folders: tuple[WantedFolder, ...]
    rules: tuple[Document, ...]
    every_s: dict[str, int]


def wanted(files: Files, customers: Iterable[str], source: Source) -> Wanted:
    """What a Grafana is to hold for these customers; pure."""
    portfolio = WantedFolder(
        OURS, "Fairmeter", PORTFOLIO_TEAM, tuple({**each, "id": None} for each in files.dashboards)
    )
    folders = (portfolio, *(_folder_of(name, files.dashboards) for name in sorted(set(customers))))
    rules = tuple(_rule(each) for each in files.rules)
    fields = {"organization": source.organization, "defaultBucket": source.bucket}
    data_source = {
        **{key: files.source[key] for key in ("uid", "name", "type", "access")},
        "url": source.url,
        "jsonData": {**files.source["jsonData"], **fields},
    }
    every_s = {each.group: each.every_s for each in files.rules}
    return Wanted(data_source, {"token": source.token}, folders, rules, every_s)


def customer_mark(customer: str) -> str:
    """What tells a customer's things from another's in their uids: the same for the same name, everywhere."""
    return hashlib.sha256(customer.encode()).hexdigest()[:8]


def fixed(dashboard: Document, customer: str, siblings: frozenset[str]) -> Document:
    """A dashboard that shows one customer; its links stay among the `siblings` in that customer's folder."""
    mark = customer_mark(customer)
    linked = re.compile(rf"/d/({'|'.join(map(re.escape, sorted(siblings)))})(?![\w-])")
    copy: Document = _strings(deepcopy(dashboard), lambda text: linked.sub(rf"/d/\1-{mark}", text))
    copy |= {"id": None, "uid": f"{dashboard['uid'][: _UID_LENGTH - 9]}-{mark}"}
    # Lists of dashboards by tag must find this customer's and no others.
    copy["tags"] = [f"{tag}-{mark}" for tag in dashboard.get("tags", [])]
    copy["links"] = [_link(each, mark) for each in copy.get("links", []) if not _leads_out(each, mark)]
    variables = copy["templating"]["list"]
    copy["templating"]["list"] = [
        _constant(each, customer) if _is_customer(each) else _bounded(each) for each in variables
    ]
    return copy


def shows_a_customer(dashboard: Document) -> bool:
    """Whether a dashboard can be fixed to one customer."""
    return any(_is_customer(each) for each in dashboard.get("templating", {}).get("list", []))


def _folder_of(customer: str, dashboards: tuple[Document, ...]) -> WantedFolder:
    slug = re.sub(r"[^a-z0-9]+", "-", customer.lower()).strip("-")[:_SLUG_LENGTH].strip("-")
    # Folders and dashboards share their uids, so a customer named Contract must not get that of a dashboard.
    uid = "-".join(each for each in (OURS, "for", slug, customer_mark(customer)) if each)
    mine = [each for each in dashboards if shows_a_customer(each)]
    siblings = frozenset(each["uid"] for each in mine)
    title = f"Fairmeter: {customer}"
    return WantedFolder(uid, title, title, tuple(fixed(each, customer, siblings) for each in mine))


def _rule(rule: Rule) -> Document:
    """A rule as Grafana's interface takes it: files say the link to a panel beside the annotations, it within them."""
    given = rule.document
    panel = {"__dashboardUid__": given.get("dashboardUid"), "__panelId__": given.get("panelId")}
    annotations = {**(given.get("annotations") or {}), **{key: str(value) for key, value in panel.items() if value}}
    return {
        "uid": given["uid"],
        "folderUID": OURS,
        "ruleGroup": rule.group,
        "title": given["title"],
        "condition": given["condition"],
        "data": given["data"],
        "noDataState": given.get("noDataState", "NoData"),
        "execErrState": given.get("execErrState", "Error"),
        "for": f"{seconds(given.get('for', 0))}s",
        "annotations": annotations,
        "labels": given.get("labels") or {},
        "isPaused": given.get("isPaused", False),
    }


def _is_customer(variable: Document) -> bool:
    return variable.get("name") == "customer"


def _constant(variable: Document, customer: str) -> Document:
    chosen = {"selected": True, "text": customer, "value": customer}
    return {
        "name": variable["name"],
        "label": variable.get("label", "Customer"),
        "type": "constant",
        "hide": 2,
        "skipUrlSync": True,
        "query": customer,
        "current": chosen,
        "options": [chosen],
    }


def _bounded(variable: Document) -> Document:
    """A variable whose "All" is all that its list names, which is this customer's, and not a pattern for everything."""
    return {**variable, "allValue": None} if variable.get("allValue") else variable


def _link(link: Document, mark: str) -> Document:
    return {**link, "tags": [f"{tag}-{mark}" for tag in link["tags"]]} if link.get("tags") else link


def _leads_out(link: Document, mark: str) -> bool:
    found = re.search(r"/d/([\w-]+)", str(link.get("url", "")))
    return found is not None and not found[1].endswith(mark)


def _strings(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_strings(each, change) for each in value]
    if isinstance(value, dict):
        return {key: _strings(each, change) for key, each in value.items()}
    return value
