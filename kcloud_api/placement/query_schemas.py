"""Knows which query parameters each version of the Placement API takes. Pure.

The wording of a refusal is the jsonschema library's, as clients expect it; a query that is well formed, as
nearly all are, is recognised without it.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from kcloud_common.errors import BadRequest

Schema = dict[str, Any]

NUMBER_SUFFIX = r"[1-9][0-9]*"
SUFFIX = r"[a-zA-Z0-9_-]{1,64}"
FREE_SUFFIXES = 33
"""Minor version from which a suffix need not be a number."""
SUFFIXES = 25
LIMIT = r"^[1-9][0-9]*$"
POLICIES = ("none", "isolate")
GROUPED_SINCE = {"resources": 10, "required": 17, "member_of": 21, "in_tree": 31}
"""Parameters of a group, by the minor version from which they are understood."""
WIDE_SINCE = {"limit": 16, "group_policy": SUFFIXES, "root_required": 35, "same_subtree": 36}
"""Parameters of the whole request."""
PROVIDERS_SINCE = {"name": 0, "uuid": 0, "member_of": 3, "resources": 4, "in_tree": 14, "required": 18}
STRING = {"type": "string"}


class Key(NamedTuple):
    """`resources`, `required`, `member_of` or `in_tree` of the group with this suffix."""

    word: str
    suffix: str


def check_candidates(params: Mapping[str, str], minor: int) -> None:
    """BadRequest unless GET /allocation_candidates takes these parameters (the last one of each)."""
    if not _candidates_well_formed(params, minor):
        _refuse(_candidates_schema(minor), params)


def check_providers(params: Mapping[str, str], minor: int) -> None:
    """BadRequest unless GET /resource_providers takes these parameters."""
    well_formed = all(minor >= PROVIDERS_SINCE.get(key, 99) for key in params) and all(
        is_uuid(params[key]) for key in ("uuid", "in_tree") if key in params
    )
    if not well_formed:
        _refuse(_providers_schema(minor), params)


def described() -> Schema:
    """OpenAPI's words for the newest version of GET /allocation_candidates."""
    texts = {"type": "array", "items": STRING}
    kinds: Schema = {
        "required": texts,
        "member_of": texts,
        "same_subtree": texts,
        "limit": {"type": "integer", "minimum": 1},
        "group_policy": {"type": "string", "enum": list(POLICIES)},
    }
    single = [
        {"name": name, "in": "query", "schema": kinds.get(name, STRING)}
        for name in (*GROUPED_SINCE, *WIDE_SINCE)
    ]
    named = rf"^({'|'.join(GROUPED_SINCE)}){SUFFIX}$"
    groups = {"type": "object", "patternProperties": {named: STRING}, "additionalProperties": False}
    # An exploded object: each of its properties is a parameter.
    suffixed = {"name": "groups", "in": "query", "style": "form", "explode": True, "schema": groups}
    return {"parameters": [*single, suffixed]}


def group_key(name: str, minor: int) -> Key | None:
    """What a parameter says of which group; None for one that is about the whole request."""
    match = _pattern(minor).match(name)
    return Key(match[1], match[2] or "") if match else None


def is_uuid(value: object) -> bool:
    """In any form that the Placement API reads: capitals, braces, without hyphens."""
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


@lru_cache(maxsize=2)
def _grouped(free_suffixes: bool) -> re.Pattern[str]:
    return re.compile(rf"^({'|'.join(GROUPED_SINCE)})({SUFFIX if free_suffixes else NUMBER_SUFFIX})?\Z")


def _pattern(minor: int) -> re.Pattern[str]:
    return _grouped(minor >= FREE_SUFFIXES)


def _candidates_well_formed(params: Mapping[str, str], minor: int) -> bool:
    for name, value in params.items():
        key = group_key(name, minor)
        if key is not None:
            if minor < GROUPED_SINCE[key.word] or (key.suffix and minor < SUFFIXES):
                return False
        elif minor < WIDE_SINCE.get(name, 99) or not _VALUES.get(name, _anything)(value):
            return False
    return minor >= SUFFIXES or "resources" in params


def _anything(_: str) -> bool:
    return True


_VALUES: Mapping[str, Callable[[str], bool]] = {
    "limit": lambda text: re.match(LIMIT, text) is not None,
    "group_policy": lambda text: text in POLICIES,
}


def _refuse(schema: Schema, params: Mapping[str, str]) -> None:
    # Only here: the library is large, and most processes never answer a query that is wrong.
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import best_match

    formats = FormatChecker(formats=())
    formats.checks("uuid")(is_uuid)
    error = best_match(Draft202012Validator(schema, format_checker=formats).iter_errors(dict(params)))
    if error is not None:
        raise BadRequest(f"Invalid query string parameters: {error}")


def _candidates_schema(minor: int) -> Schema:
    wide: Schema = {name: STRING for name, since in WIDE_SINCE.items() if minor >= since}
    if "limit" in wide:
        wide["limit"] = {"type": ["integer", "string"], "pattern": LIMIT, "minimum": 1, "minLength": 1}
    words = [word for word, since in GROUPED_SINCE.items() if minor >= since]
    schema: Schema = {"type": "object", "properties": wide, "additionalProperties": False}
    if minor < SUFFIXES:
        wide |= dict.fromkeys(words, STRING)
        schema["required"] = ["resources"]
        return schema
    wide["group_policy"] = {"type": "string", "enum": list(POLICIES)}
    suffix = SUFFIX if minor >= FREE_SUFFIXES else NUMBER_SUFFIX
    schema["patternProperties"] = {f"^{word}({suffix})?$": STRING for word in words}
    return schema


def _providers_schema(minor: int) -> Schema:
    properties: Schema = {name: STRING for name, since in PROVIDERS_SINCE.items() if minor >= since}
    for name in {"uuid", "in_tree"} & properties.keys():
        properties[name] = {"type": "string", "format": "uuid"}
    return {"type": "object", "properties": properties, "additionalProperties": False}
