"""Bodies of flavor requests, and the shape in which flavors leave (microversion 2.75 and later)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from kcloud_api.compute.flavors.service import FlavorRecord
from kcloud_api.compute.names import Name
from kcloud_api.http.paging import next_links

MAX_INT = 2**31 - 1

Positive = Annotated[int, Field(ge=1, le=MAX_INT)]
NotNegative = Annotated[int, Field(ge=0, le=MAX_INT)]
Description = Annotated[str, Field(max_length=65535)]


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _unpadded(value: str) -> str:
    if value != value.strip():
        raise ValueError(f"{value!r} does not match '^(?! )[a-zA-Z0-9. _-]+(?<! )$'")
    return value


FlavorId = Annotated[
    str,
    BeforeValidator(_number_as_text),
    Field(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9. _-]+$"),
    AfterValidator(_unpadded),
]
SpecKey = Annotated[str, Field(pattern=r"^[a-zA-Z0-9-_:. ]{1,255}$")]
SpecValue = Annotated[str, BeforeValidator(_number_as_text), Field(max_length=255)]
Specs = dict[SpecKey, SpecValue]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class FlavorCreate(Strict):
    name: Name
    id: FlavorId | None = None
    ram: Positive
    vcpus: Positive
    disk: NotNegative
    ephemeral: Annotated[NotNegative, Field(alias="OS-FLV-EXT-DATA:ephemeral")] = 0
    swap: NotNegative = 0
    rxtx_factor: Annotated[float, Field(gt=0, le=3.40282e38)] = 1.0
    """Taken from older clients and not used: it never limited anything."""
    is_public: Annotated[bool, Field(alias="os-flavor-access:is_public")] = True
    description: Description | None = None


class FlavorUpdate(Strict):
    description: Description | None


class FlavorCreateBody(Strict):
    flavor: FlavorCreate


class FlavorUpdateBody(Strict):
    flavor: FlavorUpdate


class SpecsBody(Strict):
    extra_specs: Specs


class Access(Strict):
    tenant: Annotated[str, Field(min_length=1, max_length=255)]


class ActionBody(Strict):
    add: Annotated[Access | None, Field(alias="addTenantAccess")] = None
    remove: Annotated[Access | None, Field(alias="removeTenantAccess")] = None


def flavor_view(
    request: Request, record: FlavorRecord, *, with_specs: bool, more: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """`more`: extra specs that are derived, not kept; what is kept goes before them."""
    view = {
        **flavor_summary(request, record),
        "ram": record.ram_mib,
        "vcpus": record.vcpus,
        "disk": record.disk_gib,
        "swap": record.swap_mib,
        "OS-FLV-EXT-DATA:ephemeral": record.ephemeral_gib,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": record.is_public,
        "rxtx_factor": 1.0,
    }
    return {**view, "extra_specs": {**(more or {}), **record.extra_specs}} if with_specs else view


def flavor_summary(request: Request, record: FlavorRecord) -> dict[str, Any]:
    root = str(request.base_url).rstrip("/")
    links = [
        {"rel": "self", "href": f"{root}/v2.1/flavors/{record.id}"},
        {"rel": "bookmark", "href": f"{root}/flavors/{record.id}"},
    ]
    return {"id": record.id, "name": record.name, "description": record.description, "links": links}


def next_link(request: Request, shown: Sequence[str], limit: int) -> list[dict[str, str]]:
    """A link to the page after this one, if this one is full."""
    return next_links(request, shown[-1] if shown and len(shown) >= limit else None)
