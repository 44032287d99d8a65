"""The link to the broker: paho-mqtt on the asyncio loop, through its documented socket hooks.

Rules this file obeys (architecture, decision 6):

- The broker keeps our session: fixed client id, `clean_session=False`, QoS 1, so that what is published while
  we are away is there when we come back. MQTT 5 needs three settings for the same: `clean_start=False` on
  every connect, a session expiry, and a Receive Maximum.
- Acknowledgements are given by hand, by whoever uses the link.
- paho's own reconnect downgrades the protocol by itself; it is off. We reconnect, for ever, with growing pauses,
  and fall back from MQTT 5 only where the broker says that it cannot speak it (CONNACK reason 132).
- A wake-up reads once, as much as keeps the loop free for others, and takes the messages in it directly; paho
  gets the other packets (`gateway.packets`).
- While reading is stopped nothing is taken from the socket. If that lasts until the keepalive ends the
  connection, we stay away until reading goes on: the broker keeps what is ours.
"""

import asyncio
import random
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.packets import BulkClient, Stream

log = structlog.get_logger(__name__)

_PROTOCOL_NOT_SUPPORTED: Final = 132
_ANSWER_WITHIN_S: Final = 10.0
_OUTGOING_MESSAGES: Final = 1_000
_LONGEST_PAUSE_S: Final = 30.0


class Protocol(Enum):
    """The MQTT version to speak; paho spends twice the processor time on 5."""

    MQTT_311 = "3.1.1"
    MQTT_5 = "5"


@dataclass(frozen=True, slots=True)
class Tls:
    """Encryption to the broker: its certificate authority (default: the system's) and our own certificate, if any."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the broker is, who we are to it, and what we ask it for."""

    host: str = "127.0.0.1"
    port: int = 1883
    client_id: str = "fairmeter"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    protocol: Protocol = Protocol.MQTT_311
    keepalive_s: int = 60
    topics: tuple[str, ...] = ("telemetry/+", "status/+", "event/+")
    session_expiry_s: int = 7 * 86_400  # MQTT 5 only; shorter loses data over a long weekend
    receive_maximum: int = 1_000  # MQTT 5 only

    def __post_init__(self) -> None:
        if not self.client_id:
            raise ValueError("client_id is empty: without a fixed one the broker cannot keep our messages for us")


class Link:
    """A connection to a broker that is kept up, and tells what comes over it by three calls."""

    def __init__(
        self,
        connection: Connection,
        connected: Callable[[bool], None],
        received: Callable[[int | None, str, bytes, bool], None],
        disconnected: Callable[[], None],
    ) -> None:
        """`connected(session_present)`; `received(delivery or None, topic, payload, retained)`; `disconnected()`."""
        self._connection = connection
        self._tell_connected, self._tell_received, self._tell_disconnected = connected, received, disconnected
        self._protocol = connection.protocol
        self._client = self._new_client()
        self._stream: Stream | None = None
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._stopping = asyncio.Event()
        self.subscribed = asyncio.Event()  # from here on the broker keeps for us what is published
        self._ended: asyncio.Future[str] | None = None  # of the present connection: why it ended
        self._up = False
        self._refusal: str | None = None
        self._fall_back = False

    # --- what the user of the link asks for -------------------------------------------------------------

    async def run(self) -> None:
        """Keep the connection up until `stop`; every loss is logged with its reason and tried again."""
        failures = 0
        try:
            while not self._stopping.is_set():
                await self._first_of(self._may_read)
                if self._stopping.is_set():
                    return
                was_up, reason = await self._one_connection()
                failures = 0 if was_up else failures + 1
                if self._stopping.is_set():
                    return
                if self._fall_back:
                    log.warning("the broker does not speak MQTT 5, going on with 3.1.1")
                    self._protocol, self._fall_back = Protocol.MQTT_311, False
                    self._client = self._new_client()
                pause = pause_s(failures)
                log.warning("no connection to the broker", reason=reason, next_attempt_in_s=round(pause, 1))
                await self._first_of(timeout_s=pause)
        finally:
            self._abandon()

    def stop(self) -> None:
        """Send what is queued, disconnect, and let `run` return."""
        self._stopping.set()
        self._client.disconnect()

    def subscribe(self) -> None:
        """Ask for our topics at QoS 1; a refusal ends the connection, which is then tried again."""
        self._client.subscribe([(topic, 1) for topic in self._connection.topics])

    def acknowledge(self, deliveries: Sequence[int]) -> None:
        """Send a PUBACK for each delivery of the present connection, in this order."""
        self._client.acknowledge(deliveries)

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        """Send a message, at QoS 1 later if there is no connection now; beyond 1,000 waiting it is dropped."""
        sent = self._client.publish(topic, payload, qos, retain)
        if sent.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            log.warning("message to the broker dropped", topic=topic, reason=sent.rc.name)

    def stop_reading(self) -> None:
        """Take nothing more from the socket; what the broker cannot send, it keeps."""
        self._may_read.clear()
        if self._stream is not None:
            asyncio.get_running_loop().remove_reader(self._stream.socket)

    def go_on_reading(self) -> None:
        """Take from the socket again."""
        self._may_read.set()
        if self._stream is not None:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._stream.socket, self._readable)
            loop.call_soon(self._readable)  # what was read ahead, or is held by TLS, no selector sees

    # --- one connection ---------------------------------------------------------------------------------

    async def _one_connection(self) -> tuple[bool, str]:
        """Connect, serve until the end, and say whether the broker had accepted us, and the reason of the end."""
        self._ended = asyncio.get_running_loop().create_future()
        self._up, self._refusal = False, None
        was_up = False
        try:
            # Resolving a name and the TLS handshake block; until this returns, nobody else uses the client.
            await asyncio.to_thread(self._client.reconnect)
        except OSError as error:
            return False, str(error) or type(error).__name__
        self._attach()
        deadline = asyncio.get_running_loop().time() + _ANSWER_WITHIN_S
        while not self._ended.done():
            await asyncio.wait({self._ended}, timeout=1.0)
            self._client.loop_misc()
            was_up = was_up or self._up
            if not was_up and asyncio.get_running_loop().time() > deadline:
                self._refusal = "the broker does not answer"
                self._hang_up()
        return was_up or self._up, self._ended.result()

    def _attach(self) -> None:
        opened = self._client.socket()
        assert isinstance(opened, Stream), "paho returned from reconnect without a socket"
        self._stream = opened
        loop = asyncio.get_running_loop()
        if self._may_read.is_set():
            loop.add_reader(opened.socket, self._readable)
        loop.add_writer(opened.socket, self._writable)  # CONNECT is waiting
        if self._stopping.is_set():
            self._client.disconnect()

    def _detach(self) -> None:
        if self._stream is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._stream.socket)
        loop.remove_writer(self._stream.socket)
        self._stream = None

    def _hang_up(self) -> None:
        if self._stream is not None:
            try:
                self._stream.socket.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                log.debug("socket was closed already", reason=str(error))

    def _abandon(self) -> None:
        opened = self._stream
        self._detach()
        if opened is not None:
            opened.close()

    async def _first_of(self, event: asyncio.Event | None = None, timeout_s: float | None = None) -> None:
        """Wait for `event` or the timeout, but never longer than until `stop`."""
        waits = [asyncio.create_task(each.wait()) for each in (self._stopping, event) if each is not None]
        try:
            await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    # --- called by the loop -----------------------------------------------------------------------------

    def _readable(self) -> None:
        stream = self._stream
        if stream is None or not self._may_read.is_set():
            return
        try:
            more = stream.fill()
            for delivered in stream.packets():
                if delivered is None:
                    self._client.loop_read()
                else:
                    self._tell_received(*delivered)
                if self._stream is not stream or not self._may_read.is_set():
                    return  # what is left of a lost connection comes again; the rest is taken when reading goes on
            if more:
                asyncio.get_running_loop().call_soon(self._readable)
        except Exception as error:  # our own mistake: it must end `run`, not vanish in the loop's log
            self._fail(error)

    def _writable(self) -> None:
        try:
            self._client.loop_write()
        except Exception as error:  # as above
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._detach()
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(error)

    # --- called by paho ---------------------------------------------------------------------------------

    def _new_client(self) -> BulkClient:
        wanted, is_5 = self._connection, self._protocol is Protocol.MQTT_5
        client = BulkClient(
            CallbackAPIVersion.VERSION2,
            client_id=wanted.client_id,
            clean_session=None if is_5 else False,
            protocol=MQTTv5 if is_5 else MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = _ANSWER_WITHIN_S
        client.max_queued_messages_set(_OUTGOING_MESSAGES)
        if wanted.username is not None:
            client.username_pw_set(wanted.username, wanted.password)
        if wanted.tls is not None:
            client.tls_set_context(_tls_context(wanted.tls))
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_message, client.on_subscribe = self._on_message, self._on_subscribe
        client.on_socket_close = lambda *_: self._detach()
        client.on_socket_register_write = lambda *_: self._watch_write()
        client.on_socket_unregister_write = lambda *_: self._unwatch_write()
        if is_5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho has no types here
            properties.SessionExpiryInterval = wanted.session_expiry_s
            properties.ReceiveMaximum = wanted.receive_maximum
            client.connect_async(wanted.host, wanted.port, wanted.keepalive_s, clean_start=False, properties=properties)
        else:
            client.connect_async(wanted.host, wanted.port, wanted.keepalive_s)
        return client

    def _watch_write(self) -> None:
        # While connecting, in another thread, there is no socket here yet: `_attach` watches it from the start.
        if self._stream is not None:
            asyncio.get_running_loop().add_writer(self._stream.socket, self._writable)

    def _unwatch_write(self) -> None:
        if self._stream is not None:
            asyncio.get_running_loop().remove_writer(self._stream.socket)

    def _on_connect(self, _: Client, __: Any, flags: ConnectFlags, reason: ReasonCode, ___: Properties | None) -> None:
        if reason.is_failure:
            self._refusal = f"the broker refuses us: {reason}"
            self._fall_back = self._protocol is Protocol.MQTT_5 and reason.value == _PROTOCOL_NOT_SUPPORTED
            return
        self._up = True
        log.info("connected to the broker", host=self._connection.host, session_present=flags.session_present)
        self._tell_connected(flags.session_present)

    def _on_disconnect(
        self, _: Client, __: Any, ___: DisconnectFlags, reason: ReasonCode, ____: Properties | None
    ) -> None:
        if self._ended is None or self._ended.done():
            return  # paho may say it twice
        self._ended.set_result(self._refusal or str(reason))
        if self._up:
            self._tell_disconnected()

    def _on_message(self, _: Client, __: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError as error:
            topic = error.object.decode("utf-8", "surrogateescape")
        self._tell_received(message.mid if message.qos else None, topic, bytes(message.payload), message.retain)

    def _on_subscribe(self, client: Client, _: Any, __: int, reasons: list[ReasonCode], ___: Properties | None) -> None:
        refused = [topic for topic, reason in zip(self._connection.topics, reasons, strict=True) if reason.is_failure]
        if refused:
            self._refusal = f"the broker refuses the subscription to {', '.join(refused)}; allow it in its access list"
            client.disconnect()
        else:
            self.subscribed.set()


def pause_s(failures: int) -> float:
    """How long to wait after so many failures in a row: half a second, doubling to half a minute, spread by chance."""
    spread: float = random.uniform(0.5, 1.0)  # noqa: S311 -- keeps gateways from knocking in step, hides nothing
    return min(_LONGEST_PAUSE_S, 0.5 * 2.0 ** min(failures, 10)) * spread


def _tls_context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file)
    if tls.certificate_file is not None:
        context.load_cert_chain(tls.certificate_file, tls.key_file)
    return context
