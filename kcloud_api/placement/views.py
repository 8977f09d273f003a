"""Shapes placement's answers, newest version first; what an older client does not know is left out. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from kcloud_api.placement.candidates import Candidate
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.providers import ConsumerAllocations, ProviderRecord
from kcloud_api.placement.tree import Tree

Json = dict[str, Any]

LINKS_SINCE = {"": 0, "inventories": 0, "usages": 0, "aggregates": 1, "traits": 6, "allocations": 11}
"""Minor version from which a provider's answer links to each of its parts."""
PARENTS = 14
CONSUMER_OWNERS = 12
CONSUMER_GENERATIONS = 28
CONSUMER_TYPES = 38
ALLOCATIONS_BY_PROVIDER = 12
SUMMARY_TRAITS = 17
SUMMARY_ALL_CLASSES = 27
SUMMARY_PARENTS = 29
MAPPINGS = 34


def provider(record: ProviderRecord, minor: int, prefix: str) -> Json:
    """`prefix` is where the service is mounted."""
    here = f"{prefix}/resource_providers/{record.id}"
    shown: Json = {
        "uuid": str(record.id),
        "name": record.name,
        "generation": record.generation,
        "links": [
            {"rel": part or "self", "href": f"{here}/{part}" if part else here}
            for part, since in LINKS_SINCE.items()
            if minor >= since
        ],
    }
    if minor >= PARENTS:
        shown["parent_provider_uuid"] = _uuid(record.parent_id)
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


def inventories(generation: int, stocks: Mapping[str, Stock]) -> Json:
    shown = {name: inventory(stock) for name, stock in sorted(stocks.items())}
    return {"resource_provider_generation": generation, "inventories": shown}


def provider_usages(generation: int, stocks: Mapping[str, Stock]) -> Json:
    used = {name: stock.used for name, stock in sorted(stocks.items())}
    return {"resource_provider_generation": generation, "usages": used}


def provider_allocations(
    generation: int, users: Mapping[UUID, tuple[int, Mapping[str, int]]], minor: int
) -> Json:
    shown: Json = {}
    for consumer_id, (consumer_generation, amounts) in users.items():
        shown[str(consumer_id)] = {"resources": dict(amounts)}
        if minor >= CONSUMER_GENERATIONS:
            shown[str(consumer_id)]["consumer_generation"] = consumer_generation
    return {"resource_provider_generation": generation, "allocations": shown}


def consumer(held: ConsumerAllocations | None, generations: Mapping[UUID, int], minor: int) -> Json:
    """A consumer that holds nothing is no error: it holds nothing."""
    if held is None:
        return {"allocations": {}}
    shown: Json = {
        "allocations": {
            str(provider_id): {"generation": generations[provider_id], "resources": dict(amounts)}
            for provider_id, amounts in held.held.items()
        }
    }
    if minor >= CONSUMER_OWNERS:
        shown |= {"project_id": held.project_id, "user_id": held.user_id}
    if minor >= CONSUMER_GENERATIONS:
        shown["consumer_generation"] = held.generation
    if minor >= CONSUMER_TYPES:
        shown["consumer_type"] = held.type
    return shown


def project_usages(used: Mapping[str, tuple[int, Mapping[str, int]]], minor: int) -> Json:
    if minor >= CONSUMER_TYPES:
        return {
            "usages": {kind: {"consumer_count": count, **amounts} for kind, (count, amounts) in used.items()}
        }
    sums: dict[str, int] = {}
    for _, amounts in used.values():
        for name, amount in amounts.items():
            sums[name] = sums.get(name, 0) + amount
    return {"usages": sums}


def candidates(found: Iterable[Candidate], trees: Iterable[Tree], classes: set[str], minor: int) -> Json:
    """`classes`: those asked for, to which older answers are limited."""
    return {
        "allocation_requests": [_allocation_request(candidate, minor) for candidate in found],
        "provider_summaries": {
            str(each.id): _summary(tree, each.id, classes, minor) for tree in trees for each in tree.providers
        },
    }


def _allocation_request(candidate: Candidate, minor: int) -> Json:
    if minor < ALLOCATIONS_BY_PROVIDER:
        return {
            "allocations": [
                {"resource_provider": {"uuid": str(provider_id)}, "resources": dict(amounts)}
                for provider_id, amounts in candidate.allocations.items()
            ]
        }
    shown: Json = {
        "allocations": {
            str(provider_id): {"resources": dict(amounts)}
            for provider_id, amounts in candidate.allocations.items()
        }
    }
    if minor >= MAPPINGS:
        shown["mappings"] = {
            suffix: [str(provider_id) for provider_id in served_by]
            for suffix, served_by in candidate.mappings.items()
        }
    return shown


def _summary(tree: Tree, provider_id: UUID, classes: set[str], minor: int) -> Json:
    (each,) = (p for p in tree.providers if p.id == provider_id)
    shown: Json = {
        "resources": {
            name: {"capacity": stock.capacity, "used": stock.used}
            for name, stock in sorted(each.stocks.items())
            if minor >= SUMMARY_ALL_CLASSES or name in classes
        }
    }
    if minor >= SUMMARY_TRAITS:
        shown["traits"] = sorted(each.traits)
    if minor >= SUMMARY_PARENTS:
        shown["parent_provider_uuid"] = _uuid(each.parent_id)
        shown["root_provider_uuid"] = str(tree.root.id)
    return shown


def _uuid(value: UUID | None) -> str | None:
    return str(value) if value is not None else None
