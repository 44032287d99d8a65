"""Everything that the dashboards and alert rules ask InfluxDB, one by one, with the columns that each must answer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from dashboards.files import Document, read_files

Kind = Literal["number", "series", "table", "variable", "annotation", "rule"]
KINDS: dict[str, Kind] = {
    "stat": "number",
    "gauge": "number",
    "bargauge": "number",
    "timeseries": "series",
    "state-timeline": "series",
    "table": "table",
}
FILES = read_files()
BOARDS: dict[str, Document] = {board["uid"].removeprefix("fairmeter-"): board for board in FILES.dashboards}


@dataclass(frozen=True, slots=True)
class Query:
    """One query: on which dashboard, or of the rules; where there; and the columns, as far as they have fixed names."""

    board: str
    place: str
    kind: Kind
    flux: str
    columns: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """How a test names it."""
        return f"{self.board}: {self.place}"


def all_queries() -> Iterator[Query]:
    """Every query there is."""
    for name, board in BOARDS.items():
        for panel in board["panels"]:
            yield from _of_panel(name, panel)
        for variable in board["templating"]["list"]:
            yield Query(name, f"${variable['name']}", "variable", variable["query"], frozenset({"_value"}))
        for annotation in board["annotations"]["list"]:
            if not annotation.get("builtIn"):
                columns = frozenset({"time", "timeEnd", "title", "text", "tags"})
                yield Query(name, annotation["name"], "annotation", annotation["target"]["query"], columns)
    for rule in FILES.rules:
        document = rule.document
        texts = " ".join(document["annotations"].values())
        labels = frozenset(re.findall(r"\.Labels\.(\w+)", texts))
        query = document["data"][0]["model"]["query"]
        yield Query("rules", document["title"], "rule", query, labels | {"_time", "_value"})


def _of_panel(board: str, panel: dict[str, Any]) -> Iterator[Query]:
    kind = KINDS[panel["type"]]
    columns = frozenset({"_time", "_value"} if kind == "series" else ())
    if kind == "table":
        (organize,) = panel["transformations"]
        columns = frozenset(organize["options"]["renameByName"])
    for target in panel["targets"]:
        yield Query(board, f"{panel['id']} {panel['title']} {target['refId']}", kind, target["query"], columns)
