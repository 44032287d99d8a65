"""In what a Grafana's document differs from the one it is to have, in words for the person who decides to push."""

import hashlib
import json
from typing import Any, Final

from dashboards.files import Document, seconds

_GRAFANAS_OWN: Final = frozenset({"id", "version", "iteration"})  # Grafana counts these itself
_SAID: Final = {
    "time": "time range",
    "templating": "variables",
    "jsonData": "organization or bucket",
    "folderUID": "folder",
    "ruleGroup": "group",
    "data": "queries",
    "for": "how long until it fires",
    "noDataState": "what no data means",
    "execErrState": "what an error means",
    "isPaused": "whether it is paused",
}


def between_dashboards(there: Document, wanted: Document) -> tuple[str, ...]:
    """The parts of a dashboard that differ: panels and variables by name, other parts by what they are."""
    found: list[str] = []
    for key in sorted((there.keys() | wanted.keys()) - _GRAFANAS_OWN):
        ours, theirs = wanted.get(key), there.get(key)
        if ours == theirs:
            continue
        if key == "panels":
            found += _named(theirs or [], ours or [], "panel", "id", "title")
        elif key == "templating":
            found += _named((theirs or {}).get("list", []), (ours or {}).get("list", []), "variable", "name", "name")
        else:
            found.append(_SAID.get(key, key))
    return tuple(found)


def between_fields(there: Document, wanted: Document) -> tuple[str, ...]:
    """The fields we set that differ; what Grafana adds by itself, in them or beside them, is no difference."""
    return tuple(
        _SAID.get(key, key)
        for key, value in wanted.items()
        if not (_same_time(there.get(key), value) if key == "for" else covers(there.get(key), value))
    )


def covers(there: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there; lists in the same order and of the same length."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(covers(there.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        same_length = isinstance(there, list) and len(there) == len(wanted)
        return same_length and all(covers(*pair) for pair in zip(there, wanted, strict=True))
    return bool(there == wanted) or (not there and not wanted)  # Grafana leaves out what is empty


def digest(document: Document) -> str:
    """The same 16 characters for the same document."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _same_time(there: object, wanted: str) -> bool:
    return seconds(str(there or 0)) == seconds(wanted)


def _named(there: list[Document], wanted: list[Document], noun: str, key: str, shown: str) -> list[str]:
    theirs, ours = ({each.get(key): each for each in each_list} for each_list in (there, wanted))
    words = []
    for each in [*ours, *(other for other in theirs if other not in ours)]:
        name = str((ours.get(each) or theirs[each]).get(shown) or each)
        if each not in theirs:
            words.append(f"{noun} {name} is missing")
        elif each not in ours:
            words.append(f"{noun} {name} is not ours")
        elif ours[each] != theirs[each]:
            words.append(f"{noun} {name}")
    return words or [f"order of {noun}s"]
