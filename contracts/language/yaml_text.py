"""YAML as plain values with the place of each, read safely: no aliases, no floats, no surprises of YAML 1.1.

Numbers become decimals from their text; `05:00`, `2026-01-01`, `on` and `no` stay the text they look like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml

from contracts.problems import Problem

MAX_CHARACTERS = 1_000_000
MAX_NODES = 50_000
MAX_DEPTH = 40

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False, "True": True, "False": False}

Path = tuple[str | int, ...]
Place = tuple[int, int]


@dataclass(slots=True)
class Document:
    """The value of a YAML text, and line and column of everything in it."""

    value: Any = None
    places: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path) -> Place:
        """Where the value at `path` stands, or the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return (0, 0)


def read_text(data: bytes, path: str) -> tuple[str, list[Problem]]:
    """The text of a file, or why it is none."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return "", [Problem(path, line, 1, "this is not text in UTF-8", "Save the file as UTF-8 text")]
    return text, []


def parse_yaml(text: str, path: str) -> Document:
    """Read one YAML document; everything that keeps it from being read is among its problems."""
    refusal = _refuse(text, path)
    if refusal:
        return Document(problems=[refusal])
    document = Document()
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        message = getattr(error, "problem", None) or "this is not YAML"
        remedy = getattr(error, "note", None) or "Check indentation, colons and brackets around here"
        return Document(problems=[Problem(path, line, column, message, remedy)])
    except RecursionError:
        return Document(
            problems=[Problem(path, 0, 0, "this is nested too deeply", "Name conditions and refer to them by name")]
        )
    if node is None:
        remedy = "A contract begins with `terms: 1`; see contracts/examples"
        return Document(problems=[Problem(path, 0, 0, "the file is empty", remedy)])
    document.value = _value(node, (), document, path)
    return document


def _refuse(text: str, path: str) -> Problem | None:
    if len(text) > MAX_CHARACTERS:
        message = f"the file has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read"
        return Problem(path, 0, 0, message, "Is this a contract? Split it if it is")
    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        return Problem(
            path, line, 1, "there are control characters here: the file is not text", "Save it as UTF-8 text"
        )
    return None


class _Loader(yaml.SafeLoader):
    """Composes nodes within limits; an alias, which can make a small file explode, is refused where it stands."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nodes = 0
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refused(event, "a YAML alias is not allowed here", "Write the value out where it is used")
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _refused(
                event, f"the file has more than {MAX_NODES:,} values", "Is this a contract? Split it if it is"
            )
        if self._depth >= MAX_DEPTH:
            raise _refused(
                event, f"this is nested more than {MAX_DEPTH} levels deep", "Name conditions and refer to them"
            )
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _refused(event: Any, message: str, remedy: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=message, problem_mark=event.start_mark, note=remedy)


def _value(node: yaml.Node, at: Path, document: Document, path: str) -> Any:
    document.places.setdefault(at, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, at, document, path)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*at, index), document, path) for index, child in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode), "YAML has mappings, sequences and scalars"
    return _scalar(node)


def _mapping(node: yaml.MappingNode, at: Path, document: Document, path: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
        if not isinstance(key_node, yaml.ScalarNode):
            problem = Problem(path, line, column, "a key must be a plain word", "Write `key: value`")
            document.problems.append(problem)
            continue
        key = key_node.value
        if key in result:
            problem = Problem(path, line, column, f"`{key}` is given twice", "Keep one of the two")
            document.problems.append(problem)
            continue
        document.places[(*at, key)] = (line, column)
        result[key] = _value(value_node, (*at, key), document, path)
    return result


def _scalar(node: yaml.ScalarNode) -> Any:
    text = node.value
    if node.style is not None:  # quoted: always text
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _NUMBER.fullmatch(text):
        return int(text) if re.fullmatch(r"[-+]?\d{1,18}", text) else Decimal(text)
    return text
