"""A JSON document, parsed so that nothing in it is silently lost.

JSON that names a key twice is legal and ambiguous, and fast parsers keep the last without a word. So colons are
counted: a document has as many as it has keys and texts hold, and more if a key stood twice; only then is it
parsed again by a slower parser that sees every key. The same parser reads documents that hold NaN or Infinity,
so that one of them does not cost the readings beside it.
"""

import json
import math
from typing import Any, Final

import orjson

from gateway.payloads.decoded import Fault

_PLAIN: Final = 'send JSON in UTF-8, such as {"v": {"pressure": 7.02}}'


class NotFinite(str):
    """NaN, an infinity or 1e999 where a number should stand: no measurement, but some devices write it."""

    __slots__ = ()


class Twice:
    """Stands for the value of a key that an object holds twice: nobody can know which one was meant."""

    __slots__ = ()


TWICE: Final = Twice()


def parse(payload: bytes) -> Any:
    """The document; a Fault if it is not JSON at all."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return _slowly(payload)


def with_every_key(payload: bytes, document: Any) -> Any:
    """The same document, with TWICE as the value of each key that an object held twice."""
    if isinstance(document, Fault) or payload.count(b":") == _colons(document):
        return document
    return _slowly(payload)


def is_sound(value: Any) -> bool:
    """Whether a value holds nothing that could not be written as JSON again."""
    rest = [value]
    while rest:
        each = rest.pop()
        if isinstance(each, dict):
            rest.extend(each)
            rest.extend(each.values())
        elif isinstance(each, list):
            rest.extend(each)
        elif _is_doubtful(each):
            return False
    return True


def _is_doubtful(value: Any) -> bool:
    if isinstance(value, str) and not isinstance(value, NotFinite):
        return any("\ud800" <= character <= "\udfff" for character in value)  # half of a pair: no UTF-8 for it
    return isinstance(value, Twice | NotFinite)


def _slowly(payload: bytes) -> Any:
    try:
        document = payload.decode("utf-8")
        return json.loads(document, parse_constant=NotFinite, parse_float=_float, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        return Fault(f"the payload is not UTF-8: byte {error.start} is 0x{payload[error.start]:02x}", _PLAIN)
    except json.JSONDecodeError as error:
        return _syntax_fault(error, len(payload))
    except RecursionError:
        return Fault("the JSON is nested too deep", _PLAIN)
    except ValueError as error:  # a number of thousands of digits
        return Fault(f"the payload cannot be read: {error}", _PLAIN)


def _syntax_fault(error: json.JSONDecodeError, length: int) -> Fault:
    if not error.doc.strip():
        return Fault("the payload is empty", _PLAIN)
    if error.doc.startswith("\ufeff"):
        return Fault("the payload begins with a byte order mark", _PLAIN)
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string"):
        return Fault(f"the JSON ends too early, after {length} bytes", "find out where the payload was cut off")
    return Fault(f"the payload is not JSON: {error.msg} at character {error.pos}", _PLAIN)


def _float(digits: str) -> float | NotFinite:
    value = float(digits)
    return value if math.isfinite(value) else NotFinite(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = TWICE if key in found else value
    return found


def _colons(document: Any) -> int:
    """How many colons a document must have if no key stands twice."""
    count, rest = 0, [document]
    while rest:
        each = rest.pop()
        if isinstance(each, dict):
            count += len(each) + sum(key.count(":") for key in each)
            rest.extend(each.values())
        elif isinstance(each, list):
            rest.extend(each)
        elif isinstance(each, str):
            count += each.count(":")
    return count
