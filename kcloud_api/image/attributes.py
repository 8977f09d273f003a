"""Decides which attributes an image may be given, in Glance's words. Pure."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError

from kcloud_common.errors import BadRequest, Forbidden

Visibility = Literal["public", "private", "shared", "community"]
VISIBILITIES = get_args(Visibility)
READ_ONLY = frozenset(
    {
        *("created_at", "updated_at", "status", "checksum", "size", "virtual_size"),
        *("os_hash_algo", "os_hash_value", "direct_url", "self", "file", "schema", "stores", "locations"),
    }
)
RESERVED = frozenset({"location", "deleted", "deleted_at"})
RESERVED_PREFIX = "os_glance"
BASE = frozenset(
    {
        *("id", "name", "owner", "visibility", "protected", "os_hidden", "tags"),
        *("disk_format", "container_format", "min_disk", "min_ram"),
    }
)

Id = Annotated[str, Field(pattern=r"^([0-9a-fA-F]){8}-([0-9a-fA-F]{4}-){3}([0-9a-fA-F]){12}$")]
Text = Annotated[str, Field(max_length=255)]
Count = Annotated[StrictInt, Field(ge=0, le=2**31 - 1)]


class ImageAttributes(BaseModel):
    """The document of a POST, or the one attribute that a PATCH sets. Other keys are custom properties."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str | None]

    id: Id | None = None
    name: Text | None = None
    owner: Text | None = None
    visibility: Visibility = "shared"
    protected: StrictBool = False
    os_hidden: StrictBool = False
    disk_format: str | None = None
    container_format: Literal["bare"] | None = None
    min_disk: Count = 0
    min_ram: Count = 0
    tags: list[Text] = []


def checked(document: Mapping[str, object], disk_formats: Sequence[str]) -> dict[str, Any]:
    """The attributes that the document sets, validated. Raises Forbidden or BadRequest, naming one."""
    for key in document:
        refuse_unsettable(key)
    try:
        found = ImageAttributes.model_validate(document)
    except ValidationError as error:
        raise BadRequest(f"Provided object does not match schema 'image': {_reason(error)}") from error
    if found.disk_format is not None and found.disk_format not in disk_formats:
        known = ", ".join(repr(name) for name in disk_formats)
        raise BadRequest(
            "Provided object does not match schema 'image': "
            f"{found.disk_format!r} is not one of [None, {known}]"
        )
    return found.model_dump(exclude_unset=True)


def refuse_unsettable(key: str) -> None:
    """Raises Forbidden for what nobody may set, BadRequest for a name that is too long."""
    if key in READ_ONLY:
        raise Forbidden(f"Attribute '{key}' is read-only.")
    if key in RESERVED or key.startswith(RESERVED_PREFIX):
        raise Forbidden(f"Attribute '{key}' is reserved.")
    if len(key) > 255:
        raise BadRequest("Custom property should not be greater than 255 characters.")


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = "/".join(str(step) for step in first["loc"][:1])
    value = first["input"]
    words = {
        "string_too_long": f"{value!r} is too long",
        "string_type": f"{value!r} is not of type 'null', 'string'",
        "int_type": f"{value!r} is not of type 'integer'",
        "bool_type": f"{value!r} is not of type 'boolean'",
        "list_type": f"{value!r} is not of type 'array'",
        "greater_than_equal": f"{value!r} is less than the minimum of {first.get('ctx', {}).get('ge')}",
        "less_than_equal": f"{value!r} is greater than the maximum of {first.get('ctx', {}).get('le')}",
        "string_pattern_mismatch": f"{value!r} does not match {first.get('ctx', {}).get('pattern')!r}",
        "literal_error": f"{value!r} is not one of [{first.get('ctx', {}).get('expected')}]",
    }
    return f"{words.get(first['type'], first['msg'])} (attribute '{where}')"
