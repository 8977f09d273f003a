"""Accelerator requests over HTTP, in Cyborg's words. Only kcloud itself makes, binds and deletes them."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from kcloud_api.accelerator.cyborg import policies, shown
from kcloud_api.compute import accelerator_requests
from kcloud_api.compute.accelerator_requests import RESOLVED, AcceleratorRequest, RequestQuery
from kcloud_api.http.context import Caller, CallerDep
from kcloud_api.http.paging import PagingDep, next_links
from kcloud_api.http.policy import allow, may
from kcloud_api.http.transaction import SessionDep
from kcloud_common.errors import BadRequest, Forbidden, NotFound

router = APIRouter(prefix="/accelerator_requests")
"""The composition root adds it to the accelerator service, under /v2."""

MOST_SERVERS = 250
"""On one page: each may hold dozens of slices."""
LOCKED = 423
NOVAS_WORK = (
    "Accelerator requests follow servers here: boot one from a flavor with accel:device_profile=NAME and "
    "they are made and bound, delete it and they are gone."
)


@router.get("", response_model=None)
def list_requests(
    request: Request, session: SessionDep, caller: CallerDep, paging: PagingDep
) -> dict[str, Any] | Response:
    """`instance`: of one server; `bind_state=resolved`: only those that await nothing, and for one server 423
    while any does."""
    allow(request, caller, policies.ARQS_LIST, _own(caller))
    server_id = _server_id(request.query_params.get("instance"))
    resolved = _wants_resolved(request.query_params.get("bind_state"))
    project_id = _project(request, caller)
    wanted = RequestQuery(min(paging.limit, MOST_SERVERS), project_id, server_id, paging.marker)
    found, more = accelerator_requests.request_page(session, wanted)
    if resolved and server_id is not None:
        waits = accelerator_requests.awaits_place(session, server_id, project_id)
        if waits or any(each.state not in RESOLVED for each in found):
            return Response(status_code=LOCKED)
    links = {"arqs_links": next_links(request, found[-1].id)} if more else {}
    listed = [_view(request, caller, each) for each in found if not resolved or each.state in RESOLVED]
    return {"arqs": listed, **links}


@router.get("/{request_id}")
def show_request(request: Request, session: SessionDep, caller: CallerDep, request_id: str) -> dict[str, Any]:
    """404 for another project's."""
    allow(request, caller, policies.ARQS_SHOW, _own(caller))
    unknown = NotFound(f"AcceleratorRequest not found with uuid={request_id}.")
    try:
        found = accelerator_requests.find_request(session, UUID(request_id))
    except ValueError:
        raise unknown from None
    if found is None or _project(request, caller) not in (None, found.project_id):
        raise unknown
    return _view(request, caller, found)


@router.post("", status_code=201)
@router.patch("", status_code=202)
@router.patch("/{request_id}", status_code=202)
@router.delete("", status_code=204)
@router.delete("/{request_id}", status_code=204)
def refuse(_caller: CallerDep) -> None:
    """Of Cyborg's users only Nova does these; here the place loop claims, and a host's report releases."""
    raise Forbidden(NOVAS_WORK)


def _own(caller: Caller) -> dict[str, object]:
    return {"project_id": caller.project_id}


def _project(request: Request, caller: Caller) -> str | None:
    """Whose requests the caller sees; None: everybody's."""
    return None if may(request, caller, policies.ARQS_LIST_ALL) else caller.project_id or ""


def _server_id(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        raise BadRequest(f"Expected a uuid but received {text}.", field="instance") from None


def _wants_resolved(bind_state: str | None) -> bool:
    if bind_state not in (None, "", "resolved"):
        raise BadRequest(f"Bad state: {bind_state}. Expected state(s): ['resolved']", field="bind_state")
    return bool(bind_state)


def _view(request: Request, caller: Caller, found: AcceleratorRequest) -> dict[str, Any]:
    held, id_ = found.held, str(found.id)
    sees_hosts = may(request, caller, policies.ARQS_HOST)
    is_mdev = held.mdev is not None
    return {
        "uuid": id_, "state": found.state, "device_profile_name": found.profile,
        "device_profile_group_id": found.group, "instance_uuid": str(found.server_id),
        "project_id": found.project_id, "attach_handle_type": "MDEV" if is_mdev else "PCI",
        "attach_handle_uuid": None,
        "hostname": found.host_name if sees_hosts else None,
        "device_rp_uuid": str(held.card_id) if sees_hosts else None,
        "attach_handle_info": _handle(found) if sees_hosts else {},
        "created_at": shown.moment(held.since), "updated_at": None,
        "links": shown.links(str(request.base_url).rstrip("/"), "accelerator_requests", id_),
    }  # fmt: skip


def _handle(found: AcceleratorRequest) -> dict[str, str]:
    """Where the device is on its host; of several functions, the first."""
    held = found.held
    if held.mdev is not None:
        return {"uuid": str(held.mdev), "asked_type": held.slice_type}
    domain, bus, rest = (held.addresses[0] if held.addresses else "::").split(":", 2)
    device, _, function = rest.partition(".")
    return {"domain": domain, "bus": bus, "device": device, "function": function}
