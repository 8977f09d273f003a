"""Routes of flavors, relative to /v2.1."""

from typing import Any

from fastapi import APIRouter, Request, Response

from kcloud_api.compute.flavors import service, wire
from kcloud_api.compute.flavors.listing import read_listing
from kcloud_api.compute.flavors.service import NewFlavor
from kcloud_api.compute.flavors.slices import slice_specs
from kcloud_api.http.context import CallerDep
from kcloud_api.http.policy import allow, may
from kcloud_api.http.transaction import SessionDep
from kcloud_common.errors import BadRequest

router = APIRouter(prefix="/flavors")

MANAGE = "os_compute_api:os-flavor-manage"
SPECS = "os_compute_api:os-flavor-extra-specs"
ACCESS = "os_compute_api:os-flavor-access"


@router.get("")
def list_flavors(request: Request, session: SessionDep, caller: CallerDep) -> dict[str, Any]:
    listing = read_listing(request.query_params)
    found = service.list_flavors(session, caller, listing)
    shown = [wire.flavor_summary(request, record) for record in found]
    return _collection(request, shown, listing.limit)


@router.get("/detail")
def list_flavors_in_detail(request: Request, session: SessionDep, caller: CallerDep) -> dict[str, Any]:
    listing = read_listing(request.query_params)
    found = service.list_flavors(session, caller, listing)
    with_specs = may(request, caller, f"{SPECS}:index")
    more = slice_specs(session, found, request.app.state.aliases) if with_specs else {}
    shown = [
        wire.flavor_view(request, record, with_specs=with_specs, more=more.get(record.id)) for record in found
    ]
    return _collection(request, shown, listing.limit)


@router.post("")
def create_flavor(
    request: Request, session: SessionDep, caller: CallerDep, body: wire.FlavorCreateBody
) -> dict[str, Any]:
    allow(request, caller, f"{MANAGE}:create")
    asked = body.flavor
    new = NewFlavor(
        name=asked.name,
        vcpus=asked.vcpus,
        ram_mib=asked.ram,
        disk_gib=asked.disk,
        id=asked.id,
        ephemeral_gib=asked.ephemeral,
        swap_mib=asked.swap,
        is_public=asked.is_public,
        description=asked.description,
    )
    return {"flavor": wire.flavor_view(request, service.create_flavor(session, new), with_specs=True)}


@router.get("/{flavor_id}")
def show_flavor(request: Request, session: SessionDep, caller: CallerDep, flavor_id: str) -> dict[str, Any]:
    record = service.get_flavor(session, caller, flavor_id)
    with_specs = may(request, caller, f"{SPECS}:index")
    more = slice_specs(session, [record], request.app.state.aliases)[record.id] if with_specs else None
    return {"flavor": wire.flavor_view(request, record, with_specs=with_specs, more=more)}


@router.put("/{flavor_id}")
def update_flavor(
    request: Request, session: SessionDep, caller: CallerDep, flavor_id: str, body: wire.FlavorUpdateBody
) -> dict[str, Any]:
    allow(request, caller, f"{MANAGE}:update")
    record = service.describe_flavor(session, flavor_id, body.flavor.description)
    return {"flavor": wire.flavor_view(request, record, with_specs=True)}


@router.delete("/{flavor_id}", status_code=202)
def delete_flavor(request: Request, session: SessionDep, caller: CallerDep, flavor_id: str) -> Response:
    allow(request, caller, f"{MANAGE}:delete")
    service.delete_flavor(session, flavor_id)
    return Response(status_code=202)


@router.get("/{flavor_id}/os-extra_specs")
def list_extra_specs(
    request: Request, session: SessionDep, caller: CallerDep, flavor_id: str
) -> dict[str, Any]:
    allow(request, caller, f"{SPECS}:index")
    return {"extra_specs": dict(service.get_flavor(session, caller, flavor_id).extra_specs)}


@router.post("/{flavor_id}/os-extra_specs")
def create_extra_specs(
    request: Request, session: SessionDep, caller: CallerDep, flavor_id: str, body: wire.SpecsBody
) -> dict[str, Any]:
    allow(request, caller, f"{SPECS}:create")
    service.set_extra_specs(session, flavor_id, body.extra_specs, aliases=request.app.state.aliases)
    return {"extra_specs": body.extra_specs}


@router.get("/{flavor_id}/os-extra_specs/{key}")
def show_extra_spec(
    request: Request, session: SessionDep, caller: CallerDep, flavor_id: str, key: str
) -> dict[str, str]:
    allow(request, caller, f"{SPECS}:show")
    specs = service.get_flavor(session, caller, flavor_id).extra_specs
    if key not in specs:
        raise service.no_extra_spec(flavor_id, key)
    return {key: specs[key]}


@router.put("/{flavor_id}/os-extra_specs/{key}")
def update_extra_spec(
    request: Request, session: SessionDep, caller: CallerDep, flavor_id: str, body: wire.Specs
) -> dict[str, str]:
    allow(request, caller, f"{SPECS}:update")
    if list(body) != [request.path_params["key"]]:
        raise BadRequest("Request body and URI mismatch")
    service.set_extra_specs(session, flavor_id, body, aliases=request.app.state.aliases)
    return body


@router.delete("/{flavor_id}/os-extra_specs/{key}", status_code=200)
def delete_extra_spec(
    request: Request, session: SessionDep, caller: CallerDep, flavor_id: str, key: str
) -> Response:
    allow(request, caller, f"{SPECS}:delete")
    service.remove_extra_spec(session, flavor_id, key)
    return Response(status_code=200)


@router.get("/{flavor_id}/os-flavor-access")
def list_access(request: Request, session: SessionDep, caller: CallerDep, flavor_id: str) -> dict[str, Any]:
    allow(request, caller, ACCESS)
    return _access(flavor_id, service.projects_with_access(session, flavor_id))


@router.post("/{flavor_id}/action")
def act_on_flavor(
    request: Request, session: SessionDep, caller: CallerDep, flavor_id: str, body: wire.ActionBody
) -> dict[str, Any]:
    if body.add is not None and body.remove is None:
        allow(request, caller, f"{ACCESS}:add_tenant_access")
        return _access(flavor_id, service.grant_access(session, flavor_id, body.add.tenant))
    if body.remove is not None and body.add is None:
        allow(request, caller, f"{ACCESS}:remove_tenant_access")
        return _access(flavor_id, service.revoke_access(session, flavor_id, body.remove.tenant))
    raise BadRequest("There is no such action.")


def _access(flavor_id: str, project_ids: tuple[str, ...]) -> dict[str, Any]:
    return {"flavor_access": [{"flavor_id": flavor_id, "tenant_id": project} for project in project_ids]}


def _collection(request: Request, shown: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    links = wire.next_link(request, [view["id"] for view in shown], limit)
    return {"flavors": shown, **({"flavors_links": links} if links else {})}
