"""Shapes what placement says about providers; what an older client does not know is left out. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.providers import ProviderRecord

Json = dict[str, Any]

LINKS_SINCE = {"inventories": 0, "usages": 0, "aggregates": 1, "traits": 6, "allocations": 11}
"""Minor version from which a provider's answer links to each of its parts."""
PARENTS = 14
AGGREGATE_GENERATIONS = 19


def provider_path(prefix: str, provider_id: UUID) -> str:
    """`prefix` is where the service is mounted."""
    return f"{prefix}/resource_providers/{provider_id}"


def provider(record: ProviderRecord, minor: int, prefix: str) -> Json:
    here = provider_path(prefix, record.id)
    links = [{"rel": "self", "href": here}]
    links += [
        {"rel": part, "href": f"{here}/{part}"} for part, since in LINKS_SINCE.items() if minor >= since
    ]
    shown: Json = {
        "uuid": str(record.id),
        "name": record.name,
        "generation": record.generation,
        "links": links,
    }
    if minor >= PARENTS:
        shown["parent_provider_uuid"] = str(record.parent_id) if record.parent_id is not None else None
        shown["root_provider_uuid"] = str(record.root_id)
    return shown


def inventory(stock: Stock) -> Json:
    return {
        "total": stock.total,
        "reserved": stock.reserved,
        "min_unit": stock.min_unit,
        "max_unit": stock.max_unit,
        "step_size": stock.step_size,
        "allocation_ratio": stock.allocation_ratio,
    }


def one_inventory(generation: int, stock: Stock) -> Json:
    return {**inventory(stock), "resource_provider_generation": generation}


def inventories(generation: int, stocks: Mapping[str, Stock]) -> Json:
    shown = {name: inventory(stock) for name, stock in sorted(stocks.items())}
    return {"resource_provider_generation": generation, "inventories": shown}


def aggregates(found: Iterable[UUID], generation: int, minor: int) -> Json:
    shown: Json = {"aggregates": [str(each) for each in found]}
    if minor >= AGGREGATE_GENERATIONS:
        shown["resource_provider_generation"] = generation
    return shown


def traits(names: Iterable[str], generation: int) -> Json:
    return {"traits": list(names), "resource_provider_generation": generation}
