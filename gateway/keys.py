"""The gateway's signing key: made at the first start, kept beside the data, its public half for everyone."""

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def open_signer(folder: Path) -> Signer:
    """The key in `folder`, made there if there is none; the private file is readable by its owner alone."""
    folder.mkdir(parents=True, exist_ok=True)
    private_file = folder / "private.pem"
    if not private_file.exists():
        _make(private_file)
    key = serialization.load_pem_private_key(private_file.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey), f"{private_file} holds another kind of key than Ed25519"
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public_file = folder / "public.pem"
    if not public_file.exists() or public_file.read_bytes() != public:
        public_file.write_bytes(public)
    return Signer(key, public)


def _make(file: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(pem)
        out.flush()
        os.fsync(out.fileno())
