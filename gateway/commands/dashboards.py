"""The command that brings the dashboards to a Grafana that someone already runs."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from dashboards.files import read_files
from dashboards.push import Step, push
from dashboards.server import Grafana, GrafanaFault, read_token
from dashboards.wanted import Source, Wanted, wanted
from gateway.book import Book, load_book
from gateway.commands.statements import AsJson, SettingsFile, settings_for
from gateway.output import fail, print_json, print_table, say
from gateway.settings import Settings

app = typer.Typer(help="Dashboards: bring them to a Grafana.", no_args_is_help=True, add_completion=False)

_WOULD = {"created": "would be created", "changed": "would be changed"}


@app.callback()
def dashboards() -> None:
    """Dashboards: bring them to a Grafana."""


@app.command("push")
def push_dashboards(
    grafana: Annotated[str | None, typer.Option(help="Grafana's address; default: as the settings say")] = None,
    token_file: Annotated[Path | None, typer.Option(help="a file with the token of a service account")] = None,
    influx_url: Annotated[str | None, typer.Option(help="InfluxDB as seen from Grafana")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would change")] = False,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Bring data source, folders, dashboards, alert rules and view-only teams to a Grafana; again changes nothing."""
    if grafana is not None and not grafana.startswith(("http://", "https://")):
        raise typer.BadParameter("write it as http://… or https://…", param_hint="--grafana")
    given = {"url": grafana, "token_file": token_file, "influx_url": influx_url}
    chosen = settings_for(settings, None)
    merged = chosen.grafana.model_copy(update={name: value for name, value in given.items() if value is not None})
    chosen = chosen.model_copy(update={"grafana": merged})
    url = merged.url
    if url is None or merged.token_file is None:
        raise typer.BadParameter("name a Grafana and the file with its token", param_hint="--grafana, --token-file")
    book, problems = load_book(chosen.contracts)
    for problem in problems:
        say(f"left out: {problem}")
    if merged.influx_token_file is None:
        say("Grafana gets the token that also writes; set grafana.influx_token_file to one that can only read")
    steps: list[Step] = []
    try:
        target = Grafana(url, read_token(merged.token_file))
        for step in push(target, wanted_for(chosen, book), dry_run=dry_run):
            steps.append(step)
            if not as_json and (step.kind != "unchanged" or step.parts):
                say(said(step, dry_run=dry_run))
    except GrafanaFault as error:
        if as_json:
            print_json({"grafana": url, "dry_run": dry_run, "fault": str(error), "steps": [*map(_document, steps)]})
        fail(str(error))
    _conclude(url, target.version, steps, dry_run=dry_run, as_json=as_json)


def wanted_for(settings: Settings, book: Book) -> Wanted:
    """What a Grafana is to hold by these settings, for the customers of these contracts; GrafanaFault if it lacks."""
    influx, grafana = settings.influx, settings.grafana
    url, token_file = grafana.influx_url or influx.url, grafana.influx_token_file or influx.token_file
    if url is None or token_file is None:
        raise GrafanaFault(
            "Grafana would have nothing to read; set influx.url and influx.token_file, or give --influx-url"
        )
    customers = {contract.terms.customer.name for contract in book.contracts}
    return wanted(read_files(), customers, Source(url, influx.org, influx.bucket, read_token(token_file)))


def said(step: Step, *, dry_run: bool) -> str:
    """A step in a line."""
    became = _WOULD.get(step.kind, step.kind) if dry_run else step.kind
    return f"{step.what} {step.name}: {became}{' (' + '; '.join(step.parts) + ')' if step.parts else ''}"


def _document(step: Step) -> dict[str, Any]:
    return dataclasses.asdict(step)


def _conclude(url: str, version: str, steps: list[Step], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        told = {"grafana": url, "version": version, "dry_run": dry_run, "changes": any(each.differs for each in steps)}
        print_json({**told, "steps": [_document(step) for step in steps]})
        return
    counted: dict[str, int] = {}
    for step in steps:
        counted[step.kind] = counted.get(step.kind, 0) + 1
    print_table(
        ["things", "outcome"], [[n, _WOULD.get(kind, kind) if dry_run else kind] for kind, n in counted.items()]
    )
    if not any(step.differs for step in steps):
        say(f"Grafana {version} at {url} is as it is to be; nothing to change")
