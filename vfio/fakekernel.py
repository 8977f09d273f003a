"""Answers writes to a fake host's files as the kernel does (drivers/base/bus.c), errnos included."""

import errno
import os
import re
from collections.abc import Callable

from vfio.faketree import FakeFunction, FakeTree

_DEVICE_FILE = re.compile(r"sys/bus/pci/devices/([^/]+)/(driver_override|sriov_numvfs|remove)\Z")
_DRIVER_FILE = re.compile(r"sys/bus/pci/drivers/([^/]+)/(bind|unbind)\Z")
_PROBE_FILE = "sys/bus/pci/drivers_probe"


class FakeKernel:
    """Decides what a write does to the tree. `refusals` maps (driver, address) to the errno of its probe."""

    def __init__(self, tree: FakeTree) -> None:
        self._tree = tree
        self.refusals: dict[tuple[str, str], int] = {}

    def write(self, path: str, data: bytes) -> None:
        text = data.decode()
        if path == _PROBE_FILE:
            self._probe(self._present(text.strip()))
        elif found := _DRIVER_FILE.match(path):
            self._driver_write(found[1], found[2], text.strip())
        elif found := _DEVICE_FILE.match(path):
            self._device_write(self._present(found[1]), found[2], text)
        else:
            raise _error(errno.EACCES if self._tree.root.joinpath(path).exists() else errno.ENOENT)

    def _driver_write(self, driver: str, verb: str, address: str) -> None:
        if not (self._tree.drivers / driver).exists():
            raise _error(errno.ENOENT)
        if verb == "unbind":
            if self._tree.folder(address) is None or self._tree.driver_of(address) != driver:
                raise _error(errno.ENODEV)
            self._let_go(address)
            return
        if self._tree.folder(address) is None or self._candidate(address) != driver:
            raise _error(errno.ENODEV)
        if self._tree.driver_of(address) is not None:
            raise _error(errno.EBUSY)
        # Only a write to `bind` learns that the driver's probe failed; drivers_probe keeps it to itself.
        if number := self.refusals.get((driver, address)):
            raise _error(number)
        self._tree.attach(address, driver)

    def _device_write(self, address: str, name: str, text: str) -> None:
        verbs: dict[str, Callable[[str, str], None]] = {
            "driver_override": self._override,
            "sriov_numvfs": self._set_vfs,
            "remove": lambda gone, _: self._remove(gone),
        }
        verbs[name](address, text)

    def _override(self, address: str, text: str) -> None:
        value = text.partition("\n")[0]
        self._attribute(address, "driver_override", value or "(null)")

    def _probe(self, address: str) -> None:
        driver = self._candidate(address)
        if self._tree.driver_of(address) is not None or driver is None:
            return
        if (self._tree.drivers / driver).exists() and (driver, address) not in self.refusals:
            self._tree.attach(address, driver)

    def _candidate(self, address: str) -> str | None:
        """The one driver that may take the function."""
        override = self._tree.by_address.joinpath(address, "driver_override").read_text().strip()
        return self._tree.native_of(address) if override == "(null)" else override

    def _set_vfs(self, address: str, text: str) -> None:
        folder = self._tree.by_address / address
        if not (folder / "sriov_totalvfs").exists():
            raise _error(errno.ENOENT)
        count, now = int(text), int((folder / "sriov_numvfs").read_text())
        if count == now:
            return
        if count > int((folder / "sriov_totalvfs").read_text()):
            raise _error(errno.ERANGE)
        if self._tree.driver_of(address) in (None, "vfio-pci"):
            raise _error(errno.ENOENT)
        if count and now:
            raise _error(errno.EBUSY)
        if count:
            self._enable_vfs(address, count)
        else:
            self._disable_vfs(address)

    def _enable_vfs(self, address: str, count: int) -> None:
        tree = self._tree
        physical = tree.by_address.joinpath(address).resolve()
        first_group = 1 + max(int(g.name) for g in (tree.root / "sys/kernel/iommu_groups").iterdir())
        for index in range(count):
            virtual = FakeFunction(
                address=f"{address[:8]}{0x10 + index // 8:02x}.{index % 8}",
                vendor=int((physical / "vendor").read_text(), 16),
                product=int((physical / "sriov_vf_device").read_text(), 16),
                class_code=int((physical / "class").read_text(), 16),
                group=first_group + index,
                numa_node=int((physical / "numa_node").read_text()),
                path=tuple(
                    part.name for part in reversed(physical.parents) if re.match(r"\w{4}:\w\w:", part.name)
                ),
                physfn=address,
            )
            tree.add(virtual)
            (physical / f"virtfn{index}").symlink_to(f"../{virtual.address}")
        self._attribute(address, "sriov_numvfs", str(count))

    def _disable_vfs(self, address: str) -> None:
        for link in sorted((self._tree.by_address / address).glob("virtfn*")):
            self._tree.remove(link.readlink().name)
            link.unlink()
        self._attribute(address, "sriov_numvfs", "0")

    def _remove(self, address: str) -> None:
        self._let_go(address)
        self._tree.remove(address)

    def _let_go(self, address: str) -> None:
        if (self._tree.by_address / address / "sriov_numvfs").exists():
            self._disable_vfs(address)
        self._tree.detach(address)

    def _attribute(self, address: str, name: str, value: str) -> None:
        self._tree.by_address.joinpath(address, name).write_text(f"{value}\n")

    def _present(self, address: str) -> str:
        if self._tree.folder(address) is None:
            raise _error(errno.ENODEV)
        return address


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
