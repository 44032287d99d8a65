"""The rules of ingest, one by one; the storms are in tests/simulation."""

import hashlib

import pytest

from gateway.ingest import (
    Acknowledge,
    Announce,
    Answer,
    Append,
    CommitFailed,
    Committed,
    Connected,
    Disconnected,
    Effect,
    Entered,
    Event,
    Finish,
    GoOnReading,
    Ingest,
    Limits,
    Received,
    RetryDue,
    RetryLater,
    StopAsked,
    StopReading,
    Subscribe,
)
from gateway.message import Kind, Message

NOON_MS = 1_767_225_600_000


def received(number: int, *, qos: int = 1, payload: bytes = b"{}", topic: str = "telemetry/a") -> Received:
    """A delivery with this packet identifier, at QoS 0 without one."""
    return Received(number if qos else None, topic, payload, False, NOON_MS + number)


def kept(*numbers: int) -> tuple[Message, ...]:
    """The messages of those deliveries as the journal gets them."""
    return tuple(Message("telemetry/a", b"{}", NOON_MS + number) for number in numbers)


def play(ingest: Ingest, *events: Event) -> list[Effect]:
    """Feed the events and return what the last one wants done."""
    effects: list[Effect] = []
    for event in events:
        effects = ingest.step(event)
    return effects


def test_a_message_is_acknowledged_after_its_commit_and_not_before() -> None:
    """Receiving writes; only the commit acknowledges."""
    ingest = Ingest()
    assert play(ingest, Connected(True), received(1)) == [Append(kept(1))]
    assert ingest.step(Committed(7)) == [Acknowledge((1,)), Announce(7)]


def test_what_arrives_during_a_write_is_the_next_batch() -> None:
    """The batches grow with the time the disk takes, and acknowledgements keep the order of receipt."""
    ingest = Ingest()
    assert play(ingest, Connected(True), received(1), received(3), received(2)) == []
    assert ingest.step(Committed(1)) == [Acknowledge((1,)), Announce(1), Append(kept(3, 2))]
    assert ingest.step(Committed(2)) == [Acknowledge((3, 2)), Announce(2)]


def test_a_batch_has_a_limit_in_messages_and_in_bytes() -> None:
    """However much waits, one batch stays small enough to write and to read back."""
    by_number = Ingest(Limits(batch_messages=2))
    play(by_number, Connected(True), *(received(number) for number in range(1, 5)))
    assert by_number.step(Committed(1))[-1] == Append(kept(2, 3))
    by_size = Ingest(Limits(batch_bytes=3_000))
    play(by_size, Connected(True), *(received(number, payload=b"x" * 1_000) for number in range(1, 5)))
    (append,) = (effect for effect in by_size.step(Committed(1)) if isinstance(effect, Append))
    assert len(append.messages) == 1


def test_a_single_message_over_the_batch_limit_is_written_alone() -> None:
    """No size keeps a message out of the journal."""
    ingest = Ingest(Limits(batch_bytes=10))
    assert play(ingest, Connected(True), received(1)) == [Append(kept(1))]


def test_a_disconnect_drops_what_is_owed_and_commits_it_all_the_same() -> None:
    """A delivery of an earlier connection is never acknowledged in a later one, where its number means another."""
    ingest = Ingest()
    play(ingest, Connected(True), received(1), received(2), Disconnected())
    assert ingest.step(Connected(True)) == []
    play(ingest, received(1))
    assert ingest.step(Committed(1)) == [Announce(1), Append(kept(2, 1))]
    assert ingest.step(Committed(2)) == [Acknowledge((1,)), Announce(2)]


def test_without_a_connection_nothing_is_acknowledged() -> None:
    """A commit that ends after the connection did owes nothing to anyone."""
    ingest = Ingest()
    play(ingest, Connected(True), received(1), Disconnected())
    assert ingest.step(Committed(1)) == [Announce(1)]


def test_a_failed_write_is_tried_again_with_the_same_messages_first() -> None:
    """Nothing of a failed batch is acknowledged and no later message overtakes it."""
    ingest = Ingest()
    play(ingest, Connected(True), received(1), received(2))
    assert ingest.step(CommitFailed()) == [RetryLater(1)]
    assert ingest.step(received(3)) == []
    assert ingest.step(RetryDue()) == [Append(kept(1))]
    assert ingest.step(CommitFailed()) == [RetryLater(2)]
    assert play(ingest, RetryDue(), Committed(1)) == [Acknowledge((1,)), Announce(1), Append(kept(2, 3))]
    assert play(ingest, CommitFailed()) == [RetryLater(1)]


def test_subscribing_happens_when_the_broker_forgot_us_and_once_after_every_start() -> None:
    """A session kept is used; topics changed in the settings are still asked for."""
    ingest = Ingest()
    assert ingest.step(Connected(True)) == [Subscribe()]
    assert play(ingest, Disconnected(), Connected(True)) == []
    assert play(ingest, Disconnected(), Connected(False)) == [Subscribe()]


def test_reading_stops_at_the_limit_and_goes_on_below_half() -> None:
    """Memory is bounded: what does not fit stays with the broker."""
    ingest = Ingest(Limits(waiting_messages=4, batch_messages=1))
    play(ingest, Connected(True), *(received(number) for number in range(1, 4)))
    assert ingest.step(received(4)) == [StopReading()]
    assert GoOnReading() not in ingest.step(Committed(1))
    assert GoOnReading() not in ingest.step(Committed(2))
    assert GoOnReading() in ingest.step(Committed(3))


def test_bytes_are_bounded_too() -> None:
    """A few large messages stop reading as many small ones do."""
    ingest = Ingest(Limits(waiting_bytes=10_000))
    assert StopReading() in play(ingest, Connected(True), received(1, payload=b"x" * 10_000))
    assert GoOnReading() in ingest.step(Committed(1))


def test_an_oversized_payload_is_journalled_as_what_it_was() -> None:
    """Its length, SHA-256 and first 4 KiB are kept, and it is acknowledged like any other."""
    ingest = Ingest(Limits(payload_bytes=5_000))
    payload = bytes(range(256)) * 30
    (append,) = play(ingest, Connected(True), received(1, payload=payload))
    assert isinstance(append, Append)
    (message,) = append.messages
    assert message.payload == payload[:4096]
    assert message.cut is not None
    assert (message.cut.length, message.cut.sha256) == (7_680, hashlib.sha256(payload).digest())
    assert ingest.step(Committed(1))[0] == Acknowledge((1,))


@pytest.mark.parametrize("topic", ["", "telemetry//x", "a b", "+/#", "é\udcff", "x/" * 30_000])
def test_no_topic_keeps_a_message_out(topic: str) -> None:
    """Odd characters, empty levels, wildcards, bytes that are not UTF-8 and 60 KB of topic are journalled."""
    (append,) = play(Ingest(), Connected(True), received(1, topic=topic))
    assert isinstance(append, Append)
    assert append.messages[0].topic == topic


def test_qos_0_is_journalled_and_not_acknowledged() -> None:
    """What has no packet identifier has nothing to acknowledge."""
    ingest = Ingest()
    play(ingest, Connected(True), received(1, qos=0))
    assert ingest.step(Committed(1)) == [Announce(1)]


def test_an_event_entered_is_answered_after_its_commit() -> None:
    """A person hears that the event is recorded once it is, with its position, broker or no broker."""
    ingest = Ingest()
    assert ingest.step(Entered(5, "event/a", b"{}", NOON_MS)) == [
        Append((Message("event/a", b"{}", NOON_MS, Kind.EVENT),))
    ]
    assert ingest.step(Committed(3)) == [Answer((5,), 3), Announce(3)]


def test_a_clean_stop_commits_and_acknowledges_what_was_received() -> None:
    """Asked to stop, it reads no more, finishes the write under way and the messages waiting, and ends."""
    ingest = Ingest()
    play(ingest, Connected(True), received(1), received(2))
    assert ingest.step(StopAsked()) == [StopReading()]
    assert ingest.step(StopAsked()) == []
    assert ingest.step(Committed(1)) == [Acknowledge((1,)), Announce(1), Append(kept(2))]
    assert ingest.step(Committed(2)) == [Acknowledge((2,)), Announce(2), Finish(clean=True)]


def test_a_stop_with_nothing_to_do_ends_at_once() -> None:
    """An idle gateway stops without waiting for anything."""
    assert play(Ingest(), StopAsked()) == [StopReading(), Finish(clean=True)]


@pytest.mark.parametrize("stop_first", [True, False])
def test_a_stop_while_the_disk_fails_ends_without_acknowledging(stop_first: bool) -> None:
    """What cannot be written stays with the broker, and the end is said not to be clean."""
    ingest = Ingest()
    play(ingest, Connected(True), received(1))
    order: list[Event] = [StopAsked(), CommitFailed()] if stop_first else [CommitFailed(), StopAsked()]
    assert play(ingest, *order)[-1] == Finish(clean=False)


@pytest.mark.parametrize("event", [Committed(1), CommitFailed(), RetryDue(), Disconnected(), received(1)])
def test_what_cannot_happen_stops_the_process(event: Event) -> None:
    """An event that contradicts what we know is our own mistake; going on could acknowledge the wrong thing."""
    with pytest.raises((KeyError, AssertionError)):
        Ingest().step(event)
