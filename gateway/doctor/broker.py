"""The broker, tried out: does it keep a session, how much for a client that is away, and how much at once.

Rules this file obeys, because it speaks to the broker that devices speak to:

- It works under client ids of its own, new each time, on topics under `fairmeter/doctor/`, and leaves nothing behind.
- It ends a session only where it has seen that the id is its own: a broker that makes client ids of user names would
  give it the gateway's, with all that is kept there. So it first connects to a session as the gateway does, and stops
  if there is something in it.
"""

import contextlib
import secrets
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from gateway.doctor.finding import Finding, fault, ok, warning
from gateway.link import Connection

MESSAGES: Final = 1_200  # more than the thousand that Mosquitto keeps for a client by default
USUAL_IN_FLIGHT: Final = 20  # what Mosquitto sends by default before the first is acknowledged
_WITHIN_S: Final = 20.0
_QUIET_S: Final = 2.5
_SETTINGS: Final = "In Mosquitto: `max_queued_messages 1000000`, `max_inflight_messages 1000`, `autosave_interval 30`"


class _Refused(Exception):  # noqa: N818 - what it is says it best
    """The broker did not let us in, or did not answer; the message says why."""


class _NotOurs(Exception):  # noqa: N818 - likewise
    """The session that the broker gave us is not ours."""


def broker(connection: Connection) -> Iterator[Finding]:
    """Try the broker out as the gateway would use it."""
    place = f"{connection.host}:{connection.port}"
    name = f"{connection.client_id}-doctor-{secrets.token_hex(4)}"
    try:
        with _Probe(connection, f"{name}-out") as sender:
            yield ok("broker", f"{place} lets us in" + (f" as {connection.username}" if connection.username else ""))
            refused = sender.subscribe(*connection.topics)
            sender.unsubscribe(*connection.topics)
            if refused:
                said = f"we may not hear {', '.join(refused)}"
                yield fault("broker topics", said, "Allow it in the broker's access list")
            else:
                yield ok("broker topics", f"it takes our subscription to {', '.join(connection.topics)}")
            yield from _limits(connection, sender, name)
    except _NotOurs:
        said = f"{place} makes the client id of the user name, so this would be the gateway's own session"
        yield warning("broker session", said, "Let the gateway, and the doctor, use a listener that does not")
    except (_Refused, OSError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        remedy = "Start the broker, or correct [broker] in the settings: host, port, user, password_file, tls"
        yield fault("broker", f"{place}: {reason}", remedy)


def _limits(connection: Connection, sender: "_Probe", name: str) -> Iterator[Finding]:
    """Leave a session, send it more than a default broker keeps, and see what comes when we are back."""
    topic = f"fairmeter/doctor/{name}"
    with _Probe(connection, name) as away:
        if away.subscribe(topic):
            remedy = "Let the gateway's user read and write fairmeter/doctor/#"
            yield warning("broker session", f"we may not hear {topic}, so nothing can be tried out", remedy)
            return
        away.leave()
        sender.send(topic, MESSAGES)
        present = away.come_back()
        in_flight = away.receive(MESSAGES)
        kept = away.receive_the_rest(MESSAGES)
    if not present:
        said = "the broker forgot our session while we were away: what is sent to a gateway that restarts is lost"
        yield fault("broker session", said, "Let it keep sessions: in Mosquitto, `persistence true`, and no expiry")
        return
    yield ok("broker session", "it keeps our session while we are away")
    if kept == 0:
        remedy = "Let the gateway's user write fairmeter/doctor/#, or the broker keep messages of QoS 1"
        yield warning("broker queue", f"of {MESSAGES:,} messages none was kept for us", remedy)
        return
    if kept < MESSAGES:
        said = f"it keeps {kept:,} messages for a gateway that is away, and throws away the rest"
        yield fault("broker queue", said, _SETTINGS)
    else:
        yield ok("broker queue", f"it keeps {MESSAGES:,} messages and more; see that it writes them to disk, too")
    if in_flight <= USUAL_IN_FLIGHT < kept:
        said = f"it sends {in_flight} messages and waits for their acknowledgement: a backlog is taken in slowly"
        yield warning("broker in flight", said, _SETTINGS)
    else:
        yield ok("broker in flight", f"it sends {in_flight:,} messages before the first is acknowledged")


class _Probe:
    """A client of our own with a session that the broker is to keep, until the block ends."""

    def __init__(self, connection: Connection, client_id: str) -> None:
        self._connection, self._id = connection, client_id
        self._client = self._new_client(clean=False)
        self._answers: dict[int, list[Any]] = {}
        self._published: set[int] = set()
        self._waiting: list[MQTTMessage] = []

    def __enter__(self) -> "_Probe":
        if self._connect():
            self.leave()
            raise _NotOurs
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with contextlib.suppress(_Refused, OSError):
            self.leave()
            if kind is _NotOurs:
                return
            self._client = self._new_client(clean=True)
            self._connect()  # a clean session: the broker forgets the one before
            self.leave()

    def subscribe(self, *topics: str) -> list[str]:
        """Subscribe at QoS 1; the topics that are refused."""
        _, mid = self._client.subscribe([(topic, 1) for topic in topics])
        self._until(lambda: mid in self._answers, "the broker does not answer a subscription")
        return [topic for topic, code in zip(topics, self._answers[mid or 0], strict=False) if code.is_failure]

    def unsubscribe(self, *topics: str) -> None:
        """Hear these no more."""
        _, mid = self._client.unsubscribe(list(topics))
        self._until(lambda: mid in self._answers, "the broker does not answer")

    def send(self, topic: str, count: int) -> None:
        """Publish so many messages at QoS 1 and wait until the broker has taken each."""
        mids = {self._client.publish(topic, str(number), 1).mid for number in range(count)}
        self._until(lambda: mids <= self._published, "the broker does not take messages at QoS 1")

    def leave(self) -> None:
        """Disconnect; the session stays."""
        self._client.disconnect()
        self._until(lambda: not self._client.is_connected(), "")

    def come_back(self) -> bool:
        """Connect again; whether the broker still has the session."""
        return self._connect()

    def receive(self, most: int) -> int:
        """How many messages come while none is acknowledged, until no more do."""
        heard, since = 0, time.monotonic()
        while len(self._waiting) < most and time.monotonic() - since < _QUIET_S:
            self._client.loop(0.05)
            if len(self._waiting) > heard:
                heard, since = len(self._waiting), time.monotonic()
        return heard

    def receive_the_rest(self, most: int) -> int:
        """How many come in all, each acknowledged as it comes."""
        taken, since = 0, time.monotonic()
        while taken < most and time.monotonic() - since < _QUIET_S:
            for message in self._waiting:
                self._client.ack(message.mid, message.qos)
            if self._waiting:
                taken, since = taken + len(self._waiting), time.monotonic()
                self._waiting.clear()
            self._client.loop(0.05)
        return taken

    def _connect(self) -> bool:
        connected: list[tuple[bool, Any]] = []
        self._client.on_connect = lambda _, __, flags, reason, ___: connected.append((flags.session_present, reason))
        self._client.connect(self._connection.host, self._connection.port, self._connection.keepalive_s)
        self._until(lambda: bool(connected), "the broker does not answer")
        present, reason = connected[0]
        if reason.is_failure:
            raise _Refused(f"the broker refuses us: {reason}")
        return bool(present)

    def _until(self, done: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + _WITHIN_S
        while not done():
            self._client.loop(0.05)
            if time.monotonic() > end:
                raise _Refused(otherwise)

    def _new_client(self, *, clean: bool) -> Client:
        wanted = self._connection
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._id,
            clean_session=clean,
            protocol=MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = _WITHIN_S
        client.max_inflight_messages_set(MESSAGES)
        if wanted.username is not None:
            client.username_pw_set(wanted.username, wanted.password)
        if wanted.tls is not None:
            context = ssl.create_default_context(cafile=wanted.tls.ca_file)
            if wanted.tls.certificate_file is not None:
                context.load_cert_chain(wanted.tls.certificate_file, wanted.tls.key_file)
            client.tls_set_context(context)
        client.on_subscribe = lambda _, __, mid, reasons, ___: self._answers.update({mid: reasons})
        client.on_unsubscribe = lambda _, __, mid, reasons, ___: self._answers.update({mid: reasons})
        client.on_publish = lambda _, __, mid, ___, ____: self._published.add(mid)
        client.on_message = lambda _, __, message: self._waiting.append(message)
        return client
