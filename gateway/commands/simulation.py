"""Commands that stand in for machines: simulate a fleet, replay a recording."""

import asyncio
import json
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import typer

from device_sim.link import Broker, LinkError
from device_sim.publish import Progress, publish_history, publish_late, publish_live
from device_sim.recording import Clock, RecordingError, RowClock, TimeColumn
from device_sim.replay import replay as replay_recording
from device_sim.scenario import Scenario, read_scenario, shipped
from gateway.demo import demo_month
from gateway.output import fail, print_json, progress_bar, say

BrokerAddress = Annotated[str, typer.Option(help="the broker, as mqtt[s]://[user[:password]@]host[:port]")]
Username = Annotated[str | None, typer.Option(help="who the devices say they are, all of them")]
PasswordFile = Annotated[Path | None, typer.Option(help="a file with the password")]
Authority = Annotated[Path | None, typer.Option("--ca", help="certificate authority; the connection is encrypted")]
AsJson = Annotated[bool, typer.Option("--json", help="print the outcome, and progress, as JSON lines")]


def simulate(
    scenario: Annotated[
        str, typer.Argument(help="a scenario file, or a shipped one: demo, office-printer, compressed-air")
    ],
    broker: BrokerAddress = "mqtt://127.0.0.1:1883",
    username: Username = None,
    password_file: PasswordFile = None,
    ca: Authority = None,
    start: Annotated[str | None, typer.Option("--from", help="publish history from this moment (RFC 3339)")] = None,
    end: Annotated[str | None, typer.Option("--until", help="to this moment; default: now")] = None,
    period_start: Annotated[
        str | None, typer.Option(help="where faults and events are counted from; default: --from")
    ] = None,
    after: Annotated[Path | None, typer.Option(help="a demo's folder: go on where its month ended")] = None,
    sets: Annotated[int, typer.Option(min=1, max=2000, help="reading sets in one message of history")] = 60,
    late: Annotated[bool, typer.Option("--late", help="publish only what was held back as late")] = False,
    live: Annotated[bool, typer.Option("--live", help="then go on in real time until Ctrl-C")] = False,
    interval: Annotated[float | None, typer.Option(min=0.1, help="seconds between live readings")] = None,
    as_json: AsJson = False,
) -> None:
    """Publish what a simulated fleet reports: history in arrays with original times, then live."""
    if start is None and after is None and not live:
        raise typer.BadParameter("say --from or --after for history, --live for real time, or both")
    fleet = _scenario(scenario)
    target = _broker(broker, username, password_file, ca)
    month = demo_month(after).span if after else None
    begin = _moment(start) if start else month.end if month else None
    origin = _moment(period_start) if period_start else month.start if month else begin
    until = _moment(end) if end else _now_ms()
    shown = _Shown(as_json)

    async def publish() -> None:
        if begin is not None and not late:
            done = await publish_history(
                fleet, target, begin, until, sets_per_message=sets, progress=shown.progress, period_start_ms=origin
            )
            shown.done("history", done)
        if begin is not None and late:
            shown.done("late", await publish_late(fleet, target, begin, until, period_start_ms=origin))
        if live:
            stop = _stopped_by_signal()
            every = None if interval is None else round(interval * 1000)
            done = await publish_live(
                fleet, target, stop, interval_ms=every, period_start_ms=origin, progress=shown.live
            )
            shown.done("live", done)

    with shown:
        _run(publish)


def replay(
    file: Annotated[Path, typer.Argument(help="a recording as CSV")],
    device: Annotated[str, typer.Option(help="the device it is to be")],
    mapping: Annotated[list[str], typer.Option("--map", help="column=channel, once for each")],
    broker: BrokerAddress = "mqtt://127.0.0.1:1883",
    username: Username = None,
    password_file: PasswordFile = None,
    ca: Authority = None,
    time: Annotated[str | None, typer.Option(help="the column with the time")] = None,
    style: Annotated[str, typer.Option(help="how the time is written: iso, epoch_s, epoch_ms")] = "iso",
    timezone: Annotated[str, typer.Option(help="zone of times without an offset")] = "UTC",
    start: Annotated[str | None, typer.Option(help="moment of the first row (RFC 3339)")] = None,
    every: Annotated[float | None, typer.Option(min=0.001, help="seconds between rows that carry no time")] = None,
    speed: Annotated[float | None, typer.Option(help="1: as recorded; default: as fast as acknowledged")] = None,
    sets: Annotated[int, typer.Option(min=1, max=2000, help="rows in one message")] = 60,
    boot: Annotated[str | None, typer.Option(help="boot id to report")] = None,
    as_json: AsJson = False,
) -> None:
    """Feed a recorded CSV to a broker as if its machine were speaking now."""
    columns = dict(part.split("=", 1) for part in mapping if "=" in part)
    if len(columns) != len(mapping):
        raise typer.BadParameter("write each as column=channel", param_hint="--map")
    clock = _clock(time, style, timezone, start, every)
    target = _broker(broker, username, password_file, ca)
    shown = _Shown(as_json)

    async def publish() -> None:
        done = await replay_recording(
            file, target, device, columns, clock, speed=speed, sets_per_message=sets, boot=boot,
            progress=shown.progress,
        )  # fmt: skip
        for problem in done.problems[:10]:
            say(f"left out: {problem}")
        shown.done("replay", done)

    with shown:
        _run(publish)


def _clock(time: str | None, style: str, timezone: str, start: str | None, every: float | None) -> Clock:
    if time is not None:
        if style not in ("iso", "epoch_s", "epoch_ms"):
            raise typer.BadParameter("one of iso, epoch_s, epoch_ms", param_hint="--style")
        return TimeColumn(time, style, timezone)  # type: ignore[arg-type]
    if start is None or every is None:
        raise typer.BadParameter("name the --time column, or say --start and --every for rows without a time")
    return RowClock(_moment(start), round(every * 1000))


class _Shown:
    """Progress as a bar that people watch, or as JSON lines that the demo reads."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._bar = progress_bar("messages")
        self._task = self._bar.add_task("publishing", total=None, note="") if not as_json else None
        self._seen: dict[str, Progress] = {}

    def __enter__(self) -> None:
        if not self._as_json:
            self._bar.start()

    def __exit__(self, *_: object) -> None:
        if not self._as_json:
            self._bar.stop()

    def progress(self, progress: Progress) -> None:
        """Show how far one device has come."""
        self._seen[progress.device] = progress
        everyone = self._seen.values()
        reached = min(each.reached_ms for each in everyone)
        messages, readings = sum(each.messages for each in everyone), sum(each.readings for each in everyone)
        if self._as_json:
            _print_line({"messages": messages, "readings": readings, "reached_ms": reached})
        elif self._task is not None:
            day = datetime.fromtimestamp(reached / 1000, ZoneInfo("UTC")).date()
            self._bar.update(self._task, completed=messages, note=f"· {readings:,} readings, {day}")

    def live(self, progress: Progress) -> None:
        """Show a live message."""
        self.progress(progress)

    def done(self, part: str, outcome: Any) -> None:
        """Show what a part of the work came to."""
        figures = asdict(outcome)
        if self._as_json:
            told: dict[str, Any] = {key: figures[key] for key in ("messages", "readings", "events") if key in figures}
            _print_line({"done": part, **told})
        else:
            said = f" and {figures['events']} events" if figures.get("events") else ""
            say(f"{part}: {figures['readings']:,} readings{said} in {figures['messages']:,} messages, all acknowledged")
            if figures.get("faults"):
                print_json({"faults": figures["faults"]})


def _print_line(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _run(work: Callable[[], Any]) -> None:
    try:
        asyncio.run(work())
    except (LinkError, RecordingError, ValueError) as error:
        fail(str(error))


def _stopped_by_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


def _scenario(name: str) -> Scenario:
    """A shipped scenario by its bare name, whatever is called so in this folder; else a file."""
    path = Path(name)
    if not path.suffix and path.name == name:
        try:
            return shipped(name)
        except (FileNotFoundError, KeyError):
            if not path.is_file():
                fail(f"{name} is neither a scenario file nor a shipped scenario (demo, office-printer, compressed-air)")
    try:
        scenario, problems = read_scenario(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path} cannot be read: {error}")
    if scenario is None:
        fail("\n".join(f"{path}: {problem}" for problem in problems))
    return scenario


def _broker(address: str, username: str | None, password_file: Path | None, ca: Path | None) -> Broker:
    """The broker at an address; ends the command where nothing listens there."""
    try:
        parts = urlsplit(address if "://" in address else f"mqtt://{address}")
        encrypted = parts.scheme == "mqtts" or ca is not None
        port = parts.port or (8883 if encrypted else 1883)
    except ValueError as error:
        raise typer.BadParameter(f"{address!r}: {error}", param_hint="--broker") from None
    if parts.hostname is None:
        raise typer.BadParameter(f"{address!r} names no host", param_hint="--broker")
    try:
        socket.create_connection((parts.hostname, port), timeout=10).close()
    except OSError as error:
        fail(f"nothing answers at {parts.hostname}:{port} ({error}); start a broker there, or name one with --broker")
    password = password_file.read_text().strip() if password_file else parts.password
    tls = ssl.create_default_context(cafile=ca) if encrypted else None
    return Broker(parts.hostname, port, username or parts.username, password, tls)


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time; write it as 2026-01-31T00:00:00Z") from None
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} does not say its offset; end it with Z for UTC")
    return round(moment.timestamp() * 1000)


def _now_ms() -> int:
    return round(datetime.now(ZoneInfo("UTC")).timestamp() * 1000)
