"""Decides what placement is told about a host's devices: one child provider per slice. Pure."""

from collections.abc import Collection, Sequence
from uuid import UUID, uuid5

from kcloud_api.placement.inventory import Inventory, ProviderInventory
from kcloud_api.placement.names import canonical_class
from kcloud_common.wire import DeviceReport, DeviceState


def provider_id(host_id: UUID, device: str) -> UUID:
    """The same for the same device of the same host, however often it comes and goes."""
    return uuid5(host_id, device)


def device_providers(
    host_id: UUID, host_name: str, devices: Sequence[DeviceReport], *, claims: Collection[UUID] = ()
) -> tuple[ProviderInventory, ...]:
    """A provider with one unit for each device. A device that must not be handed out has its unit reserved:
    a quarantined one, and one that the host still holds prepared for a claim that is not in `claims`."""
    return tuple(
        ProviderInventory(
            id=provider_id(host_id, device.name),
            name=f"{host_name}_{device.name}",
            inventories={
                canonical_class(device.resource_class): Inventory(
                    total=1, reserved=0 if may_be_handed_out(device, claims) else 1
                )
            },
            traits=frozenset(device.traits),
        )
        for device in devices
    )


def may_be_handed_out(device: DeviceReport, claims: Collection[UUID]) -> bool:
    """Whether the device is clean, or held by a claim that lives."""
    if device.state is DeviceState.QUARANTINED:
        return False
    return device.state is DeviceState.FREE or device.claim_id in claims
