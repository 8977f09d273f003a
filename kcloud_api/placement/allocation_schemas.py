"""What clients may say about allocations, as JSON Schemas by minor version. Pure.

Each version's schema is the one before it with one change; `since` names where each begins.
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

UUID_KEY = "^[0-9a-fA-F-]{36}$"
CLASS = "^[A-Z0-9_]+$"
CONSUMER_TYPE = "^[A-Z0-9_]+$"
SUFFIX = "[a-zA-Z0-9_-]{1,64}"

OWNERS = 8
BY_PROVIDER = 12
GENERATIONS = 28
MAPPINGS = 34
CONSUMER_TYPES = 38


def closed(properties: Schema, *required: str) -> dict[str, Any]:
    """An object of these properties and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def keyed(pattern: str, value: Schema, least: int) -> dict[str, Any]:
    """An object with at least so many keys, all of this pattern."""
    return {
        "type": "object",
        "minProperties": least,
        "patternProperties": {pattern: dict(value)},
        "additionalProperties": False,
    }


OWNER = {"type": "string", "minLength": 1, "maxLength": 255}
OWNED = {"project_id": OWNER, "user_id": OWNER}
RESOURCES = keyed(CLASS, {"type": "integer", "minimum": 1}, least=1)
ONE_PROVIDER = closed({"uuid": {"type": "string", "format": "uuid"}}, "uuid")
LISTED = closed({"resource_provider": ONE_PROVIDER, "resources": RESOURCES}, "resource_provider", "resources")
BY_ID = closed({"generation": {"type": "integer"}, "resources": RESOURCES}, "resources")
GENERATION = {"type": ["integer", "null"], "additionalProperties": False}
SERVED_BY = {
    "type": "object",
    "minProperties": 1,
    "patternProperties": {
        SUFFIX: {"type": "array", "minItems": 1, "items": {"type": "string", "format": "uuid"}}
    },
}
TYPE = {"type": "string", "pattern": CONSUMER_TYPE, "minLength": 1, "maxLength": 255}


def of_consumer(minor: int, *, least: int | None = None) -> dict[str, Any]:
    """What one consumer shall hold; `least`: providers that must be named, where the version lets the
    caller choose."""
    if minor < BY_PROVIDER:
        listed = {"allocations": {"type": "array", "minItems": 1, "items": LISTED}}
        if minor < OWNERS:
            return closed(listed, "allocations")
        return closed(listed | OWNED, "allocations", *OWNED)
    if least is None:
        least = 0 if minor >= GENERATIONS else 1
    asked: dict[str, Any] = {"allocations": keyed(UUID_KEY, BY_ID, least), **OWNED}
    required = [*asked]
    if minor >= GENERATIONS:
        asked["consumer_generation"] = GENERATION
        required.append("consumer_generation")
    if minor >= MAPPINGS:
        asked["mappings"] = SERVED_BY
    if minor >= CONSUMER_TYPES:
        asked["consumer_type"] = TYPE
        required.append("consumer_type")
    return closed(asked, *required)


def of_consumers(minor: int, *, least: int = 1) -> dict[str, Any]:
    """What several consumers shall hold, by consumer."""
    return keyed(UUID_KEY, of_consumer(minor, least=0), least)


def of_usages(minor: int) -> dict[str, Any]:
    """The parameters of GET /usages."""
    asked: dict[str, Any] = {"project_id": OWNER, "user_id": OWNER}
    if minor >= CONSUMER_TYPES:
        asked["consumer_type"] = {**TYPE, "pattern": f"{CONSUMER_TYPE}|^all|^unknown$"}
    return closed(asked, "project_id")
