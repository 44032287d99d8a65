"""As much of Markdown as the documentation uses, so that tests can ask it what it says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*) ?(?P<info>.*)\n(?P<text>(?:.*\n)*?)(?P=indent)```$", re.M)
_HEADING = re.compile(r"^(#+) (.+)$", re.M)
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, what else stands behind the fence, and its text."""

    language: str
    info: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """One Markdown file of the project, by its path from the project's root."""

    path: str

    @property
    def text(self) -> str:
        """The whole text."""
        return (ROOT / self.path).read_text("utf-8")

    def blocks(self, language: str) -> list[Block]:
        """The fenced blocks in a language."""
        return [block for block in _blocks(self.text) if block.language == language]

    def section(self, title: str) -> str:
        """What stands under a heading, down to the next of its level or above; KeyError where there is none."""
        prose = self.prose()
        for found in _HEADING.finditer(prose):
            if found[2] == title:
                rest = prose[found.end() :]
                end = next((m.start() for m in _HEADING.finditer(rest) if len(m[1]) <= len(found[1])), len(rest))
                return rest[:end]
        raise KeyError(f"{self.path} has no section {title}")

    def prose(self) -> str:
        """The text without fenced blocks."""
        return _FENCE.sub("", self.text)

    def anchors(self) -> set[str]:
        """What a link into this document can point at."""
        return {slug(found[2]) for found in _HEADING.finditer(self.prose())}

    def links(self) -> list[str]:
        """Where its links lead."""
        return _LINK.findall(self.prose())


def _blocks(text: str) -> Iterator[Block]:
    for found in _FENCE.finditer(text):
        indent = found["indent"]
        lines = [line.removeprefix(indent) for line in found["text"].splitlines(keepends=True)]
        yield Block(found["language"], found["info"], "".join(lines))


def slug(heading: str) -> str:
    """The anchor that a heading gets: lower case, words joined by dashes, other marks left out."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def tables(section: str) -> list[list[list[str]]]:
    """The tables of a section, each as rows of cells; head and rule are left out."""
    found = re.findall(r"(?:^\|.*\|\n)+", section + "\n", re.M)
    return [[_cells(line) for line in table.splitlines()[2:]] for table in found]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def code(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]*)`", cell)


DOCUMENTS = [
    Document(path.relative_to(ROOT).as_posix()) for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
]
