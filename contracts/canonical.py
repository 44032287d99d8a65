"""Bytes that are the same on every machine: canonical JSON for what is signed, plain JSON lines for what is read."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import rfc8785


def sha256(data: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def canonical(document: dict[str, Any]) -> bytes:
    """RFC 8785: the one byte sequence of a JSON document, which digests and signatures cover."""
    return rfc8785.dumps(document)


def readable(document: Any) -> bytes:
    """JSON that people can read, one value a line, keys in the order given; the same bytes on every machine."""
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
