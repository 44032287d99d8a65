"""The doctor at the stack's broker, with the configuration, users and access list that are mounted."""

import asyncio
import gc
from dataclasses import replace

import pytest

from gateway.doctor import broker as doctor
from gateway.doctor.finding import Finding
from gateway.link import Connection, Tls
from tests.deployment.conftest import StackBroker


async def looked_at(connection: Connection) -> dict[str, Finding]:
    """What the doctor finds at a broker, by what it looked at."""
    return {each.what: each for each in await asyncio.to_thread(lambda: list(doctor.broker(connection)))}


def results(found: dict[str, Finding]) -> dict[str, str]:
    """What it found, in a word each."""
    return {what: each.result for what, each in found.items()}


async def test_the_stacks_broker_is_well(stack_broker: StackBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker that `docker compose up` starts passes, with its users and its access list."""
    _, connection = stack_broker.gateway(monkeypatch)
    assert set(results(await looked_at(connection)).values()) == {"ok"}


async def test_a_wrong_password_is_named(stack_broker: StackBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that does not let us in is a fault, in the broker's own words."""
    _, connection = stack_broker.gateway(monkeypatch)
    found = await looked_at(replace(connection, password="wrong"))
    assert results(found) == {"broker": "fault"}
    assert "Not authorized" in found["broker"].said


async def test_what_cannot_be_tried_out_is_said(stack_broker: StackBroker) -> None:
    """A user whom the access list keeps from the doctor's topics gets no verdict on the limits, and is told why."""
    password = stack_broker.password("comp-01")
    found = await looked_at(Connection(port=stack_broker.inside, username="comp-01", password=password))
    assert found["broker queue"].result == "warning"
    assert "fairmeter/doctor/#" in found["broker queue"].remedy


async def test_from_outside_the_doctor_sees_that_the_session_is_not_its_own(stack_broker: StackBroker) -> None:
    """Over the encrypted listener a client is who its user is; the doctor says so, and tries nothing out."""
    tls = Tls(stack_broker.secrets / "ca.crt")
    outside = Connection(host="localhost", port=stack_broker.outside, username="gateway", tls=tls)
    found = await looked_at(replace(outside, password=stack_broker.password("gateway")))
    assert (found["broker"].result, found["broker session"].result) == ("ok", "warning")
    assert "broker queue" not in found


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves the socket to be collected
async def test_a_certificate_that_is_not_trusted_is_named(stack_broker: StackBroker) -> None:
    """A broker of an authority that the settings do not name is a fault, with the reason."""
    found = await looked_at(Connection(host="localhost", port=stack_broker.outside, tls=Tls()))
    assert (results(found), "certificate" in found["broker"].said) == ({"broker": "fault"}, True)
    gc.collect()  # here, and not in a test that knows nothing of it
