"""The Dockerfile and what goes into the image, as far as they can be judged without building it."""

import re
import subprocess
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch

from gateway import health
from tests.deployment.stack import ROOT, services


@dataclass(frozen=True)
class Step:
    """One instruction of the Dockerfile."""

    word: str
    rest: str


def stages() -> list[list[Step]]:
    """The instructions of each stage."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    steps = [Step(*line.split(maxsplit=1)) for line in text.splitlines() if line and not line.startswith("#")]
    starts = [place for place, step in enumerate(steps) if step.word == "FROM"]
    return [steps[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def said(stage: list[Step], word: str) -> list[str]:
    """What a stage says with one instruction."""
    return [step.rest for step in stage if step.word == word]


def test_the_image_is_built_apart_from_what_it_runs() -> None:
    """Two stages of the same pinned Python; the second takes the environment, and neither compiler nor source."""
    build, final = stages()
    base = said(build, "FROM")[0].removesuffix(" AS build")
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-bookworm", base)
    assert said(final, "FROM") == [base]
    assert said(final, "COPY")[0] == "--from=build /opt/fairmeter /opt/fairmeter"
    assert not any("pip" in step for step in said(final, "RUN"))


def test_every_part_comes_with_its_hash() -> None:
    """What is installed is the lock file, checked by hash, and the project without further parts."""
    installs = [step for step in said(stages()[0], "RUN") if "pip install" in step]
    assert [" ".join(step.split()[2:]) for step in installs] == [
        "--require-hashes --only-binary :all: -r requirements.lock",
        "--no-deps .",
    ]


def test_the_image_runs_as_nobody_in_particular() -> None:
    """Its user has no root rights, no shell and no home, and owns only what it may write."""
    _, final = stages()
    assert said(final, "USER") == ["10001:10001"]
    assert final.index(Step("USER", "10001:10001")) > max(
        place for place, step in enumerate(final) if step.word in ("RUN", "COPY")
    )
    ours = [service for service in services().values() if service["image"].startswith("fairmeter:")]
    assert {service["user"] for service in ours} == {"10001:10001"}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {service["image"] for service in ours} == {f"fairmeter:{version}"}


def test_what_is_written_is_mounted() -> None:
    """Every folder that the image makes for its user is one that the stack mounts something on."""
    made = next(step for step in said(stages()[1], "RUN") if "install -d" in step)
    folders = made.partition("install -d -o fairmeter -g fairmeter ")[2].split()
    mounts = {
        re.sub(r"\$\{[^}]*\}", "x", volume).split(":")[1]
        for s in services().values()
        for volume in s.get("volumes", [])
    }
    assert set(folders) <= mounts


def test_the_image_is_watched_by_the_same_command_as_the_container() -> None:
    """`docker run` and the stack ask the same question, more often than its answer grows old."""
    (check,) = said(stages()[1], "HEALTHCHECK")
    assert check.endswith('CMD ["fairmeter", "health"]')
    assert services()["fairmeter"]["healthcheck"]["test"] == ["CMD", "fairmeter", "health"]
    assert health.SILENT_AFTER_MS > 3_000 * health.SIGN_EVERY_S


def test_nothing_but_the_product_goes_to_the_builder() -> None:
    """Secrets, data, tests and history stay behind; what the Dockerfile copies does not."""
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    taken = {line[1:] for line in ignore if line.startswith("!")}
    copied = [word for step in said(stages()[0], "COPY") for word in step.split()[:-1]]
    copied += [step.split()[0].split("/")[0] for step in said(stages()[1], "COPY") if not step.startswith("--")]
    assert set(copied) == taken
    assert not any(fnmatch(name, each) for name in ("secrets", ".env", "data", ".git") for each in taken)
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    assert not any(name.startswith("secrets/") or name == ".env" for name in tracked)
