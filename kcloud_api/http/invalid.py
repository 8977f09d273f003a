"""Says what is wrong with a request in the words of JSON Schema, which OpenStack's services all use.

Pydantic finds the fault; `first_fault` retells it (`'x' is too long`, `'name' is a required property`), and
each service puts it into its own sentence: Nova's is `nova_sentence`, the default of kcloud_api.http.errors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fastapi.exceptions import RequestValidationError


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. `path` leads to it from the top of the body (or names a query parameter)."""

    where: str
    path: tuple[str, ...]
    value: object
    reason: str
    malformed: bool = False
    """The body is no JSON at all; the other fields mean nothing."""


def first_fault(error: RequestValidationError) -> Fault:
    """The first of the faults found: one is enough to act on, and what the OpenStack services tell."""
    found: Mapping[str, object] = error.errors()[0]
    loc = found["loc"]
    where, *path = loc if isinstance(loc, Sequence) else ("body",)
    kind = str(found["type"])
    if kind == "json_invalid":
        return Fault("body", (), None, "the body is not valid JSON", malformed=True)
    if kind in ("missing", "extra_forbidden"):
        name = str(path.pop()) if path else "body"
        reason = (
            f"'{name}' is a required property"
            if kind == "missing"
            else f"Additional properties are not allowed ('{name}' was unexpected)"
        )
        value = _inside(error.body, path) if where == "body" else None
        return Fault(str(where), tuple(map(str, path)), value, reason)
    return Fault(str(where), tuple(map(str, path)), found.get("input"), _reason(kind, found))


def nova_sentence(fault: Fault) -> str:
    """The fault as Nova says it."""
    if fault.malformed:
        return "Malformed request body"
    if not fault.path:
        return fault.reason
    if fault.where == "query":
        return f"Invalid input for query parameters {fault.path[0]}. Value: {fault.value}. {fault.reason}"
    return f"Invalid input for field/attribute {fault.path[-1]}. Value: {fault.value}. {fault.reason}"


def _inside(body: object, path: Sequence[object]) -> object:
    for step in path:
        if isinstance(body, Mapping):
            body = body.get(str(step))
        elif isinstance(body, Sequence) and isinstance(step, int) and step < len(body):
            body = body[step]
    return body


def _reason(kind: str, found: Mapping[str, object]) -> str:
    value = found.get("input")
    context = found.get("ctx")
    facts = context if isinstance(context, Mapping) else {}
    for prefix, name in _TYPES.items():
        if kind.startswith(prefix) and kind.removeprefix(prefix) in _TYPE_FAULTS:
            return f"{value!r} is not of type '{name}'"
    tell = _REASONS.get(kind)
    return tell(value, facts) if tell is not None else str(found.get("msg"))


_TYPES = {
    "string": "string", "int": "integer", "float": "number", "bool": "boolean",
    "dict": "object", "model": "object", "list": "array", "tuple": "array",
}  # fmt: skip
_TYPE_FAULTS = frozenset({"_type", "_parsing", "_from_float", "_attributes_type", "_unicode"})

_REASONS: Mapping[str, Callable[[object, Mapping[str, object]], str]] = {
    "string_too_long": lambda value, facts: f"{value!r} is too long",
    "string_too_short": lambda value, facts: (
        f"{value!r} should be non-empty" if facts.get("min_length") == 1 else f"{value!r} is too short"
    ),
    "string_pattern_mismatch": lambda value, facts: f"{value!r} does not match {facts.get('pattern')!r}",
    "greater_than_equal": lambda value, facts: f"{value} is less than the minimum of {facts.get('ge')}",
    "greater_than": lambda value, facts: f"{value} is less than or equal to the minimum of {facts.get('gt')}",
    "less_than_equal": lambda value, facts: f"{value} is greater than the maximum of {facts.get('le')}",
    "literal_error": lambda value, facts: (
        f"{value!r} is not one of [{str(facts.get('expected')).replace(' or ', ', ')}]"
    ),
    "value_error": lambda value, facts: str(facts.get("error")),
}
