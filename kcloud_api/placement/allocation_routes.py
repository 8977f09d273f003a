"""Placement's routes about consumers and candidates: who holds what, and where more would fit."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from kcloud_api.http.context import CallerDep
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import editing, policies, providers, views
from kcloud_api.placement.bodies import AllocationsPut
from kcloud_api.placement.editing import AllocationWant
from kcloud_api.placement.microversion import minor_of
from kcloud_api.placement.routing import NO_CONTENT, Json, requires
from kcloud_api.placement.service import ConsumerRecord
from kcloud_common.errors import BadRequest, NotFound

router = APIRouter()

UNKNOWN_TYPE = "unknown"
"""Consumer type of a client that does not say (upstream's word)."""


def _consumer_id(consumer_id: str) -> UUID:
    try:
        return UUID(consumer_id)
    except ValueError:
        raise NotFound(f"Consumer id {consumer_id} is not a UUID.") from None


ConsumerId = Annotated[UUID, Depends(_consumer_id)]


@router.get("/allocations/{consumer_id}", dependencies=[requires(policies.ALLOCATIONS_LIST)])
def show_allocations(request: Request, session: SessionDep, consumer_id: ConsumerId) -> Json:
    held = providers.consumer(session, consumer_id)
    generations = providers.generations_of(session, list(held.held)) if held else {}
    return views.consumer(held, generations, minor_of(request))


@router.put(
    "/allocations/{consumer_id}", status_code=NO_CONTENT, dependencies=[requires(policies.ALLOCATIONS_UPDATE)]
)
def put_allocations(
    request: Request, session: SessionDep, consumer_id: ConsumerId, body: AllocationsPut
) -> None:
    minor = minor_of(request)
    checked = minor >= views.CONSUMER_GENERATIONS
    if checked and "consumer_generation" not in body.model_fields_set:
        raise BadRequest("'consumer_generation' is a required property", field="consumer_generation")
    if not checked and not body.allocations:
        raise BadRequest("allocations must not be empty", field="allocations")
    kind = body.consumer_type or UNKNOWN_TYPE
    editing.set_allocations(
        session,
        AllocationWant(
            consumer=ConsumerRecord(consumer_id, body.project_id, body.user_id, kind),
            amounts={provider_id: dict(one.resources) for provider_id, one in body.allocations.items()},
            generation=body.consumer_generation,
            check_generation=checked,
        ),
    )


@router.delete(
    "/allocations/{consumer_id}", status_code=NO_CONTENT, dependencies=[requires(policies.ALLOCATIONS_DELETE)]
)
def delete_allocations(session: SessionDep, consumer_id: ConsumerId) -> None:
    editing.delete_allocations(session, consumer_id)


@router.get("/usages")
def show_usages(
    request: Request, session: SessionDep, caller: CallerDep, project_id: str, user_id: str | None = None
) -> Json:
    allow(request, caller, policies.USAGES, {"project_id": project_id})
    return views.project_usages(providers.project_usages(session, project_id, user_id), minor_of(request))
