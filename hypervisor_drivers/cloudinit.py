"""The files of a config drive in OpenStack's layout, as cloud-init's ConfigDrive source reads them. Pure.

The drive itself (an ISO 9660 image labelled `config-2`) is written by whoever owns the server's folder.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

VOLUME_LABEL = "config-2"
"""The label by which cloud-init finds the drive, on whatever bus it hangs."""


@dataclass(frozen=True, slots=True)
class GuestNic:
    """A NIC that asks for its address by DHCP."""

    mac: str


@dataclass(frozen=True, slots=True)
class GuestFacts:
    """What a guest may know about itself."""

    uuid: UUID
    hostname: str
    name: str
    project_id: str
    public_keys: Mapping[str, str] = field(default_factory=dict)
    """OpenSSH public keys by key pair name."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    user_data: bytes | None = None
    availability_zone: str = "nova"
    nics: tuple[GuestNic, ...] = ()
    launch_index: int = 0


def config_drive_files(guest: GuestFacts) -> Mapping[str, bytes]:
    """Contents by path relative to the drive's root. The same facts give the same bytes."""
    versions = {
        "meta_data.json": _json(_meta_data(guest)),
        "network_data.json": _json(_network_data(guest)),
        "vendor_data.json": _json({}),
    }
    if guest.user_data is not None:
        versions["user_data"] = guest.user_data
    files = {f"openstack/latest/{name}": data for name, data in versions.items()}
    files["ec2/latest/meta-data.json"] = _json(_ec2_meta_data(guest))
    return files


def _meta_data(guest: GuestFacts) -> Mapping[str, object]:
    facts: dict[str, object] = {
        "uuid": str(guest.uuid),
        "name": guest.name,
        "hostname": guest.hostname,
        "availability_zone": guest.availability_zone,
        "launch_index": guest.launch_index,
        "project_id": guest.project_id,
        "devices": [],
    }
    if guest.public_keys:
        facts["public_keys"] = dict(guest.public_keys)
        facts["keys"] = [
            {"name": name, "type": "ssh", "data": data} for name, data in guest.public_keys.items()
        ]
    if guest.metadata:
        facts["meta"] = dict(guest.metadata)
    return facts


def _network_data(guest: GuestFacts) -> Mapping[str, object]:
    """Links are matched by MAC: the guest's own interface names do not matter."""
    links = [
        {"id": f"nic{index}", "type": "phy", "ethernet_mac_address": nic.mac}
        for index, nic in enumerate(guest.nics)
    ]
    networks = [
        {"id": f"network{index}", "type": "ipv4_dhcp", "link": f"nic{index}", "network_id": f"network{index}"}
        for index, _ in enumerate(guest.nics)
    ]
    return {"links": links, "networks": networks, "services": []}


def _ec2_meta_data(guest: GuestFacts) -> Mapping[str, object]:
    facts: dict[str, object] = {
        "ami-launch-index": guest.launch_index,
        "hostname": guest.hostname,
        "instance-id": str(guest.uuid),
        "local-hostname": guest.hostname,
        "placement": {"availability-zone": guest.availability_zone},
    }
    if guest.public_keys:
        facts["public-keys"] = {
            str(index): {"openssh-key": data, "_name": f"{index}={name}"}
            for index, (name, data) in enumerate(guest.public_keys.items())
        }
    return facts


def _json(facts: Mapping[str, object]) -> bytes:
    return json.dumps(facts, indent=1, sort_keys=True).encode()
