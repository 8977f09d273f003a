"""Shapes answers about allocations and usages, for the version that the client speaks. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from kcloud_api.placement.allocation_schemas import BY_PROVIDER, CONSUMER_TYPES, GENERATIONS

Json = dict[str, Any]

UNKNOWN = "unknown"
"""The type of a consumer whose client did not say (upstream's word)."""
ALL = "all"


@dataclass(frozen=True, slots=True)
class Owner:
    """A consumer, and whose it is."""

    project_id: str
    user_id: str
    generation: int
    type: str | None


@dataclass(frozen=True, slots=True)
class Share:
    """So much of a class, that one consumer holds of one provider."""

    consumer_id: UUID
    provider_id: UUID
    resource_class: str
    used: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TypeUsage:
    """What consumers of one type use together."""

    type: str | None
    consumers: int
    amounts: Mapping[str, int]


def of_consumer(
    owner: Owner | None, shares: Iterable[Share], generations: Mapping[UUID, int], minor: int
) -> Json:
    """A consumer that holds nothing is no error: it holds nothing."""
    held: Json = {}
    for share in shares:
        key = str(share.provider_id)
        one = held.setdefault(key, {"resources": {}, "generation": generations[share.provider_id]})
        one["resources"][share.resource_class] = share.used
    shown: Json = {"allocations": held}
    if owner is None:
        return shown
    if minor >= BY_PROVIDER:
        shown |= {"project_id": owner.project_id, "user_id": owner.user_id}
    if minor >= GENERATIONS:
        shown["consumer_generation"] = owner.generation
    if minor >= CONSUMER_TYPES:
        shown["consumer_type"] = owner.type or UNKNOWN
    return shown


def of_provider(generation: int, shares: Iterable[Share], consumers: Mapping[UUID, int], minor: int) -> Json:
    """Who holds what of a provider; `consumers` are their generations."""
    held: Json = {}
    for share in shares:
        one = held.setdefault(str(share.consumer_id), {"resources": {}})
        one["resources"][share.resource_class] = share.used
        if minor >= GENERATIONS:
            one["consumer_generation"] = consumers[share.consumer_id]
    return {"allocations": held, "resource_provider_generation": generation}


def of_usages(found: Iterable[TypeUsage], asked: str | None, minor: int) -> Json:
    """`asked`: the type that the client asks for, or `all` for one sum."""
    found = [each for each in found if each.amounts]
    if minor < CONSUMER_TYPES:
        return {"usages": _sum(found)}
    if asked == ALL:
        count = sum(each.consumers for each in found)
        return {"usages": {ALL: {"consumer_count": count, **_sum(found)}} if found else {}}
    return {
        "usages": {each.type or UNKNOWN: {"consumer_count": each.consumers, **each.amounts} for each in found}
    }


def _sum(found: Iterable[TypeUsage]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for each in found:
        for name, amount in each.amounts.items():
            sums[name] = sums.get(name, 0) + amount
    return sums
