"""Placement's routes about how much of which class a provider has."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import inventories, policies, providers, schemas
from kcloud_api.placement import provider_views as views
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.exchange import RawBody, answer
from kcloud_api.placement.microversion import minor_of
from kcloud_api.placement.providers import ProviderRecord
from kcloud_api.placement.routing import CREATED, ProviderId, host_of, mount_of, nothing, requires, takes
from kcloud_common.errors import BadRequest, NotFound

router = APIRouter(prefix="/resource_providers/{uuid}/inventories")

ALL_RESERVED = 26
"""Minor version from which an inventory may be reserved altogether."""
LIMITS = ("total", "reserved", "min_unit", "max_unit", "step_size")


@router.get("", dependencies=[requires(policies.INVENTORIES_LIST)])
def list_inventories(request: Request, session: SessionDep, provider_id: ProviderId) -> Response:
    generation, stored = inventories.with_generation(session, provider_id)
    modified = max((each.updated_at for each in stored.values()), default=None)
    stocks = {name: each.stock for name, each in stored.items()}
    return answer(request, views.inventories(generation, stocks), modified)


@router.post(
    "", dependencies=[requires(policies.INVENTORIES_CREATE)], openapi_extra=takes(schemas.INVENTORY_POST)
)
def add_inventory(request: Request, session: SessionDep, provider_id: ProviderId, raw: RawBody) -> Response:
    provider = providers.get_provider(session, provider_id)
    said = schemas.INVENTORY_POST.body(raw)
    name, stock = said["resource_class"], _stock(said)
    _check_capacity(request, provider, {name: stock}, "Unable to create inventory")
    changed = inventories.add(session, provider_id, name, stock)
    response = answer(request, views.one_inventory(changed.generation, stock))
    response.status_code = CREATED
    path = views.provider_path(mount_of(request), provider_id)
    response.headers["Location"] = f"{host_of(request)}{path}/inventories/{name}"
    return response


@router.put(
    "", dependencies=[requires(policies.INVENTORIES_UPDATE)], openapi_extra=takes(schemas.INVENTORIES_PUT)
)
def put_inventories(request: Request, session: SessionDep, provider_id: ProviderId, raw: RawBody) -> Response:
    provider = providers.get_provider(session, provider_id)
    said = schemas.INVENTORIES_PUT.body(raw)
    generation = said["resource_provider_generation"]
    inventories.check_generation(provider, generation)
    stocks = {name: _stock(each) for name, each in said["inventories"].items()}
    _check_capacity(request, provider, stocks, "Unable to update inventory")
    changed = inventories.replace(session, provider_id, generation, stocks)
    return answer(request, views.inventories(changed.generation, stocks))


@router.delete("", dependencies=[requires(policies.INVENTORIES_DELETE)])
def delete_inventories(session: SessionDep, provider_id: ProviderId) -> Response:
    inventories.replace(session, provider_id, None, {})
    return nothing()


@router.get("/{resource_class}", dependencies=[requires(policies.INVENTORIES_SHOW)])
def show_inventory(
    request: Request, session: SessionDep, provider_id: ProviderId, resource_class: str
) -> Response:
    provider = providers.get_provider(session, provider_id)
    stored = inventories.of_provider(session, provider_id).get(resource_class)
    if stored is None:
        raise NotFound(f"No inventory of class {resource_class} for {provider_id}")
    return answer(request, views.one_inventory(provider.generation, stored.stock), stored.updated_at)


@router.put(
    "/{resource_class}",
    dependencies=[requires(policies.INVENTORIES_UPDATE)],
    openapi_extra=takes(schemas.INVENTORY_PUT),
)
def put_inventory(
    request: Request, session: SessionDep, provider_id: ProviderId, resource_class: str, raw: RawBody
) -> Response:
    provider = providers.get_provider(session, provider_id)
    said = schemas.INVENTORY_PUT.body(raw)
    generation, stock = said["resource_provider_generation"], _stock(said)
    inventories.check_generation(provider, generation)
    _check_capacity(request, provider, {resource_class: stock}, "Unable to update inventory")
    changed = inventories.update(session, provider_id, generation, (resource_class, stock))
    return answer(request, views.one_inventory(changed.generation, stock))


@router.delete("/{resource_class}", dependencies=[requires(policies.INVENTORIES_DELETE)])
def delete_inventory(session: SessionDep, provider_id: ProviderId, resource_class: str) -> Response:
    inventories.remove(session, provider_id, resource_class)
    return nothing()


def _stock(said: Mapping[str, Any]) -> Stock:
    # JSON Schema's integers may be written 1.0.
    limits = {name: int(said[name]) for name in LIMITS if name in said}
    return Stock(**limits, allocation_ratio=float(said.get("allocation_ratio", 1.0)))


def _check_capacity(
    request: Request, provider: ProviderRecord, stocks: Mapping[str, Stock], doing: str
) -> None:
    """BadRequest where more is reserved than there is, or, for older clients, all of it."""
    least, what = (
        (0, "greater than") if minor_of(request) >= ALL_RESERVED else (1, "greater than or equal to")
    )
    for name, stock in stocks.items():
        if stock.capacity < least:
            raise BadRequest(
                f"{doing} for resource provider {provider.id}: Invalid inventory for '{name}' on resource "
                f"provider '{provider.id}'. The reserved value is {what} total."
            )
