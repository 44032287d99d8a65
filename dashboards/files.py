"""The dashboards and alert rules as files: the same that a Grafana beside the gateway is provisioned from."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).parent / "grafana"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert rule as Grafana's files write it, with its group and how often, in seconds, that is evaluated."""

    group: str
    every_s: int
    document: Document


@dataclass(frozen=True, slots=True)
class Files:
    """What a Grafana is to show: dashboards, alert rules, and the data source that they all ask."""

    dashboards: tuple[Document, ...]
    rules: tuple[Rule, ...]
    source: Document


def read_files(folder: Path = FOLDER) -> Files:
    """The dashboards and alert rules in a folder that is laid out like `dashboards/grafana`."""
    dashboards = tuple(json.loads(path.read_text("utf-8")) for path in sorted((folder / "dashboards").glob("*.json")))
    alerting = [_yaml(path) for path in sorted((folder / "provisioning" / "alerting").glob("*.y*ml"))]
    rules = tuple(
        Rule(group["name"], seconds(group["interval"]), rule)
        for file in alerting
        for group in file.get("groups") or ()
        for rule in group["rules"]
    )
    provisioned = [_yaml(path) for path in sorted((folder / "provisioning" / "datasources").glob("*.y*ml"))]
    (source,) = (source for file in provisioned for source in file.get("datasources") or ())
    return Files(dashboards, rules, source)


def seconds(text: str | int) -> int:
    """A duration as Grafana writes it, such as `1h30m`, in seconds; a bare number is seconds."""
    total, digits = 0, ""
    for character in str(text):
        if character.isdigit():
            digits += character
        else:
            total += int(digits) * {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}[character]
            digits = ""
    return total + int(digits or 0)


def _yaml(path: Path) -> Document:
    loaded: Document = yaml.safe_load(path.read_text("utf-8")) or {}
    return loaded
