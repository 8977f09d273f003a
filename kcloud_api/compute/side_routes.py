"""What clients ask around servers: limits, interfaces, and the lists that are empty because there is no such
thing in kcloud (volumes, server groups)."""

from typing import Any

from fastapi import APIRouter, Request

from kcloud_api.compute import policies, reading, views
from kcloud_api.compute.records import ServerRecord
from kcloud_api.http.context import CallerDep
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep
from kcloud_api.network.service import PortRecord, ports_of

router = APIRouter()

UNLIMITED = -1
METADATA_ITEMS = 128


@router.get("/extensions")
def extensions(_caller: CallerDep) -> dict[str, Any]:
    """Extensions are gone since microversions; old clients still look."""
    return {"extensions": []}


@router.get("/limits")
def limits(session: SessionDep, caller: CallerDep) -> dict[str, Any]:
    servers, cores, ram = reading.usage(session, caller.project_id or "")
    absolute = {
        "maxTotalInstances": UNLIMITED,
        "maxTotalCores": UNLIMITED,
        "maxTotalRAMSize": UNLIMITED,
        "maxServerMeta": METADATA_ITEMS,
        "maxTotalKeypairs": UNLIMITED,
        "maxServerGroups": 0,
        "maxServerGroupMembers": 0,
        "totalInstancesUsed": servers,
        "totalCoresUsed": cores,
        "totalRAMUsed": ram,
        "totalServerGroupsUsed": 0,
    }
    return {"limits": {"rate": [], "absolute": absolute}}


@router.get("/os-server-groups")
def server_groups(_caller: CallerDep) -> dict[str, Any]:
    return {"server_groups": []}


@router.get("/os-aggregates")
def aggregates(request: Request, caller: CallerDep) -> dict[str, Any]:
    allow(request, caller, policies.HOST_ATTRIBUTES)
    return {"aggregates": []}


@router.get("/servers/{server_id}/os-volume_attachments")
def volumes(request: Request, session: SessionDep, caller: CallerDep, server_id: str) -> dict[str, Any]:
    _with_ports(request, session, caller, server_id)
    return {"volumeAttachments": []}


@router.get("/servers/{server_id}/os-security-groups")
def security_groups(
    request: Request, session: SessionDep, caller: CallerDep, server_id: str
) -> dict[str, Any]:
    _with_ports(request, session, caller, server_id)
    return {"security_groups": []}


@router.get("/servers/{server_id}/os-interface")
def interfaces(request: Request, session: SessionDep, caller: CallerDep, server_id: str) -> dict[str, Any]:
    _, ports = _with_ports(request, session, caller, server_id)
    return {"interfaceAttachments": views.interfaces(ports)}


@router.get("/servers/{server_id}/ips")
def addresses(request: Request, session: SessionDep, caller: CallerDep, server_id: str) -> dict[str, Any]:
    _, ports = _with_ports(request, session, caller, server_id)
    found = views.addresses(ports)
    plain = {
        network: [{"version": each["version"], "addr": each["addr"]} for each in each_network]
        for network, each_network in found.items()
    }
    return {"addresses": plain}


def _with_ports(
    request: Request, session: SessionDep, caller: CallerDep, server_id: str
) -> tuple[ServerRecord, tuple[PortRecord, ...]]:
    server = reading.get_server(session, caller, server_id)
    allow(request, caller, policies.SHOW, {"project_id": server.project_id})
    return server, ports_of(session, [server.id]).get(server.id, ())
