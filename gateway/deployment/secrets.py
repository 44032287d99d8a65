"""`make secrets`: every password, token, key and certificate of the production stack, made once and never replaced.

The folder is its owner's alone, so nobody else on the computer reaches what is in it. The files themselves can be read
by any user, because each container runs as a user of its own, and sees only the files that it is given.
"""

import argparse
import base64
import hashlib
import os
import re
import secrets
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.deployment.certificates import Authority, holds_for

USERS: Final = ("gateway", "simulator", "health", "screen")
RANDOM: Final = (
    *(f"{user}.password" for user in USERS),
    "influxdb.password",
    "influxdb.token",
    "grafana.password",
    "grafana.key",
)
PASSWORDS: Final = "mosquitto.passwords"
DEVICE: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_ROUNDS: Final = 101  # Mosquitto's own number; what it hashes here is random, so that more would protect nothing
_CREDENTIALS: Final = """# Keys of the S3 storage that the backup goes to, if it goes to one (docs/deployment.md).
# [default]
# aws_access_key_id =
# aws_secret_access_key =
"""


def make_secrets(folder: Path, names: Sequence[str] = (), devices: Sequence[str] = ()) -> list[str]:
    """Make what is missing in a folder, and say which files are new.

    `names` are further names and addresses under which devices reach the broker, and `devices` those that get a
    password of their own, in `devices/`.
    """
    for folder_of in (folder, folder / "devices"):
        folder_of.mkdir(parents=True, exist_ok=True)
        folder_of.chmod(0o700)
    own = {Path("devices", f"{device}.password") for device in devices}
    new = [str(name) for name in (*map(Path, RANDOM), *sorted(own)) if _made(folder / name, _random())]
    new += _enter(folder, [*USERS, *devices], set(new))
    options = f"-h 127.0.0.1\n-u health\n-P {(folder / 'health.password').read_text()}"
    new += ["health.options"] if _made(folder / "health.options", options) else []
    new += ["backup.credentials"] if _made(folder / "backup.credentials", _CREDENTIALS) else []
    return new + _certify(folder, ["mosquitto", "localhost", socket.gethostname(), "127.0.0.1", *names])


def _random() -> str:
    return secrets.token_hex(32) + "\n"


def _made(file: Path, text: str, mode: int = 0o644) -> bool:
    """Write a file that is not there yet; False, and nothing done, where it is."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
    file.chmod(mode)
    return True


def _enter(folder: Path, users: Sequence[str], new: set[str]) -> list[str]:
    """Enter users into the broker's password file: those that are not in it, and those with a new password."""
    file = folder / PASSWORDS
    before = file.read_text() if file.exists() else ""
    lines = {line.partition(":")[0]: line for line in before.splitlines() if line}
    for user in users:
        name = f"{user}.password" if user in USERS else f"devices/{user}.password"
        if user not in lines or name in new:
            lines[user] = f"{user}:{hashed((folder / name).read_text().strip())}"
    after = "".join(f"{line}\n" for line in lines.values())
    if after == before:
        return []
    # Never a new file in its place: a container goes on seeing the file that it was given.
    file.write_text(after)
    file.chmod(0o644)
    return [PASSWORDS]


def hashed(password: str) -> str:
    """A password as Mosquitto's password file holds it: PBKDF2 with SHA-512 and a salt of its own."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _certify(folder: Path, names: Sequence[str]) -> list[str]:
    """A certificate authority of our own, and the broker's certificate."""
    key, certificate = folder / "ca.key", folder / "ca.crt"
    new = []
    if not key.exists() or not certificate.exists():
        authority = Authority.new()
        # A key without its certificate is of no use, and the other way round: they are made together.
        for file in (key, certificate, folder / "broker.key", folder / "broker.crt"):
            file.unlink(missing_ok=True)
        _made(key, authority.key_text(), 0o600)
        _made(certificate, authority.text())
        new += [key.name, certificate.name]
    if not (folder / "broker.key").exists() or not (folder / "broker.crt").exists():
        private, signed = Authority.read(key.read_bytes(), certificate.read_bytes()).certify(names)
        for name, text in (("broker.key", private), ("broker.crt", signed)):
            (folder / name).unlink(missing_ok=True)
            _made(folder / name, text)
            new.append(name)
    return new


def main() -> None:
    """The command behind `make secrets`."""
    parser = argparse.ArgumentParser(prog="make secrets", description=make_secrets.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--names", default="", help="further names and addresses of the broker, with spaces between")
    parser.add_argument("--devices", default="", help="devices that get a password, with spaces between")
    given = parser.parse_args()
    devices = given.devices.split()
    for device in devices:
        if not DEVICE.fullmatch(device) or device in USERS:
            parser.error(f"{device!r} cannot be a device's user: letters, digits, `_`, `.`, `-`, and not {USERS}")
    new = make_secrets(given.folder, given.names.split(), devices)
    made = f"made {', '.join(new)}" if new else "everything is there; nothing was changed"
    sys.stderr.write(f"{given.folder}: {made}\n")
    if missing := set(given.names.split()) - holds_for((given.folder / "broker.crt").read_bytes()):
        names, remedy = ", ".join(sorted(missing)), "remove broker.crt and broker.key, and make them again"
        sys.stderr.write(f"broker.crt was made before and does not hold for {names}: {remedy}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
