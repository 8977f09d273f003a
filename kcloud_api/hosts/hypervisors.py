"""Hosts as Nova's clients ask for them: hypervisors, compute services, availability zones.

Part of the compute service by URL, but it reads hosts: the composition root adds this router to compute's.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request

from kcloud_api.compute import reading
from kcloud_api.compute.records import HostedServer
from kcloud_api.hosts import policies, service
from kcloud_api.hosts.records import HostRecord, HostState
from kcloud_api.http.context import CallerDep
from kcloud_api.http.microversions import Version, version_of
from kcloud_api.http.paging import Paging, PagingDep, next_links
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep
from kcloud_common.errors import BadRequest, NotFound

router = APIRouter()

ZONE = "nova"
PAGED_SINCE = Version(2, 33)
NO_USAGE_SINCE = Version(2, 88)
IDS_SINCE = Version(2, 53)
BINARY = "nova-compute"

Servers = tuple[HostedServer, ...]
Links = dict[str, list[dict[str, str]]]


@router.get("/os-hypervisors")
def list_brief(request: Request, session: SessionDep, caller: CallerDep, paging: PagingDep) -> dict[str, Any]:
    allow(request, caller, policies.HYPERVISORS)
    hosts, links = _page(request, session, paging)
    return {"hypervisors": [_brief(host) for host in hosts], **links}


@router.get("/os-hypervisors/detail")
def list_detail(
    request: Request, session: SessionDep, caller: CallerDep, paging: PagingDep
) -> dict[str, Any]:
    allow(request, caller, policies.HYPERVISORS)
    hosts, links = _page(request, session, paging)
    hosted = reading.hosted(session, on=[host.id for host in hosts])
    return {"hypervisors": [_detailed(request, host, hosted.get(host.id, ())) for host in hosts], **links}


@router.get("/os-hypervisors/statistics")
def statistics(request: Request, session: SessionDep, caller: CallerDep) -> dict[str, Any]:
    """The sum over all hosts; clients ask it with a version before 2.88."""
    allow(request, caller, policies.HYPERVISORS)
    hosted = reading.hosted(session)
    hosts = service.list_hosts(session)
    sums: dict[str, int] = {"count": len(hosts)}
    for host in hosts:
        for name, value in _usage(host, hosted.get(host.id, ())).items():
            sums[name] = sums.get(name, 0) + value
    return {"hypervisor_statistics": sums}


@router.get("/os-hypervisors/{hypervisor_id}")
def show(request: Request, session: SessionDep, caller: CallerDep, hypervisor_id: str) -> dict[str, Any]:
    allow(request, caller, policies.HYPERVISORS)
    host = _host(session, hypervisor_id)
    return {"hypervisor": _detailed(request, host, reading.hosted(session, on=(host.id,)).get(host.id, ()))}


@router.get("/os-services")
def list_services(request: Request, session: SessionDep, caller: CallerDep) -> dict[str, Any]:
    allow(request, caller, policies.SERVICES)
    binary, name = request.query_params.get("binary"), request.query_params.get("host")
    found = [
        _service(host)
        for host in service.list_hosts(session)
        if binary in (None, "", BINARY) and name in (None, "", host.name)
    ]
    return {"services": found}


@router.get("/os-availability-zone")
def zones(_caller: CallerDep) -> dict[str, Any]:
    return {"availabilityZoneInfo": [{"zoneName": ZONE, "zoneState": {"available": True}, "hosts": None}]}


@router.get("/os-availability-zone/detail")
def zones_detail(request: Request, session: SessionDep, caller: CallerDep) -> dict[str, Any]:
    allow(request, caller, policies.SERVICES)
    hosts = {
        host.name: {
            BINARY: {
                "available": host.state is HostState.UP,
                "active": host.enabled,
                "updated_at": host.last_seen.strftime("%Y-%m-%dT%H:%M:%S.%f"),
            }
        }
        for host in service.list_hosts(session)
    }
    return {"availabilityZoneInfo": [{"zoneName": ZONE, "zoneState": {"available": True}, "hosts": hosts}]}


def _page(request: Request, session: SessionDep, paging: Paging) -> tuple[Sequence[HostRecord], Links]:
    """The hosts that are asked for, and a link to those after them where there are any."""
    pattern = request.query_params.get("hypervisor_hostname_pattern")
    if pattern is not None:
        if "limit" in request.query_params or "marker" in request.query_params:
            raise BadRequest("Paging with hypervisor_hostname_pattern query parameter is not supported.")
        return _matching(pattern, service.list_hosts(session)), {}
    if version_of(request) < PAGED_SINCE:
        return service.list_hosts(session), {}
    hosts, more = service.host_page(session, limit=paging.limit, marker=paging.marker)
    links = next_links(request, hosts[-1].id if more else None)
    return hosts, {"hypervisors_links": links} if links else {}


def _matching(pattern: str, hosts: Sequence[HostRecord]) -> Sequence[HostRecord]:
    found = [host for host in hosts if pattern in host.name]
    if not found:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    return found


def _host(session: SessionDep, hypervisor_id: str) -> HostRecord:
    try:
        return service.get_host(session, UUID(hypervisor_id))
    except (ValueError, NotFound):
        raise NotFound(f"Hypervisor with ID '{hypervisor_id}' could not be found.") from None


def _brief(host: HostRecord) -> dict[str, Any]:
    return {
        "id": str(host.id),
        "hypervisor_hostname": host.name,
        "state": host.state.value,
        "status": "enabled" if host.enabled else "disabled",
    }


def _detailed(request: Request, host: HostRecord, servers: Servers) -> dict[str, Any]:
    version = version_of(request)
    view = {
        **_brief(host),
        "hypervisor_type": host.text("hypervisor_type"),
        "hypervisor_version": version_number(host.text("hypervisor_version")),
        "host_ip": None,
        "service": {"id": str(host.id), "host": host.name, "disabled_reason": host.disabled_reason},
        "uptime": None,
        "servers": [{"uuid": str(server.id), "name": f"kcloud-{server.id}"} for server in servers],
    }
    if version < NO_USAGE_SINCE:
        view |= {**_usage(host, servers), "cpu_info": {}}
        del view["uptime"]
    if version < IDS_SINCE or "with_servers" not in request.query_params:
        del view["servers"]
    return view


def _usage(host: HostRecord, servers: Servers) -> dict[str, int]:
    """What clients before 2.88 read here; placement's inventories and usages say it exactly."""
    memory, disk = host.fact("memory_mib"), host.fact("disk_gib")
    memory_used = host.fact("reserved_memory_mib") + sum(server.flavor.ram_mib for server in servers)
    disk_used = sum(server.flavor.disk_gib for server in servers)
    return {
        "vcpus": host.fact("vcpus"),
        "memory_mb": memory,
        "local_gb": disk,
        "vcpus_used": sum(server.flavor.vcpus for server in servers),
        "memory_mb_used": memory_used,
        "local_gb_used": disk_used,
        "free_ram_mb": memory - memory_used,
        "free_disk_gb": disk - disk_used,
        "disk_available_least": disk - disk_used,
        "current_workload": 0,
        "running_vms": len(servers),
    }


def version_number(text: str) -> int:
    """`8.2.0` as Nova's 8002000."""
    # Short ones only: it is a host's word, and Python does not even read a number of some thousand digits.
    parts = [int(part) if part.isdecimal() and len(part) < 4 else 0 for part in text.split(".")[:3]]
    major, minor, patch = (*parts, 0, 0, 0)[:3]
    return major * 1_000_000 + minor * 1_000 + patch


def _service(host: HostRecord) -> dict[str, Any]:
    return {
        "id": str(host.id),
        "binary": BINARY,
        "host": host.name,
        "zone": ZONE,
        "status": "enabled" if host.enabled else "disabled",
        "state": host.state.value,
        "updated_at": host.last_seen.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "disabled_reason": host.disabled_reason,
        "forced_down": False,
    }
