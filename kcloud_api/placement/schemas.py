"""What clients may send in requests about providers, inventories, aggregates, traits and classes. Pure."""

from collections.abc import Mapping

from kcloud_api.placement.plain_check import Schema
from kcloud_api.placement.query_schemas import PROVIDERS_SINCE
from kcloud_api.placement.schema_check import Form

LARGEST = 2**31 - 1
LARGEST_RATIO = 3.40282e38
"""Of a four-byte float."""
NAME_PATTERN = "^[A-Z0-9_]+$"
CUSTOM_PATTERN = "^CUSTOM_[A-Z0-9_]+$"

GENERATION: Schema = {"type": "integer"}
UUID: Schema = {"type": "string", "format": "uuid"}
PARENT: Schema = {"anyOf": [UUID, {"type": "null"}]}
PROVIDER_NAME: Schema = {"type": "string", "maxLength": 200}


def _object(required: list[str], **properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


PROVIDER_POST = Form(_object(["name"], name=PROVIDER_NAME, uuid=UUID))
PROVIDER_PUT = Form(_object(["name"], name=PROVIDER_NAME))
PROVIDER_POST_14 = Form(_object(["name"], name=PROVIDER_NAME, uuid=UUID, parent_provider_uuid=PARENT))
PROVIDER_PUT_14 = Form(_object(["name"], name=PROVIDER_NAME, parent_provider_uuid=PARENT))
PROVIDERS_QUERY = Form(
    {"type": "object", "properties": {name: {"type": "string"} for name in PROVIDERS_SINCE}}
)
"""For the description alone: query.py checks."""


def _amount(least: int) -> Schema:
    return {"type": "integer", "maximum": LARGEST, "minimum": least}


STOCK: Mapping[str, Schema] = {
    "resource_provider_generation": GENERATION,
    "total": _amount(1),
    "reserved": _amount(0),
    "min_unit": _amount(1),
    "max_unit": _amount(1),
    "step_size": _amount(1),
    "allocation_ratio": {"type": "number", "maximum": LARGEST_RATIO},
}
CLASS: Schema = {"type": "string", "pattern": NAME_PATTERN}
INVENTORY_PUT = Form(_object(["total", "resource_provider_generation"], **STOCK))
INVENTORY_POST = Form(_object(["total", "resource_class"], **STOCK, resource_class=CLASS))
INVENTORIES_PUT = Form(
    _object(
        ["resource_provider_generation", "inventories"],
        resource_provider_generation=GENERATION,
        inventories={"type": "object", "patternProperties": {NAME_PATTERN: _object(["total"], **STOCK)}},
    )
)

AGGREGATES: Schema = {"type": "array", "items": UUID, "uniqueItems": True}
AGGREGATES_PUT = Form(AGGREGATES)
AGGREGATES_PUT_19 = Form(
    _object(
        ["aggregates", "resource_provider_generation"],
        aggregates=AGGREGATES,
        resource_provider_generation=GENERATION,
    )
)

TRAIT: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
TRAITS_PUT = Form(
    _object(
        ["traits", "resource_provider_generation"],
        traits={"type": "array", "items": TRAIT},
        resource_provider_generation=GENERATION,
    )
)
TRAITS_QUERY = Form(_object([], name={"type": "string"}, associated={"type": "string"}))

CLASS_WRITE = Form(_object(["name"], name={"type": "string", "pattern": CUSTOM_PATTERN, "maxLength": 255}))
