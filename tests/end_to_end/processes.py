"""What a command runs on this computer, and how much memory each process took at most, as /proc tells it (Linux)."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
EVERY_S = 0.05


@dataclass(slots=True)
class Watched:
    """A command of `fairmeter` that runs, and everything it started: command lines and peaks in kB, by process id."""

    process: "subprocess.Popen[bytes]"
    out: Path
    said: Path
    commands: dict[int, str] = field(default_factory=dict)
    peaks_kb: dict[int, int] = field(default_factory=dict)

    def peak_mb(self, word: str) -> float:
        """The most memory that a process with this word in its command line ever held."""
        peaks = [self.peaks_kb[pid] for pid, command in self.commands.items() if word in command]
        assert peaks, f"no process has {word} in its command line"
        return max(peaks) / 1024

    def wait_until_said(self, text: str, within_s: float) -> None:
        """Wait until the command has said this on stderr."""
        deadline = time.monotonic() + within_s
        while text not in self.said.read_text():
            assert self.process.poll() is None, self.said.read_text()
            assert time.monotonic() < deadline, f"it never said {text!r}"
            time.sleep(EVERY_S)

    def left_behind(self) -> dict[int, str]:
        """What still runs of all that was ever seen."""
        return {pid: command for pid, command in self.commands.items() if _command(pid) == command}

    def look(self) -> None:
        """Note what runs now."""
        for pid in _family(self.process.pid):
            command, peak = _command(pid), _peak_kb(pid)
            if command and peak:
                self.commands[pid] = command
                self.peaks_kb[pid] = max(peak, self.peaks_kb.get(pid, 0))


@contextmanager
def watched(folder: Path, *words: object) -> Iterator[Watched]:
    """Run `fairmeter` with these words, watched until the block ends; whatever then still runs of it is interrupted."""
    out, said = folder / "stdout", folder / "stderr"
    command = [sys.executable, "-m", "gateway", *map(str, words)]
    with out.open("wb") as to_out, said.open("wb") as to_said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=to_out, stderr=to_said)
    one = Watched(process, out, said)
    stopped = threading.Event()

    def look() -> None:
        while not stopped.wait(EVERY_S):
            one.look()

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield one
    finally:
        stopped.set()
        looking.join()
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()


def named_in_a_command(text: str) -> dict[int, str]:
    """The processes of this computer whose command line holds a text."""
    if not PROC.is_dir():
        return {}
    numbers = [int(each.name) for each in PROC.iterdir() if each.name.isdecimal()]
    return {pid: command for pid in numbers if text in (command := _command(pid))}


def _family(pid: int) -> Iterator[int]:
    """A process, and all that it started and that still has a parent among them."""
    yield pid
    for children in PROC.glob(f"{pid}/task/*/children"):
        for child in _text(children).split():
            yield from _family(int(child))


def _command(pid: int) -> str:
    return _text(PROC / str(pid) / "cmdline").replace("\0", " ").strip()


def _peak_kb(pid: int) -> int:
    lines = _text(PROC / str(pid) / "status").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:  # the process has ended
        return ""
