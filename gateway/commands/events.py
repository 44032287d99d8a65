"""Commands about events: enter what no sensor can say, and list what was said and how it stands."""

import contextlib
from collections.abc import Mapping
from time import monotonic, sleep
from typing import Annotated, Any, Final

import typer

from contracts.adjusting import CLOSING
from contracts.event_text import Fault, Refused, agreement_fault, read_event
from contracts.events import STRETCHES, TYPES, Docket, Event
from contracts.periods import Period, period_named, rfc3339
from contracts.table import checked_time
from gateway.blocks import StoreError
from gateway.clock import now_ms
from gateway.commands.operation import is_running
from gateway.commands.statements import AsJson, ContractId, DataFolder, SettingsFile, must_serve, settings_for
from gateway.journal import Kind, Message
from gateway.output import fail, print_json, print_table, print_text, say
from gateway.payloads.event import decode_event, entered_event
from gateway.stores import Stores

PROJECTED_WITHIN_S: Final = 20.0

_NOT_SAID: Final = ("settings", "data", "as_json")
_WORDS: Final = {"kind": "type", "identity": "id"}


def enter_event(
    contract: ContractId,
    kind: Annotated[str, typer.Argument(metavar="TYPE", help=f"one of {', '.join(TYPES)}")],
    device: Annotated[str | None, typer.Option(help="the device; without it, all of the contract's")] = None,
    at: Annotated[str | None, typer.Option(help="when it happened; without it, now")] = None,
    start: Annotated[str | None, typer.Option(help="from when, for planned, force_majeure, excused")] = None,
    end: Annotated[str | None, typer.Option(help="until when")] = None,
    by: Annotated[str | None, typer.Option(help="who says it: a name")] = None,
    side: Annotated[str | None, typer.Option(help="for whom: provider or customer")] = None,
    reason: Annotated[str | None, typer.Option(help="why")] = None,
    announced: Annotated[str | None, typer.Option(help="when planned work was announced, if earlier")] = None,
    of: Annotated[str | None, typer.Option(help="the id of the event that is contested or decided")] = None,
    verdict: Annotated[str | None, typer.Option(help="accept or discard")] = None,
    channel: Annotated[str | None, typer.Option(help="the channel of the reading or the register")] = None,
    time: Annotated[str | None, typer.Option(help="the time of the reading that is decided")] = None,
    value: Annotated[str | None, typer.Option(help="its value, where two conflict")] = None,
    old: Annotated[str | None, typer.Option(help="the closing register of the meter taken out")] = None,
    new: Annotated[str | None, typer.Option(help="the opening register of the meter put in")] = None,
    period: Annotated[str | None, typer.Option(help="the period that a settlement is about")] = None,
    line: Annotated[str | None, typer.Option(help="the line that a settlement is about")] = None,
    amount: Annotated[str | None, typer.Option(help="what is settled, in the contract's currency")] = None,
    identity: Annotated[str | None, typer.Option("--id", help="its id; without it, a digest")] = None,
    settings: SettingsFile = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Enter an event with a name and a side: what no sensor can say. It is journalled first, and then judged."""
    said = _in_words_of_events(locals())
    with Stores.open(settings_for(settings, data)) as stores:
        event = _entered(stores, said)
        docket = Docket.of(stores.blocks.contract_events(event.contract or ""))
    if as_json:
        print_json(_row(event, docket))
        return
    for each in (event, *(each for each in docket.events if each.id == event.of)):
        print_text(f"{each.id}  {each.type}, {docket.standing(each)}\n")


def list_events(
    contract: ContractId,
    period: Annotated[str | None, typer.Option(help="only what touches this period")] = None,
    settings: SettingsFile = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """List the events of a contract, and how each stands between the two sides."""
    with Stores.open(settings_for(settings, data)) as stores:
        must_serve(stores, contract)
        docket = Docket.of(stores.blocks.contract_events(contract))
        if period is not None:
            try:
                docket = docket.touching(_period(stores, contract, period).span)
            except ValueError as error:
                fail(str(error))
    rows = [_row(event, docket) for event in docket.events]
    if as_json:
        print_json(rows)
        return
    shown = ("id", "type", "device", "start", "end", "by", "side", "standing", "reason")
    print_table(shown, [[row[name] for name in shown] for row in rows])


def _period(stores: Stores, contract: str, name: str) -> Period:
    versions = stores.book.versions(contract)
    for version in versions[1:]:
        with contextlib.suppress(ValueError):
            return period_named(version.terms, name)
    return period_named(versions[0].terms, name)


def _row(event: Event, docket: Docket) -> dict[str, Any]:
    """An event as a statement shows it, and what else it says."""
    row: dict[str, Any] = {"id": event.id, "type": event.type, "device": event.device}
    row |= {"start": rfc3339(event.start), "end": rfc3339(event.end), "by": event.by, "side": event.side}
    row |= {"reason": event.reason, "entered": rfc3339(event.entered)}
    row |= {"standing": docket.standing(event), "counts": docket.counts(event)}
    said = event.document()
    return row | {name: said[name] for name in said if name not in row and name not in ("time", "contract")}


# --- entering -------------------------------------------------------------------------------------------------------


def _in_words_of_events(given: Mapping[str, Any]) -> dict[str, Any]:
    """The record that a person typed; what just happened has the present moment."""
    said = {_WORDS.get(name, name): text for name, text in given.items() if text is not None and name not in _NOT_SAID}
    of_a_reading = said["type"] == "decision" and "channel" in said
    if said["type"] not in STRETCHES and not of_a_reading and not {"at", "time", "start"} & said.keys():
        said["time"] = rfc3339(now_ms())
    return said


def _entered(stores: Stores, said: dict[str, Any]) -> Event:
    """The event as it stands once it is in the journal and judged; ends the command where it was refused."""
    if stores.projector().needs_rebuild():
        fail(
            "the contracts name other devices or channels than before; restart the gateway, or run `fairmeter rebuild`"
        )
    payload = entered_event(said, _refusal(stores, said))
    message = Message(f"contract/{said['contract']}/event", payload, now_ms(), Kind.EVENT)
    position = stores.journal.append((message,)).position
    _await_projection(stores, position)
    for rejection in stores.blocks.rejected(position=position):
        fail(f"refused, and journalled as rejected: {rejection.reason}. {rejection.remedy}")
    event = decode_event(message, None).content
    assert isinstance(event, Event), "what cannot be read was rejected"
    known = stores.blocks.contract_event(event.contract or "", event.id)
    assert known is not None, "an event that was not rejected stands"
    if known.position < position:
        say(f"this event was entered before, at {rfc3339(known.event.entered)}; it is one event")
    reading = (event.device or "", event.channel or "", event.start, event.start + 1)
    if event.on_reading and not len(stores.blocks.read(*reading)):
        say(f"the decision waits: no reading of {event.device} {event.channel} at that time has arrived")
    return known.event


def _refusal(stores: Stores, said: Mapping[str, Any]) -> Fault | None:
    """Why an event is refused by what the journal does not say: final statements, and lines of the contract."""
    try:
        event = read_event(said, entered=now_ms(), identity="")
    except Refused:
        return None  # the journal says enough
    faults = [agreement_fault(event, version.terms) for version in stores.book.versions(event.contract or "")]
    if faults and all(faults):
        return faults[-1]
    if event.type == "settlement":
        return _settlement_fault(stores, event)
    return _final_fault(stores, event) if event.type == "contested" else None


def _settlement_fault(stores: Stores, event: Event) -> Fault | None:
    """A settlement needs a statement to come on which it can stand."""
    names = [issued.document["period"]["name"] for issued in stores.ledger.all(event.contract)]
    if CLOSING in names:
        said = f"the closing statement of {event.contract} is final: no other comes on which it could stand"
        return Fault("period", said, "Settle it between you, outside these statements")
    return None


def _final_fault(stores: Stores, event: Event) -> Fault | None:
    """An event may be contested until the statement that took it in is final (semantics §6)."""
    named = stores.blocks.contract_event(event.contract or "", event.of or "")
    if named is None:
        return None
    last = max(named.event.start, named.event.end - 1)
    for document in (issued.document for issued in stores.ledger.all(event.contract)):
        if checked_time(document["period"]["end"]) > last and document["input"]["batch"] >= named.position:
            said = (
                f"statement {document['number']} for {document['period']['name']}, which took {event.of} in, is final"
            )
            return Fault("of", said, "Dispute it by a settlement that both sides accept")
    return None


def _await_projection(stores: Stores, position: int) -> None:
    """Wait until what was journalled is judged: a running gateway does that; where none runs, this command."""
    projector, until = stores.projector(), monotonic() + PROJECTED_WITHIN_S
    while stores.blocks.cursor().position < position:
        if monotonic() > until:
            fail("it is journalled, and the running gateway has not come to it yet; `fairmeter events` will list it")
        try:
            if not is_running(stores.settings.data) and projector.project_next():
                continue
        except StoreError as error:  # another process projects at the same moment
            say(str(error))
        sleep(0.1)
