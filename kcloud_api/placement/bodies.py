"""What clients may send to the Placement API."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictInt

LARGEST = 2**31 - 1
Name = Annotated[str, Field(min_length=1, max_length=200)]
Amount = Annotated[int, Field(strict=True, ge=1, le=LARGEST)]
Resources = Annotated[dict[str, Amount], Field(min_length=1)]
Who = Annotated[str, Field(min_length=1, max_length=255)]


class Body(BaseModel):
    """Unknown fields are refused, as upstream's schemas do."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProviderCreate(Body):
    name: Name
    uuid: UUID | None = None
    parent_provider_uuid: UUID | None = None


class ProviderUpdate(Body):
    name: Name
    parent_provider_uuid: UUID | None = None


class InventoryBody(Body):
    total: Annotated[int, Field(strict=True, ge=1, le=LARGEST)]
    reserved: Annotated[int, Field(strict=True, ge=0, le=LARGEST)] = 0
    min_unit: Amount = 1
    max_unit: Amount = LARGEST
    step_size: Amount = 1
    allocation_ratio: Annotated[float, Field(gt=0, le=3.4e38, allow_inf_nan=False)] = 1.0


class InventoriesPut(Body):
    resource_provider_generation: StrictInt
    inventories: dict[str, InventoryBody]


class InventoryPut(InventoryBody):
    resource_provider_generation: StrictInt


class TraitsPut(Body):
    resource_provider_generation: StrictInt
    traits: list[str]


class ClassCreate(Body):
    name: Annotated[str, Field(max_length=255)]


class AllocationBody(Body):
    resources: Resources
    generation: int | None = None
    """What GET answers; of no meaning here."""


class AllocationsPut(Body):
    """From 1.28 on, with what older versions lacked left out by default."""

    allocations: dict[UUID, AllocationBody]
    project_id: Who
    user_id: Who
    consumer_generation: StrictInt | None = None
    consumer_type: Annotated[str, Field(pattern=r"^[A-Z0-9_]+$", max_length=255)] | None = None
    mappings: dict[str, list[UUID]] | None = None
    """What an allocation candidate carries; accepted and not kept."""
