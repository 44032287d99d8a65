"""The doctor at real brokers: it names what would lose data, and leaves nothing behind."""

import asyncio
import time
from dataclasses import replace

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from gateway.broker import EmbeddedBroker
from gateway.doctor import broker as doctor
from gateway.doctor.finding import Finding
from gateway.link import Connection
from tests.gateway.conftest import StartMosquitto, free_port

HERE = Connection(host="127.0.0.1", client_id="fairmeter")


async def looked_at(connection: Connection) -> dict[str, Finding]:
    """What the doctor finds at a broker, by what it looked at."""
    return {each.what: each for each in await asyncio.to_thread(lambda: list(doctor.broker(connection)))}


def results(found: dict[str, Finding]) -> dict[str, str]:
    """What it found, in a word each."""
    return {what: each.result for what, each in found.items()}


async def test_mosquittos_defaults_are_named_as_what_loses_data(mosquitto: StartMosquitto) -> None:
    """A broker that keeps a thousand messages for a client is a fault, and twenty in flight are a warning."""
    running = await mosquitto("max_queued_messages 1000")
    found = await looked_at(replace(HERE, port=running.port))
    assert results(found) == {
        "broker": "ok",
        "broker topics": "ok",
        "broker session": "ok",
        "broker queue": "fault",
        "broker in flight": "warning",
    }
    assert "1,000 messages" in found["broker queue"].said
    assert "max_queued_messages" in found["broker queue"].remedy
    assert "20 messages" in found["broker in flight"].said


async def test_a_broker_with_room_is_well_and_forgets_the_doctor(mosquitto: StartMosquitto) -> None:
    """Where the limits are high enough all is well, and after the doctor the broker keeps no session of its."""
    running = await mosquitto("max_queued_messages 100000", "max_inflight_messages 1000", "sys_interval 1")
    found = await looked_at(replace(HERE, port=running.port))
    assert set(results(found).values()) == {"ok"}
    assert f"{doctor.MESSAGES:,} messages" in found["broker queue"].said
    said = running.log.read_text()
    doctors = {line.rpartition(" as ")[2].split()[0] for line in said.splitlines() if " as fairmeter-doctor-" in line}
    assert len(doctors) == 2
    for name in doctors:
        last = [line for line in said.splitlines() if f" as {name} (" in line][-1]
        assert "c1" in last, "the last session of each client is one that the broker does not keep"


def visit(port: int, user: str, *payloads: bytes, heard: int = 0) -> list[bytes]:
    """Connect as a user to a session that the broker keeps, publish, wait for messages, and leave without an answer."""
    client, received = Client(CallbackAPIVersion.VERSION2, user, clean_session=False, manual_ack=True), list[bytes]()
    client.username_pw_set(user)
    client.on_message = lambda _, __, message: received.append(bytes(message.payload))
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        for payload in payloads:
            client.publish("telemetry/dev-1", payload, 1).wait_for_publish(10)
        client.subscribe("telemetry/+", 1)
        end = time.monotonic() + 10
        while len(received) < heard and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.5)
    finally:
        client.disconnect()
        client.loop_stop()
    return received


async def test_what_is_kept_for_the_gateway_is_never_touched(mosquitto: StartMosquitto) -> None:
    """Where the broker makes client ids of user names, the doctor stops, and the gateway's messages are still there."""
    running = await mosquitto("use_username_as_clientid true")
    await asyncio.to_thread(visit, running.port, "gateway")
    await asyncio.to_thread(visit, running.port, "dev-1", b"kept")
    found = await looked_at(replace(HERE, port=running.port, username="gateway", password=""))
    assert results(found) == {"broker session": "warning"}
    assert await asyncio.to_thread(visit, running.port, "gateway", heard=1) == [b"kept"]


async def test_the_demos_broker_can_be_looked_at(broker: EmbeddedBroker) -> None:
    """The embedded broker keeps a session and all that is sent to it."""
    found = await looked_at(replace(HERE, port=broker.port))
    assert results(found)["broker session"] == "ok"
    assert results(found)["broker queue"] == "ok"


async def test_no_broker_is_a_fault_with_a_remedy() -> None:
    """Where nobody listens the doctor says so, and what to check."""
    found = await looked_at(replace(HERE, port=free_port()))
    assert results(found) == {"broker": "fault"}
    assert "Start the broker" in found["broker"].remedy
