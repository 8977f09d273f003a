"""Placement's routes about what is used: by a project, and of a provider."""

from fastapi import APIRouter, Request, Response

from kcloud_api.http.context import CallerDep
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import (
    allocation_bodies,
    allocation_views,
    policies,
    providers,
    usages,
)
from kcloud_api.placement.exchange import answer
from kcloud_api.placement.microversion import NEWEST, minor_of
from kcloud_api.placement.routing import ProviderId, asks, requires

router = APIRouter()


@router.get("/usages", openapi_extra=asks(allocation_bodies.usages_form(NEWEST)))
def show_usages(request: Request, session: SessionDep, caller: CallerDep) -> Response:
    params = dict(request.query_params)
    allow(request, caller, policies.USAGES, {"project_id": params.get("project_id")})
    minor = minor_of(request)
    allocation_bodies.usages_form(minor).query(params)
    asked = params.get("consumer_type")
    found = usages.of_project(session, params["project_id"], params.get("user_id"), asked)
    return answer(request, allocation_views.of_usages(found, asked, minor))


@router.get("/resource_providers/{uuid}/usages", dependencies=[requires(policies.PROVIDER_USAGES)])
def list_usages(request: Request, session: SessionDep, provider_id: ProviderId) -> Response:
    found = providers.get_provider(session, provider_id)
    used = usages.used_of_provider(session, provider_id)
    return answer(request, {"resource_provider_generation": found.generation, "usages": used})


@router.get("/resource_providers/{uuid}/allocations", dependencies=[requires(policies.PROVIDER_ALLOCATIONS)])
def list_allocations(request: Request, session: SessionDep, provider_id: ProviderId) -> Response:
    found = providers.get_provider(session, provider_id)
    held = usages.of_provider(session, provider_id)
    shown = allocation_views.of_provider(found.generation, held.shares, held.generations, minor_of(request))
    return answer(request, shown, max((share.updated_at for share in held.shares), default=None))
