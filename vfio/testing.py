"""Fake hosts to test against; a cloud on the fake hypervisor runs on them too.

Each has a boot disk and an active NIC besides its accelerator, and vfio-pci loaded. A folder that already
holds a fake host is taken as it stands, as a kernel outlives the processes on it.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vfio.driver import VFIO_PCI
from vfio.sim.host import Crash, FakeHost
from vfio.sim.reset import Harm
from vfio.sim.tree import FakeFunction

__all__ = [
    "Crash", "FakeFunction", "FakeHost", "Harm", "behind_bridge", "eight_gpus", "gpu_host", "npu_host",
    "two_function_group",
]  # fmt: skip

GIB = 1 << 30
MIB = 1 << 20


def gpu_host(folder: Path) -> FakeHost:
    """One A100-like GPU alone in its IOMMU group."""
    return _furnished(folder, _GPU)


def two_function_group(folder: Path) -> FakeHost:
    """A GPU and its audio function in one group."""
    audio = FakeFunction(
        "0000:41:00.1", 0x10DE, 0x1AEF, 0x040300, driver="snd_hda_intel", group=41, numa_node=0
    )
    return _furnished(folder, _GPU, audio)


def npu_host(folder: Path) -> FakeHost:
    """One NPU of the class of processing accelerators, with eight virtual functions to be had."""
    return _furnished(folder, _NPU)


def behind_bridge(folder: Path) -> FakeHost:
    """Two GPUs below one conventional bridge, hence in one group with it."""
    above = ("0000:00:03.0", "0000:60:00.0")
    bridge = FakeFunction("0000:60:00.0", 0x10B5, 0x8112, 0x060401, group=60, path=above[:1])
    gpus = (
        FakeFunction(f"0000:61:0{slot}.0", 0x10DE, 0x1EB8, 0x030200, driver="nouveau", group=60, path=above)
        for slot in (0, 1)
    )
    return _furnished(folder, _PORTS[2], bridge, *gpus)


def eight_gpus(folder: Path) -> FakeHost:
    """Four PCIe switches with two GPUs below each; two of the switches on each of two NUMA nodes."""
    switches = ((0, "10", "01", 0x11), (0, "10", "03", 0x21), (1, "80", "01", 0x81), (1, "80", "03", 0x91))
    return _furnished(folder, *(part for switch in switches for part in _switch(*switch)))


def _switch(node: int, root_bus: str, slot: str, bus: int) -> Iterator[FakeFunction]:
    """A root port, the switch's upstream port, and two downstream ports, each with a GPU below it."""
    path = (f"0000:{root_bus}:{slot}.0", f"0000:{bus:02x}:00.0")
    port = FakeFunction(
        path[0], 0x8086, 0x347A, 0x060400, driver="pcieport", group=bus, numa_node=node, link=(16.0, 16)
    )
    yield port
    yield replace(port, address=path[1], vendor=0x1000, product=0xC010, group=bus + 1, path=path[:1])
    for number in (0, 1):
        down = f"0000:{bus + 1:02x}:{number:02x}.0"
        yield replace(port, address=down, vendor=0x1000, product=0xC010, group=bus + 2 + number, path=path)
        gpu, group = f"0000:{bus + 2 + number:02x}:00.0", bus + 4 + number
        yield replace(_GPU, address=gpu, group=group, numa_node=node, path=(*path, down))


_PORTS = tuple(
    FakeFunction(f"0000:00:0{n}.0", 0x8086, 0x3420, 0x060400, driver="pcieport", group=n) for n in (1, 2, 3)
)
_DISK = FakeFunction(
    "0000:01:00.0", 0x144D, 0xA80A, 0x010802, driver="nvme", group=10, path=("0000:00:01.0",)
)
_NIC = FakeFunction("0000:02:00.0", 0x8086, 0x10C9, 0x020000, driver="igb", group=11, path=("0000:00:02.0",))
_GPU = FakeFunction(
    "0000:41:00.0",
    0x10DE,
    0x20B5,
    0x030200,
    driver="nouveau",
    group=41,
    numa_node=0,
    bar_sizes=(16 * MIB, 128 * GIB, 32 * MIB),
    link=(16.0, 16),
)
_NPU = FakeFunction(
    "0000:51:00.0",
    0x1ED2,
    0x0001,
    0x120000,
    driver="rngd",
    group=51,
    numa_node=1,
    bar_sizes=(64 * GIB,),
    total_vfs=8,
    vf_product=0x0001,
)


def _furnished(folder: Path, *functions: FakeFunction) -> FakeHost:
    """A host that boots from one disk, is reached over one NIC and has vfio-pci loaded."""
    host = FakeHost(folder)
    if not host.addresses():
        host.load_driver(VFIO_PCI)
        host.add(*_PORTS[:2], _DISK, _NIC, *functions)
        host.add_disk("nvme0n1", _DISK.address, mounted_at="/")
        host.add_nic("enp2s0", _NIC.address, up=True)
    return host
