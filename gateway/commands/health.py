"""The command for what starts and watches a gateway: it is asked often, so it imports next to nothing."""

import os
import tomllib
from pathlib import Path
from typing import Annotated

import typer

from gateway.clock import now_ms
from gateway.health import ailments
from gateway.output import fail


def health(
    settings: Annotated[Path | None, typer.Option(help="settings file; default: fairmeter.toml")] = None,
    data: Annotated[Path | None, typer.Option(help="data folder; default: as the settings say")] = None,
) -> None:
    """Say whether the gateway on a data folder does its work: exit 0 if it does, 1 and why if not."""
    if found := ailments(data or _data_folder(settings), now_ms()):
        fail("\n".join(found))


def _data_folder(settings: Path | None) -> Path:
    """The one setting that is needed, by the same rules as all of them, and without reading the others."""
    if "FAIRMETER_DATA" in os.environ:
        return Path(os.environ["FAIRMETER_DATA"])
    file = settings or Path(os.environ.get("FAIRMETER_SETTINGS", "fairmeter.toml"))
    said = tomllib.loads(file.read_text()) if settings or file.exists() else {}
    return Path(said.get("data", "data"))
