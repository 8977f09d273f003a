"""The kcloud service: hosts for operators, and the agents' side of the API."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from kcloud_api.accelerator import card_routes, certificate_routes
from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.records import DeviceRecord
from kcloud_api.accelerator.routes import router as devices
from kcloud_api.hosts import agent_routes, device_routes, enrolling, explain_routes, policies, service
from kcloud_api.hosts.layouts import routes as layout_routes
from kcloud_api.hosts.layouts import standing_routes as layout_standing_routes
from kcloud_api.hosts.records import HostRecord
from kcloud_api.http.app import service_app
from kcloud_api.http.context import CallerDep
from kcloud_api.http.errors import kcloud_shape
from kcloud_api.http.paging import PagingDep, next_links
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep

HOST_NAME = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$"

router = APIRouter()


def build() -> FastAPI:
    app = service_app("kcloud", kcloud_shape)
    app.include_router(router, prefix="/v1")
    app.include_router(agent_routes.router, prefix="/v1")
    app.include_router(devices, prefix="/v1")
    for more in (card_routes, certificate_routes, device_routes, layout_routes, layout_standing_routes):
        app.include_router(more.router, prefix="/v1")
    app.include_router(explain_routes.router, prefix="/v1")
    return app


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewEnrolment(Body):
    host: str = Field(pattern=HOST_NAME)


class HostChange(Body):
    enabled: bool
    reason: str | None = Field(default=None, max_length=255)


@router.post("/enrolments", status_code=201)
def create_enrolment(
    request: Request, session: SessionDep, caller: CallerDep, body: NewEnrolment
) -> dict[str, Any]:
    allow(request, caller, policies.ENROL)
    made = enrolling.create_token(session, body.host, ttl=request.app.state.conf.hosts.enrolment_ttl)
    return {"token": made.token, "host": made.host, "expires_at": _time(made.expires_at)}


@router.get("/hosts")
def list_hosts(request: Request, session: SessionDep, caller: CallerDep, paging: PagingDep) -> dict[str, Any]:
    allow(request, caller, policies.READ)
    hosts, more = service.host_page(session, limit=paging.limit, marker=paging.marker)
    links = {"hosts_links": next_links(request, hosts[-1].id)} if more else {}
    return {"hosts": [_view(host) for host in hosts], **links}


@router.get("/hosts/{host_id}")
def show_host(request: Request, session: SessionDep, caller: CallerDep, host_id: UUID) -> dict[str, Any]:
    allow(request, caller, policies.READ)
    devices = [_device(device) for device in accelerator.devices(session, host_id=host_id)]
    return {**_view(service.get_host(session, host_id)), "devices": devices}


@router.patch("/hosts/{host_id}")
def change_host(
    request: Request, session: SessionDep, caller: CallerDep, host_id: UUID, body: HostChange
) -> dict[str, Any]:
    allow(request, caller, policies.CHANGE)
    return _view(service.set_enabled(session, host_id, body.enabled, body.reason))


@router.delete("/hosts/{host_id}", status_code=204)
def delete_host(request: Request, session: SessionDep, caller: CallerDep, host_id: UUID) -> None:
    allow(request, caller, policies.CHANGE)
    service.delete_host(session, host_id)


def _view(host: HostRecord) -> dict[str, Any]:
    return {
        "id": str(host.id),
        "name": host.name,
        "state": host.state.value,
        "enabled": host.enabled,
        "disabled_reason": host.disabled_reason,
        "ready": host.enabled and host.state == "up" and bool(host.report) and not host.problems,
        "problems": list(host.problems),
        "last_seen": _time(host.last_seen),
        "boot_id": str(host.boot_id) if host.boot_id else None,
        "epoch": host.epoch,
        "report": dict(host.report),
        "created_at": _time(host.created_at),
        "updated_at": _time(host.updated_at),
    }


def _device(device: DeviceRecord) -> dict[str, Any]:
    return {
        "name": device.name,
        "addresses": list(device.addresses),
        "vendor_id": device.vendor_id,
        "product_id": device.product_id,
        "resource_class": device.resource_class,
        "traits": list(device.traits),
        "numa_node": device.numa_node,
        "state": device.state,
        "reason": device.reason,
        "server_id": str(device.claim.server_id) if device.claim else None,
    }


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
