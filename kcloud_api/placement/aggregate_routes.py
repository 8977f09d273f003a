"""Placement's routes about the aggregates that a provider is in."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import policies, providers, schemas, tagging
from kcloud_api.placement import provider_views as views
from kcloud_api.placement.exchange import RawBody, answer
from kcloud_api.placement.microversion import minor_of
from kcloud_api.placement.routing import ProviderId, requires, takes

router = APIRouter(prefix="/resource_providers/{uuid}/aggregates")


@router.get("", dependencies=[requires(policies.AGGREGATES_LIST)])
def list_aggregates(request: Request, session: SessionDep, provider_id: ProviderId) -> Response:
    provider = providers.get_provider(session, provider_id)
    found = tagging.aggregates_of(session, provider_id)
    return answer(request, views.aggregates(found, provider.generation, minor_of(request)))


@router.put(
    "", dependencies=[requires(policies.AGGREGATES_UPDATE)], openapi_extra=takes(schemas.AGGREGATES_PUT_19)
)
def put_aggregates(request: Request, session: SessionDep, provider_id: ProviderId, raw: RawBody) -> Response:
    """Before 1.19 the body is the list alone, and nobody's generation changes."""
    minor = minor_of(request)
    providers.get_provider(session, provider_id)
    generation: int | None = None
    if minor >= views.AGGREGATE_GENERATIONS:
        said = schemas.AGGREGATES_PUT_19.body(raw)
        named, generation = said["aggregates"], said["resource_provider_generation"]
    else:
        named = schemas.AGGREGATES_PUT.body(raw)
    wanted = frozenset(UUID(name) for name in named)
    changed = tagging.put_aggregates(session, provider_id, generation, wanted)
    return answer(request, views.aggregates((UUID(name) for name in named), changed.generation, minor))
