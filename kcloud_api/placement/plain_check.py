"""Turns a JSON Schema into a function that recognises at once what is plainly right. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

Schema = Mapping[str, Any]
Check = Callable[[Any], bool]


def plain_check(schema: Schema) -> Check:
    """A check that is true only for what the schema takes; it may be false for oddities that it takes too
    (1.0 for an integer), or for words of JSON Schema that nothing here uses."""
    if schema.keys() == {"anyOf"}:
        ways = [plain_check(way) for way in schema["anyOf"]]
        return lambda value: any(check(value) for check in ways)
    if schema.keys() - KNOWN:
        return lambda value: False
    kinds = schema.get("type", ())
    each = [_OF_KIND[kind](schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    if len(each) == 1:
        return each[0]
    return lambda value: any(check(value) for check in each)


def is_uuid(value: object) -> bool:
    """In any form that the Placement API reads: capitals, braces, without hyphens."""
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


def _object(schema: Schema) -> Check:
    required = tuple(schema.get("required", ()))
    named = {name: plain_check(value) for name, value in schema.get("properties", {}).items()}
    patterns = [
        (re.compile(pattern), plain_check(value))
        for pattern, value in schema.get("patternProperties", {}).items()
    ]
    least = schema.get("minProperties", 0)

    def member(name: object, value: object) -> bool:
        if not isinstance(name, str):
            return False
        check = named.get(name)
        if check is not None:
            return check(value)
        return any(pattern.search(name) and check(value) for pattern, check in patterns)

    def check(value: Any) -> bool:  # noqa: ANN401
        return (
            isinstance(value, Mapping)
            and len(value) >= least
            and all(name in value for name in required)
            and all(member(name, inner) for name, inner in value.items())
        )

    return check


def _array(schema: Schema) -> Check:
    least = schema.get("minItems", 0)
    item = plain_check(schema.get("items", {}))
    only_texts = schema.get("items", {}).get("type") == "string"
    is_unique = (lambda value: only_texts and len(set(value)) == len(value)) if _is_set(schema) else _anything
    return lambda value: (
        isinstance(value, list) and len(value) >= least and all(map(item, value)) and is_unique(value)
    )


def _is_set(schema: Schema) -> bool:
    return bool(schema.get("uniqueItems"))


def _anything(_: object) -> bool:
    return True


def _string(schema: Schema) -> Check:
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength")
    pattern = re.compile(schema.get("pattern", ""))
    uuid = schema.get("format") == "uuid"

    def check(value: Any) -> bool:  # noqa: ANN401
        return (
            isinstance(value, str)
            and len(value) >= shortest
            and (longest is None or len(value) <= longest)
            and pattern.search(value) is not None
            and (not uuid or is_uuid(value))
        )

    return check


def _number(*kinds: type) -> Callable[[Schema], Check]:
    def of(schema: Schema) -> Check:
        low, high = schema.get("minimum"), schema.get("maximum")

        def check(value: Any) -> bool:  # noqa: ANN401
            return (
                isinstance(value, kinds)
                and not isinstance(value, bool)
                and (low is None or value >= low)
                and (high is None or value <= high)
            )

        return check

    return of


_OF_KIND: Mapping[str, Callable[[Schema], Check]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number(int),
    "number": _number(int, float),
    "null": lambda schema: lambda value: value is None,
}
KNOWN = frozenset(
    {
        "type", "required", "properties", "patternProperties", "additionalProperties", "minProperties",
        "minItems", "items", "uniqueItems", "minLength", "maxLength", "pattern", "format", "minimum",
        "maximum",
    }
)  # fmt: skip
