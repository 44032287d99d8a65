"""The gateway's signing key: made at the first start, kept beside the data, its public half for everyone."""

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.canonical import canonical
from contracts.seal import key_name


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs statements with Ed25519; `public` is the key in PEM with which anyone checks them."""

    private: Ed25519PrivateKey
    public: bytes

    def sign(self, document: dict[str, Any]) -> dict[str, Any]:
        """The statement with its signature, which covers every other field in canonical JSON (semantics §8)."""
        unsigned = {name: value for name, value in document.items() if name != "signature"}
        value = base64.b64encode(self.private.sign(canonical(unsigned))).decode()
        return {**document, "signature": {"alg": "Ed25519", "key": key_name(self.public), "value": value}}


class KeyFault(Exception):  # noqa: N818 - whose fault it is says it best
    """The signing key is damaged or gone; the message says what to restore."""


def open_signer(folder: Path) -> Signer:
    """The key in `folder`, made there if there never was one; the private file is readable by its owner alone.

    KeyFault where it is no longer the key that signed before: another one would leave what it signed unverifiable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    private_file = folder / "private.pem"
    if not private_file.exists():
        if (folder / "public.pem").exists():
            raise KeyFault(f"{private_file} is gone, and statements may be signed by it; restore it from a copy")
        _make(private_file)
    key = _read(private_file)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public_file = folder / "public.pem"
    if not public_file.exists() or public_file.read_bytes() != public:
        public_file.write_bytes(public)
    return Signer(key, public)


def _read(file: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFault(f"{file} is damaged; restore it from a copy") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFault(f"{file} holds another kind of key than Ed25519; restore the one the gateway made")
    return key


def _make(file: Path) -> None:
    """Write a new key and give it its name in one step; where another process was first, its key stands."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    making = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(pem)
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(making, file)
    except FileExistsError:
        pass
    finally:
        making.unlink()
