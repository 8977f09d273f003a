"""Placement's routes about resource providers themselves."""

from collections.abc import Iterator
from uuid import UUID, uuid4

from fastapi import APIRouter, Request, Response

from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import editing, listing, policies, provider_list, providers, schemas
from kcloud_api.placement import provider_views as views
from kcloud_api.placement.exchange import JSON, RawBody, answer, dated
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
from kcloud_api.placement.streaming import Streamed

router = APIRouter(prefix="/resource_providers")

BODY_ON_CREATE = 20
"""Minor version from which a created provider is answered with its body."""
MOVES = 37
"""Minor version from which a provider may get another parent, or none."""


@router.get("", dependencies=[requires(policies.PROVIDERS_LIST)], openapi_extra=asks(schemas.PROVIDERS_QUERY))
def list_providers(request: Request, session: SessionDep) -> Response:
    minor = minor_of(request)
    query = provider_query(request.query_params.multi_items(), minor)
    found = listing.providers(session, query, request.app.state.database)
    writer = provider_list.Writer(minor, mount_of(request))
    first = provider_list.BEGINNING + writer.piece(found.first)
    if found.complete:
        return dated(request, Response(first + provider_list.END, media_type=JSON), found.modified)
    return dated(request, Streamed(_pieces(first, found, writer), found.close, JSON), found.modified)


def _pieces(first: bytes, found: listing.Providers, writer: provider_list.Writer) -> Iterator[bytes]:
    yield first
    for rows in found.rest:
        yield provider_list.BETWEEN + writer.piece(rows)
    yield provider_list.END


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
