"""Checks what clients send against a JSON Schema: quickly where it is right, in the words of the jsonschema
library where it is not. Pure.

Clients and their tests look for the library's wording; but it takes longer over a claim than the claim, so
what is plainly right is recognised by checks that the same schema is turned into.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import orjson

from kcloud_common.errors import BadRequest

Schema = Mapping[str, Any]
Check = Callable[[Any], bool]


class Form:
    """One schema. `body` and `query` raise BadRequest for what it does not take."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.plainly_right = plain_check(schema)

    def body(self, raw: bytes) -> Any:  # noqa: ANN401 - any JSON; the schema says what it is
        """What the text says."""
        try:
            data = orjson.loads(raw)
        except ValueError as error:
            raise BadRequest(f"Malformed JSON: {error}") from None
        if not self.plainly_right(data):
            self._refuse(data, "JSON does not validate")
        return data

    def query(self, params: Mapping[str, str]) -> None:
        if not self.plainly_right(params):
            self._refuse(dict(params), "Invalid query string parameters")

    def _refuse(self, data: object, what: str) -> None:
        # Only here: the library is large, and many processes never see a request that is wrong.
        from jsonschema import Draft202012Validator, FormatChecker
        from jsonschema.exceptions import best_match

        formats = FormatChecker(formats=())
        formats.checks("uuid")(is_uuid)
        errors = Draft202012Validator(self.schema, format_checker=formats).iter_errors(data)
        try:
            error = best_match(errors)
            wording = None if error is None else f"{what}: {error}"
        except RecursionError:
            # The library quotes what is wrong, level by level.
            wording = f"{what}: it is nested too deeply."
        if wording is not None:
            raise BadRequest(wording)


def plain_check(schema: Schema) -> Check:
    """A check that is true only for what the schema takes; it may be false for oddities that it takes too
    (1.0 for an integer), or for words of JSON Schema that nothing here uses."""
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
    return lambda value: isinstance(value, list) and len(value) >= least and all(map(item, value))


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
        "minItems", "items", "minLength", "maxLength", "pattern", "format", "minimum", "maximum",
    }
)  # fmt: skip
