"""What docker-compose.yml says, and its files as a natively started server uses them."""

import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"


@cache
def compose() -> dict[str, Any]:
    """The compose file, its anchors followed."""
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return document


def services() -> dict[str, dict[str, Any]]:
    """Every service by its name."""
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def mounted(service: str, target: str) -> Path:
    """The file of the repository that a container sees at a path."""
    for volume in services()[service]["volumes"]:
        source, _, rest = str(volume).partition(":")
        if rest == f"{target}:ro":
            return ROOT / source
    raise AssertionError(f"{service} mounts nothing at {target}")


def secret_files(service: str, secrets: Path) -> dict[str, Path]:
    """The secrets of a service: the name each has in `/run/secrets`, and its file in a folder that was made."""
    files = {name: secrets / Path(each["file"]).name for name, each in compose()["secrets"].items()}
    named = [each if isinstance(each, dict) else {"source": each} for each in services()[service]["secrets"]]
    return {str(each.get("target", each["source"])): files[each["source"]] for each in named}


def make_secrets(folder: Path, **options: str) -> subprocess.CompletedProcess[str]:
    """Run the command of `make secrets` on another folder."""
    recipe = "$(BIN)/python -m gateway.deployment.secrets secrets "
    assert recipe in (ROOT / "Makefile").read_text()
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "gateway.deployment.secrets", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def native(text: str, places: Mapping[str, str]) -> str:
    """A configuration with places of a container replaced by ours, each once; nothing else is changed."""
    for there, here in places.items():
        assert text.count(there) == 1, f"{there} stands {text.count(there)} times in it"
        text = text.replace(there, here)
    return text
