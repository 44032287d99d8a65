"""A real Mosquitto with the very configuration, access list and secrets of the stack."""

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.enums import CallbackAPIVersion

from gateway.journal import Journal
from gateway.link import Connection
from gateway.mqtt import MqttSource
from tests.deployment.conftest import StackBroker, program
from tests.deployment.stack import make_secrets, mounted, secret_files, services

QUEUED = 5_000
READING = b'{"t":1767225600000,"v":{"pressure":7.02}}'


@contextlib.asynccontextmanager
async def receiving(connection: Connection, journal: Journal) -> AsyncIterator[MqttSource]:
    """The gateway's end, subscribed, until the block ends; it is stopped cleanly."""
    source = MqttSource(connection, journal)
    task = asyncio.create_task(source.run())
    try:
        async with asyncio.timeout(20):
            await source.subscribed()
        yield source
    finally:
        source.stop()
        assert await task


async def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until it is so, and fail if it is not in time."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.05)


def topics(journal: Journal) -> list[str]:
    """The topics of all messages in the journal, in order."""
    return [message.topic for batch in journal.read() for message in batch.messages]


def device(broker: StackBroker, name: str, **given: Any) -> aiomqtt.Client:
    """A device as it connects from outside: encrypted, with its own password, trusting our authority."""
    context = ssl.create_default_context(cafile=broker.secrets / "ca.crt")
    options: dict[str, Any] = {"username": name, "password": broker.password(name), "tls_context": context, **given}
    return aiomqtt.Client("localhost", broker.outside, **options)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal of its own."""
    return Journal.open(tmp_path / "journal.sqlite")


def test_only_places_and_ports_differ_from_the_file_that_is_mounted(stack_broker: StackBroker) -> None:
    """What these tests start is the configuration of the stack: its paths and ports are ours, every other line its."""
    theirs = mounted("mosquitto", "/mosquitto/config/mosquitto.conf").read_text().splitlines()
    ours = stack_broker.configuration().splitlines()
    differing = [line.split()[0] for line, other in zip(theirs, ours, strict=True) if line != other]
    places = {"password_file", "acl_file", "listener", "certfile", "keyfile", "persistence_location"}
    assert set(differing) == places
    assert len(differing) == len(places) + 1  # there are two listeners


@pytest.mark.parametrize("who", [None, ("comp-01", "not-its-password"), ("nobody", "x")], ids=str)
async def test_who_is_unknown_is_refused(stack_broker: StackBroker, who: tuple[str, str] | None) -> None:
    """Without a name and its own password nobody connects, inside or outside."""
    username, password = who or (None, None)
    outside = device(stack_broker, "comp-01", username=username, password=password)
    for client in (outside, aiomqtt.Client("127.0.0.1", stack_broker.inside, username=username, password=password)):
        with pytest.raises(aiomqtt.MqttError, match=r"[Nn]ot authori[sz]ed"):
            await client.__aenter__()


async def test_a_device_speaks_for_itself_alone(
    stack_broker: StackBroker, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device's readings and status arrive; what it says for another, an event, or in the gateway's name does not."""
    _, connection = stack_broker.gateway(monkeypatch)
    forbidden = ["telemetry/comp-02", "status/comp-02", "event/comp-01", "contract/A/usage", "feedback/comp-02"]
    forbidden += ["telemetry/comp-01/more", "telemetry/#"[:-1]]
    async with receiving(connection, journal), device(stack_broker, "comp-01") as comp_01:
        for topic in (*forbidden, "status/comp-01", "telemetry/comp-01"):
            await comp_01.publish(topic, READING, qos=1)
        await until(lambda: "telemetry/comp-01" in topics(journal))
    assert topics(journal) == ["status/comp-01", "telemetry/comp-01"]


async def test_a_device_hears_what_is_meant_for_it_alone(
    stack_broker: StackBroker, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Feedback reaches the device it is for; nobody reads another's feedback, readings or contract."""
    _, connection = stack_broker.gateway(monkeypatch)
    async with (
        receiving(connection, journal) as source,
        device(stack_broker, "comp-01") as one,
        device(stack_broker, "comp-02") as two,
    ):
        for client in (one, two):
            for topic in ("#", "feedback/#", "telemetry/#", "contract/#", "feedback/comp-01"):
                await client.subscribe(topic, qos=1)
        await two.publish("telemetry/comp-02", READING, qos=1)
        source.publish("contract/A/usage", b"{}", qos=1)
        source.publish("feedback/comp-02", b"for two", qos=1)
        source.publish("feedback/comp-01", b"for one", qos=1)
        for client, heard in ((one, b"for one"), (two, b"for two")):
            async with asyncio.timeout(10):
                message = await anext(aiter(client.messages))
            assert message.payload == heard


async def test_a_screen_hears_of_contracts_and_says_nothing(
    stack_broker: StackBroker, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever shows usage and breaches gets a user that can read them, and whatever it publishes reaches nobody."""
    _, connection = stack_broker.gateway(monkeypatch)
    password = (stack_broker.secrets / "screen.password").read_text().strip()
    screen_of = device(stack_broker, "screen", username="screen", password=password)
    async with receiving(connection, journal) as source, screen_of as screen:
        await screen.subscribe("contract/#", qos=1)
        for topic in ("contract/A/breach", "telemetry/comp-01", "event/comp-01"):
            await screen.publish(topic, READING, qos=1)
        source.publish("contract/A/usage", b"{}", qos=1)
        async with asyncio.timeout(10):
            message = await anext(aiter(screen.messages))
        assert message.topic.value == "contract/A/usage"
    assert topics(journal) == []


async def test_outside_is_encrypted_and_the_broker_proves_who_it_is(stack_broker: StackBroker) -> None:
    """A device that trusts our authority connects; one that does not, or does not encrypt, exchanges nothing."""
    async with device(stack_broker, "comp-01") as comp_01:
        await comp_01.publish("telemetry/comp-01", READING, qos=1)
    with socket.create_connection(("localhost", stack_broker.outside), timeout=10) as plain:
        stranger = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            stranger.wrap_socket(plain, server_hostname="localhost")
    with socket.create_connection(("localhost", stack_broker.outside), timeout=10) as plain:
        plain.sendall(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")  # an MQTT CONNECT, in the clear
        with contextlib.suppress(ConnectionResetError):
            assert b"\x20" not in plain.recv(64)[:1]  # whatever comes, it is no answer to it


async def test_no_device_can_take_over_the_gateways_messages(
    stack_broker: StackBroker, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that connects under the gateway's client id gets its own session, and the gateway keeps its."""
    _, connection = stack_broker.gateway(monkeypatch)
    async with receiving(connection, journal):
        async with device(stack_broker, "comp-01", identifier=connection.client_id, clean_session=False) as thief:
            await thief.publish("telemetry/comp-01", READING, qos=1)
            await until(lambda: topics(journal) == ["telemetry/comp-01"])
        async with device(stack_broker, "comp-02") as comp_02:
            await comp_02.publish("telemetry/comp-02", READING, qos=1)
        await until(lambda: topics(journal) == ["telemetry/comp-01", "telemetry/comp-02"])
    log = (stack_broker.folder / "mosquitto.log").read_text()
    assert f"Client {connection.client_id} already connected" not in log


async def test_messages_for_an_absent_gateway_outlive_a_restart_of_the_broker(
    stack_broker: StackBroker, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five thousand messages published while the gateway is away reach it, once each, though the broker restarted."""
    _, connection = stack_broker.gateway(monkeypatch)
    async with receiving(connection, journal):
        pass  # from now on the broker keeps what is published for it
    payloads = [b'{"v":{"pressure":%d}}' % number for number in range(QUEUED)]
    async with device(stack_broker, "comp-01", max_inflight_messages=200) as comp_01:
        comp_01.pending_calls_threshold = QUEUED
        async with asyncio.TaskGroup() as group:
            for payload in payloads:
                group.create_task(comp_01.publish("telemetry/comp-01", payload, qos=1, timeout=60))
    await asyncio.to_thread(stack_broker.stop)
    assert (stack_broker.folder / "mosquitto.db").stat().st_size > QUEUED * len(payloads[0])
    await asyncio.to_thread(stack_broker.start)
    async with receiving(connection, journal):
        await until(lambda: len(topics(journal)) >= QUEUED)
    assert [message.payload for batch in journal.read() for message in batch.messages] == payloads


async def test_more_than_mosquittos_own_twenty_are_in_flight(stack_broker: StackBroker) -> None:
    """A gateway that acknowledges after its disk is not held up: a thousand messages come before the first answer."""
    sent, received = 1_200, []
    password = stack_broker.password("gateway")
    gateway = PahoClient(CallbackAPIVersion.VERSION2, "fairmeter", clean_session=False, manual_ack=True)
    gateway.username_pw_set("gateway", password)
    gateway.on_message = lambda _client, _data, message: received.append(message)
    gateway.connect("127.0.0.1", stack_broker.inside)
    gateway.loop_start()
    try:
        gateway.subscribe("telemetry/#", qos=1)
        await until(gateway.is_connected)
        async with device(stack_broker, "comp-01", max_inflight_messages=200) as comp_01:
            comp_01.pending_calls_threshold = sent
            async with asyncio.TaskGroup() as group:
                for _ in range(sent):
                    group.create_task(comp_01.publish("telemetry/comp-01", READING, qos=1, timeout=60))
        await until(lambda: len(received) >= 1_000)
        await asyncio.sleep(0.5)
        assert len(received) == 1_000
    finally:
        gateway.disconnect()
        gateway.loop_stop()


async def let_in(broker: StackBroker, name: str) -> bool:
    """Whether the broker lets a device in."""
    try:
        async with device(broker, name):
            return True
    except aiomqtt.MqttError as error:
        assert "uthori" in str(error), error
        return False


async def becomes(broker: StackBroker, name: str, expected: bool) -> bool:
    """Whether a device is let in, or refused, within ten seconds: the broker takes a moment to read its file again."""
    for _ in range(100):
        if await let_in(broker, name) == expected:
            return True
        await asyncio.sleep(0.1)
    return False


async def test_a_device_is_added_and_taken_away_while_the_broker_runs(tmp_path: Path) -> None:
    """After `make secrets` for a further device and a HUP it comes in; after its line is removed and a HUP, not."""
    secrets = tmp_path / "secrets"
    make_secrets(secrets, devices="comp-01")
    broker = StackBroker(tmp_path, secrets)
    broker.start()
    try:
        make_secrets(secrets, devices="comp-03")
        assert not await let_in(broker, "comp-03")
        broker.reload()
        assert await becomes(broker, "comp-03", True)
        passwords = secrets / "mosquitto.passwords"
        kept = [line for line in passwords.read_text().splitlines() if not line.startswith("comp-03:")]
        passwords.write_text("\n".join(kept) + "\n")
        broker.reload()
        assert await becomes(broker, "comp-03", False)
        assert await let_in(broker, "comp-01")
    finally:
        broker.stop()


def test_the_health_check_answers(stack_broker: StackBroker, tmp_path: Path) -> None:
    """The command with which the container is watched succeeds on a broker that lives, and fails where none does."""
    kind, *words = [word.replace("$$", "$") for word in services()["mosquitto"]["healthcheck"]["test"]]
    assert kind == "CMD"
    options = secret_files("mosquitto", stack_broker.secrets)["mosquitto_sub"]
    (tmp_path / "mosquitto_sub").symlink_to(options)
    command = [program(words[0]), *words[1:], "-p", str(stack_broker.inside)]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    assert subprocess.run(command, env=environment, check=False, timeout=30).returncode == 0
    stack_broker.stop()
    assert subprocess.run(command, env=environment, check=False, timeout=30).returncode != 0


@pytest.mark.parametrize("encrypted", [False, True], ids=["inside", "outside"])
async def test_the_simulator_comes_in_with_its_password(
    stack_broker: StackBroker, journal: Journal, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    """The simulated fleet publishes as the stack starts it, and a single device with a password also from outside."""
    _, connection = stack_broker.gateway(monkeypatch)
    user = secret_files("device_sim", stack_broker.secrets)["simulator_password"]
    inside = ["--broker", f"mqtt://127.0.0.1:{stack_broker.inside}"]
    outside = ["--broker", f"mqtts://localhost:{stack_broker.outside}", "--ca", str(stack_broker.secrets / "ca.crt")]
    command = [sys.executable, "-m", "gateway", "simulate", "office-printer", *(outside if encrypted else inside)]
    command += ["--username", "simulator", "--password-file", str(user), "--json"]
    command += ["--from", "2026-01-01T00:00:00Z", "--until", "2026-01-01T02:00:00Z"]
    async with receiving(connection, journal):
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert await asyncio.wait_for(process.wait(), 60) == 0
        await until(lambda: sum(topic == "telemetry/printer-01" for topic in topics(journal)) == 2)
