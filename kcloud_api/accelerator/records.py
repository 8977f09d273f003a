"""Devices and claims as values, apart from their rows. Pure data."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """One claimed device, as the assignment of its host wants it."""

    id: UUID
    server_id: UUID
    host_id: UUID
    device: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """PCI Express, as its seat allows: GT/s of one lane, and lanes."""

    speed: float
    width: int


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """One device as last reported, and the claim on it."""

    id: UUID
    host_id: UUID
    name: str
    addresses: tuple[str, ...]
    vendor_id: str
    product_id: str
    resource_class: str
    traits: tuple[str, ...]
    numa_node: int | None
    pci_path: tuple[str, ...]
    state: str
    reason: str
    last_seen: datetime
    provider_id: UUID
    link: Link | None = None
    claim: ClaimRecord | None = None


@dataclass(frozen=True, slots=True)
class DevicePlace:
    """Where one device sits, and whether it may be handed out."""

    provider_id: UUID
    addresses: tuple[str, ...]
    numa_node: int | None
    pci_path: tuple[str, ...]
    link: Link | None
    free: bool


@dataclass(frozen=True, slots=True)
class DeviceQuery:
    """Which devices a list shows; None takes all."""

    host_ids: frozenset[UUID] | None = None
    state: str | None = None
    limit: int = 1000
    marker: UUID | None = None
    """The last device of the page before."""
