"""Checks what clients send against a JSON Schema: quickly where it is right, in the words of the jsonschema
library where it is not. Pure.

Clients and their tests look for the library's wording; but it takes longer over a claim than the claim, so
what is plainly right is recognised by checks that the same schema is turned into.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from kcloud_api.placement.plain_check import Schema, plain_check
from kcloud_common.errors import BadRequest

LARGE = 16 * 1024
"""Bytes of a body about which the library is not asked as a whole."""
BODY = "JSON does not validate"
QUERY = "Invalid query string parameters"
NUL = "\0"
"""Valid in JSON and in a query, and nothing that PostgreSQL keeps in a text."""


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
        if b"\\u0000" in raw and (place := _place_of_nul(data)) is not None:
            raise _unstorable(BODY, place)
        if not self.plainly_right(data):
            self._refuse(data, BODY, is_large=len(raw) > LARGE)
        return data

    def query(self, params: Mapping[str, str]) -> None:
        refuse_nul(params.items())
        if not self.plainly_right(params):
            self._refuse(dict(params), QUERY)

    def _refuse(self, data: object, what: str, *, is_large: bool = False) -> None:
        # Only here: the library is large, and many processes never see a request that is wrong.
        from kcloud_api.placement import schema_fault

        say = schema_fault.of_large if is_large else schema_fault.of_small
        try:
            wording = say(self.schema, data)
        except RecursionError:
            # The library quotes what is wrong, level by level.
            wording = "it is nested too deeply."
        if wording is not None:
            raise BadRequest(f"{what}: {wording}")


def refuse_nul(params: Iterable[tuple[str, str]]) -> None:
    """BadRequest for a query that no database can look for."""
    for name, value in params:
        if NUL in value or NUL in name:
            raise _unstorable(QUERY, name)


def _unstorable(what: str, place: str) -> BadRequest:
    shown = place.replace(NUL, "\\u0000")
    return BadRequest(f"{what}: '{shown}' holds a NUL character, which cannot be stored.", field=shown)


def _place_of_nul(data: object) -> str | None:
    """Where a text or a key holds one, as `traits.3`. What waits is in a list: JSON may be nested deeply."""
    waiting: list[tuple[str, object]] = [("", data)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str) and NUL in value:
            return place.removeprefix(".")
        if isinstance(value, dict):
            waiting += ((f"{place}.{name}", inner) for name, inner in value.items())
            waiting += ((f"{place}.{name}", name) for name in value if NUL in name)
        elif isinstance(value, list):
            waiting += ((f"{place}.{index}", inner) for index, inner in enumerate(value))
    return None
