"""Domain specs that tests of the hypervisor drivers share: one per golden file (tests/unit/golden/domain)."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from uuid import UUID

from hypervisor_drivers.spec import (
    AddressSpace,
    CellSpec,
    DiskSpec,
    DomainMetadata,
    DomainSpec,
    HostdevSpec,
    MdevSpec,
    NicSpec,
)

_FOLDER = PurePosixPath("/var/lib/kcloud/servers")


def _spec(number: int, *, title: str, virt_type: str = "qemu", **more: object) -> DomainSpec:
    uuid = UUID(int=0x8B5E_0000_0000_4000_8000_0000_0000_0000 + number)
    folder = _FOLDER / str(uuid)
    facts: dict[str, object] = {
        "vcpus": 1,
        "memory_mib": 512,
        "disks": (DiskSpec(folder / "disk.qcow2", "qcow2"),),
        "nics": (),
        "hostdevs": (),
        "metadata": DomainMetadata(project_id="5f0e7a1b6c9d4e2f8a3b0c1d2e3f4a5b", generation=1),
        **more,
    }
    return DomainSpec(
        uuid=uuid,
        name=f"kcloud-{uuid}",
        title=title,
        virt_type=virt_type,
        console_log=folder / "console.log",
        **facts,  # type: ignore[arg-type]
    )


def _config_drive(number: int) -> DiskSpec:
    return DiskSpec(_FOLDER / f"config-{number}.iso", "raw", "cdrom")


GOLDEN: Mapping[str, DomainSpec] = {
    "least": _spec(1, title="least"),
    "ordinary": _spec(
        2,
        title="web-1",
        virt_type="kvm",
        vcpus=4,
        memory_mib=8192,
        disks=(DiskSpec(_FOLDER / "disk.qcow2", "qcow2"), _config_drive(2)),
        nics=(NicSpec("fa:16:3e:00:00:01", "kcloud"),),
    ),
    "accelerated": _spec(
        3,
        title='a "title" <with> & everything\n\x00 é 漢',
        virt_type="kvm",
        vcpus=16,
        memory_mib=65536,
        disks=(DiskSpec(_FOLDER / "disk.qcow2", "qcow2"), _config_drive(3)),
        nics=(NicSpec("fa:16:3e:00:00:02", "kcloud"), NicSpec("fa:16:3e:00:00:03", "kcloud")),
        hostdevs=(HostdevSpec("0000:41:00.0"), HostdevSpec("0000:41:00.1"), HostdevSpec("10000:e1:1f.7")),
        metadata=DomainMetadata(
            project_id="5f0e7a1b6c9d4e2f8a3b0c1d2e3f4a5b",
            generation=7,
            claims=(UUID(int=1 << 100), UUID(int=2 << 100)),
        ),
    ),
    "more-ports-than-a-slot-has": _spec(
        4,
        title="eight cards",
        virt_type="kvm",
        nics=(NicSpec("fa:16:3e:00:00:04", "kcloud"),),
        hostdevs=tuple(HostdevSpec(f"0000:{bus:02x}:00.0") for bus in range(0x41, 0x49)),
    ),
    "raw-under-emulation": _spec(
        5,
        title="raw",
        disks=(DiskSpec(_FOLDER / "disk.raw", "raw"),),
        nics=(NicSpec("fa:16:3e:00:00:05", "lan"),),
    ),
    "mediated": _spec(
        6,
        title="two slices",
        virt_type="kvm",
        nics=(NicSpec("fa:16:3e:00:00:06", "kcloud"),),
        mdevs=(MdevSpec(UUID(int=6 << 100)), MdevSpec(UUID(int=7 << 100))),
    ),
    "two-nodes": _spec(
        7,
        title="four cards on two nodes",
        virt_type="kvm",
        vcpus=8,
        memory_mib=131072,
        nics=(NicSpec("fa:16:3e:00:00:07", "kcloud"),),
        hostdevs=tuple(
            HostdevSpec(f"0000:{bus:02x}:00.0", cell=bus // 0x80) for bus in (0x41, 0x42, 0xC1, 0xC2)
        ),
        mdevs=(MdevSpec(UUID(int=8 << 100), cell=1),),
        cells=(
            CellSpec((0, 1, 2, 3), 65536, host_node=0, host_cpus="0-15,32-47"),
            CellSpec((4, 5, 6, 7), 65536, host_node=1, host_cpus="16-31,48-63"),
        ),
        page_kib=1048576,
        address_space=AddressSpace(hole64_mib=1 << 20),
    ),
    "hgx": _spec(
        9,
        title="all eight cards of an HGX board, on the nodes where they are",
        virt_type="kvm",
        vcpus=96,
        memory_mib=1 << 20,
        disks=(DiskSpec(_FOLDER / "disk.qcow2", "qcow2"), _config_drive(9)),
        nics=(NicSpec("fa:16:3e:00:00:08", "kcloud"),),
        hostdevs=tuple(
            HostdevSpec(f"0000:{bus:02x}:00.0", cell=bus // 0x80)
            for bus in (0x1B, 0x43, 0x52, 0x61, 0x9D, 0xC3, 0xD1, 0xDF)
        ),
        cells=(
            CellSpec(tuple(range(48)), 1 << 19, host_node=0, host_cpus="0-55,112-167"),
            CellSpec(tuple(range(48, 96)), 1 << 19, host_node=1, host_cpus="56-111,168-223"),
        ),
        page_kib=1048576,
        address_space=AddressSpace(hole64_mib=4 << 20),
    ),
    "slices": _spec(
        10,
        title="a function of an xe card, one on its vendor's driver, and a mediated device",
        virt_type="kvm",
        vcpus=8,
        memory_mib=32768,
        nics=(NicSpec("fa:16:3e:00:00:09", "kcloud"),),
        hostdevs=(HostdevSpec("0000:03:00.1"), HostdevSpec("0000:41:00.4")),
        mdevs=(MdevSpec(UUID(int=9 << 100)),),
        address_space=AddressSpace(hole64_mib=65536),
    ),
    "told-bits": _spec(
        8,
        title="an emulated CPU with room",
        hostdevs=(HostdevSpec("0000:41:00.0"),),
        address_space=AddressSpace(hole64_mib=65536, phys_bits=42),
    ),
}
