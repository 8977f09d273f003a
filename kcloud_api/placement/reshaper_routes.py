"""Placement's route that moves inventories and allocations between providers."""

from fastapi import APIRouter, Request, Response

from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import policies, races, reshaper_bodies, reshaping
from kcloud_api.placement.conflicts import UnknownClass
from kcloud_api.placement.exchange import RawBody
from kcloud_api.placement.microversion import NEWEST, minor_of
from kcloud_api.placement.routing import NO_CONTENT, nothing, requires, takes
from kcloud_common.errors import OutOfCapacity

router = APIRouter()


@router.post(
    "/reshaper",
    status_code=NO_CONTENT,
    dependencies=[requires(policies.RESHAPE)],
    openapi_extra=takes(reshaper_bodies.form(NEWEST)),
)
def reshape(request: Request, session: SessionDep, raw: RawBody) -> Response:
    minor = minor_of(request)
    asked = reshaper_bodies.asked(reshaper_bodies.form(minor).body(raw), minor)
    try:
        races.until_won(session, lambda: reshaping.reshape(session, asked.inventories, asked.wants))
    except UnknownClass as error:
        raise UnknownClass(f"malformed reshaper data: {error.message}") from error
    except OutOfCapacity as error:
        raise OutOfCapacity(f"Unable to allocate inventory: {error.message}", **error.details) from error
    return nothing()
