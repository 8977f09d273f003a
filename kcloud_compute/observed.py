"""What is on this host, as one immutable value. Pure data; observe.py reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from hypervisor_drivers.spec import DomainSeen
from kcloud_compute.records import Record


@dataclass(frozen=True, slots=True)
class Folder:
    """A server's folder: which of its files are there."""

    disk: bool = False
    config_drive: bool = False
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """One claim in the journal. `addresses` are what it asked for; a damaged entry no longer says."""

    addresses: tuple[str, ...] = ()
    ready: bool = False
    """All its functions are on vfio-pci now; not so after a reboot of the host, or a crash half-way."""
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at the host."""

    boot_id: UUID
    domains: Mapping[UUID, DomainSeen] = field(default_factory=dict)
    folders: Mapping[UUID, Folder] = field(default_factory=dict)
    images: frozenset[str] = frozenset()
    """Digests of the images in the cache."""
    claims: Mapping[UUID, Held] = field(default_factory=dict)
    """What the journal of device bindings holds."""
    offered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Devices that the operator's rules let guests have: name to addresses."""
    consoles: Mapping[UUID, int] = field(default_factory=dict)
    """Console requests that have been answered."""
