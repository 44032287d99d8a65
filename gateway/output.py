"""How commands speak: data on stdout, talk and progress on stderr, faults with their remedy and an exit code."""

import json
import logging
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

INPUT_HAS_PROBLEMS = 1

# Where nobody reads along, in a pipe or a file, tables are as wide as what is in them.
WIDEST = 1_000

talk = Console(stderr=True, highlight=False)
paper = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDEST)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send what the gateway logs, from this level on, to stderr, where it mixes with no data.

    A fault of ours is told with its traceback and without the values around it, which may be a whole contract.
    """
    printed = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[*structlog.get_config()["processors"][:-1], printed],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


def print_json(document: Any) -> None:
    """A document on stdout, one value a line."""
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n")


def print_text(text: str) -> None:
    """Text on stdout exactly as it is."""
    sys.stdout.write(text)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> None:
    """A table on stdout."""
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(_shown(cell)) for cell in row))
    paper.print(table)


def _shown(cell: object) -> str:
    """A cell as text and nothing else: what a device wrote neither styles a table nor commands a terminal."""
    text = "" if cell is None else str(cell)
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def say(text: str) -> None:
    """A line of talk on stderr; never broken, so that a command or a path in it can be copied."""
    talk.print(text, markup=False, soft_wrap=True)


def fail(message: str) -> NoReturn:
    """End with what is wrong and what to do about it; exit code 1."""
    talk.print(message, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(INPUT_HAS_PROBLEMS)


def progress_bar(unit: str) -> Progress:
    """A progress bar on stderr that counts `unit`s, shows a rate, and leaves a last line behind."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn(f"{unit} {{task.fields[note]}}"),
        TimeElapsedColumn(),
        console=talk,
        transient=False,
    )
