"""As much of JSON Schema as the contract language uses: enough to hold a contract against its schema as an editor does.

Written for the tests, so that no dependency is needed; a keyword it does not know is an error, not a pass.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

NOTES = {"title", "description", "default", "examples", "$schema", "$defs", "format"}
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, Decimal),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


def faults(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "") -> Iterator[str]:
    """Where a value is not what a schema says."""
    for keyword, said in schema.items():
        if keyword not in NOTES:
            yield from KEYWORDS[keyword](value, said, schema, root, at)


def _ref(value: Any, said: str, _: Any, root: dict[str, Any], at: str) -> Iterator[str]:
    yield from faults(value, root["$defs"][said.removeprefix("#/$defs/")], root, at)


def _any_of(value: Any, said: list[dict[str, Any]], _: Any, root: dict[str, Any], at: str) -> Iterator[str]:
    found = [list(faults(value, each, root, at)) for each in said]
    if all(found):
        yield min(found, key=len)[0]


def _type(value: Any, said: str, _: Any, __: Any, at: str) -> Iterator[str]:
    if not isinstance(value, TYPES[said]) or (isinstance(value, bool) and said != "boolean"):
        yield f"{at}: {value!r} is not of type {said}"


def _properties(value: Any, said: dict[str, Any], _: Any, root: dict[str, Any], at: str) -> Iterator[str]:
    for key in value if isinstance(value, dict) else ():
        if key in said:
            yield from faults(value[key], said[key], root, f"{at}/{key}")


def _additional(value: Any, said: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> Iterator[str]:
    for key in value if isinstance(value, dict) else ():
        if key in schema.get("properties", {}):
            continue
        if said is False:
            yield f"{at}: {key} is not a key"
        elif isinstance(said, dict):
            yield from faults(value[key], said, root, f"{at}/{key}")


def _names(value: Any, said: dict[str, Any], _: Any, root: dict[str, Any], at: str) -> Iterator[str]:
    for key in value if isinstance(value, dict) else ():
        yield from faults(key, said, root, f"{at}/{key}")


def _pattern_properties(value: Any, said: dict[str, Any], _: Any, root: dict[str, Any], at: str) -> Iterator[str]:
    for pattern, schema in said.items():
        for key in value if isinstance(value, dict) else ():
            if re.search(pattern, key):
                yield from faults(value[key], schema, root, f"{at}/{key}")


def _required(value: Any, said: list[str], _: Any, __: Any, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (f"{at}: {key} is missing" for key in said if key not in value)


def _items(value: Any, said: dict[str, Any], _: Any, root: dict[str, Any], at: str) -> Iterator[str]:
    for place, item in enumerate(value if isinstance(value, list) else ()):
        yield from faults(item, said, root, f"{at}/{place}")


def _prefix_items(value: Any, said: list[dict[str, Any]], _: Any, root: dict[str, Any], at: str) -> Iterator[str]:
    for place, (item, schema) in enumerate(zip(value, said, strict=False) if isinstance(value, list) else ()):
        yield from faults(item, schema, root, f"{at}/{place}")


def _enum(value: Any, said: list[Any], _: Any, __: Any, at: str) -> Iterator[str]:
    if value not in said:
        yield f"{at}: {value!r} is none of {said}"


def _const(value: Any, said: Any, _: Any, __: Any, at: str) -> Iterator[str]:
    if value != said:
        yield f"{at}: {value!r} is not {said!r}"


def _pattern(value: Any, said: str, _: Any, __: Any, at: str) -> Iterator[str]:
    if isinstance(value, str) and not re.search(said, value):
        yield f"{at}: {value!r} does not match {said}"


def _minimum(value: Any, said: int, _: Any, __: Any, at: str) -> Iterator[str]:
    if isinstance(value, int | Decimal) and value < said:
        yield f"{at}: {value} is below {said}"


def _above(value: Any, said: int, _: Any, __: Any, at: str) -> Iterator[str]:
    if isinstance(value, int | Decimal) and value <= said:
        yield f"{at}: {value} is not above {said}"


def _maximum(value: Any, said: int, _: Any, __: Any, at: str) -> Iterator[str]:
    if isinstance(value, int | Decimal) and value > said:
        yield f"{at}: {value} is above {said}"


def _shortest(value: Any, said: int, _: Any, __: Any, at: str) -> Iterator[str]:
    if isinstance(value, list | str | dict) and len(value) < said:
        yield f"{at}: fewer than {said}"


def _longest(value: Any, said: int, _: Any, __: Any, at: str) -> Iterator[str]:
    if isinstance(value, list | str | dict) and len(value) > said:
        yield f"{at}: more than {said}"


KEYWORDS: dict[str, Any] = {
    "$ref": _ref,
    "anyOf": _any_of,
    "type": _type,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "propertyNames": _names,
    "required": _required,
    "items": _items,
    "prefixItems": _prefix_items,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "minimum": _minimum,
    "exclusiveMinimum": _above,
    "maximum": _maximum,
    "minItems": _shortest,
    "minLength": _shortest,
    "minProperties": _shortest,
    "maxItems": _longest,
}
