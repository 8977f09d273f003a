"""Lays out the files of a fake host as the kernel does: PCI functions, IOMMU groups, drivers.

All state of a fake host is in this tree, so that it outlives the process as a kernel would. What no file of a
real host shows (a function's nature, which devices a process holds open) is beside /sys and /proc.
"""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from vfio.sim.attributes import attributes, uevent, vital_product_data
from vfio.sim.config_space import config_space
from vfio.sim.files import link_to, write_raw
from vfio.sim.function import FakeFunction

__all__ = ["FakeFunction", "FakeTree"]

_VFIO_PCI = "vfio-pci"
_INSTANCE = ".sim/instance"
"""What tells this fake host from all others."""
_GROUND = (
    "sys/bus/pci/devices", "sys/bus/mdev/devices", "sys/kernel/iommu_groups", "sys/class/net",
    "sys/class/block", "sys/class/mdev_bus", "sys/class/vfio-dev", "sys/dev/block",
    "sys/class/tty/console", "proc/net", "dev/vfio", ".sim/functions", ".sim/open",
)  # fmt: skip


class FakeTree:
    """The folder. Knows where things lie; decides nothing (vfio.sim.kernel does)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.drivers = root / "sys/bus/pci/drivers"
        self.by_address = root / "sys/bus/pci/devices"
        self.groups = root / "sys/kernel/iommu_groups"
        self._functions = root / ".sim/functions"
        self._opened = root / ".sim/open"
        self._known: dict[str, FakeFunction] = {}
        self._homes: dict[str, Path] = {}
        if not self.drivers.exists():
            self._lay_ground()

    def _lay_ground(self) -> None:
        for folder in _GROUND:
            (self.root / folder).mkdir(parents=True)
        self.put("sys/bus/pci/drivers_probe", "")
        self.put("dev/vfio/vfio", "")
        self.put("sys/class/tty/console/active", "tty0 ttyS0\n")
        self.put("proc/self/mountinfo", "22 1 0:21 / /proc rw,nosuid - proc proc rw\n")
        self.put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n")
        self.put("proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n")
        self.put("proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80 lo\n")
        self.put(_INSTANCE, uuid4().hex[:8].upper())
        self.new_boot()
        self.drivers.mkdir()

    def new_boot(self) -> None:
        """Another boot id, and nobody holds anything open."""
        self.put("proc/sys/kernel/random/boot_id", f"{uuid4()}\n")
        for name in self.opened():
            self.close(name)

    def put(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        write_raw(f"{self.root}/{path}", text.encode())

    # --- PCI functions -------------------------------------------------------------------------------

    def addresses(self) -> tuple[str, ...]:
        return tuple(sorted(os.listdir(self.by_address)))  # noqa: PTH208

    def folder(self, address: str) -> Path | None:
        """Where the function's files are; None when the host has no such function."""
        return self.home(address) if (self.by_address / address).exists() else None

    def home(self, address: str) -> Path:
        """Where the files of a function lie that is there."""
        known = self._homes.get(address)
        if known is None:
            known = self._homes[address] = self.root / "sys/devices" / _way(self.function(address))
        return known

    def function(self, address: str) -> FakeFunction:
        """Its nature, as it was added."""
        known = self._known.get(address)
        if known is None:
            raw = json.loads((self._functions / address).read_text())
            known = self._known[address] = FakeFunction.loaded(raw)
        return known

    def add(self, function: FakeFunction) -> None:
        address = function.address
        if function.serial:  # that no card of another host has, even if both are simulated alike
            function = replace(function, serial=f"{function.serial}{(self.root / _INSTANCE).read_text()}")
        write_raw(f"{self._functions}/{address}", json.dumps(function.dumped()).encode())
        self._known[address] = function
        folder = self.home(address)
        os.makedirs(f"{folder}/power")  # noqa: PTH103
        self.describe(function, folder)
        link_to(self.by_address / address, folder)
        if function.group is not None:
            self.join_group(folder, address, function.group)
        if function.physfn is not None:
            link_to(folder / "physfn", self.home(function.physfn))
        if function.driver is not None:
            self.add_driver(function.driver)

    def describe(self, function: FakeFunction, folder: Path) -> None:
        """Write all its plain files, as they are when the host has just started."""
        texts = attributes(function) | {"uevent": uevent(function, None)}
        within = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name, text in texts.items():
                write_raw(name, text.encode(), within)
            write_raw("config", config_space(function), within)
            if function.serial:
                write_raw("vpd", vital_product_data(function), within)
        finally:
            os.close(within)

    def remove(self, address: str) -> None:
        folder = self.home(address)
        self.detach(address)
        self.leave_group(folder, address)
        (self.by_address / address).unlink()
        (self._functions / address).unlink()
        self._known.pop(address, None)
        self._homes.pop(address, None)
        self.close(address)
        shutil.rmtree(folder)

    # --- drivers -------------------------------------------------------------------------------------

    def add_driver(self, driver: str) -> None:
        folder = self.drivers / driver
        if not folder.exists():
            folder.mkdir()
            for name in ("bind", "unbind", "new_id", "remove_id"):
                (folder / name).touch()

    def remove_driver(self, driver: str) -> None:
        for address in self.addresses():
            if self.driver_of(address) == driver:
                self.detach(address)
        shutil.rmtree(self.drivers / driver)

    def driver_of(self, address: str) -> str | None:
        try:
            return os.readlink(f"{self.by_address}/{address}/driver").rpartition("/")[2]  # noqa: PTH115
        except OSError:
            return None

    def native_of(self, address: str) -> str | None:
        """The driver whose id table has the function."""
        return self.function(address).driver

    def attach(self, address: str, driver: str) -> None:
        folder = self.home(address)
        link_to(folder / "driver", self.drivers / driver)
        link_to(self.drivers / driver / address, folder)
        write_raw(f"{folder}/uevent", uevent(self.function(address), driver).encode())
        if driver == _VFIO_PCI:
            self._appear_in_vfio(folder)

    def detach(self, address: str) -> None:
        if driver := self.driver_of(address):
            folder = self.home(address)
            (self.drivers / driver / address).unlink()
            (folder / "driver").unlink()
            write_raw(f"{folder}/uevent", uevent(self.function(address), None).encode())
            if driver == _VFIO_PCI:
                self._leave_vfio(folder)

    def _appear_in_vfio(self, folder: Path) -> None:
        taken = {entry.name for entry in (self.root / "sys/class/vfio-dev").iterdir()}
        name = next(f"vfio{n}" for n in range(len(taken) + 1) if f"vfio{n}" not in taken)
        (folder / "vfio-dev" / name).mkdir(parents=True)
        link_to(self.root / "sys/class/vfio-dev" / name, folder / "vfio-dev" / name)
        if (folder / "iommu_group").exists():
            self.put(f"dev/vfio/{(folder / 'iommu_group').resolve().name}", "")

    def _leave_vfio(self, folder: Path) -> None:
        for entry in (folder / "vfio-dev").iterdir():
            (self.root / "sys/class/vfio-dev" / entry.name).unlink()
        shutil.rmtree(folder / "vfio-dev")
        group = folder / "iommu_group"
        if group.exists() and not any(
            self.driver_of(member) == _VFIO_PCI
            for member in os.listdir(group / "devices")  # noqa: PTH208
        ):
            (self.root / "dev/vfio" / group.resolve().name).unlink(missing_ok=True)

    # --- IOMMU groups and open devices ---------------------------------------------------------------

    def free_group(self) -> int:
        return 1 + max((int(name) for name in os.listdir(self.groups)), default=-1)  # noqa: PTH208

    def join_group(self, folder: Path, name: str, group: int) -> None:
        home = f"{self.groups}/{group}"
        if not os.path.exists(home):  # noqa: PTH110
            os.makedirs(f"{home}/devices")  # noqa: PTH103
            write_raw(f"{home}/type", b"DMA\n")
        link_to(f"{folder}/iommu_group", home)
        link_to(f"{home}/devices/{name}", folder)

    def leave_group(self, folder: Path, name: str) -> None:
        """The group goes with its last member."""
        group = (folder / "iommu_group").resolve()
        if (folder / "iommu_group").is_symlink() and group.exists():
            (group / "devices" / name).unlink(missing_ok=True)
            if not os.listdir(group / "devices"):  # noqa: PTH208
                shutil.rmtree(group)

    def open(self, name: str) -> None:
        (self._opened / name).touch()

    def close(self, name: str) -> None:
        (self._opened / name).unlink(missing_ok=True)

    def opened(self) -> tuple[str, ...]:
        """Addresses and mdev uuids that a process holds open."""
        return tuple(os.listdir(self._opened))  # noqa: PTH208


def _way(function: FakeFunction) -> str:
    """Its folder below sys/devices: the bridges above it, and a host bridge where a domain begins."""
    parts: list[str] = []
    domain = ""
    for address in (*function.path, function.address):
        here, bus, _ = address.split(":")
        if here != domain:
            parts.append(f"pci{here}:{bus}")
        domain = here
        parts.append(address)
    return "/".join(parts)
