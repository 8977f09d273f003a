"""Complete descriptions of domains: what a driver is given and what it shows. Pure data."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from uuid import UUID


class DomainState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    SHUTOFF = "shutoff"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class DiskSpec:
    """A file-backed disk. `device` is `disk` or `cdrom`; a cdrom is read-only."""

    path: PurePosixPath
    format: str
    device: str = "disk"


@dataclass(frozen=True, slots=True)
class NicSpec:
    mac: str
    network: str
    """Name of a libvirt network."""


@dataclass(frozen=True, slots=True)
class HostdevSpec:
    """A PCI function handed to the guest, already bound to vfio-pci by the agent (managed='no')."""

    address: str


@dataclass(frozen=True, slots=True)
class DomainMetadata:
    """What kcloud writes into the domain, so that a host can be understood without the control plane."""

    project_id: str
    generation: int
    claims: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class DomainSpec:
    """Everything a driver needs to define a domain. Memory in MiB."""

    uuid: UUID
    name: str
    """Libvirt's name, unique on the host: `kcloud-<uuid>`; the server's own name goes into <title>."""
    title: str
    vcpus: int
    memory_mib: int
    virt_type: str
    """`kvm` or `qemu`."""
    disks: tuple[DiskSpec, ...]
    nics: tuple[NicSpec, ...]
    hostdevs: tuple[HostdevSpec, ...]
    console_log: PurePosixPath
    metadata: DomainMetadata


@dataclass(frozen=True, slots=True)
class DomainSeen:
    """One domain of ours as the hypervisor shows it (foreign domains are never listed)."""

    uuid: UUID
    name: str
    state: DomainState
    metadata: DomainMetadata
    hostdevs: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A NAT network of our own on the host: `bridge` with `cidr`, DHCP inside."""

    name: str = "kcloud"
    bridge: str = "kcloud0"
    cidr: str = "192.168.222.0/24"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this hypervisor can do. `virt_type` is what works here, found by trying (kvm, else qemu)."""

    hypervisor_type: str
    version: str
    virt_type: str
    arch: str
    vcpus: int
    memory_mib: int
    traits: tuple[str, ...] = field(default=())
