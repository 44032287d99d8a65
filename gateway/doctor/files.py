"""What stands on this machine: contracts, the disk, and the files of the data folder."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from contracts.problems import Problem
from contracts.seal import signature_fault, statement_sha256
from gateway.blocks import BlockStore, StoreError
from gateway.book import Book
from gateway.doctor.finding import Finding, fault, of_problem, ok, parted, warning
from gateway.health import ailments
from gateway.journal import Journal, JournalError
from gateway.keys import KeyFault, open_signer
from gateway.ledger import Issued, Ledger, LedgerError
from gateway.settings import Settings

FULL_BYTES: Final = 200 * 1024**2
NEARLY_FULL_BYTES: Final = 2 * 1024**3
LAST_BATCHES: Final = 1_000
RESTORE: Final = "Restore the data folder from a copy, and keep this one to find out what happened to it"


def contracts(settings: Settings, book: Book, problems: list[Problem]) -> Iterator[Finding]:
    """Whether contracts are served, and which files are left out."""
    yield from (of_problem("contracts", problem) for problem in problems)
    if book.contracts:
        versions, devices = len(book.contracts), len(book.devices)
        yield ok("contracts", f"{versions} in {settings.contracts}, with {devices} devices")
    elif not problems:
        remedy = "Put the YAML files of contracts there, and start the gateway again"
        yield warning("contracts", f"none is in {settings.contracts}: nothing will be billed", remedy)


def disk(data: Path) -> Finding:
    """Whether the data folder can be written, and how much room is left."""
    try:
        with tempfile.NamedTemporaryFile(dir=data, prefix=".doctor-") as file:
            file.write(bytes(4096))
            file.flush()
        free = shutil.disk_usage(data).free
    except FileNotFoundError:
        return warning("disk", f"there is no folder {data} yet", "`fairmeter run` makes it at its first start")
    except OSError as error:
        remedy = "Make room, or let the user that runs the gateway write there"
        return fault("disk", f"{data} cannot be written: {error.strerror}", remedy)
    return room(data, free)


def room(data: Path, free: int) -> Finding:
    """What so many free bytes mean for a data folder."""
    said = f"{data} has {free / 1024**3:,.1f} GiB left"
    if free < FULL_BYTES:
        remedy = "Make room at once: what cannot be written is not acknowledged, and waits at the broker"
        return fault("disk", said, remedy)
    if free < NEARLY_FULL_BYTES:
        return warning("disk", said, "Make room, or move the data folder to a larger disk")
    return ok("disk", said)


def running(data: Path, now_ms: int) -> Finding:
    """Whether the gateway on this folder does its work."""
    found = ailments(data, now_ms) if data.is_dir() else ["it has never run here"]
    if found:
        return warning("gateway", "; ".join(found), "Start `fairmeter run`, or see its log")
    return ok("gateway", "it runs, and keeps up")


def journal(path: Path) -> Finding:
    """Whether the last batches are what was written."""
    if not path.exists():
        return ok("journal", "there is none yet")
    try:
        with Journal.open(path) as opened:
            tip = opened.tip()
            after = max(0, tip.position - LAST_BATCHES)
            broken = opened.verify_chain(after)
    except JournalError as error:
        return parted("journal", error)
    if broken:
        return fault("journal", f"batch {broken.position} was altered: {broken.reason}", RESTORE)
    return ok("journal", f"{tip.position:,} batches, the last {tip.position - after:,} read and as they were written")


def blocks(settings: Settings, book: Book) -> Finding:
    """Whether the block store follows the journal, for these contracts."""
    path = settings.data / "blocks.sqlite"
    if not path.exists():
        return ok("block store", "there is none yet")
    try:
        with Journal.open(settings.data / "journal.sqlite") as record, BlockStore.open(path) as store:
            cursor, made_for, tip = store.cursor(), store.fingerprint(), record.tip()
            if cursor.position > tip.position or not record.holds(cursor):
                said = f"it stands at batch {cursor.position:,} of another journal"
                return fault("block store", said, "`fairmeter rebuild` makes it again")
    except (StoreError, JournalError) as error:
        return parted("block store", error)
    if made_for not in ("", book.fingerprint()):
        said = "it was made for other devices or channels than the contracts name now"
        return warning("block store", said, "Start the gateway again, or run `fairmeter rebuild`")
    return ok("block store", f"it stands at batch {cursor.position:,} of {tip.position:,}")


def ledger(data: Path) -> Iterator[Finding]:
    """Whether the final statements chain, have their files, and are signed by the key that signs."""
    issued: list[Issued] = []
    if (data / "ledger.sqlite").exists():
        try:
            with Ledger.open(data / "ledger.sqlite") as opened:
                issued = opened.all()
        except LedgerError as error:
            yield parted("ledger", error)
            return
        found = list(_faults_of(data, issued))
        yield from found
        if not found:
            yield ok("ledger", f"{len(issued)} final statements, each with its files, each following the one before")
    yield _keys(data / "keys", issued[-1] if issued else None)


def _faults_of(data: Path, issued: list[Issued]) -> Iterator[Finding]:
    before: dict[str, str] = {}
    for each in issued:
        document = each.document
        name = f"statement {document['number']} of {document['contract']}"
        if statement_sha256(document) != each.sha256:
            yield fault("ledger", f"{name} was altered", RESTORE)
        if document["previous_sha256"] != before.get(document["contract"]):
            yield fault("ledger", f"{name} does not follow the one before it", RESTORE)
        before[document["contract"]] = each.sha256
        folder = data / "statements" / document["contract"] / str(document["number"])
        if not (folder / "statement.json").exists():
            yield fault("ledger", f"{name} has no files in {folder}", "Restore that folder from a copy")


def _keys(folder: Path, newest: Issued | None) -> Finding:
    private, public = folder / "private.pem", folder / "public.pem"
    if not private.exists():
        if public.exists() or newest is not None:
            return fault("keys", f"{private} is gone, and statements may be signed by it", "Restore it from a copy")
        return ok("keys", "there is none yet; the first start makes it")
    try:
        signer = open_signer(folder)
    except (KeyFault, OSError) as error:
        return parted("keys", error)
    if newest and (wrong := signature_fault(newest.document, signer.public)):
        said = f"the newest statement does not verify by {public}: {wrong}"
        return fault("keys", said, "Restore the key that signed it; a new one cannot")
    if private.stat().st_mode & 0o077:
        return warning("keys", f"others than its owner may read {private}", f"chmod 600 {private}")
    return ok("keys", "the key is there" + (", and the newest statement verifies by it" if newest else ""))
