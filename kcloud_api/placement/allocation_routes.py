"""Placement's routes about consumers: what each holds, and shall hold."""

from contextlib import suppress
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
from kcloud_api.placement.microversion import minor_of
from kcloud_api.placement.routing import NO_CONTENT, requires
from kcloud_common.errors import NotFound, OutOfCapacity

router = APIRouter()

NOTHING = usages.ConsumerShares(None, (), {})


def _consumer_id(consumer_id: str) -> UUID:
    return allocation_bodies.consumer_id(consumer_id)


ConsumerId = Annotated[UUID, Depends(_consumer_id)]


@router.get("/allocations/{consumer_id}", dependencies=[requires(policies.ALLOCATIONS_LIST)])
def show_allocations(request: Request, session: SessionDep, consumer_id: str) -> Response:
    """What is no UUID holds nothing."""
    found = NOTHING
    with suppress(ValueError):
        found = usages.of_consumer(session, UUID(consumer_id))
    shown = allocation_views.of_consumer(found.owner, found.shares, found.generations, minor_of(request))
    return answer(request, shown, max((share.updated_at for share in found.shares), default=None))


@router.put(
    "/allocations/{consumer_id}",
    status_code=NO_CONTENT,
    dependencies=[requires(policies.ALLOCATIONS_UPDATE)],
)
def put_allocations(request: Request, session: SessionDep, consumer_id: ConsumerId, raw: RawBody) -> None:
    minor = minor_of(request)
    said = allocation_bodies.consumer_form(minor).body(raw)
    want = allocation_bodies.want(consumer_id, said, minor)
    try:
        races.until_won(session, lambda: claiming.replace(session, [want]))
    except UnknownClass as error:
        message = f"Unable to allocate inventory for consumer {consumer_id}: {error.message}"
        raise UnknownClass(message) from error
    except OutOfCapacity as error:
        raise _unfit(error) from error


@router.post(
    "/allocations",
    status_code=NO_CONTENT,
    dependencies=[requires(policies.ALLOCATIONS_MANAGE)],
)
def post_allocations(request: Request, session: SessionDep, raw: RawBody) -> None:
    minor = minor_of(request)
    said = allocation_bodies.consumers_form(minor).body(raw)
    wants = allocation_bodies.wants(said, minor)
    try:
        races.until_won(session, lambda: claiming.replace(session, wants))
    except UnknownClass as error:
        raise UnknownClass(f"Unable to allocate inventory {error.message}") from error
    except OutOfCapacity as error:
        raise _unfit(error) from error


@router.delete(
    "/allocations/{consumer_id}", status_code=NO_CONTENT, dependencies=[requires(policies.ALLOCATIONS_DELETE)]
)
def delete_allocations(session: SessionDep, consumer_id: str) -> None:
    released = False
    with suppress(ValueError):
        found = UUID(consumer_id)
        released = races.until_won(session, lambda: claiming.release(session, [found]))
    if not released:
        raise NotFound(f"No allocations for consumer '{consumer_id}'")


def _unfit(error: OutOfCapacity) -> OutOfCapacity:
    return OutOfCapacity(f"Unable to allocate inventory: {error.message}", **error.details)
