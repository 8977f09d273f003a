"""Devices, cards, claims and certificates as values, apart from their rows. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kcloud_common.certificate import Certificate
from kcloud_common.wire import SliceKind


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """One claimed device, as the assignment of its host wants it."""

    id: UUID
    server_id: UUID
    host_id: UUID
    device: str
    addresses: tuple[str, ...]
    kind: SliceKind = SliceKind.WHOLE
    mdev: UUID | None = None
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Stance:
    """What was decided of one device here, and not by its host."""

    name: str
    claim_id: UUID | None
    maintenance: bool
    quarantine_reason: str
    quarantine_until: int
    release_count: int
    chain: int


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
    card: str
    provider_id: UUID
    kind: str
    slice_type: str
    addresses: tuple[str, ...]
    vendor_id: str
    product_id: str
    model: str
    serial: str
    resource_class: str
    traits: tuple[str, ...]
    share: int
    memory_mib: int | None
    sharing: Mapping[str, object] | None
    numa_node: int | None
    pci_path: tuple[str, ...]
    health: Mapping[str, object] | None
    state: str
    reason: str
    held_back: str
    generation: int
    certified_generation: int
    maintenance: bool
    quarantine_reason: str
    release_count: int
    release_done: int
    last_seen: datetime
    mdev: UUID | None = None
    link: Link | None = None
    claim: ClaimRecord | None = None


@dataclass(frozen=True, slots=True)
class CardRecord:
    """One card: what it can be cut into, and how its layout stands."""

    id: UUID
    host_id: UUID
    name: str
    address: str
    vendor_id: str
    product_id: str
    model: str
    serial: str
    memory_mib: int | None
    abilities: tuple[Mapping[str, object], ...]
    drift: str
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class SliceGroup:
    """So many slices of a card alike: of one sort, in one state, held by one server or by none."""

    kind: str
    type: str
    state: str
    server_id: UUID | None
    count: int


@dataclass(frozen=True, slots=True)
class CutCard:
    """One card, and what stands of it."""

    card: CardRecord
    slices: tuple[SliceGroup, ...]


@dataclass(frozen=True, slots=True)
class CardPlace:
    """Where one card sits, and how many of its slices may be handed out now."""

    provider_id: UUID
    addresses: tuple[str, ...]
    numa_node: int | None
    pci_path: tuple[str, ...]
    link: Link | None
    free: int


@dataclass(frozen=True, slots=True)
class DeviceQuery:
    """Which devices a list shows; None takes all, but those that are missing and nobody holds."""

    host_ids: frozenset[UUID] | None = None
    state: str | None = None
    kind: str | None = None
    card: str | None = None
    limit: int = 1000
    marker: UUID | None = None
    """The last device of the page before."""


@dataclass(frozen=True, slots=True)
class CertificateQuery:
    """Which certificates a list shows. `project_id` None: of anybody's leases."""

    project_id: str | None
    device_id: UUID | None = None
    server_id: UUID | None = None
    limit: int = 1000
    marker: UUID | None = None


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    id: UUID
    device_id: UUID
    chain: int
    server_id: UUID | None
    project_id: str | None
    hash: str
    certificate: Certificate
    received_at: datetime


@dataclass(frozen=True, slots=True)
class ChainAnchor:
    """Where what is kept of a device's chain begins: after the certificate of this number and hash."""

    device_id: UUID
    chain: int
    host_id: UUID
    device: str
    sequence: int
    hash: str
    reason: str
    """`pruned`, or `unknown`: this cloud never had it."""
    made_at: datetime


@dataclass(frozen=True, slots=True)
class HostKey:
    host_id: UUID
    key: str
    first_seen: datetime


@dataclass(frozen=True, slots=True)
class Shape:
    """One sort of slice, as tenants see it."""

    id: UUID
    resource_class: str
    kind: str
    share: int
    memory_mib: int | None
    policy: str | None
    quantum_us: int | None
    preempt_timeout_us: int | None
    weight: int | None
