"""From the text of a contract to its terms, or to everything that is wrong with it, all at once.

Nothing is loaded from a text with problems: a contract is either understood whole or not in force.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from contracts.language import references
from contracts.language.references import Fault
from contracts.language.terms import Terms
from contracts.language.yaml_text import Document, Path, parse_yaml, read_text
from contracts.problems import Problem
from contracts.units import duration_text

# Keys of the language that this version does not compute yet: named as such, not as misspellings.
LATER = frozenset(
    "peak average estimate volume percentage minimum maximum discount_percent convert tiers_by tell_at replaces".split()
)
_FORMS = {
    "tuple_type": (" must be a list", "Write it with brackets, [one, two], or with one item on each line after a dash"),
    "model_type": (" must be a mapping of keys", "Write it with braces, {key: value}, or with one key on each line"),
    "dict_type": (" must be a mapping of keys", "Write it with braces, {key: value}, or with one key on each line"),
    "too_short": (" must have at least 1 item", "List at least one"),
}
_TAG = re.compile(r"^(function-|is-instance|literal|constrained|json-or-python|lax-or-strict|tuple|union|nullable)")


def load_terms(text: str | bytes, path: str) -> tuple[Terms | None, list[Problem]]:
    """The terms in `text`, or None with every problem found; `path` is named in the problems and not opened."""
    if isinstance(text, bytes):
        text, unreadable = read_text(text, path)
        if unreadable:
            return None, unreadable
    document = parse_yaml(text, path)
    if document.problems and document.value is None:
        return None, document.problems
    found = list(references.faults(document.value))
    terms: Terms | None = None
    try:
        terms = Terms.model_validate(document.value)
        found += _faults(terms)
    except ValidationError as error:
        found += _explain(error, document)
    problems = document.problems + [Problem(path, *document.place(at), said, remedy) for at, said, remedy in found]
    return (None if problems else terms), sorted(set(problems))


def warnings(terms: Terms) -> list[str]:
    """What `check` tells the author without refusing the contract (semantics §3, §5)."""
    found = (_meter_warnings, _charge_warnings, _guarantee_warnings, _obligation_warnings)
    return [said for warn in found for said in warn(terms)]


def _meter_warnings(terms: Terms) -> Iterator[str]:
    for name, meter in terms.meters.items():
        if meter.kind == "counter" and meter.max_rate is None:
            reason = "any jump upwards is billed, and no reset is told from an error"
            yield f"meter {name} is a counter without max_rate: {reason}"
        if meter.kind == "integral" and meter.unit is None:
            yield f"meter {name} has no unit: its quantity is shown in {terms.meter_unit(name)}, the unit of its rate"


def _charge_warnings(terms: Terms) -> Iterator[str]:
    for charge in terms.charges:
        if charge.part and charge.meter and terms.meters[charge.meter].only_when is None:
            reason = f"prices the off-quality part of {charge.meter}, which has no only_when"
            yield f"charge {charge.id} {reason}: it is always zero"


def _guarantee_warnings(terms: Terms) -> Iterator[str]:
    relieved = {name for each in terms.obligations if each.minimum_use for name in each.minimum_use.relief}
    owed = [each.id for each in terms.obligations if each.minimum_use]
    for promise in terms.guarantees:
        of = f"guarantee {promise.id}"
        if owed and promise.kind == "uptime" and promise.id not in relieved:
            yield f"{of} gives no relief of {', '.join(owed)}: use that its downtime made impossible is still owed"
        if promise.planned and not promise.planned.notice:
            yield f"{of} allows planned work without notice: it may be entered when the machine is already down"
        if promise.target is None:
            continue
        if promise.credits and promise.credits.tiers:
            if any(tier.below > promise.target for tier in promise.credits.tiers):
                yield f"{of} has a credit below more than its target: it is due although the promise is kept"
            ordered = sorted(promise.credits.tiers, key=lambda tier: tier.below)
            if any(worse.percent < better.percent for worse, better in pairwise(ordered)):
                yield f"{of} has a smaller credit in a lower tier: more downtime costs the provider less"
        if promise.bonus and promise.bonus.at_least < promise.target:
            yield f"{of} has a bonus from less than its target: it is due although the promise is missed"


def _obligation_warnings(terms: Terms) -> Iterator[str]:
    relieving = {name for each in terms.obligations if each.minimum_use for name in each.minimum_use.relief}
    creditless = {each.id for each in terms.guarantees if each.credits is None}
    idle = {each.id for each in terms.guarantees if each.credits is None and each.bonus is None} - relieving
    for duty in terms.obligations:
        then = duty.consequence
        if not (then.excuse or then.void_credits or then.surcharge or then.notify):
            yield f"obligation {duty.id} has no consequence: a breach is measured and shown, and nothing follows"
        for name in sorted(creditless.intersection(then.void_credits)):
            yield f"obligation {duty.id} takes away credits of {name}, which has none"
        for name in sorted(idle.intersection(then.excuse)):
            yield f"obligation {duty.id} excuses {name}, on which no amount depends: only its percentage changes"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the contract language, for editors, from the models that load it."""
    schema: dict[str, Any] = _understood(Terms.model_json_schema(by_alias=True))
    return {**schema, "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Fairmeter contract"}


def _understood(schema: Any) -> Any:
    """A schema without limits of numbers that stand beside text, which no editor knows by these names."""
    if isinstance(schema, list):
        return [_understood(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    understood = {key: _understood(value) for key, value in schema.items() if key not in ("gt", "ge", "le")}
    if isinstance(schema.get("default"), dict):
        del understood["default"]  # a table left out: each of its keys says its own default
    elif isinstance(schema.get("default"), int) and _is_duration(schema):
        understood["default"] = duration_text(schema["default"])
    return understood


def _is_duration(schema: dict[str, Any]) -> bool:
    forms = [schema, *schema.get("anyOf", [])]
    return any(form.get("type") == "string" and "90s" in form.get("examples", []) for form in forms)


def _explain(error: ValidationError, document: Document) -> Iterator[Fault]:
    """Pydantic's findings in words; what follows from another finding is left out."""
    found: dict[Path, list[ErrorDetails]] = {}
    for detail in error.errors():
        found.setdefault(_path_in(document, detail["loc"]), []).append(detail)
    for at, details in found.items():
        inside = any(other[: len(at)] == at for other in found if other != at)
        said = [each for each in details if each["type"] == "value_error"] or details[-1:]
        yield from ((at, *_words(each, at)) for each in said if not (inside and each["type"] == "too_short"))


def _path_in(document: Document, location: tuple[int | str, ...]) -> Path:
    """The location as the author wrote it: pydantic's own steps (union members, validators) are left out."""
    at: Path = ()
    for step in location:
        if (*at, step) in document.places or (isinstance(step, str) and not _TAG.match(step) and step == location[-1]):
            at = (*at, step)
    return at


def _words(detail: ErrorDetails, at: Path) -> tuple[str, str]:
    key = _noun(at)
    kind, said = detail["type"], detail["msg"]
    if kind == "missing":
        return f"{key} is missing", f"Add {key[:-1]}:` here"
    if kind == "extra_forbidden":
        return _unknown_key(str(at[-1]))
    if kind == "value_error":
        return said.removeprefix("Value error, "), "docs/contract-language.md shows every form"
    if kind == "string_type" and isinstance(detail["input"], bool | int | float | Decimal):
        return f"{key} is text, and {detail['input']} reads as a number", f'Put it in quotes: "{detail["input"]}"'
    if kind == "string_pattern_mismatch":
        return f"`{detail['input']}` is not allowed as {key}", f"It must match {detail.get('ctx', {}).get('pattern')}"
    shown = detail["input"] if isinstance(detail["input"], str | int | float | bool) else "this"
    wrong, remedy = _FORMS.get(kind, (f": {said[:1].lower()}{said[1:]}", "Correct the value"))
    return f"{key}{wrong} (found {shown})", remedy


def _noun(at: Path) -> str:
    """What stands at a place, as its author calls it."""
    if not at:
        return "the contract"
    return f"item {at[-1] + 1} of `{at[-2]}`" if isinstance(at[-1], int) else f"`{at[-1]}`"


def _unknown_key(key: str) -> tuple[str, str]:
    if key in LATER:
        message = f"`{key}` belongs to the contract language, but this version does not compute it yet"
        return message, "Leave it out, or wait for the version that has it: nothing is ever billed by half a contract"
    near = difflib.get_close_matches(key, _all_keys(Terms), n=1)
    remedy = f"Did you mean `{near[0]}`?" if near else "Remove it; docs/contract-language.md lists the keys"
    if key in near:
        remedy = "It belongs to another part of a contract; docs/contract-language.md shows which"
    return f"`{key}` is not a key of the contract language here", remedy


def _all_keys(model: type[BaseModel]) -> list[str]:
    schema = model.model_json_schema(by_alias=True)
    parts = [schema, *schema.get("$defs", {}).values()]
    return sorted({key for part in parts for key in part.get("properties", {})})


def _faults(terms: Terms) -> Iterator[Fault]:
    """What no single model can see."""
    if terms.anchor != 1 and terms.period in ("day", "week"):
        yield ("anchor",), f"an anchor starts months, quarters or years, not a {terms.period}", "Remove it"
    if all(terms.hold_ms(channel) is None for channel in terms.channels):
        message = "every channel has max_hold: device, so nothing ever says that the device is known"
        yield ("channels",), message, "Give one channel that is sent regularly a max_hold of its own, such as 120s"
    for index, device in enumerate(terms.devices):
        since = device.since or terms.valid.from_
        if device.until is not None and device.until <= since:
            yield ("devices", index, "until"), f"until {device.until} is not after since {since}", "Correct one of them"
