"""Placement's routes about resource providers and what belongs to one."""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Request, Response

from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import editing, policies, providers, views
from kcloud_api.placement.bodies import (
    InventoriesPut,
    InventoryBody,
    InventoryPut,
    ProviderCreate,
    ProviderUpdate,
    TraitsPut,
)
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.microversion import minor_of
from kcloud_api.placement.query import provider_query
from kcloud_api.placement.routing import CREATED, NO_CONTENT, Json, mount_of, requires
from kcloud_common.errors import BadRequest, NotFound

router = APIRouter(prefix="/resource_providers")

BODY_ON_CREATE = 20
"""Minor version from which a created provider is answered with its body."""


def _provider_id(provider_id: str) -> UUID:
    """What is no UUID names no provider."""
    try:
        return UUID(provider_id)
    except ValueError:
        raise NotFound(f"No resource provider with uuid {provider_id} found") from None


ProviderId = Annotated[UUID, Depends(_provider_id)]


@router.get("", dependencies=[requires(policies.PROVIDERS_LIST)])
def list_providers(request: Request, session: SessionDep) -> Json:
    found = providers.list_providers(
        session, provider_query(request.query_params.multi_items(), minor_of(request))
    )
    prefix = mount_of(request)
    return {"resource_providers": [views.provider(one, minor_of(request), prefix) for one in found]}


@router.post("", dependencies=[requires(policies.PROVIDERS_CREATE)], response_model=None)
def create_provider(request: Request, session: SessionDep, body: ProviderCreate) -> Json | Response:
    provider_id = body.uuid or uuid4()
    made = editing.create_provider(session, provider_id, body.name, body.parent_provider_uuid)
    if minor_of(request) >= BODY_ON_CREATE:
        return views.provider(made, minor_of(request), mount_of(request))
    location = f"{mount_of(request)}/resource_providers/{made.id}"
    return Response(status_code=CREATED, headers={"Location": location})


@router.get("/{provider_id}", dependencies=[requires(policies.PROVIDERS_SHOW)])
def show_provider(request: Request, session: SessionDep, provider_id: ProviderId) -> Json:
    found = providers.get_provider(session, provider_id)
    return views.provider(found, minor_of(request), mount_of(request))


@router.put("/{provider_id}", dependencies=[requires(policies.PROVIDERS_UPDATE)])
def update_provider(
    request: Request, session: SessionDep, provider_id: ProviderId, body: ProviderUpdate
) -> Json:
    parent_id = body.parent_provider_uuid
    if "parent_provider_uuid" not in body.model_fields_set:
        parent_id = providers.get_provider(session, provider_id).parent_id
    updated = editing.update_provider(session, provider_id, body.name, parent_id)
    return views.provider(updated, minor_of(request), mount_of(request))


@router.delete("/{provider_id}", status_code=NO_CONTENT, dependencies=[requires(policies.PROVIDERS_DELETE)])
def delete_provider(session: SessionDep, provider_id: ProviderId) -> None:
    editing.delete_provider(session, provider_id)


@router.get("/{provider_id}/inventories", dependencies=[requires(policies.INVENTORIES_LIST)])
def list_inventories(session: SessionDep, provider_id: ProviderId) -> Json:
    found = providers.get_provider(session, provider_id)
    return views.inventories(found.generation, providers.inventories(session, provider_id))


@router.put("/{provider_id}/inventories", dependencies=[requires(policies.INVENTORIES_UPDATE)])
def put_inventories(session: SessionDep, provider_id: ProviderId, body: InventoriesPut) -> Json:
    stocks = {name: _stock(name, inventory) for name, inventory in body.inventories.items()}
    written = editing.put_inventories(session, provider_id, body.resource_provider_generation, stocks)
    return views.inventories(written.generation, stocks)


@router.get("/{provider_id}/inventories/{name}", dependencies=[requires(policies.INVENTORIES_SHOW)])
def show_inventory(session: SessionDep, provider_id: ProviderId, name: str) -> Json:
    found = providers.get_provider(session, provider_id)
    stock = providers.inventories(session, provider_id).get(name)
    if stock is None:
        raise NotFound(f"No inventory of class {name} for {provider_id}")
    return {"resource_provider_generation": found.generation, **views.inventory(stock)}


@router.put("/{provider_id}/inventories/{name}", dependencies=[requires(policies.INVENTORIES_UPDATE)])
def put_inventory(session: SessionDep, provider_id: ProviderId, name: str, body: InventoryPut) -> Json:
    stocks = dict(providers.inventories(session, provider_id))
    if name not in stocks:
        raise BadRequest(f"No inventory record with resource class {name} for {provider_id}")
    stocks[name] = _stock(name, body)
    written = editing.put_inventories(session, provider_id, body.resource_provider_generation, stocks)
    return {"resource_provider_generation": written.generation, **views.inventory(stocks[name])}


@router.get("/{provider_id}/usages", dependencies=[requires(policies.PROVIDER_USAGES)])
def list_usages(session: SessionDep, provider_id: ProviderId) -> Json:
    found = providers.get_provider(session, provider_id)
    return views.provider_usages(found.generation, providers.inventories(session, provider_id))


@router.get("/{provider_id}/allocations", dependencies=[requires(policies.PROVIDER_ALLOCATIONS)])
def list_allocations(request: Request, session: SessionDep, provider_id: ProviderId) -> Json:
    found = providers.get_provider(session, provider_id)
    users = providers.allocations_on(session, provider_id)
    return views.provider_allocations(found.generation, users, minor_of(request))


@router.get("/{provider_id}/traits", dependencies=[requires(policies.PROVIDER_TRAITS_LIST)])
def list_traits(session: SessionDep, provider_id: ProviderId) -> Json:
    found = providers.get_provider(session, provider_id)
    return _traits(found.generation, providers.traits_of(session, provider_id))


@router.put("/{provider_id}/traits", dependencies=[requires(policies.PROVIDER_TRAITS_UPDATE)])
def put_traits(session: SessionDep, provider_id: ProviderId, body: TraitsPut) -> Json:
    wanted = frozenset(body.traits)
    written = editing.put_traits(session, provider_id, body.resource_provider_generation, wanted)
    return _traits(written.generation, sorted(wanted))


@router.delete(
    "/{provider_id}/traits", status_code=NO_CONTENT, dependencies=[requires(policies.PROVIDER_TRAITS_DELETE)]
)
def delete_traits(session: SessionDep, provider_id: ProviderId) -> None:
    editing.put_traits(session, provider_id, None, frozenset())


def _traits(generation: int, names: list[str] | tuple[str, ...]) -> Json:
    return {"resource_provider_generation": generation, "traits": list(names)}


def _stock(name: str, body: InventoryBody) -> Stock:
    if body.reserved > body.total:
        raise BadRequest(f"Invalid inventory for '{name}': reserved is more than total.", field="reserved")
    return Stock(**body.model_dump(exclude={"resource_provider_generation"}))
