"""The seal of a final statement: its number, the chain to the one before, and its signature (semantics §8)."""

import base64
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from contracts.canonical import canonical, sha256

# The fields that a seal adds; no recomputation gives them, and the signature covers them.
SEAL = ("number", "previous_sha256", "status", "issued_at", "signature")


def key_name(pem: bytes) -> str:
    """The name of a public key: the SHA-256 of its 32 bytes."""
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("this is not an Ed25519 public key")  # noqa: TRY004 - a value of the file, not a type of ours
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def statement_sha256(statement: Mapping[str, Any]) -> str:
    """The digest by which the next statement names this one."""
    return sha256(canonical(dict(statement)))


def signature_fault(statement: Mapping[str, Any], pem: bytes) -> str | None:
    """Why the signature is not one of this statement by this key; None if it is."""
    signature = statement["signature"]
    try:
        key = load_pem_public_key(pem)
        if not isinstance(key, Ed25519PublicKey):
            return "the public key is not an Ed25519 key"
        value = base64.b64decode(signature["value"], validate=True)
        if signature != {"alg": "Ed25519", "key": signature["key"], "value": base64.b64encode(value).decode()}:
            return "it is not written in the one form that a signature has"
        if signature["key"] != key_name(pem):
            return f"it names another key ({signature['key'][:16]}…) than the one given ({key_name(pem)[:16]}…)"
        unsigned = {name: value for name, value in statement.items() if name != "signature"}
        key.verify(value, canonical(unsigned))
    except InvalidSignature:
        return "it is not a signature of this statement: a field was altered after it was signed"
    except (ValueError, KeyError, TypeError, UnsupportedAlgorithm) as error:
        return f"it cannot be checked: {error}"
    return None
