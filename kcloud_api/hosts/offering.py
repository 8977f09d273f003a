"""Decides what placement is told of a host, and whether it must be told again. Pure."""

import json
from collections.abc import Collection, Sequence
from hashlib import sha256
from uuid import UUID

from kcloud_api.accelerator.inventory import device_providers
from kcloud_api.placement.inventory import HostInventory, Inventory
from kcloud_api.placement.request import HOST_NOT_READY
from kcloud_common.wire import DeviceReport, HostReport

COUNTERS = {"epoch", "sequence", "assignment_generation", "servers", "devices"}
"""What of a report says nothing about the host itself."""


def facts_of(report: HostReport) -> dict[str, object]:
    """The report's facts about the host itself, as JSON."""
    facts: dict[str, object] = report.model_dump(mode="json", exclude=COUNTERS)
    return facts


def digest_of(report: HostReport, claims: Collection[UUID]) -> str:
    """Equal digests: placement and accelerator would hear nothing new."""
    heard = {
        "host": facts_of(report),
        "devices": [device.model_dump(mode="json") for device in report.devices],
        "claims": sorted(str(claim) for claim in claims),
    }
    return sha256(json.dumps(heard, sort_keys=True).encode()).hexdigest()


def inventory_of(host_id: UUID, name: str, report: HostReport, claims: Collection[UUID]) -> HostInventory:
    """The host's tree: itself, and a child for each device. One that has problems takes no new servers."""
    return HostInventory(
        host_id=host_id,
        name=name,
        inventories=_own(report),
        traits=frozenset(report.traits) | ({HOST_NOT_READY} if report.problems else frozenset()),
        children=device_providers(host_id, name, _unique(report.devices), claims=claims),
    )


def _own(report: HostReport) -> dict[str, Inventory]:
    amounts = {
        "VCPU": (report.vcpus, 0),
        "MEMORY_MB": (report.memory_mib, min(report.reserved_memory_mib, report.memory_mib)),
        "DISK_GB": (report.disk_gib, 0),
    }
    return {
        name: Inventory(total=total, reserved=kept) for name, (total, kept) in amounts.items() if total > 0
    }


def _unique(devices: Sequence[DeviceReport]) -> tuple[DeviceReport, ...]:
    return tuple({device.name: device for device in devices}.values())
