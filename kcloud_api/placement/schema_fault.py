"""Says what is wrong with a document, in the words of the jsonschema library, and within bounds. Pure.

Import it only when something is wrong: the library is large. It visits every part that is right, makes an
object of every mistake and quotes all that it speaks of: of a body of a MiB that was many seconds.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

from kcloud_api.placement.plain_check import Check, Schema, is_uuid, plain_check

MOST = 100
"""Mistakes among which the one is chosen that says most."""
QUOTED = 1000
"""Characters of the library's words that are repeated of a large document."""
FORMATS = FormatChecker(formats=())
FORMATS.checks("uuid")(is_uuid)


def of_small(schema: Schema, data: object) -> str | None:
    """As the library words it, with what it quotes. None where nothing is wrong."""
    errors = Draft202012Validator(schema, format_checker=FORMATS).iter_errors(data)
    error = best_match(islice(errors, MOST))
    return None if error is None else str(error)


def of_large(schema: Schema, data: object, place: str = "$") -> str | None:
    """Of the first part that is wrong, and where it is."""
    checks: dict[int, Check] = {}
    for name, inner, value in _members(schema, data):
        check = checks.get(id(inner)) or checks.setdefault(id(inner), plain_check(inner))
        if not check(value) and (found := of_large(inner, value, f"{place}.{name}"[:QUOTED])):
            return found
    # Whatever is in it is right: the library need not look.
    own: dict[str, Any] = {
        word: value for word, value in schema.items() if word not in ("items", "properties")
    }
    if "properties" in schema:
        own["properties"] = dict.fromkeys(schema["properties"], True)
    if "patternProperties" in schema:
        own["patternProperties"] = dict.fromkeys(schema["patternProperties"], True)
    error = next(Draft202012Validator(own, format_checker=FORMATS).iter_errors(data), None)
    return None if error is None else f"{error.message[:QUOTED]} at {place}"


def _members(schema: Schema, data: object) -> Iterator[tuple[object, Schema, object]]:
    if isinstance(data, Mapping):
        named = schema.get("properties", {})
        patterns = [
            (re.compile(pattern), inner) for pattern, inner in schema.get("patternProperties", {}).items()
        ]
        for name, value in data.items():
            if name in named:
                yield name, named[name], value
            yield from ((name, inner, value) for pattern, inner in patterns if pattern.search(name))
    elif isinstance(data, list) and "items" in schema:
        yield from ((index, schema["items"], value) for index, value in enumerate(data))
