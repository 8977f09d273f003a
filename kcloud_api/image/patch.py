"""Reads a JSON patch of an image and works out the attributes that it leads to. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kcloud_api.image.attributes import BASE, checked, refuse_unsettable
from kcloud_common.errors import BadRequest, Conflict, Forbidden

MEDIA = {
    "application/openstack-images-v2.0-json-patch": 4,
    "application/openstack-images-v2.1-json-patch": 10,
}
"""Content type to the draft of JSON patch that it means."""
OPERATIONS = ("add", "remove", "replace")


@dataclass(frozen=True, slots=True)
class Change:
    op: str
    name: str
    value: Any = None


def read_patch(document: object, draft: int, disk_formats: Sequence[str]) -> tuple[Change, ...]:
    """Raises BadRequest or Forbidden for the first operation that can't be."""
    if not isinstance(document, list):
        raise BadRequest("Request body must be a JSON array of operation objects.")
    return tuple(_read_change(raw, draft, disk_formats) for raw in document)


def apply_patch(
    base: Mapping[str, Any], properties: Mapping[str, Any], changes: Sequence[Change]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """New base attributes and custom properties. Raises Conflict or Forbidden; then nothing has changed."""
    base, properties = dict(base), dict(properties)
    for change in changes:
        if change.name == "id":
            raise Forbidden("Attribute 'id' is read-only.")
        if change.op == "remove":
            if change.name in BASE:
                raise Forbidden(f"Property {change.name} may not be removed.")
            if change.name not in properties:
                raise Conflict(f"Property {change.name} does not exist.")
            del properties[change.name]
        elif change.name in BASE:
            base[change.name] = change.value
        elif change.op == "replace" and change.name not in properties:
            raise Conflict(f"Property {change.name} does not exist.")
        else:
            properties[change.name] = change.value
    return base, properties


def _read_change(raw: object, draft: int, disk_formats: Sequence[str]) -> Change:
    if not isinstance(raw, dict):
        raise BadRequest("Operations must be JSON objects.")
    op, pointer = _operation_10(raw) if draft == 10 else _operation_4(raw)
    name = _pointed_at(pointer)
    refuse_unsettable(name)
    if op == "remove":
        return Change(op, name)
    if "value" not in raw:
        raise BadRequest(f'Operation "{op}" requires a member named "value".')
    return Change(op, name, checked({name: raw["value"]}, disk_formats)[name])


def _operation_10(raw: Mapping[str, Any]) -> tuple[str, object]:
    op = raw.get("op")
    known = f"It must be one of the following: {', '.join(OPERATIONS)}."
    if op is None:
        raise BadRequest(f"Unable to find `op` in JSON Schema change. {known}")
    if op not in OPERATIONS:
        raise BadRequest(f"Invalid operation: `{op}`. {known}")
    if "path" not in raw:
        raise BadRequest("Unable to find 'path' in JSON Schema change")
    return str(op), raw["path"]


def _operation_4(raw: Mapping[str, Any]) -> tuple[str, object]:
    found = [op for op in OPERATIONS if op in raw]
    if len(found) != 1:
        raise BadRequest(
            'Operation objects must contain exactly one member named "add", "remove", or "replace".'
        )
    return found[0], raw[found[0]]


def _pointed_at(pointer: object) -> str:
    """The attribute at the end of a JSON pointer of one step."""
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        raise BadRequest(f'Pointer `{pointer}` does not start with "/".')
    if re.search("~[^01]", pointer) or pointer.endswith("~"):
        raise BadRequest(f'Pointer `{pointer}` contains "~" not part of a recognized escape sequence.')
    name = pointer[1:].replace("~1", "/").replace("~0", "~").strip()
    if not name or "/" in pointer[1:]:
        raise BadRequest(f"Invalid JSON pointer for this resource: '{pointer}'")
    return name
