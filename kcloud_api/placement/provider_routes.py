"""Placement's routes about resource providers themselves."""

from uuid import UUID, uuid4

from fastapi import APIRouter, Request, Response

from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import editing, listing, policies, provider_list, providers, schemas
from kcloud_api.placement import provider_views as views
from kcloud_api.placement.exchange import RawBody, answer
from kcloud_api.placement.microversion import minor_of
from kcloud_api.placement.query import provider_query
from kcloud_api.placement.routing import (
    ProviderId,
    asks,
    host_of,
    located,
    mount_of,
    nothing,
    requires,
    takes,
)

router = APIRouter(prefix="/resource_providers")

BODY_ON_CREATE = 20
"""Minor version from which a created provider is answered with its body."""
MOVES = 37
"""Minor version from which a provider may get another parent, or none."""


@router.get("", dependencies=[requires(policies.PROVIDERS_LIST)], openapi_extra=asks(schemas.PROVIDERS_QUERY))
def list_providers(request: Request, session: SessionDep) -> Response:
    minor = minor_of(request)
    found = listing.providers(session, provider_query(request.query_params.multi_items(), minor))
    content = {"resource_providers": provider_list.written(found, minor, mount_of(request))}
    return answer(request, content, provider_list.latest(found))


@router.post(
    "", dependencies=[requires(policies.PROVIDERS_CREATE)], openapi_extra=takes(schemas.PROVIDER_POST_14)
)
def create_provider(request: Request, session: SessionDep, raw: RawBody) -> Response:
    minor = minor_of(request)
    form = schemas.PROVIDER_POST_14 if minor >= views.PARENTS else schemas.PROVIDER_POST
    said = form.body(raw)
    provider_id = UUID(said["uuid"]) if said.get("uuid") else uuid4()
    made = editing.create_provider(session, provider_id, said["name"], _parent_in(said))
    path = views.provider_path(mount_of(request), made.id)
    if minor < BODY_ON_CREATE:
        return located(request, path)
    response = answer(request, views.provider(made, minor, mount_of(request)), made.updated_at)
    response.headers["Location"] = host_of(request) + path
    return response


@router.get("/{uuid}", dependencies=[requires(policies.PROVIDERS_SHOW)])
def show_provider(request: Request, session: SessionDep, provider_id: ProviderId) -> Response:
    found = providers.get_provider(session, provider_id)
    return answer(request, views.provider(found, minor_of(request), mount_of(request)), found.updated_at)


@router.put(
    "/{uuid}",
    dependencies=[requires(policies.PROVIDERS_UPDATE)],
    openapi_extra=takes(schemas.PROVIDER_PUT_14),
)
def update_provider(request: Request, session: SessionDep, provider_id: ProviderId, raw: RawBody) -> Response:
    minor = minor_of(request)
    now = providers.get_provider(session, provider_id)
    said = (schemas.PROVIDER_PUT_14 if minor >= views.PARENTS else schemas.PROVIDER_PUT).body(raw)
    want = editing.ProviderWant(
        name=said["name"],
        parent_id=_parent_in(said) if "parent_provider_uuid" in said else now.parent_id,
        may_move=minor >= MOVES,
    )
    updated = editing.update_provider(session, provider_id, want)
    return answer(request, views.provider(updated, minor, mount_of(request)), updated.updated_at)


@router.delete("/{uuid}", dependencies=[requires(policies.PROVIDERS_DELETE)])
def delete_provider(session: SessionDep, provider_id: ProviderId) -> Response:
    editing.delete_provider(session, provider_id)
    return nothing()


def _parent_in(said: dict[str, str | None]) -> UUID | None:
    parent = said.get("parent_provider_uuid")
    return UUID(parent) if parent is not None else None
