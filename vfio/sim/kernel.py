"""Answers writes to a fake host's files as the kernel does, errnos included. What it says is in vfio/sim."""

import errno
import os
import re
from collections.abc import Callable

from vfio.device import ADDRESS
from vfio.sim.drivers import Drivers, refused
from vfio.sim.knobs import KNOBS, resize_bar, turn
from vfio.sim.mdev import MediatedDevices
from vfio.sim.reset import Resets
from vfio.sim.sriov import VirtualFunctions
from vfio.sim.tree import FakeFunction, FakeTree
from vfio.sim.vendor_vfio import VendorVfio
from vfio.sim.xe import XeAdministration

_DRIVER_FILE = re.compile(r"sys/bus/pci/drivers/([^/]+)/(bind|unbind)\Z")
_PROBE_FILE = "sys/bus/pci/drivers_probe"
_BY_ADDRESS = "sys/bus/pci/devices/"

_Act = Callable[..., None]


class FakeKernel:
    """Decides what a write does to the tree."""

    def __init__(self, tree: FakeTree) -> None:
        self._tree = tree
        self.drivers = Drivers(tree)
        self.functions = VirtualFunctions(tree, self.drivers)
        self.mdevs = MediatedDevices(tree, self.drivers, self.functions)
        self.vendor = VendorVfio(tree, self.drivers, self.functions)
        self.xe = XeAdministration(tree, self.drivers, self.functions)
        self.resets = Resets(tree)
        self.resets.hooks.append(self.xe.after_reset)
        self._files = self._table()

    def write(self, path: str, data: bytes) -> None:
        text = data.decode()
        if path == _PROBE_FILE:
            self.drivers.probe(self._present(text.strip()))
        elif found := _DRIVER_FILE.match(path):
            act = self.drivers.bind if found[2] == "bind" else self.drivers.unbind
            act(found[1], text.strip())
        elif place := self._place(path):
            self._device_write(*place, path=path, text=text)
        else:
            raise self._no_store(path)

    def arrive(self, function: FakeFunction) -> None:
        """A function is there, and a driver may take it."""
        self._tree.add(function)
        self.drivers.probe(function.address)

    def reboot(self) -> None:
        """Functions are as at their first start: what was made of them is gone, native drivers are back."""
        self._tree.new_boot()
        for address in self._tree.addresses():
            if self._tree.folder(address) is not None:  # a VF goes with its PF
                self.drivers.let_go(address)
        for address in self._tree.addresses():
            function = self._tree.function(address)
            self._tree.describe(function, self._tree.home(address))
            self.drivers.probe(address)

    def relent(self) -> None:
        """Forget every planned failure."""
        self.drivers.refusals.clear()
        self.resets.harms.clear()
        self.mdevs.lies.clear()
        self.vendor.lies.clear()
        self.functions.short_of.clear()

    def _table(self) -> tuple[tuple[re.Pattern[str], _Act], ...]:
        """Files of a function, by their path below its folder; acts take the address, the path's groups and
        the text."""
        tree, mdevs, vendor, xe = self._tree, self.mdevs, self.vendor, self.xe
        knobs = "|".join(map(re.escape, KNOBS))
        profile = "exec_quantum_ms|preempt_timeout_us|sched_priority|vram_quota"
        files: dict[str, _Act] = {
            rf"({knobs})": lambda address, name, text: turn(tree, address, name, text),
            r"remove": lambda address, _: self._remove(address),
            r"sriov_numvfs": self.functions.set_count,
            r"reset": self.resets.reset,
            r"reset_method": self.resets.choose,
            r"resource(\d)_resize": lambda address, index, text: resize_bar(tree, address, index, text),
            r"mdev_supported_types/([^/]+)/create": mdevs.create,
            r"([0-9a-f-]{36})/remove": mdevs.remove,
            r"nvidia/current_vgpu_type": vendor.set_type,
            r"nvidia/vgpu_params": vendor.set_params,
            r"nvidia/placement_id": vendor.set_placement,
            rf"sriov_admin/(pf|vf\d+)/profile/({profile})": xe.set_profile,
            rf"sriov_admin/\.bulk_profile/({profile})": xe.set_all,
            r"sriov_admin/(vf\d+)/stop": xe.stop,
        }
        return tuple((re.compile(pattern), act) for pattern, act in files.items())

    def _device_write(self, address: str, below: str, *, path: str, text: str) -> None:
        self._present(address)
        for pattern, act in self._files:
            if found := pattern.fullmatch(below):
                act(address, *found.groups(), text)
                return
        raise self._no_store(path)

    def _place(self, path: str) -> tuple[str, str] | None:
        """The function that a file is of, whichever way leads to it, and the file's path in its folder."""
        parent, _, name = path.rpartition("/")
        root = os.path.realpath(self._tree.root)
        real = os.path.realpath(f"{root}/{parent}")[len(root) + 1 :]
        if not real.startswith(("sys/devices/pci", _BY_ADDRESS)):
            return None
        parts = real.split("/")
        last = max((index for index, part in enumerate(parts) if ADDRESS.match(part)), default=None)
        return None if last is None else (parts[last], "/".join([*parts[last + 1 :], name]))

    def _remove(self, address: str) -> None:
        self.drivers.let_go(address)
        self._tree.remove(address)

    def _present(self, address: str) -> str:
        if self._tree.folder(address) is None:
            raise refused(errno.ENODEV)
        return address

    def _no_store(self, path: str) -> OSError:
        """What a file says that takes no writes, or is not there."""
        return refused(errno.EACCES if (self._tree.root / path).exists() else errno.ENOENT)
