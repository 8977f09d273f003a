"""Servers over HTTP: create, list, show, rename, delete, metadata."""

from typing import Any

from fastapi import APIRouter, Request, Response

from kcloud_api.compute import bodies, policies, query, reading, service, versions, views
from kcloud_api.compute.records import ServerPage, ServerRecord
from kcloud_api.http.context import Caller, CallerDep
from kcloud_api.http.microversions import version_of
from kcloud_api.http.paging import next_links
from kcloud_api.http.policy import allow, may
from kcloud_api.http.transaction import SessionDep
from kcloud_api.network.service import PortRecord, ports_of
from kcloud_common.errors import Forbidden, NotFound

router = APIRouter()


@router.post("/servers", status_code=202)
def create(
    request: Request, response: Response, session: SessionDep, caller: CallerDep, body: bodies.CreateBody
) -> dict[str, Any]:
    allow(request, caller, policies.CREATE, own(caller))
    new = bodies.new_server(body, most=request.app.state.conf.compute.max_servers_per_request)
    servers = service.create_servers(session, caller, new, aliases=request.app.state.aliases)
    if servers[0].flavor.disk_gib == 0:
        allow(request, caller, policies.CREATE_WITHOUT_DISK, own(caller))
    if body.server.return_reservation_id:
        return {"reservation_id": servers[0].reservation_id}
    view = views.created(viewer(request, caller), servers[0])
    response.headers["Location"] = view["links"][0]["href"]
    return {"server": view}


@router.get("/servers")
def list_brief(request: Request, session: SessionDep, caller: CallerDep) -> dict[str, Any]:
    page = _page(request, session, caller, (policies.LIST, policies.LIST_ALL))
    shown = viewer(request, caller)
    found = [views.brief(shown, server) for server in page.servers]
    return {"servers": found, **_next(request, page)}


@router.get("/servers/detail")
def list_detail(request: Request, session: SessionDep, caller: CallerDep) -> dict[str, Any]:
    page = _page(request, session, caller, (policies.LIST_DETAIL, policies.LIST_DETAIL_ALL))
    ports = ports_of(session, [server.id for server in page.servers])
    found = [detailed(request, caller, server, ports.get(server.id, ())) for server in page.servers]
    return {"servers": found, **_next(request, page)}


@router.get("/servers/{server_id}")
def show(request: Request, session: SessionDep, caller: CallerDep, server_id: str) -> dict[str, Any]:
    server = reading.get_server(session, caller, server_id)
    allow(request, caller, policies.SHOW, {"project_id": server.project_id})
    view = detailed(request, caller, server, ports_of(session, [server.id]).get(server.id, ()))
    return {
        "server": versions.known({**view, "server_groups": []}, versions.SERVER_SINCE, version_of(request))
    }


@router.put("/servers/{server_id}")
def update(
    request: Request, session: SessionDep, caller: CallerDep, server_id: str, body: bodies.UpdateBody
) -> dict[str, Any]:
    allow(request, caller, policies.UPDATE, own(caller))
    changes = body.server.model_dump(exclude_unset=True, include={"name", "description"})
    server = service.update_server(session, caller, server_id, changes)
    view = detailed(request, caller, server, ports_of(session, [server.id]).get(server.id, ()))
    return {"server": versions.updated(view, version_of(request))}


@router.delete("/servers/{server_id}", status_code=204)
def delete(request: Request, session: SessionDep, caller: CallerDep, server_id: str) -> None:
    allow(request, caller, policies.DELETE, own(caller))
    service.delete_server(session, caller, server_id)


@router.get("/servers/{server_id}/metadata")
def list_metadata(request: Request, session: SessionDep, caller: CallerDep, server_id: str) -> dict[str, Any]:
    return {"metadata": dict(_readable(request, session, caller, server_id).metadata)}


@router.get("/servers/{server_id}/metadata/{key}")
def show_metadata(
    request: Request, session: SessionDep, caller: CallerDep, server_id: str, key: str
) -> dict[str, Any]:
    metadata = _readable(request, session, caller, server_id).metadata
    if key not in metadata:
        raise NotFound("Metadata item was not found")
    return {"meta": {key: metadata[key]}}


@router.post("/servers/{server_id}/metadata")
def add_metadata(
    request: Request, session: SessionDep, caller: CallerDep, server_id: str, body: bodies.MetadataBody
) -> dict[str, Any]:
    allow(request, caller, policies.METADATA_CHANGE, own(caller))
    merged = {**reading.get_server(session, caller, server_id).metadata, **body.metadata}
    if len(merged) > 128:
        raise Forbidden("Maximum number of metadata items exceeds 128")
    return {"metadata": dict(service.replace_metadata(session, caller, server_id, merged))}


@router.put("/servers/{server_id}/metadata")
def put_metadata(
    request: Request, session: SessionDep, caller: CallerDep, server_id: str, body: bodies.MetadataBody
) -> dict[str, Any]:
    allow(request, caller, policies.METADATA_CHANGE, own(caller))
    return {"metadata": dict(service.replace_metadata(session, caller, server_id, body.metadata))}


@router.delete("/servers/{server_id}/metadata/{key}", status_code=204)
def delete_metadata(
    request: Request, session: SessionDep, caller: CallerDep, server_id: str, key: str
) -> None:
    allow(request, caller, policies.METADATA_CHANGE, own(caller))
    metadata = dict(reading.get_server(session, caller, server_id).metadata)
    if metadata.pop(key, None) is None:
        raise NotFound("Metadata item was not found")
    service.replace_metadata(session, caller, server_id, metadata)


def own(caller: Caller) -> dict[str, object]:
    """The target of a policy check where the service already hides what is not the caller's."""
    return {"project_id": caller.project_id}


def viewer(request: Request, caller: Caller) -> views.Viewer:
    return views.Viewer(str(request.base_url).rstrip("/"), may(request, caller, policies.HOST_ATTRIBUTES))


def detailed(
    request: Request, caller: Caller, server: ServerRecord, ports: tuple[PortRecord, ...]
) -> dict[str, Any]:
    """One server as the request's microversion shows it."""
    shown = viewer(request, caller)
    link = {"id": server.flavor.id, "links": [shown.bookmark(f"flavors/{server.flavor.id}")]}
    view = views.detailed(shown, server, ports)
    return versions.server(view, version_of(request), flavor_link=link, sees_hosts=shown.sees_hosts)


def _readable(request: Request, session: SessionDep, caller: Caller, server_id: str) -> ServerRecord:
    server = reading.get_server(session, caller, server_id)
    allow(request, caller, policies.METADATA, {"project_id": server.project_id})
    return server


def _page(request: Request, session: SessionDep, caller: Caller, rules: tuple[str, str]) -> ServerPage:
    mine, everyones = rules
    allow(request, caller, mine, own(caller))
    params = request.query_params
    everyone = query.wants_all_projects(params)
    if everyone:
        allow(request, caller, everyones)
    admin = may(request, caller, everyones)
    wanted = query.filter_of(params, query.Scope(caller.project_id, admin))
    if wanted.project_id is None and not everyone:
        raise Forbidden("Servers belong to projects: use a token that is scoped to one.")
    return reading.list_servers(
        session, wanted, query.page_of(params, request.app.state.conf.compute.max_limit)
    )


def _next(request: Request, page: ServerPage) -> dict[str, Any]:
    """The link to the next page, when there is one."""
    links = next_links(request, page.servers[-1].id if page.more and page.servers else None)
    return {"servers_links": links} if links else {}
