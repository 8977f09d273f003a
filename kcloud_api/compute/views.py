"""Shapes servers and their actions as Nova's newest version shows them. Pure; versions.py takes away what
older clients do not know."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha224
from typing import Any

from kcloud_api.compute.records import ActionRecord, EventRecord, FlavorSnapshot, ServerRecord
from kcloud_api.compute.states import shown
from kcloud_api.compute.wants import hostname
from kcloud_api.network.service import PortRecord

Json = dict[str, Any]

NETWORK = "kcloud"
ZONE = "nova"


@dataclass(frozen=True, slots=True)
class Viewer:
    """To whom it is shown: `base` is the service's URL, without a slash at its end."""

    base: str
    sees_hosts: bool = False

    def link(self, path: str) -> Json:
        return {"rel": "self", "href": f"{self.base}/v2.1/{path}"}

    def bookmark(self, path: str) -> Json:
        return {"rel": "bookmark", "href": f"{self.base}/{path}"}


def links(viewer: Viewer, server: ServerRecord) -> list[Json]:
    path = f"servers/{server.id}"
    return [viewer.link(path), viewer.bookmark(path)]


def brief(viewer: Viewer, server: ServerRecord) -> Json:
    """As in GET /servers."""
    return {"id": str(server.id), "name": server.name, "links": links(viewer, server)}


def created(viewer: Viewer, server: ServerRecord) -> Json:
    """As in the answer to POST /servers."""
    return {
        "id": str(server.id),
        "links": links(viewer, server),
        "OS-DCF:diskConfig": "MANUAL",
        "security_groups": [{"name": "default"}],
    }


def detailed(viewer: Viewer, server: ServerRecord, ports: Sequence[PortRecord]) -> Json:
    """As in GET /servers/{id} and /servers/detail."""
    words = shown(server.facts)
    view: Json = {
        "id": str(server.id),
        "name": server.name,
        "status": words.status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": dict(server.metadata),
        "hostId": host_id(server),
        "image": {"id": str(server.image.id), "links": [viewer.bookmark(f"images/{server.image.id}")]},
        "flavor": flavor(server.flavor),
        "created": seconds(server.created_at),
        "updated": seconds(server.updated_at),
        "addresses": addresses(ports),
        "accessIPv4": "",
        "accessIPv6": "",
        "links": links(viewer, server),
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": ZONE if server.host_id else "",
        "config_drive": "True" if server.config_drive else "",
        "key_name": server.key_name,
        "OS-SRV-USG:launched_at": micros(server.launched_at),
        "OS-SRV-USG:terminated_at": micros(server.deleted_at),
        "security_groups": [{"name": "default"}],
        "OS-EXT-STS:task_state": words.task_state,
        "OS-EXT-STS:vm_state": words.vm_state,
        "OS-EXT-STS:power_state": int(words.power_state),
        "os-extended-volumes:volumes_attached": [],
        "locked": False,
        "locked_reason": None,
        "description": server.description,
        "tags": [],
        "trusted_image_certificates": None,
        "OS-EXT-SRV-ATTR:hostname": hostname(server.name) or f"server-{server.id}",
        "pinned_availability_zone": None,
        "scheduler_hints": {},
    }
    if words.status in ("ACTIVE", "BUILD", "REBOOT", "HARD_REBOOT"):
        view["progress"] = 0
    if words.status in ("ERROR", "DELETED") and server.fault is not None:
        view["fault"] = fault(viewer, server)
    if viewer.sees_hosts:
        view |= host_attributes(server)
    return view


def host_id(server: ServerRecord) -> str:
    """The same for servers of one project on one host, and telling nothing else."""
    if server.host_name is None:
        return ""
    return sha224((server.project_id + server.host_name).encode()).hexdigest()


def host_attributes(server: ServerRecord) -> Json:
    """For operators."""
    return {
        "OS-EXT-SRV-ATTR:host": server.host_name,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": server.host_name,
        "OS-EXT-SRV-ATTR:instance_name": f"kcloud-{server.id}",
        "OS-EXT-SRV-ATTR:reservation_id": server.reservation_id,
        "OS-EXT-SRV-ATTR:launch_index": server.launch_index,
        "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
        "OS-EXT-SRV-ATTR:kernel_id": "",
        "OS-EXT-SRV-ATTR:ramdisk_id": "",
        "OS-EXT-SRV-ATTR:user_data": server.user_data,
    }


def fault(viewer: Viewer, server: ServerRecord) -> Json | None:
    if server.fault is None:
        return None
    view: Json = {
        "code": server.fault.code,
        "created": seconds(server.fault.created),
        "message": server.fault.message,
    }
    if viewer.sees_hosts:
        view["details"] = server.fault.details
    return view


def flavor(snapshot: FlavorSnapshot) -> Json:
    """Embedded, as it was when the server was made. The id is kept apart for older versions."""
    return {
        "original_name": snapshot.name,
        "vcpus": snapshot.vcpus,
        "ram": snapshot.ram_mib,
        "disk": snapshot.disk_gib,
        "ephemeral": snapshot.ephemeral_gib,
        "swap": snapshot.swap_mib,
        "extra_specs": dict(snapshot.extra_specs),
    }


def addresses(ports: Sequence[PortRecord]) -> Json:
    found = [
        {
            "version": 6 if ":" in address else 4,
            "addr": address,
            "OS-EXT-IPS-MAC:mac_addr": port.mac,
            "OS-EXT-IPS:type": "fixed",
        }
        for port in ports
        for address in port.addresses
    ]
    return {NETWORK: found} if found else {}


def interfaces(ports: Sequence[PortRecord]) -> list[Json]:
    return [
        {
            "port_id": str(port.id),
            "mac_addr": port.mac,
            "net_id": NETWORK,
            "port_state": "ACTIVE",
            "fixed_ips": [{"ip_address": address, "subnet_id": NETWORK} for address in port.addresses],
            "tag": None,
        }
        for port in ports
    ]


def action(record: ActionRecord) -> Json:
    return {
        "action": record.action,
        "instance_uuid": str(record.server_id),
        "request_id": record.request_id,
        "project_id": record.project_id,
        "user_id": record.user_id,
        "start_time": micros(record.start),
        "updated_at": micros(record.updated_at),
        "message": record.message,
    }


def action_with_events(viewer: Viewer, record: ActionRecord) -> Json:
    return {**action(record), "events": [_event(viewer, record, each) for each in record.events]}


def _event(viewer: Viewer, record: ActionRecord, event: EventRecord) -> Json:
    host = event.host_name
    view: Json = {
        "event": event.event,
        "start_time": micros(event.start),
        "finish_time": micros(event.finish),
        "result": event.result,
        "hostId": sha224((record.project_id + host).encode()).hexdigest() if host else "",
        "details": event.details,
    }
    if viewer.sees_hosts:
        view |= {"host": host, "traceback": None}
    return view


def seconds(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def micros(time: datetime | None) -> str | None:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f") if time is not None else None
