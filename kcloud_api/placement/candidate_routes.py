"""Placement's route that finds where a request would fit."""

from fastapi import APIRouter, Request
from sqlmodel import Session

from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import policies, reading, service, views, vocabulary
from kcloud_api.placement.microversion import minor_of
from kcloud_api.placement.query import candidate_query
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.routing import Json, requires
from kcloud_common.errors import BadRequest, NotFound

router = APIRouter()

FIRST = 10
"""Minor version from which there are candidates."""
MOST_CANDIDATES = 1000
"""Answered when the client sets no limit: permutations of equal devices know no end."""


@router.get("/allocation_candidates", dependencies=[requires(policies.CANDIDATES_LIST)])
def list_candidates(request: Request, session: SessionDep) -> Json:
    minor = minor_of(request)
    if minor < FIRST:
        raise NotFound("The resource could not be found.")
    asked = candidate_query(request.query_params.multi_items(), minor)
    check_names(session, asked.request)
    limit = min(asked.limit or MOST_CANDIDATES, MOST_CANDIDATES)
    found = service.all_ways(session, asked.request, limit=limit)
    roots = list(dict.fromkeys(candidate.host_id for candidate in found))
    classes = set(asked.request.totals())
    return views.candidates(found, reading.trees(session, roots), classes, minor)


def check_names(session: Session, request: ResourceRequest) -> None:
    """BadRequest for a class or a trait that does not exist."""
    for name in sorted(request.totals()):
        if not vocabulary.class_exists(session, name):
            raise BadRequest(f"Invalid resource class in resources parameter: No such resource class {name}.")
    unknown = [trait for trait in sorted(request.traits()) if not vocabulary.trait_exists(session, trait)]
    if unknown:
        raise BadRequest(f"No such trait(s): {', '.join(unknown)}.")
