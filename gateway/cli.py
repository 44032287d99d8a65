"""`fairmeter`: the commands, each imported when it is used, so that `--help` answers at once."""

import errno
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

# Where each command stands: module, function, and what it does in one line.
COMMANDS = {
    "demo": ("demo", "demo", "See the whole line work on this machine: broker, simulated fleet, gateway, statements."),
    "run": ("operation", "run", "Run the gateway."),
    "health": ("health", "health", "Say whether a running gateway does its work."),
    "check": ("agreements", "check", "Check contracts and settings: every problem, with line and remedy."),
    "compute": ("agreements", "compute_statement", "Compute a statement from files alone."),
    "statement": ("statements", "app", "List, show, close and export statements."),
    "event": ("events", "enter_event", "Enter what no sensor can say: serviced, planned, breakdown, a decision."),
    "events": ("events", "list_events", "List events and how they stand between the two sides."),
    "verify": ("statements", "verify_statement", "Check a statement from its files alone."),
    "simulate": ("simulation", "simulate", "Publish what a simulated fleet reports."),
    "replay": ("simulation", "replay", "Feed a recorded CSV to a broker."),
    "rebuild": ("operation", "rebuild", "Make the block store again from the journal, or fill InfluxDB again."),
    "influx": ("influx", "app", "Set up InfluxDB."),
    "rejected": ("operation", "rejected", "List what was not understood, and why."),
    "doctor": ("doctor", "doctor", "Look at what surrounds a gateway: what, result, remedy."),
    "dashboards": ("dashboards", "app", "Bring the dashboards to a Grafana that someone runs."),
    "schema": ("agreements", "schema", "Print the JSON Schema of the contract language, for editors."),
}


class Commands(TyperGroup):
    """The group of commands; a command's module is imported when the command is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, name: str) -> Any:  # noqa: ARG002
        """The command of that name."""
        if name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[name]
        found: Any = getattr(import_module(f"gateway.commands.{module}"), function)
        if isinstance(found, typer.Typer):
            group = typer.main.get_command(found)
            group.name = name
            return group
        app = typer.Typer(add_completion=False)
        app.command(name)(found)
        return typer.main.get_command(app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """The list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, _, told) in COMMANDS.items()])


app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def fairmeter() -> None:
    """Fairmeter turns what machines report into statements that both parties of a contract can verify."""
    from gateway.output import log_to_stderr  # noqa: PLC0415 - only when a command runs

    log_to_stderr()


def main() -> None:
    """The console script: an error of ours is its message, which names the remedy; any other is a fault to report."""
    try:
        app()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            sys.stderr.write("the disk is full; make room and run the command again\n")
        elif error.filename:
            remedy = "check the name, and that this user may read and write there"
            sys.stderr.write(f"{error.filename}: {error.strerror}; {remedy}\n")
        else:
            raise
        sys.exit(1)
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("contracts", "gateway", "device_sim"):
            raise
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
