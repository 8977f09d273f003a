"""From what a server should be to the complete domain that a driver is given. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from uuid import UUID

from hypervisor_drivers.spec import DiskSpec, DomainMetadata, DomainSpec, HostdevSpec, MdevSpec, NicSpec
from kcloud_common.wire import ServerWant
from kcloud_compute import guest_shape
from kcloud_compute.guest_shape import FunctionFacts, HostShape


@dataclass(frozen=True, slots=True)
class Host:
    """What a plan must know about this host that no observation changes."""

    virt_type: str
    network: str
    servers: PurePosixPath
    """Folder that holds a folder per server."""
    resume: bool = False
    """Start servers again that ran when the host went down."""
    shutdown_grace: float = 60.0


@dataclass(frozen=True, slots=True)
class Around:
    """What an observation says that decides the guest's shape."""

    functions: Mapping[str, FunctionFacts] = field(default_factory=dict)
    """By address, of the functions that guests may get."""
    mdev_nodes: Mapping[UUID, int | None] = field(default_factory=dict)
    """NUMA nodes of mediated devices' cards."""
    shape: HostShape = field(default_factory=HostShape)


def functions_of(want: ServerWant, around: Around) -> tuple[FunctionFacts, ...]:
    addresses = (address for claim in want.claims for address in claim.addresses)
    return tuple(around.functions.get(address, FunctionFacts()) for address in addresses)


def domain_spec(want: ServerWant, host: Host, around: Around | None = None) -> DomainSpec:
    """Devices in the order of the claims, functions in the order of each claim's addresses. Raises
    guest_shape.Unfit when this host cannot give the shape that the flavor asks for."""
    around = around or Around()
    functions, memory = functions_of(want, around), want.memory_mib
    mdevs = [claim.mdev for claim in want.claims if claim.mdev is not None]
    near = [*(each.numa_node for each in functions), *(around.mdev_nodes.get(mdev) for mdev in mdevs)]
    nodes = [node for node in near if node is not None]
    cells, page = guest_shape.seated(want.vcpus, memory, want.shape, around.shape, nodes)
    space = guest_shape.address_space(memory, functions, want.shape, around.shape) if want.claims else None
    folder = host.servers / str(want.id)
    disks = [DiskSpec(folder / "disk.qcow2", "qcow2")]
    if want.guest is not None:
        disks.append(DiskSpec(folder / "config.iso", "raw", device="cdrom"))
    return DomainSpec(
        uuid=want.id,
        name=f"kcloud-{want.id}",
        title=want.name,
        vcpus=want.vcpus,
        memory_mib=want.memory_mib,
        virt_type=host.virt_type,
        disks=tuple(disks),
        nics=tuple(NicSpec(port.mac, host.network) for port in want.ports),
        hostdevs=tuple(
            HostdevSpec(address, guest_shape.cell_of(_node(address, around), cells))
            for claim in want.claims
            for address in claim.addresses
        ),
        mdevs=tuple(
            MdevSpec(mdev, guest_shape.cell_of(around.mdev_nodes.get(mdev), cells)) for mdev in mdevs
        ),
        cells=cells,
        page_kib=page,
        address_space=space,
        console_log=folder / "console.log",
        metadata=DomainMetadata(
            project_id=want.guest.project_id if want.guest else "",
            generation=want.generation,
            claims=tuple(claim.id for claim in want.claims),
        ),
    )


def _node(address: str, around: Around) -> int | None:
    return around.functions.get(address, FunctionFacts()).numa_node
