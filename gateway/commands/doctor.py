"""The command that looks at what surrounds a gateway."""

import dataclasses

import typer

from contracts.problems import ProblemsFound
from gateway.commands.statements import AsJson, DataFolder, SettingsFile, settings_for
from gateway.doctor.examination import examine
from gateway.doctor.finding import Finding, of_problem
from gateway.output import INPUT_HAS_PROBLEMS, print_json, print_table, say


def doctor(settings: SettingsFile = None, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Look at contracts, disk, clock, broker, data, InfluxDB and Grafana: what, result, remedy; exit 1 at a fault."""
    found: list[Finding] = []
    try:
        for finding in examine(settings_for(settings, data)):
            found.append(finding)
            if not as_json:
                say(f"{finding.result:8}{finding.what}: {finding.said}")
    except ProblemsFound as error:
        found += [of_problem("settings", problem) for problem in error.problems]
    if as_json:
        print_json([dataclasses.asdict(each) for each in found])
    else:
        wrong = [each for each in found if each.result != "ok"]
        rows = [[each.what, each.result, each.said, each.remedy] for each in wrong]
        if rows:
            print_table(["what", "result", "seen", "remedy"], rows)
        say(f"looked at {len(found)} things, {len(wrong)} to see to")
    if any(each.result == "fault" for each in found):
        raise typer.Exit(INPUT_HAS_PROBLEMS)
