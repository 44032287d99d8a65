"""A small world around `gateway.ingest`: a broker, a disk, and chance, which may kill the gateway at any step.

The broker keeps the session and what was not acknowledged, as MQTT 3.1.1 demands of it; after a reconnect it
delivers that again in any order among newer messages, and uses packet identifiers again, which real ones do and
which is how acknowledgements go astray. The disk keeps what was written. Everything else dies with the gateway.

The world itself checks the promises: `acknowledge` refuses what a broker or a customer could not forgive.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

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
from gateway.message import Message

Write = Callable[[tuple[Message, ...]], int]


class KilledError(Exception):
    """The gateway's process is gone."""


@dataclass
class Disk:
    """What survives: messages in the order written, batch after batch."""

    batches: list[tuple[Message, ...]] = field(default_factory=list)
    payloads: set[bytes] = field(default_factory=set)

    def write(self, messages: tuple[Message, ...]) -> int:
        """Write a batch and say its position."""
        self.batches.append(messages)
        self.payloads.update(message.payload for message in messages)
        return len(self.batches)


@dataclass
class Broker:
    """One session: what waits to be delivered, and what was delivered and is not acknowledged."""

    chance: random.Random
    max_in_flight: int
    waiting: list[bytes] = field(default_factory=list)
    in_flight: dict[int, bytes] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)  # of delivery, in this connection
    session: bool = False

    def deliver(self, disorder: bool) -> tuple[int, bytes]:
        """Send one waiting message, under the lowest free identifier."""
        at = self.chance.randrange(len(self.waiting)) if disorder else 0
        payload = self.waiting.pop(at)
        delivery = next(number for number in range(1, 70_000) if number not in self.in_flight)
        self.in_flight[delivery] = payload
        self.order.append(delivery)
        return delivery, payload

    def acknowledge(self, delivery: int) -> bytes:
        """Take a PUBACK; it must be for the oldest delivery of this connection that has none yet."""
        assert delivery in self.in_flight, "acknowledged twice, or never delivered in this connection"
        assert self.order[0] == delivery, "acknowledged out of order"
        self.order.pop(0)
        return self.in_flight.pop(delivery)

    def lose_connection(self) -> None:
        """Everything not acknowledged will be delivered again, in whatever order."""
        self.waiting[:0] = self.in_flight.values()
        self.in_flight.clear()
        self.order.clear()


class World:
    """Gateway, broker and disk, one step at a time; `kill_at` is the number of the effect before which it dies."""

    def __init__(self, seed: int, *, kill_at: int | None = None, disorder: bool = True, write: Write | None = None):
        self.chance = random.Random(seed)
        self.disk = Disk()
        self._write = write
        self.broker = Broker(self.chance, max_in_flight=self.chance.choice([1, 5, 100]))
        self.disorder = disorder
        self.kill_at = kill_at
        self.kills = 0
        self.effects = 0
        self.published: list[bytes] = []
        self.acknowledged: list[bytes] = []
        self.answered: set[int] = set()
        self.clock_ms = 1_767_225_600_000
        self.tickets = 0
        self._limits = Limits(
            batch_messages=self.chance.choice([1, 3, 50]),
            waiting_messages=self.chance.choice([2, 10, 1000]),
            payload_bytes=64,
        )
        self._start()

    # --- the gateway's process --------------------------------------------------------------------------

    def _start(self) -> None:
        self.ingest = Ingest(self._limits)
        self.connected = False
        self.reading = True
        self.writing: tuple[Message, ...] | None = None
        self.resting = False
        self.disk_failed = False  # at the last attempt
        self.finished: bool | None = None

    def _kill(self) -> None:
        if self.writing is not None and self.chance.random() < 0.5:
            self._to_disk(self.writing)  # the last write reached the disk, and nobody lived to hear of it
        if self.connected:
            self.broker.lose_connection()
        self._start()
        self.kills += 1

    def feed(self, event: Event) -> None:
        """Give the gateway an event and carry out what it wants, unless it is killed before or in between."""
        try:
            for effect in self.ingest.step(event):
                self._carry_out(effect)
        except KilledError:
            self._kill()

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Acknowledge(deliveries):
                for delivery in deliveries:
                    self._moment_of_danger()
                    payload = self.broker.acknowledge(delivery)
                    assert payload in self.disk.payloads, "acknowledged, but not on disk"
                    self.acknowledged.append(payload)
                return
            case Answer(tickets, position):
                self._moment_of_danger()
                assert position == len(self.disk.batches)
                assert all(f"ticket {ticket}".encode() in self.disk.payloads for ticket in tickets)
                self.answered.update(tickets)
                return
        self._moment_of_danger()
        match effect:
            case Append(messages):
                assert self.writing is None, "two batches at once"
                assert not self.resting, "a batch before the pause is over"
                self.writing = messages
            case Announce(position):
                assert position == len(self.disk.batches)
            case StopReading():
                self.reading = False
            case GoOnReading():
                self.reading = True
            case RetryLater():
                self.resting = True
            case Subscribe():
                self.broker.session = True
            case Finish(clean):
                assert clean or self.disk_failed, "gave up although the disk works"
                self.finished = clean

    def _moment_of_danger(self) -> None:
        self.effects += 1
        if self.kill_at is not None and self.effects == self.kill_at:
            raise KilledError

    # --- what may happen --------------------------------------------------------------------------------

    def publish(self) -> None:
        """A device publishes; the broker keeps it from then on."""
        payload = f"message {len(self.published)}".encode()
        if self.chance.random() < 0.1:
            payload += b" " * 100  # over the limit
        self.published.append(payload)
        self.broker.waiting.append(payload)

    def connect(self) -> None:
        """The broker accepts us."""
        self.connected = True
        self.feed(Connected(self.broker.session))

    def disconnect(self) -> None:
        """The connection is lost."""
        self.connected = False
        self.broker.lose_connection()
        self.feed(Disconnected())

    def receive(self) -> None:
        """A message arrives."""
        delivery, payload = self.broker.deliver(self.disorder)
        self.clock_ms += self.chance.randrange(-50, 1000)
        self.feed(Received(delivery, "telemetry/a", payload, False, self.clock_ms))

    def enter(self) -> None:
        """A person enters an event."""
        self.tickets += 1
        self.feed(Entered(self.tickets, "event/a", f"ticket {self.tickets}".encode(), self.clock_ms))

    def write(self) -> None:
        """The disk is done with the batch."""
        assert self.writing is not None
        messages, self.writing = self.writing, None
        self.disk_failed = False
        self.feed(Committed(self._to_disk(messages)))

    def fail_to_write(self) -> None:
        """The disk reports an error, whether or not the batch is on it."""
        messages, self.writing = self.writing, None
        assert messages is not None
        self.disk_failed = True
        self.feed(CommitFailed())

    def retry(self) -> None:
        """The pause is over."""
        self.resting = False
        self.feed(RetryDue())

    def stop(self) -> None:
        """The operator stops the gateway and, once it is finished, starts it again."""
        self.feed(StopAsked())

    def possible(self, calm: bool) -> list[Callable[[], None]]:
        """What may happen next; when calm, only what brings things to their end."""
        if self.finished is not None:
            return [self.restart]
        able: list[Callable[[], None]] = []
        if not self.connected:
            able.append(self.connect)
        elif self.reading and self.broker.waiting and len(self.broker.in_flight) < self.broker.max_in_flight:
            able += [self.receive] * 3
        if self.writing is not None:
            able.append(self.write)
        if self.resting:
            able.append(self.retry)
        if not calm:
            able += [self.publish] * 3 + [self.enter]
            if self.connected and self.chance.random() < 0.1:
                able.append(self.disconnect)
            if self.writing is not None and self.chance.random() < 0.2:
                able.append(self.fail_to_write)
            if self.chance.random() < 0.02:
                able.append(self.stop)
        return able

    def restart(self) -> None:
        """The stopped gateway is started again."""
        if self.finished:
            assert self.writing is None, "finished while a batch was being written"
            if self.connected:
                assert not self.broker.in_flight, "a clean end leaves nothing unacknowledged"
        if self.connected:
            self.broker.lose_connection()
        self._start()

    def run(self, steps: int) -> None:
        """Let chance rule for so many steps, then calm down until nothing is left to do."""
        for _ in range(steps):
            self.chance.choice(self.possible(calm=False))()
        for _ in range(100_000):
            able = self.possible(calm=True)
            if not able:
                return
            self.chance.choice(able)()
        raise AssertionError("it never came to rest")

    def _to_disk(self, messages: tuple[Message, ...]) -> int:
        position = self.disk.write(messages)
        if self._write is not None:
            assert self._write(messages) == position
        return position
