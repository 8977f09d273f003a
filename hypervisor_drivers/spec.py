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
    """A PCI function handed to the guest, already bound to vfio-pci by the agent (managed='no'), or to the
    vendor's own VFIO driver."""

    address: str
    cell: int | None = None
    """The guest's NUMA cell that it belongs to; None where the guest has no cells, or the device no node."""


@dataclass(frozen=True, slots=True)
class MdevSpec:
    """A mediated device that the agent has made."""

    uuid: UUID
    cell: int | None = None


@dataclass(frozen=True, slots=True)
class CellSpec:
    """One NUMA cell of the guest."""

    vcpus: tuple[int, ...]
    memory_mib: int
    host_node: int | None = None
    """Where its memory must come from; None: anywhere."""
    host_cpus: str = ""
    """Host CPUs that its vCPUs may run on, as the kernel writes such lists (`0-3,8`); empty: all."""


@dataclass(frozen=True, slots=True)
class AddressSpace:
    """Room for large BARs, which the firmware would otherwise guess too small."""

    hole64_mib: int
    """Of the 64-bit PCI window."""
    phys_bits: int | None = None
    """Physical address bits of the guest's CPUs; None: those of the host."""


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
    mdevs: tuple[MdevSpec, ...] = ()
    cells: tuple[CellSpec, ...] = ()
    """Empty: no NUMA. Else they share out all vCPUs and all memory, in order of their numbers."""
    page_kib: int | None = None
    """Hugepages of this size behind all memory."""
    address_space: AddressSpace | None = None
    """None: what the firmware gives of itself will do."""

    @property
    def has_devices(self) -> bool:
        """Of the host: hardware that reads and writes the guest's memory by itself."""
        return bool(self.hostdevs or self.mdevs)


@dataclass(frozen=True, slots=True)
class DomainSeen:
    """One domain of ours as the hypervisor shows it (foreign domains are never listed)."""

    uuid: UUID
    name: str
    state: DomainState
    metadata: DomainMetadata
    hostdevs: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    mdevs: tuple[UUID, ...] = ()


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
