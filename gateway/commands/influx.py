"""Commands about InfluxDB: set it up, and fill it again."""

from typing import Annotated

import typer

from gateway.book import load_book
from gateway.commands.statements import SettingsFile, settings_for
from gateway.output import say

app = typer.Typer(help="InfluxDB: set it up.", no_args_is_help=True, add_completion=False)


@app.callback()
def influx() -> None:
    """InfluxDB: set it up."""


@app.command("init")
def init(
    keep_days: Annotated[
        int | None, typer.Option(min=0, help="how many days points are kept; 0: for ever; default: as it is")
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Make the bucket that the settings name, and see that the token may use it; again changes nothing."""
    from gateway.influx.server import Influx  # noqa: PLC0415 - takes a second to import
    from gateway.influx.setup import least_days, prepare  # noqa: PLC0415

    chosen = settings_for(settings, None)
    with Influx.open(chosen.influx) as server:
        kept = prepare(server, keep_days, say)
    least = least_days(load_book(chosen.contracts)[0])
    if 0 < kept < least:
        say(f"these contracts need {least} days, or statements cannot be computed from InfluxDB a second time")
