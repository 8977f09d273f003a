"""Placement's routes about consumers: what each holds, and shall hold."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import (
    allocation_bodies,
    allocation_views,
    claiming,
    policies,
    races,
    usages,
)
from kcloud_api.placement.conflicts import UnknownClass
from kcloud_api.placement.exchange import RawBody, answer
from kcloud_api.placement.microversion import NEWEST, minor_of
from kcloud_api.placement.routing import NO_CONTENT, nothing, requires, takes
from kcloud_common.errors import NotFound, OutOfCapacity

router = APIRouter()

NOTHING = usages.ConsumerShares(None, (), {})


def _consumer_id(consumer_id: str) -> UUID:
    return allocation_bodies.consumer_id(consumer_id)


ConsumerId = Annotated[UUID, Depends(_consumer_id)]


@router.get("/allocations/{consumer_id}", dependencies=[requires(policies.ALLOCATIONS_LIST)])
def show_allocations(request: Request, session: SessionDep, consumer_id: str) -> Response:
    """What is no UUID holds nothing."""
    known = _known(consumer_id)
    found = usages.of_consumer(session, known) if known is not None else NOTHING
    shown = allocation_views.of_consumer(found.owner, found.shares, found.generations, minor_of(request))
    return answer(request, shown, max((share.updated_at for share in found.shares), default=None))


@router.put(
    "/allocations/{consumer_id}",
    status_code=NO_CONTENT,
    dependencies=[requires(policies.ALLOCATIONS_UPDATE)],
    openapi_extra=takes(allocation_bodies.consumer_form(NEWEST)),
)
def put_allocations(request: Request, session: SessionDep, consumer_id: ConsumerId, raw: RawBody) -> Response:
    minor = minor_of(request)
    said = allocation_bodies.consumer_form(minor).body(raw)
    want = allocation_bodies.want(consumer_id, said, minor)
    try:
        claiming.put(session, want)
    except UnknownClass as error:
        message = f"Unable to allocate inventory for consumer {consumer_id}: {error.message}"
        raise UnknownClass(message) from error
    except OutOfCapacity as error:
        raise _unfit(error) from error
    return nothing()


@router.post(
    "/allocations",
    status_code=NO_CONTENT,
    dependencies=[requires(policies.ALLOCATIONS_MANAGE)],
    openapi_extra=takes(allocation_bodies.consumers_form(NEWEST)),
)
def post_allocations(request: Request, session: SessionDep, raw: RawBody) -> Response:
    minor = minor_of(request)
    said = allocation_bodies.consumers_form(minor).body(raw)
    wants = allocation_bodies.wants(said, minor)
    try:
        races.until_won(session, lambda: claiming.replace(session, wants))
    except UnknownClass as error:
        raise UnknownClass(f"Unable to allocate inventory {error.message}") from error
    except OutOfCapacity as error:
        raise _unfit(error) from error
    return nothing()


@router.delete(
    "/allocations/{consumer_id}", status_code=NO_CONTENT, dependencies=[requires(policies.ALLOCATIONS_DELETE)]
)
def delete_allocations(session: SessionDep, consumer_id: str) -> Response:
    known = _known(consumer_id)
    if known is None or not races.until_won(session, lambda: claiming.release(session, [known])):
        raise NotFound(f"No allocations for consumer '{consumer_id}'")
    return nothing()


def _known(consumer_id: str) -> UUID | None:
    try:
        return UUID(consumer_id)
    except ValueError:
        return None


def _unfit(error: OutOfCapacity) -> OutOfCapacity:
    return OutOfCapacity(f"Unable to allocate inventory: {error.message}", **error.details)
