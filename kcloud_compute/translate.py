"""From what a server should be to the complete domain that a driver is given. Pure."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from hypervisor_drivers.spec import DiskSpec, DomainMetadata, DomainSpec, HostdevSpec, NicSpec
from kcloud_common.wire import ServerWant


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


def domain_spec(want: ServerWant, host: Host) -> DomainSpec:
    """Devices in the order of the claims, functions in the order of each claim's addresses."""
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
        hostdevs=tuple(HostdevSpec(address) for claim in want.claims for address in claim.addresses),
        console_log=folder / "console.log",
        metadata=DomainMetadata(
            project_id=want.guest.project_id if want.guest else "",
            generation=want.generation,
            claims=tuple(claim.id for claim in want.claims),
        ),
    )
