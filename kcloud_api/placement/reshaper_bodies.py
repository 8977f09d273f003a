"""Reads what clients of the reshaper say. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from kcloud_api.placement import allocation_bodies, allocation_schemas
from kcloud_api.placement.allocation_schemas import CLASS, UUID_KEY, closed, keyed
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.claim_plan import AllocationWant
from kcloud_api.placement.conflicts import ReshapedUnknownProvider
from kcloud_api.placement.schema_check import Form
from kcloud_api.placement.schemas import GENERATION, STOCK
from kcloud_common.errors import BadRequest

Json = Mapping[str, Any]

LIMITS = ("total", "reserved", "min_unit", "max_unit", "step_size")


@dataclass(frozen=True, slots=True)
class Reshaped:
    """All inventories that a provider shall have, by who read this generation of it."""

    generation: int
    stocks: Mapping[str, Stock]


@dataclass(frozen=True, slots=True)
class Asked:
    inventories: Mapping[UUID, Reshaped]
    wants: Sequence[AllocationWant]


@cache
def form(minor: int) -> Form:
    """POST /reshaper."""
    inventories = closed(
        {
            "resource_provider_generation": GENERATION,
            "inventories": keyed(CLASS, closed(STOCK, "total"), least=0),
        },
        "resource_provider_generation",
        "inventories",
    )
    allocations = allocation_schemas.of_consumers(minor, least=0)
    return Form(
        closed(
            {"inventories": keyed(UUID_KEY, inventories, least=1), "allocations": allocations},
            "inventories",
            "allocations",
        )
    )


def asked(said: Json, minor: int) -> Asked:
    """From what the form let through. BadRequest for what names no provider or cannot be."""
    inventories = {_provider_id(key): _reshaped(key, each) for key, each in said["inventories"].items()}
    if len(inventories) != len(said["inventories"]):
        raise BadRequest("A resource provider is named twice.")
    return Asked(inventories, allocation_bodies.wants(said["allocations"], minor))


def _reshaped(key: str, said: Json) -> Reshaped:
    stocks = {name: _stock(each) for name, each in said["inventories"].items()}
    for name, stock in stocks.items():
        if stock.capacity < 0:
            raise BadRequest(
                f"Invalid inventory for '{name}' on resource provider '{key}'. "
                "The reserved value is greater than total."
            )
    return Reshaped(int(said["resource_provider_generation"]), stocks)


def _stock(said: Json) -> Stock:
    # JSON Schema's integers may be written 1.0.
    limits = {name: int(said[name]) for name in LIMITS if name in said}
    return Stock(**limits, allocation_ratio=float(said.get("allocation_ratio", 1.0)))


def _provider_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ReshapedUnknownProvider(
            f"Resource provider {text} in inventories not found: No resource provider with uuid {text} found"
        ) from None
