"""Commands about statements: list, show, close, export and verify them."""

import csv
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import structlog
import typer

from contracts.explain.page import statement_text
from contracts.periods import rfc3339
from contracts.verify.evidence import Report
from contracts.verify.statement import verify
from gateway.archive import ArchiveError, open_evidence, zip_evidence
from gateway.clock import now_ms
from gateway.close import NotDue
from gateway.ledger import Issued
from gateway.output import fail, print_json, print_table, print_text, progress_bar, say
from gateway.restate import ContractFault
from gateway.settings import Settings, load_settings
from gateway.stores import Stores
from gateway.view import LiveView

app = typer.Typer(help="Statements: list, show, close, export.", no_args_is_help=True, add_completion=False)

SettingsFile = Annotated[Path | None, typer.Option("--settings", help="settings file; default: fairmeter.toml")]
DataFolder = Annotated[Path | None, typer.Option("--data", help="data folder; default: as the settings say")]
ContractId = Annotated[str, typer.Argument(help="the contract's id")]
Number = Annotated[int | None, typer.Argument(help="the statement's number; default: the newest")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def settings_for(file: Path | None, data: Path | None) -> Settings:
    """Settings for a command; a demo's data folder brings its own."""
    # stdout is for the command's data alone.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    if file is None and data is not None and (data / "fairmeter.toml").exists():
        file = data / "fairmeter.toml"
    return load_settings(file, data=data)


@app.command("list")
def list_statements(
    contract: Annotated[str | None, typer.Argument(help="one contract only")] = None,
    settings: SettingsFile = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """List final statements in order of issue."""
    with Stores.open(settings_for(settings, data)) as stores:
        issued = stores.ledger.all(contract)
    if as_json:
        print_json([_summary(each) for each in issued])
    else:
        rows = [list(_summary(each).values())[:6] for each in issued]
        print_table(["contract", "number", "period", "total", "currency", "issued"], rows)


def _summary(issued: Issued) -> dict[str, Any]:
    document = issued.document
    keys = ("contract", "number")
    period = {"period": document["period"]["name"]}
    rest = ("total", "currency", "issued_at")
    return {**{k: document[k] for k in keys}, **period, **{k: document[k] for k in rest}, "sha256": issued.sha256}


@app.command()
def show(
    contract: ContractId,
    number: Number = None,
    current: Annotated[bool, typer.Option("--current", help="the statement so far of the period that runs")] = False,
    source: Annotated[
        Literal["ledger", "influx"], typer.Option("--from", help="influx: computed again from what InfluxDB holds")
    ] = "ledger",
    settings: SettingsFile = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show a final statement, or with --current the statement so far.

    With --from influx a final statement is computed a second time, from the terms and readings in InfluxDB, and must
    agree.
    """
    if source == "influx" and current:
        raise typer.BadParameter("it computes final statements; leave --current out", param_hint="--from influx")
    with Stores.open(settings_for(settings, data)) as stores:
        if source == "influx":
            show_second(stores, _find(stores, contract, number), as_json)
            return
        if current:
            document = _current(stores, contract)
            version = next(v for v in stores.book.versions(contract) if v.terms.version == document["version"])
            text = statement_text(document, version.terms)
        else:
            issued = _find(stores, contract, number)
            document = issued.document
            text = _printed(stores, issued)
    if as_json:
        print_json(document)
    else:
        print_text(text)


def show_second(stores: Stores, issued: Issued, as_json: bool) -> None:
    """Print the second computation of a final statement; the command ends with 1 where it differs."""
    from gateway.influx.readback import ReadBack  # noqa: PLC0415 - heavy, and only here
    from gateway.influx.recheck import second_computation  # noqa: PLC0415
    from gateway.influx.server import Influx  # noqa: PLC0415

    with Influx.open(stores.settings.influx) as influx, progress_bar("channels") as bar:
        task = bar.add_task("reading InfluxDB", total=None, note="")

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        second = second_computation(stores, ReadBack(influx), issued, report)
        bar.update(task, completed=bar.tasks[task].total)
    if as_json:
        hours = [
            {"device": h.device, "channel": h.channel, "hour": rfc3339(h.start_ms), "readings": h.readings}
            for h in second.hours
        ]
        figures = [{"where": each.where, "message": each.message} for each in second.figures]
        print_json({"agrees": second.agrees, "hours": hours, "figures": figures, "statement": second.document})
    else:
        print_text(statement_text(second.document, second.contract.terms))
        for each in (*second.hours, *second.figures):
            say(f"DIFFERS {each}")
        if second.agrees:
            say("InfluxDB agrees: every figure of the final statement comes out of what it holds.")
        else:
            remedy = "remove what was added there, then `fairmeter rebuild --influx`"
            say(f"InfluxDB differs from the final statement; {remedy}.")
    if not second.agrees:
        raise typer.Exit(1)


def _printed(stores: Stores, issued: Issued) -> str:
    """A final statement as it was issued, whatever became of the contract's file, and what arrived after it."""
    file = stores.closer.folder(issued.document) / "statement.txt"
    text = file.read_text("utf-8")
    try:
        later = list(stores.closer.later_than(issued))
    except ContractFault as fault:
        say(f"what arrived later cannot be said: {fault}")
        return text
    said = "Later data: {0.readings} readings of {0.device} arrived after this statement was final.\n"
    return text + "".join(said.format(each) for each in later)


def _current(stores: Stores, contract: str) -> dict[str, Any]:
    must_serve(stores, contract)
    try:
        if stores.closer.next_due(contract) is None and stores.closer.closing_due(contract) is None:
            fail(f"{contract} is over, and its closing statement is final")
    except ContractFault as fault:
        fail(str(fault))
    try:
        found = LiveView(stores).at_once(contract, now_ms())
    except (ContractFault, OSError) as fault:
        fail(str(fault))
    assert found is not None, "a contract that is over was refused above"
    return found


def must_serve(stores: Stores, contract: str) -> None:
    """End the command where no such contract is served, and name those that are."""
    served = stores.closer.contract_ids()
    if contract not in served:
        fail(f"{contract} is not served here; the contracts are: {', '.join(served) or 'none'}")


def _find(stores: Stores, contract: str, number: int | None) -> Issued:
    issued = stores.ledger.last(contract) if number is None else stores.ledger.find(contract, number)
    if issued is None:
        must_serve(stores, contract)
        which = "no final statement yet" if number is None else f"no statement {number}"
        fail(f"{contract} has {which}; `fairmeter statement show {contract} --current` shows the one so far")
    return issued


@app.command()
def close(
    contract: ContractId, settings: SettingsFile = None, data: DataFolder = None, as_json: AsJson = False
) -> None:
    """Make the next final statement of a contract, if its grace is over."""
    with Stores.open(settings_for(settings, data)) as stores:
        must_serve(stores, contract)
        projector = stores.projector()
        if projector.needs_rebuild():
            fail("the contracts name other devices or channels than before; run `fairmeter rebuild` first")
        while projector.project_next():
            pass
        try:
            issued = stores.closer.close(contract, now_ms())
        except (NotDue, ContractFault) as reason:
            fail(str(reason))
        folder = stores.closer.folder(issued.document)
    if as_json:
        print_json(issued.document)
    else:
        print_text((folder / "statement.txt").read_text())
        say(f"final: {folder}")


@app.command()
def export(
    contract: ContractId,
    number: Number = None,
    to: Annotated[Path, typer.Option(help="folder to write to")] = Path(),
    settings: SettingsFile = None,
    data: DataFolder = None,
) -> None:
    """Write a statement as JSON, text and CSV, with its evidence as a zip and the public key: all that verifies it."""
    with Stores.open(settings_for(settings, data)) as stores:
        issued = _find(stores, contract, number)
        folder = stores.closer.folder(issued.document)
        public_key = stores.settings.data / "keys" / "public.pem"
    document = issued.document
    to.mkdir(parents=True, exist_ok=True)
    stem = f"{contract}-{document['number']}"
    for name in ("statement.json", "statement.txt"):
        shutil.copyfile(folder / name, to / f"{stem}{Path(name).suffix}")
    (to / f"{stem}.csv").write_text(_csv(document))
    zip_evidence(folder / "evidence", to / f"{stem}-evidence.zip")
    shutil.copyfile(public_key, to / "public.pem")
    say(f"written to {to}: {stem}.json, .txt, .csv, {stem}-evidence.zip, public.pem")
    say(f"verify with: fairmeter verify {to / stem}.json {to / stem}-evidence.zip --key {to / 'public.pem'}")


def _csv(document: dict[str, Any]) -> str:
    """The lines of a statement as a spreadsheet opens them."""

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = ("id", "device", "kind", "title", "clause", "quantity", "unit", "amount", "coverage")
    writer.writerow(["contract", "number", "period", "currency", *columns, "derivation"])
    for line in document["lines"]:
        start = [document["contract"], document["number"], document["period"]["name"], document["currency"]]
        steps = "; ".join(step["text"] for step in line["derivation"])
        writer.writerow([*start, *(line[column] for column in columns), steps])
    return out.getvalue()


def verify_statement(
    statement: Annotated[Path, typer.Argument(help="the statement (JSON)")],
    evidence: Annotated[Path, typer.Argument(help="its evidence: a folder, a zip or a tar archive")],
    key: Annotated[
        Path | None, typer.Option(help="the gateway's public key; default: one found near the files")
    ] = None,
    previous: Annotated[Path | None, typer.Option(help="the statement before; default: one found near")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a statement from its files alone: recompute every line, check digests, opening state, chain, signature."""
    report = verify_files(statement, evidence, key, previous)
    if as_json:
        found = [{"where": finding.where, "message": finding.message} for finding in report.findings]
        print_json({"verified": report.verified, "checks": report.checks, "findings": found})
    else:
        for check in report.checks:
            print_text(f"  ok   {check}\n")
        for finding in report.findings:
            print_text(f"DIFFERS {finding}\n")
        print_text("VERIFIED\n" if report.verified else "NOT VERIFIED\n")
    if not report.verified:
        raise typer.Exit(1)


def verify_files(statement: Path, evidence: Path, key: Path | None = None, previous: Path | None = None) -> Report:
    """The report on a statement's files; key and previous statement are looked for beside them if not named."""
    document = _document(statement)
    key = key or _first(
        statement.parent / "public.pem", *(up / "keys/public.pem" for up in statement.resolve().parents)
    )
    if previous is None and isinstance(document.get("number"), int):
        previous = _first(statement.resolve().parent.parent / str(document["number"] - 1) / "statement.json")
    try:
        read, paths = open_evidence(evidence)
        pem = key.read_bytes() if key else None
    except (ArchiveError, OSError) as error:
        fail(str(error))
    before = _document(previous) if previous else None
    return verify(document, read, paths, pem, before, _earlier(statement, document, before))


def _earlier(statement: Path, document: dict[str, Any], before: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The statements that its adjustments correct, as far as they lie beside it, and the one before."""
    folder, number = statement.resolve().parent.parent, document.get("number")
    numbers = range(1, number) if isinstance(number, int) and document.get("restated") else ()
    files = {each: folder / str(each) / "statement.json" for each in numbers}
    found = {each: _document(file) for each, file in files.items() if file.is_file()}
    if before is not None and isinstance(before.get("number"), int):
        found[before["number"]] = before
    return [found[each] for each in sorted(found)]


def _first(*places: Path) -> Path | None:
    return next((place for place in places if place.is_file()), None)


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}")
    except ValueError as error:
        fail(f"{path} is not JSON: {error}; it was altered, or is not a statement")
    if not isinstance(document, dict) or not isinstance(document.get("evidence"), dict):
        fail(f"{path} is not a statement with evidence")
    return document
