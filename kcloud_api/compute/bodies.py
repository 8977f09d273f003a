"""What clients send to make and change servers, validated; what kcloud cannot do is refused, not ignored."""

import base64
import binascii
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from kcloud_api.compute.records import NewServer
from kcloud_common.errors import BadRequest

USER_DATA_MAX = 65535


def _named(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError(f"{value!r} is not a name: it is empty, or has characters that do not print")
    return value.strip()


def _base64(value: str) -> str:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{value[:64]!r} is not a 'base64'") from None
    return value


Name = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_named)]
Description = Annotated[str, StringConstraints(max_length=255)]
MetadataKey = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9\-_:. ]{1,255}$")
]
MetadataValue = Annotated[str, StringConstraints(max_length=255)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=128)]
UserData = Annotated[str, StringConstraints(max_length=USER_DATA_MAX), AfterValidator(_base64)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ServerWish(Body):
    """The object under `server` in POST /servers."""

    name: Name
    flavorRef: str | int  # noqa: N815 - Nova's word
    imageRef: str | None = None  # noqa: N815
    key_name: str | None = None
    user_data: UserData | None = None
    metadata: Metadata = Field(default_factory=dict)
    config_drive: bool | None = None
    description: Description | None = None
    networks: Literal["auto", "none"] | list[dict[str, Any]] = "auto"
    min_count: int = Field(default=1, ge=1)
    max_count: int | None = Field(default=None, ge=1)
    availability_zone: str | None = None
    block_device_mapping_v2: list[dict[str, Any]] = Field(default_factory=list)
    security_groups: list[dict[str, str]] = Field(default_factory=list)
    disk_config: Literal["AUTO", "MANUAL"] = Field(default="AUTO", alias="OS-DCF:diskConfig")
    admin_pass: str | None = Field(default=None, alias="adminPass")
    """Tolerated: no guest gets a password from kcloud, and none is answered."""
    return_reservation_id: bool = False


class CreateBody(Body):
    """POST /servers. Scheduler hints are taken when they are empty."""

    server: ServerWish
    hints: dict[str, Any] = Field(default_factory=dict, alias="os:scheduler_hints")
    old_hints: dict[str, Any] = Field(default_factory=dict, alias="OS-SCH-HNT:scheduler_hints")


class ServerChange(Body):
    name: Name | None = None
    description: Description | None = None
    disk_config: Literal["AUTO", "MANUAL"] | None = Field(default=None, alias="OS-DCF:diskConfig")


class UpdateBody(Body):
    """PUT /servers/{id}."""

    server: ServerChange


class MetadataBody(Body):
    """POST and PUT /servers/{id}/metadata."""

    metadata: Metadata


class RebootArguments(Body):
    type: Literal["SOFT", "HARD"]

    @model_validator(mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:  # noqa: ANN401 - anything may have been sent
        if isinstance(value, dict) and isinstance(value.get("type"), str):
            return {**value, "type": value["type"].upper()}
        return value


class ConsoleArguments(Body):
    length: int | None = Field(default=None, ge=-1)


class NoArguments(BaseModel):
    """Clients send null, {} or something that means nothing."""


def new_server(body: CreateBody, *, most: int) -> NewServer:
    """The request as a value; BadRequest for what no server of kcloud can have."""
    wish = body.server
    _refuse_unsupported(body)
    count = wish.max_count if wish.max_count is not None else wish.min_count
    if wish.min_count > count:
        raise BadRequest("min_count must be <= max_count", field="min_count")
    if count > most:
        raise BadRequest(f"max_count may be {most} at most.", field="max_count")
    return NewServer(
        name=wish.name,
        flavor_id=str(wish.flavorRef).rstrip("/").rpartition("/")[2],
        image_id=_image_id(wish),
        key_name=wish.key_name,
        user_data=wish.user_data,
        metadata=wish.metadata,
        config_drive=bool(wish.config_drive),
        description=wish.description,
        count=count,
    )


def _refuse_unsupported(body: CreateBody) -> None:
    wish = body.server
    if body.hints or body.old_hints:
        raise BadRequest("Scheduler hints are not supported.", field="os:scheduler_hints")
    if wish.availability_zone not in (None, "", "nova"):
        raise BadRequest("The requested availability zone is not available", field="availability_zone")
    for network in wish.networks if isinstance(wish.networks, list) else ():
        wanted = network.get("uuid") or network.get("port") or network.get("fixed_ip")
        raise BadRequest(f"Network {wanted} could not be found.", field="networks")
    for group in wish.security_groups:
        if group.get("name", "default") != "default":
            raise BadRequest(f"Security group {group['name']} not found.", field="security_groups")


def _image_id(wish: ServerWish) -> UUID:
    text = wish.imageRef or ""
    for mapping in wish.block_device_mapping_v2:
        source, target = mapping.get("source_type"), mapping.get("destination_type", "local")
        if source != "image" or target != "local" or str(mapping.get("boot_index", 0)) != "0":
            raise BadRequest(
                "Block Device Mapping is Invalid: a server boots from an image on its host's disk; there "
                "are no volumes.",
                field="block_device_mapping_v2",
            )
        text = text or str(mapping.get("uuid", ""))
    if not text:
        raise BadRequest("Missing imageRef attribute", field="imageRef")
    try:
        return UUID(text.rstrip("/").rpartition("/")[2])
    except ValueError:
        raise BadRequest("Invalid imageRef provided.", field="imageRef") from None
