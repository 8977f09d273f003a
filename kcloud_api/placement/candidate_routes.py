"""Placement's route that finds where a request would fit."""

from itertools import islice

import orjson
from fastapi import APIRouter, Request, Response
from sqlmodel import Session

from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import candidate_views, finding, policies, service, vocabulary
from kcloud_api.placement.exchange import answer
from kcloud_api.placement.microversion import minor_of
from kcloud_api.placement.query import candidate_query
from kcloud_api.placement.query_schemas import described
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.routing import requires
from kcloud_common.errors import BadRequest

router = APIRouter()


@router.get(
    "/allocation_candidates",
    dependencies=[requires(policies.CANDIDATES_LIST)],
    response_model=None,
    openapi_extra=described(),
)
def list_candidates(request: Request, session: SessionDep) -> Response:
    minor = minor_of(request)
    asked = candidate_query(request.query_params.multi_items(), minor)
    check_names(session, asked.request)
    conf = request.app.state.conf.placement
    order = finding.RANDOM if conf.randomize_allocation_candidates else finding.CREATED
    found = service.all_ways(session, asked.request, order=order, keeper=request.app.state.keeper)
    most = [each for each in (asked.limit, conf.max_allocation_candidates) if each is not None and each >= 0]
    text = candidate_views.body(islice(found, min(most, default=None)), asked.request, minor)
    return answer(request, orjson.Fragment(text))


def check_names(session: Session, request: ResourceRequest) -> None:
    """BadRequest for a class or a trait that does not exist."""
    if unknown := vocabulary.unknown_classes(session, request.totals()):
        raise BadRequest(
            f"Invalid resource class in resources parameter: No such resource class {min(unknown)}."
        )
    if unknown := vocabulary.unknown_traits(session, request.traits()):
        raise BadRequest(f"No such trait(s): {', '.join(sorted(unknown))}.")
