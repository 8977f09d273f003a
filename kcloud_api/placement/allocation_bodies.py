"""Reads what clients say about allocations, of any version, into the newest one's words. Pure."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID

from kcloud_api.placement import allocation_schemas as schemas
from kcloud_api.placement.claim_plan import AllocationWant, Amounts, ConsumerRecord
from kcloud_api.placement.conflicts import UnknownProvider
from kcloud_api.placement.schema_check import Form
from kcloud_common.errors import BadRequest

Json = Mapping[str, Any]

INCOMPLETE = "00000000-0000-0000-0000-000000000000"
"""Project and user of a consumer whose client does not say: before 1.8 none could."""


@cache
def consumer_form(minor: int) -> Form:
    """PUT /allocations/{consumer}."""
    return Form(schemas.of_consumer(minor))


@cache
def consumers_form(minor: int) -> Form:
    """POST /allocations."""
    return Form(schemas.of_consumers(minor))


@cache
def usages_form(minor: int) -> Form:
    """GET /usages."""
    return Form(schemas.of_usages(minor))


def want(consumer_id: UUID, said: Json, minor: int) -> AllocationWant:
    """What one consumer shall hold, from what its form let through. BadRequest for what names no provider."""
    listed = said["allocations"]
    if minor < schemas.BY_PROVIDER:
        listed = {each["resource_provider"]["uuid"]: each for each in listed}
    return AllocationWant(
        consumer=ConsumerRecord(
            consumer_id,
            said.get("project_id", INCOMPLETE),
            said.get("user_id", INCOMPLETE),
            said.get("consumer_type"),
        ),
        amounts=_amounts(listed),
        generation=said.get("consumer_generation"),
        check_generation=minor >= schemas.GENERATIONS,
    )


def wants(said: Json, minor: int) -> tuple[AllocationWant, ...]:
    """What several consumers shall hold."""
    found = {consumer_id(key): want(consumer_id(key), one, minor) for key, one in said.items()}
    if len(found) != len(said):
        raise BadRequest("A consumer is named twice.")
    return tuple(found.values())


def consumer_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadRequest(f"Malformed consumer_uuid: {text}") from None


def _amounts(listed: Json) -> Amounts:
    found: dict[UUID, dict[str, int]] = {}
    for key, one in listed.items():
        # JSON Schema's integers may be written 1.0.
        found[_provider_id(key)] = {name: int(amount) for name, amount in one["resources"].items()}
    return found


def _provider_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise UnknownProvider(f"Allocation for resource provider '{text}' that does not exist.") from None
