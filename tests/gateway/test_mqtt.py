"""The gateway's end of MQTT against real brokers: what is published ends in the journal, whatever happens between."""

import asyncio
import contextlib
import datetime
import ipaddress
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiomqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs

from gateway.broker import EmbeddedBroker
from gateway.journal import Journal, JournalError, Kind
from gateway.mqtt import Connection, Limits, MqttSource, Protocol, Tls
from tests.gateway.conftest import Publish, StartMosquitto, free_port


def payloads(journal: Journal) -> list[bytes]:
    """Every payload in the journal, in order."""
    return [message.payload for batch in journal.read() for message in batch.messages]


def numbered(count: int, first: int = 0) -> list[tuple[str, bytes]]:
    """Messages of seven devices, each different."""
    return [(f"telemetry/device-{number % 7}", b'{"v":{"n":%d}}' % number) for number in range(first, first + count)]


async def until(condition: Callable[[], bool], timeout_s: float = 40.0) -> None:
    """Wait until it is so, and fail if it is not in time."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(source: MqttSource) -> AsyncIterator[asyncio.Task[bool]]:
    """The source at work; stopped cleanly at the end unless it has ended by then."""
    task = asyncio.create_task(source.run())
    await asyncio.sleep(0)  # let it begin
    try:
        yield task
    finally:
        source.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def subscribed(connection: Connection, journal: Journal) -> None:
    """Let the broker make our session, so that from now on it keeps what is published for us."""
    async with running(MqttSource(connection, journal)), aiomqtt.Client("127.0.0.1", connection.port) as client:
        while not payloads(journal):
            await client.publish("telemetry/first", b"first", qos=1)
            await asyncio.sleep(0.05)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """A new journal."""
    with Journal.open(tmp_path / "journal.db") as opened:
        yield opened


async def test_what_is_published_is_in_the_journal_in_order(
    broker: EmbeddedBroker, journal: Journal, publish: Publish
) -> None:
    """Each message once, in the order published, announced by position, with nothing left unacknowledged."""
    connection = Connection(port=broker.port)
    await subscribed(connection, journal)
    announced: list[int] = []
    source = MqttSource(connection, journal, on_committed=announced.append)
    async with running(source) as task:
        await publish(broker.port, numbered(1_000))
        await until(lambda: len(payloads(journal)) >= 1_001)
    assert task.result() is True
    assert [each for each in payloads(journal) if each != b"first"] == [each for _, each in numbered(1_000)]
    assert announced == list(range(announced[0], journal.tip().position + 1))
    async with running(MqttSource(connection, journal)):
        await asyncio.sleep(6)  # longer than the broker waits for an acknowledgement
    assert [each for each in payloads(journal) if each != b"first"] == [each for _, each in numbered(1_000)]


async def test_a_source_cancelled_midway_loses_nothing(
    broker: EmbeddedBroker, journal: Journal, publish: Publish
) -> None:
    """Killed again and again while 5,000 messages come in, the gateway has every one of them in the end."""
    connection = Connection(port=broker.port)
    await subscribed(connection, journal)
    publishing = asyncio.create_task(publish(broker.port, numbered(5_000)))
    for goal in (500, 1_500, 3_000):
        task = asyncio.create_task(MqttSource(connection, journal).run())
        await until(lambda goal=goal: len(payloads(journal)) >= goal)  # type: ignore[misc]
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    async with running(MqttSource(connection, journal)):
        await publishing
        wanted = {payload for _, payload in numbered(5_000)}
        await until(lambda: wanted <= set(payloads(journal)))
    assert journal.verify_chain() is None


_GATEWAY = """
import asyncio, sys
from pathlib import Path
from gateway.journal import Journal
from gateway.mqtt import Connection, MqttSource

with Journal.open(Path(sys.argv[1])) as journal:
    asyncio.run(MqttSource(Connection(port=int(sys.argv[2])), journal).run())
"""


async def test_a_gateway_killed_outright_loses_nothing(
    broker: EmbeddedBroker, journal: Journal, publish: Publish, tmp_path: Path
) -> None:
    """A process ended by SIGKILL while it receives leaves a sound journal, and what is missing comes again."""
    connection = Connection(port=broker.port)
    await subscribed(connection, journal)
    publishing = asyncio.create_task(publish(broker.port, numbered(5_000)))
    for goal in (1_000, 2_500):
        gateway = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _GATEWAY, str(tmp_path / "journal.db"), str(broker.port), stdout=-3
        )
        await until(lambda goal=goal: len(payloads(journal)) >= goal)  # type: ignore[misc]
        gateway.send_signal(signal.SIGKILL)
        await gateway.wait()
    async with running(MqttSource(connection, journal)):
        await publishing
        wanted = {payload for _, payload in numbered(5_000)}
        await until(lambda: wanted <= set(payloads(journal)))
    assert journal.verify_chain() is None


async def test_the_gateway_survives_a_broker_that_goes_away(
    broker: EmbeddedBroker, journal: Journal, publish: Publish
) -> None:
    """A broker restarted on the same port is found again, and publishing goes on as if nothing had been."""
    connection = Connection(port=broker.port)
    await subscribed(connection, journal)
    async with running(MqttSource(connection, journal)):
        await publish(broker.port, numbered(50))
        await until(lambda: len(payloads(journal)) > 50)
        await broker._stop()
        await asyncio.sleep(0.3)
        async with EmbeddedBroker(broker.folder, broker.port) as again:
            await publish(again.port, numbered(50, first=50))
            await until(lambda: {payload for _, payload in numbered(100)} <= set(payloads(journal)))


async def test_a_disk_that_is_full_for_a_while_costs_nothing(
    broker: EmbeddedBroker, journal: Journal, publish: Publish
) -> None:
    """While the journal cannot be written nothing is acknowledged; once it can, everything is there, once."""
    connection = Connection(port=broker.port)
    await subscribed(connection, journal)
    assert journal._writer is not None
    journal._writer.execute("PRAGMA max_page_count = 12")
    async with running(MqttSource(connection, journal)) as task:
        await publish(broker.port, [(topic, payload + b" " * 3_000) for topic, payload in numbered(200)])
        await until(lambda: len(set(payloads(journal))) >= 201)
    assert task.result() is True
    assert [json.strip() for json in payloads(journal) if json != b"first"] == [each for _, each in numbered(200)]


async def test_memory_limits_slow_the_gateway_down_and_lose_nothing(
    broker: EmbeddedBroker, journal: Journal, publish: Publish
) -> None:
    """With room for ten messages at a time, reading stops and goes on hundreds of times, and all arrive."""
    connection = Connection(port=broker.port)
    await subscribed(connection, journal)
    limits = Limits(waiting_messages=10, batch_messages=4)
    async with running(MqttSource(connection, journal, limits=limits)):
        await publish(broker.port, numbered(1_000))
        await until(lambda: len(payloads(journal)) >= 1_001)
    assert max(len(batch.messages) for batch in journal.read(after=journal.tip().position // 2)) <= 4


async def test_qos_0_is_accepted(broker: EmbeddedBroker, journal: Journal) -> None:
    """A device that cannot do QoS 1 is heard all the same (interfaces, MQTT)."""
    connection = Connection(port=broker.port)
    await subscribed(connection, journal)
    async with running(MqttSource(connection, journal)), aiomqtt.Client("127.0.0.1", broker.port) as device:
        while b"light" not in payloads(journal):
            await device.publish("telemetry/a", b"light", qos=0)
            await asyncio.sleep(0.05)


async def test_an_event_entered_is_answered_with_its_position(broker: EmbeddedBroker, journal: Journal) -> None:
    """Who enters an event at the gateway learns the journal position at which it stands."""
    source = MqttSource(Connection(port=broker.port), journal)
    async with running(source):
        position = await source.enter("event/comp-01", b'{"type": "serviced"}')
        (batch,) = journal.read(after=position - 1)
        assert (batch.messages[-1].payload, batch.messages[-1].kind) == (b'{"type": "serviced"}', Kind.EVENT)
    with pytest.raises(JournalError, match="not running"):
        await source.enter("event/comp-01", b"{}")


async def test_feedback_is_published_from_any_thread(broker: EmbeddedBroker, journal: Journal) -> None:
    """A projector in its own thread can tell a device what was not understood; a wildcard topic is refused."""
    source = MqttSource(Connection(port=broker.port), journal)
    async with running(source), aiomqtt.Client("127.0.0.1", broker.port) as device:
        await device.subscribe("feedback/comp-01", qos=1)
        await asyncio.to_thread(source.publish, "feedback/comp-01", b"the time is in seconds", qos=1)
        async with asyncio.timeout(10):
            message = await anext(aiter(device.messages))
        assert message.payload == b"the time is in seconds"
        with pytest.raises(ValueError, match="not a topic"):
            source.publish("feedback/+", b"")


async def test_mqtt_5_falls_back_where_the_broker_does_not_speak_it(
    broker: EmbeddedBroker, journal: Journal, publish: Publish
) -> None:
    """The embedded broker speaks 3.1.1 only and says so; the gateway goes on with that."""
    connection = Connection(port=broker.port, protocol=Protocol.MQTT_5)
    await subscribed(connection, journal)
    async with running(MqttSource(connection, journal)):
        await publish(broker.port, numbered(20))
        await until(lambda: len(payloads(journal)) >= 21)


@pytest.mark.parametrize("protocol", list(Protocol))
async def test_mosquitto_keeps_what_comes_while_the_gateway_is_away(
    mosquitto: StartMosquitto, journal: Journal, publish: Publish, protocol: Protocol
) -> None:
    """In either protocol version the session outlives the connection, and nothing comes twice after a clean stop."""
    server = await mosquitto()
    connection = Connection(port=server.port, protocol=protocol)
    await subscribed(connection, journal)
    await publish(server.port, numbered(2_000))
    async with running(MqttSource(connection, journal)):
        await until(lambda: len(payloads(journal)) >= 2_001)
    # A broker may still be reading our acknowledgements when we are gone; taking the session over would cut it short.
    await until(lambda: server.log.read_text().count("Received DISCONNECT from fairmeter") == 2)
    async with running(MqttSource(connection, journal)):
        await asyncio.sleep(0.5)
    assert [each for each in payloads(journal) if each != b"first"] == [each for _, each in numbered(2_000)]


async def test_no_topic_is_too_odd_for_the_journal(mosquitto: StartMosquitto, journal: Journal) -> None:
    """Spaces, empty levels, every script and 60 KB of topic are kept as they came."""
    server = await mosquitto()
    topics = ["a b", "/", "telemetry//x", "telemetry/Ä ß 漢", "x" * 60_000, "quote\"'\\"]
    async with running(MqttSource(Connection(port=server.port, topics=("#",)), journal)):
        async with aiomqtt.Client("127.0.0.1", server.port) as device:
            while not payloads(journal):
                await device.publish("first", b"first", qos=1)
                await asyncio.sleep(0.05)
            for topic in topics:
                await device.publish(topic, b"x", qos=1)
        await until(lambda: payloads(journal).count(b"x") == len(topics))
    kept = [message.topic for batch in journal.read() for message in batch.messages if message.payload == b"x"]
    assert kept == topics


async def test_an_oversized_payload_is_kept_as_its_beginning(
    mosquitto: StartMosquitto, journal: Journal, publish: Publish
) -> None:
    """Three megabytes are journalled as their length, hash and first 4 KiB, and acknowledged."""
    server = await mosquitto()
    connection = Connection(port=server.port)
    await subscribed(connection, journal)
    async with running(MqttSource(connection, journal)):
        await publish(server.port, [("telemetry/a", b"x" * 3_000_000), ("telemetry/a", b"after")])
        await until(lambda: b"after" in payloads(journal))
    (kept,) = [message for batch in journal.read() for message in batch.messages if message.cut is not None]
    assert kept.cut is not None
    assert (len(kept.payload), kept.cut.length) == (4_096, 3_000_000)


async def test_a_password_is_sent_and_its_refusal_is_survived(mosquitto: StartMosquitto, journal: Journal) -> None:
    """A broker that refuses us is asked again, with the reason in the log and the password nowhere."""
    server = await mosquitto(anonymous=False)
    connection = Connection(port=server.port, username="gateway", password="not-the-one")
    assert "not-the-one" not in repr(connection)
    with capture_logs() as said:
        async with running(MqttSource(connection, journal)) as task:
            await until(lambda: bool(said))
            assert not task.done()
    assert "Not authorized" in said[0]["reason"]
    assert "not-the-one" not in str(said)


def certificate(folder: Path) -> None:
    """A self-signed certificate for this computer, as `server.crt` and `server.key`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    (folder / "server.crt").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


async def test_over_tls_nothing_is_left_in_the_buffers(
    mosquitto: StartMosquitto, journal: Journal, publish: Publish, tmp_path: Path
) -> None:
    """Encrypted, with reading stopped and begun again, every message arrives though no socket says that it waits."""
    certificate(tmp_path)
    port = free_port()
    server = await mosquitto(
        f"listener {port} 127.0.0.1", f"certfile {tmp_path}/server.crt", f"keyfile {tmp_path}/server.key"
    )
    connection = Connection(port=port, tls=Tls(ca_file=tmp_path / "server.crt"))
    limits = Limits(waiting_messages=50)
    async with running(MqttSource(connection, journal, limits=limits)):
        async with aiomqtt.Client("127.0.0.1", server.port) as device:
            while not payloads(journal):
                await device.publish("telemetry/a", b"first", qos=1)
                await asyncio.sleep(0.05)
        await publish(server.port, numbered(3_000))
        await until(lambda: {payload for _, payload in numbered(3_000)} <= set(payloads(journal)))


async def test_a_stop_longer_than_the_keepalive_is_survived(
    broker: EmbeddedBroker, journal: Journal, publish: Publish, tmp_path: Path
) -> None:
    """If nothing is read for so long that the broker hangs up, we come back once there is room, and lose nothing."""
    connection = Connection(port=broker.port, keepalive_s=1)
    await subscribed(connection, journal)
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    with capture_logs() as said:
        async with running(MqttSource(connection, journal, limits=Limits(waiting_messages=5))):
            other.execute("BEGIN IMMEDIATE")
            await publish(broker.port, numbered(200))
            await until(lambda: any(entry["event"] == "no connection to the broker" for entry in said))
            other.execute("ROLLBACK")
            await until(lambda: {payload for _, payload in numbered(200)} <= set(payloads(journal)))
    other.close()


async def test_a_broker_that_never_answers_is_tried_again(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that accepts the connection and stays silent is given up after a while, with that reason."""
    monkeypatch.setattr("gateway.link._ANSWER_WITHIN_S", 0.3)

    async def listen_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()

    silent = await asyncio.start_server(listen_only, "127.0.0.1", 0)
    with capture_logs() as said:
        async with running(MqttSource(Connection(port=silent.sockets[0].getsockname()[1]), journal)):
            await until(lambda: bool(said))
    assert said[0]["reason"] == "the broker does not answer"
    silent.close()
    await silent.wait_closed()


async def test_a_refused_subscription_is_said_and_tried_again(broker: EmbeddedBroker, journal: Journal) -> None:
    """A broker that will not give us a topic is not quietly left to keep it; the reason names the topics."""
    topics = tuple(f"line-{number}/+" for number in range(70))  # more than the embedded broker allows a session
    with capture_logs() as said:
        async with running(MqttSource(Connection(port=broker.port, topics=topics), journal)):
            await until(lambda: any("reason" in entry for entry in said))
    (reason,) = {entry["reason"] for entry in said if "reason" in entry}
    assert "refuses the subscription to line-" in reason


async def test_a_journal_locked_by_another_program_is_waited_for(journal: Journal, tmp_path: Path) -> None:
    """Someone who inspects the journal with another tool delays the gateway and breaks nothing."""
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    source = MqttSource(Connection(port=1), journal)
    async with running(source):
        answer = asyncio.create_task(source.enter("event/a", b"{}"))
        await asyncio.sleep(0.2)
        assert not answer.done()
        other.execute("ROLLBACK")
        assert await answer == 1
    other.close()
