"""Ingest: what happens to a message between the broker and the journal, decided without any IO.

`Ingest.step(event)` takes one thing that happened and returns what is to be done, in order. The shell obeys
(`gateway.mqtt`); the order of the effects is the delivery guarantee (architecture, decision 4). The rules:

1.  Every message received is journalled, whatever it holds. A payload over the limit is journalled as its
    length, SHA-256 and beginning.
2.  A message is acknowledged only after the commit of its batch, never before.
3.  Acknowledgements go out in the order in which the messages were received.
4.  A delivery is acknowledged only in the connection in which it was received: identifiers are used again in
    the next. A disconnect drops what is owed; the broker delivers those messages again, and the same reading
    twice is a duplicate, counted once (semantics §1).
5.  What was received before a disconnect is committed all the same.
6.  At most one batch is being written. What arrives meanwhile waits for the next: the slower the disk, the
    larger the batches, up to a limit.
7.  If a batch cannot be written, nothing of it is acknowledged; the same messages, in the same batch, are
    tried again after a pause. No later message overtakes them.
8.  Memory is bounded: at a number of messages or bytes not yet committed, reading stops, and goes on below half.
    What does not fit stays with the broker.
9.  An event entered at the gateway goes the same way and is answered after its commit, with its position.
10. Asked to stop, ingest reads no more, commits and acknowledges what it has, and is finished; if the journal
    cannot be written then, it is finished without acknowledging.

Time comes with the events and is only passed on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from typing import Any, Final, NamedTuple

from gateway.message import Kind, Message, within

# --- what happens -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker accepted the connection; `session_present` if it still knows our subscriptions."""

    session_present: bool


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone, for whatever reason."""


class Received(NamedTuple):
    """The broker delivered a message; `delivery` is its packet identifier, which QoS 0 has not (None).

    A named tuple, because there is one for every message and it is made in half the time.
    """

    delivery: int | None
    topic: str
    payload: bytes
    retained: bool
    arrival_ms: int


@dataclass(frozen=True, slots=True)
class Entered:
    """A person or program entered an event at the gateway and waits for the answer under `ticket`."""

    ticket: int
    topic: str
    payload: bytes
    arrival_ms: int


@dataclass(frozen=True, slots=True)
class Committed:
    """The batch being written is on disk, at this journal position."""

    position: int


@dataclass(frozen=True, slots=True)
class CommitFailed:
    """The batch being written may not be on disk."""


@dataclass(frozen=True, slots=True)
class RetryDue:
    """The pause after a failed commit is over."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The gateway is to stop cleanly."""


Event = Connected | Disconnected | Received | Entered | Committed | CommitFailed | RetryDue | StopAsked

# --- what is to be done -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Ask the broker for our topics."""


@dataclass(frozen=True, slots=True)
class Append:
    """Write these messages to the journal as one batch, then say Committed or CommitFailed."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Tell the broker, in this order, that these deliveries are ours for ever."""

    deliveries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell those who entered these events that they are in the journal, at this position."""

    tickets: tuple[int, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the projections that the journal has grown to this position."""

    position: int


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Say RetryDue after a pause that grows with the number of attempts that failed in a row."""

    failures: int


@dataclass(frozen=True, slots=True)
class StopReading:
    """Take nothing more from the broker for now."""


@dataclass(frozen=True, slots=True)
class GoOnReading:
    """Take messages from the broker again."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Everything that can be done is done: disconnect and end. `clean` if nothing received was left unwritten."""

    clean: bool


Effect = Subscribe | Append | Acknowledge | Answer | Announce | RetryLater | StopReading | GoOnReading | Finish

# --- the machine ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be in one batch, in one payload, and received but not yet committed."""

    batch_messages: int = 2_000
    batch_bytes: int = 4 << 20
    payload_bytes: int = 512 << 10
    waiting_messages: int = 10_000
    waiting_bytes: int = 32 << 20


class Writer(Enum):
    """What the journal is doing for us: nothing, writing our batch, or resting after it failed."""

    IDLE = auto()
    WRITING = auto()
    RESTING = auto()


_IDLE: Final = Writer.IDLE


class Link(Enum):
    """Whether there is a connection to the broker."""

    DOWN = auto()
    UP = auto()


# Which event may come in which state, and the state after it. Anything else is our own mistake, and stops us.
_WRITER_AFTER: Final[dict[tuple[Writer, type[Event]], Writer]] = {
    (Writer.WRITING, Committed): Writer.IDLE,
    (Writer.WRITING, CommitFailed): Writer.RESTING,
    (Writer.RESTING, RetryDue): Writer.WRITING,
}
_LINK_AFTER: Final[dict[tuple[Link, type[Event]], Link]] = {
    (Link.DOWN, Connected): Link.UP,
    (Link.UP, Disconnected): Link.DOWN,
}

_MQTT: Final = Kind.MQTT
_NEW: Final = tuple.__new__  # makes a named tuple in half the time that calling its class takes
_OVERHEAD_BYTES: Final = 512  # what a message takes in memory beside its topic and payload, roughly


class Held(NamedTuple):
    """A message not yet committed, and who is told when it is: the broker, a person, or nobody."""

    message: Message
    delivery: int | None
    connection: int
    ticket: int | None
    size: int  # what it takes of the memory limit, in bytes


class Ingest:
    """The messages between broker and journal, and what is owed for them."""

    __slots__ = (
        "_batch",
        "_bytes",
        "_connection",
        "_failures",
        "_finished",
        "_limits",
        "_link",
        "_reading",
        "_stopping",
        "_waiting",
        "_writer",
    )

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._writer = Writer.IDLE
        self._link = Link.DOWN
        self._connection = 0  # counts connections: a delivery belongs to one of them
        self._waiting: list[Held] = []  # received, in no batch yet
        self._batch: list[Held] = []  # being written, or to be tried again
        self._bytes = 0  # of both
        self._failures = 0
        self._reading = True
        self._stopping = False
        self._finished = False

    def step(self, event: Event) -> list[Effect]:
        """Take in what happened and say what is to be done, in order."""
        assert not self._finished, f"{type(event).__name__} after the end"
        return _RULES[type(event)](self, event)

    def _connected(self, event: Connected) -> list[Effect]:
        self._link = _LINK_AFTER[self._link, Connected]
        self._connection += 1
        # The first time we subscribe even so: our topics may have changed since the broker last knew us.
        first = self._connection == 1
        return [] if event.session_present and not first else [Subscribe()]

    def _disconnected(self, _: Disconnected) -> list[Effect]:
        self._link = _LINK_AFTER[self._link, Disconnected]
        return []

    def _received(self, event: Received) -> list[Effect]:
        assert self._link is Link.UP, "received without a connection"
        delivery, topic, payload, retained, arrival_ms = event
        payload, cut = within(payload, self._limits.payload_bytes)
        return self._take(_NEW(Message, (topic, payload, arrival_ms, _MQTT, retained, cut)), delivery, None)

    def _entered(self, event: Entered) -> list[Effect]:
        payload, cut = within(event.payload, self._limits.payload_bytes)
        message = Message(event.topic, payload, event.arrival_ms, Kind.EVENT, False, cut)
        return self._take(message, None, event.ticket)

    def _committed(self, event: Committed) -> list[Effect]:
        self._writer = _WRITER_AFTER[self._writer, Committed]
        done, self._batch, self._failures = self._batch, [], 0
        self._bytes -= sum(held.size for held in done)
        effects: list[Effect] = []
        if deliveries := self._deliveries_of_this_connection(done):
            effects.append(Acknowledge(deliveries))
        if tickets := tuple(held.ticket for held in done if held.ticket is not None):
            effects.append(Answer(tickets, event.position))
        effects.append(Announce(event.position))
        return effects + self._read_on() + self._write_next() + self._finish_if_empty()

    def _commit_failed(self, _: CommitFailed) -> list[Effect]:
        self._writer = _WRITER_AFTER[self._writer, CommitFailed]
        self._failures += 1
        return self._finish() if self._stopping else [RetryLater(self._failures)]

    def _retry_due(self, _: RetryDue) -> list[Effect]:
        self._writer = _WRITER_AFTER[self._writer, RetryDue]
        return [self._append()]

    def _stop_asked(self, _: StopAsked) -> list[Effect]:
        if self._stopping:
            return []
        self._stopping = True
        effects: list[Effect] = [StopReading()] if self._reading else []
        self._reading = False
        if self._writer is Writer.RESTING:
            return effects + self._finish()
        return effects + self._finish_if_empty()

    def _take(self, message: Message, delivery: int | None, ticket: int | None) -> list[Effect]:
        size = len(message.payload) + len(message.topic) + _OVERHEAD_BYTES
        self._waiting.append(_NEW(Held, (message, delivery, self._connection, ticket, size)))
        self._bytes += size
        effects = self._write_next() if self._writer is _IDLE else []
        if self._reading and self._is_filled(1.0):
            self._reading = False
            effects.append(StopReading())
        return effects

    def _write_next(self) -> list[Effect]:
        assert self._writer is Writer.IDLE and not self._batch
        if not self._waiting:
            return []
        count, size = 0, 0
        for held in islice(self._waiting, self._limits.batch_messages):
            size += held.size
            if count and size > self._limits.batch_bytes:
                break
            count += 1
        self._batch = self._waiting[:count]
        del self._waiting[:count]
        self._writer = Writer.WRITING
        return [self._append()]

    def _append(self) -> Append:
        return Append(tuple(held.message for held in self._batch))

    def _deliveries_of_this_connection(self, done: list[Held]) -> tuple[int, ...]:
        if self._link is Link.DOWN:
            return ()
        current = self._connection
        return tuple(held.delivery for held in done if held.delivery is not None and held.connection == current)

    def _is_filled(self, share: float) -> bool:
        """Whether what is not committed takes at least this share of the memory limits."""
        limits, messages = self._limits, len(self._waiting) + len(self._batch)
        return messages >= share * limits.waiting_messages or self._bytes >= share * limits.waiting_bytes

    def _read_on(self) -> list[Effect]:
        if self._reading or self._stopping or self._is_filled(0.5):
            return []
        self._reading = True
        return [GoOnReading()]

    def _finish_if_empty(self) -> list[Effect]:
        empty = self._writer is Writer.IDLE and not self._waiting
        return self._finish() if self._stopping and empty else []

    def _finish(self) -> list[Effect]:
        self._finished = True
        return [Finish(clean=not self._batch and not self._waiting)]


_RULES: Final[dict[type[Event], Callable[[Ingest, Any], list[Effect]]]] = {
    Connected: Ingest._connected,
    Disconnected: Ingest._disconnected,
    Received: Ingest._received,
    Entered: Ingest._entered,
    Committed: Ingest._committed,
    CommitFailed: Ingest._commit_failed,
    RetryDue: Ingest._retry_due,
    StopAsked: Ingest._stop_asked,
}
