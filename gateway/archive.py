"""Statements on disk: a folder for each, complete from the moment it has its name (architecture, decision 8).

    statements/{contract}/{number}/
        statement.json   the sealed statement
        statement.txt    the same as a table people read
        evidence/        what verifies it: header, opening and closing state, events, readings

Everything is written beside its place, flushed to disk, and moved there in one step.
"""

import fcntl
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection
from pathlib import Path

from contracts.evidence import Part
from gateway.database import sync_folder

ReadPart = Callable[[str], bytes | None]


class ArchiveError(Exception):
    """Evidence cannot be read; the message says why and what to do."""


class Draft:
    """A statement's folder while it is being written."""

    def __init__(self, statements: Path, contract: str) -> None:
        self._statements = statements
        statements.mkdir(parents=True, exist_ok=True)
        self._lock = (statements / ".lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)  # two processes that close at once do so one after the other
        self.folder = statements / f".{contract}.making"
        shutil.rmtree(self.folder, ignore_errors=True)  # what a crash left: it was never a statement
        self.folder.mkdir(parents=True)

    def keep(self, part: Part) -> None:
        """Write one part of the evidence."""
        write_durably(self.folder / "evidence" / part.path, part.packed())

    def keep_adjustment(self, period: str, part: Part) -> None:
        """Write one part of the evidence of an earlier period that was computed again."""
        write_durably(self._adjustments / period / part.path, part.packed())

    def drop_adjustments_but(self, periods: Collection[str]) -> None:
        """Remove the evidence of periods that turned out not to differ."""
        for folder in self._adjustments.glob("*"):
            if folder.name not in periods:
                shutil.rmtree(folder)

    @property
    def _adjustments(self) -> Path:
        return self.folder / "evidence" / "adjustments"

    def finish(self, contract: str, number: int, files: dict[str, bytes]) -> Path:
        """Add the statement itself and give the folder its name; one of that name without a ledger row gives way."""
        for name, data in files.items():
            write_durably(self.folder / name, data)
        for folder, _, _ in os.walk(self.folder):
            sync_folder(Path(folder))
        place = self._statements / contract / str(number)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        self.folder.rename(place)
        sync_folder(place.parent)
        return place

    def close(self) -> None:
        """Let another process close."""
        self._lock.close()


def write_durably(path: Path, data: bytes) -> None:
    """Write a file and see it on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def open_evidence(path: Path) -> tuple[ReadPart, list[str]]:
    """How to read the parts of an evidence folder, zip or tar archive, and the paths that are in it."""
    try:
        if path.is_dir():
            files = {each.relative_to(path).as_posix(): each.read_bytes() for each in path.rglob("*") if each.is_file()}
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                files = {name: packed.read(name) for name in packed.namelist() if not name.endswith("/")}
        elif path.is_file() and tarfile.is_tarfile(path):
            with tarfile.open(path) as tape:
                members = [member for member in tape.getmembers() if member.isfile()]
                files = {member.name: _read_member(tape, member) for member in members}
        else:
            raise ArchiveError(f"{path} is neither a folder nor a zip or tar archive of evidence")
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, tarfile.TarError) as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from error
    parts = _inside(files)
    return parts.get, sorted(parts)


def is_archive(path: Path) -> bool:
    """Is it a zip or tar file, and not a part of evidence by itself?"""
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def _read_member(tape: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tape.extractfile(member)
    assert file is not None, "only files are listed"
    return file.read()


def _inside(files: dict[str, bytes]) -> dict[str, bytes]:
    """Files by their path from the folder that holds header.json, wherever in an archive that is."""
    heads = [name for name in files if name == "header.json" or name.endswith("/header.json")]
    root = min(heads, key=len).removesuffix("header.json") if heads else ""
    return {name.removeprefix(root): data for name, data in files.items() if name.startswith(root)}


def zip_evidence(folder: Path, target: Path) -> None:
    """Put an evidence folder into one zip file; what is compressed already is stored as it is."""
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            how = zipfile.ZIP_STORED if file.suffix == ".gz" else zipfile.ZIP_DEFLATED
            archive.write(file, file.relative_to(folder).as_posix(), compress_type=how)
