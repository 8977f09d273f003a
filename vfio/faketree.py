"""Lays out the files of a fake host as the kernel does: PCI functions, IOMMU groups, drivers, a disk, a NIC.

All state of a fake host is in this tree, so that it outlives the process as a kernel would.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

_MEMORY_64_PREFETCHABLE = 0x0014220C
_BAR_START = 0x38_0000_0000_00
_UNUSED_BAR = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"


@dataclass(frozen=True, slots=True)
class FakeFunction:
    """One PCI function as it is when the host starts."""

    address: str
    vendor: int
    product: int
    class_code: int
    """All 24 bits."""
    driver: str | None = None
    """The native driver, bound at start and whenever the kernel may choose."""
    group: int | None = None
    numa_node: int = -1
    path: tuple[str, ...] = ()
    """Bridges above it; they must be functions of the host."""
    bar_sizes: tuple[int, ...] = ()
    """Sizes of its 64-bit prefetchable BARs."""
    total_vfs: int = 0
    vf_product: int = 0
    reset_methods: tuple[str, ...] = ("flr", "bus")
    boot_vga: bool = False
    physfn: str | None = None
    link: tuple[float, int] | None = None
    """Greatest speed in GT/s and width."""


class FakeTree:
    """The folder. Knows where things lie; decides nothing (vfio.fakekernel does)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.drivers = root / "sys/bus/pci/drivers"
        self.by_address = root / "sys/bus/pci/devices"
        self._natives = root / ".native-drivers"
        if not self.drivers.exists():
            self._lay_ground()

    def _lay_ground(self) -> None:
        for folder in ("sys/bus/pci/devices", "sys/kernel/iommu_groups", "sys/class/net", "sys/class/block"):
            (self.root / folder).mkdir(parents=True)
        for folder in ("sys/dev/block", "sys/class/tty/console", "proc/net", ".native-drivers"):
            (self.root / folder).mkdir(parents=True)
        self.put("sys/bus/pci/drivers_probe", "")
        self.put("sys/class/tty/console/active", "tty0 ttyS0\n")
        self.put("proc/self/mountinfo", "22 1 0:21 / /proc rw,nosuid - proc proc rw\n")
        self.put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n")
        self.put("proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n")
        self.put("proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80 lo\n")
        self.new_boot()
        self.drivers.mkdir()

    def new_boot(self) -> None:
        self.put("proc/sys/kernel/random/boot_id", f"{uuid4()}\n")

    def put(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def addresses(self) -> tuple[str, ...]:
        return tuple(sorted(entry.name for entry in self.by_address.iterdir()))

    def folder(self, address: str) -> Path | None:
        """Where the function's files are; None when the host has no such function."""
        link = self.by_address / address
        return link.resolve() if link.exists() else None

    def add(self, function: FakeFunction) -> None:
        domain_and_bus = (function.path or (function.address,))[0][:7]
        folder = self.root.joinpath("sys/devices", f"pci{domain_and_bus}", *function.path, function.address)
        folder.mkdir(parents=True)
        for name, text in _attributes(function).items():
            (folder / name).write_text(text)
        _link(self.by_address / function.address, folder)
        if function.group is not None:
            self._join_group(folder, function.address, function.group)
        if function.physfn is not None:
            physical = self.by_address.joinpath(function.physfn).resolve()
            _link(folder / "physfn", physical)
        if function.driver is not None:
            self.add_driver(function.driver)
            (self._natives / function.address).write_text(function.driver)
            self.attach(function.address, function.driver)

    def remove(self, address: str) -> None:
        folder = (self.by_address / address).resolve()
        self.detach(address)
        group = folder / "iommu_group"
        if group.exists():
            (group.resolve() / "devices" / address).unlink(missing_ok=True)
        (self.by_address / address).unlink()
        shutil.rmtree(folder)

    def add_driver(self, driver: str) -> None:
        folder = self.drivers / driver
        folder.mkdir(exist_ok=True)
        for name in ("bind", "unbind", "new_id", "remove_id"):
            (folder / name).touch()

    def remove_driver(self, driver: str) -> None:
        for address in self.addresses():
            if self.driver_of(address) == driver:
                self.detach(address)
        shutil.rmtree(self.drivers / driver)

    def driver_of(self, address: str) -> str | None:
        link = self.by_address / address / "driver"
        return link.resolve().name if link.is_symlink() else None

    def native_of(self, address: str) -> str | None:
        """The driver whose id table has the function."""
        path = self._natives / address
        return path.read_text() if path.exists() else None

    def attach(self, address: str, driver: str) -> None:
        folder = (self.by_address / address).resolve()
        _link(folder / "driver", self.drivers / driver)
        _link(self.drivers / driver / address, folder)

    def detach(self, address: str) -> None:
        if driver := self.driver_of(address):
            (self.drivers / driver / address).unlink()
            (self.by_address / address / "driver").unlink()

    def add_disk(self, name: str, address: str, mounted_at: str) -> None:
        """A block device under a PCI function, with one mounted filesystem on its first partition."""
        number = f"259:{len(list((self.root / 'sys/dev/block').iterdir()))}"
        disk = self.by_address.joinpath(address).resolve() / f"block/{name}"
        partition = disk / f"{name}p1"
        for folder in (disk, partition):
            (folder / "holders").mkdir(parents=True)
            (folder / "slaves").mkdir()
            _link(self.root / "sys/class/block" / folder.name, folder)
        _link(self.root / "sys/dev/block" / number, partition)
        with (self.root / "proc/self/mountinfo").open("a") as file:
            file.write(f"25 1 {number} / {mounted_at} rw - ext4 /dev/{name}p1 rw\n")

    def add_nic(self, name: str, address: str, *, up: bool) -> None:
        """A network interface on a PCI function; an up one gets the default route."""
        function = self.by_address.joinpath(address).resolve()
        folder = function / f"net/{name}"
        folder.mkdir(parents=True)
        (folder / "flags").write_text("0x1003\n" if up else "0x1002\n")
        _link(folder / "device", function)
        _link(self.root / "sys/class/net" / name, folder)
        if up:
            with (self.root / "proc/net/route").open("a") as file:
                file.write(f"{name}\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\n")

    def picture(self) -> dict[str, str]:
        """Every file and link of /sys and /proc with what it holds, for comparing before and after."""
        seen: dict[str, str] = {}
        waiting = [f"{self.root}/sys", f"{self.root}/proc"]
        while waiting:
            for entry in os.scandir(waiting.pop()):
                if entry.is_symlink():
                    seen[entry.path] = f"-> {os.readlink(entry.path)}"  # noqa: PTH115 (read thousands of times)
                elif entry.is_dir():
                    waiting.append(entry.path)
                else:
                    with open(entry.path) as file:  # noqa: PTH123
                        seen[entry.path] = file.read()
        return seen

    def _join_group(self, folder: Path, address: str, group: int) -> None:
        members = self.root / f"sys/kernel/iommu_groups/{group}/devices"
        members.mkdir(parents=True, exist_ok=True)
        (members.parent / "type").write_text("DMA\n")
        _link(folder / "iommu_group", members.parent)
        _link(members / address, folder)


def _link(link: Path, target: Path) -> None:
    link.symlink_to(os.path.relpath(target, link.parent))


def _attributes(function: FakeFunction) -> dict[str, str]:
    texts = {
        "vendor": f"0x{function.vendor:04x}\n",
        "device": f"0x{function.product:04x}\n",
        "subsystem_vendor": f"0x{function.vendor:04x}\n",
        "subsystem_device": "0x0001\n",
        "class": f"0x{function.class_code:06x}\n",
        "revision": "0x01\n",
        "driver_override": "(null)\n",
        "numa_node": f"{function.numa_node}\n",
        "resource": _resource(function.bar_sizes),
        "remove": "",
    }
    if function.reset_methods:
        texts["reset_method"] = " ".join(function.reset_methods) + "\n"
    if function.link is not None:
        speed, width = function.link
        texts |= {"max_link_speed": f"{speed} GT/s PCIe\n", "max_link_width": f"{width}\n"}
    if function.total_vfs:
        texts |= {"sriov_totalvfs": f"{function.total_vfs}\n", "sriov_numvfs": "0\n"}
        texts["sriov_vf_device"] = f"{function.vf_product:04x}\n"
    if function.class_code >> 8 == 0x0300:
        texts["boot_vga"] = f"{int(function.boot_vga)}\n"
    return texts


def _resource(bar_sizes: tuple[int, ...]) -> str:
    """Thirteen lines: six BARs (a 64-bit one takes two), the ROM, the VFs' BARs."""
    rows = []
    for size in bar_sizes:
        rows.append(f"0x{_BAR_START:016x} 0x{_BAR_START + size - 1:016x} 0x{_MEMORY_64_PREFETCHABLE:016x}\n")
        rows.append(_UNUSED_BAR)
    return "".join(rows + [_UNUSED_BAR] * (13 - len(rows)))
