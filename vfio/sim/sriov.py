"""What writes to sriov_numvfs do (drivers/pci/iov.c)."""

import errno
import re
from collections.abc import Callable

from vfio.sim.drivers import VFIO_PCI, Drivers, refused
from vfio.sim.files import write_raw
from vfio.sim.function import FakeFunction
from vfio.sim.tree import FakeTree

_FUNCTIONS_OF_BUS = 256


class VirtualFunctions:
    def __init__(self, tree: FakeTree, drivers: Drivers) -> None:
        self._tree = tree
        self._drivers = drivers
        self.short_of: dict[str, int] = {}
        """By PF: more VFs than these cannot be made, whatever sriov_totalvfs says."""
        self.changed: list[Callable[[str, int], None]] = []
        """Called with a PF and how many VFs it has now."""
        drivers.leaving.append(self._physical_leaves)

    def set_count(self, address: str, text: str) -> None:
        folder = self._tree.by_address / address
        if not (folder / "sriov_totalvfs").exists():
            raise refused(errno.ENOENT)
        count, now = number(text, 1 << 16), int((folder / "sriov_numvfs").read_text())
        if count > int((folder / "sriov_totalvfs").read_text()):
            raise refused(errno.ERANGE)
        if count == now:
            return
        if self._tree.driver_of(address) in (None, VFIO_PCI):
            raise refused(errno.ENOENT)
        if count and now:
            raise refused(errno.EBUSY)
        if count > self.short_of.get(address, count):
            raise refused(errno.ENOMEM)
        if count:
            self._enable(address, count)
        else:
            self.disable(address)

    def of(self, address: str) -> tuple[str, ...]:
        """The VFs of a function, in order."""
        links = sorted(
            (self._tree.by_address / address).glob("virtfn*"),
            key=lambda link: int(link.name.removeprefix("virtfn")),
        )
        return tuple(link.readlink().name for link in links)

    def disable(self, address: str) -> None:
        """All or none: refused while one is used, as drivers refuse that look (pci_vfs_assigned)."""
        virtual = self.of(address)
        if set(virtual) & set(self._tree.opened()):
            raise refused(errno.EBUSY)
        for index, each in reversed(list(enumerate(virtual))):
            self._drivers.let_go(each)
            self._tree.remove(each)
            (self._tree.by_address / address / f"virtfn{index}").unlink()
        write_raw(str(self._tree.by_address / address / "sriov_numvfs"), b"0\n")
        self._tell(address, 0)

    def _tell(self, address: str, count: int) -> None:
        for hook in self.changed:
            hook(address, count)

    def _enable(self, address: str, count: int) -> None:
        physical, folder = self._tree.function(address), self._tree.home(address)
        group = self._tree.free_group()
        made = []
        for index in range(count):
            virtual = _virtual(physical, index, group + index)
            self._tree.add(virtual)
            (folder / f"virtfn{index}").symlink_to(f"../{virtual.address}")
            made.append(virtual.address)
        write_raw(str(folder / "sriov_numvfs"), f"{count}\n".encode())
        for each in made:
            self._drivers.probe(each)
        self._tell(address, count)

    def _physical_leaves(self, address: str, driver: str) -> None:
        if (self._tree.by_address / address / "sriov_numvfs").exists():
            self.disable(address)


def number(text: str, limit: int) -> int:
    """kstrtouint with base 0; EINVAL for what is none, or none below the limit."""
    try:
        value = int(text.strip(), 0)
    except ValueError:
        raise refused(errno.EINVAL) from None
    if not 0 <= value < limit:
        raise refused(errno.EINVAL)
    return value


def _virtual(physical: FakeFunction, index: int, group: int) -> FakeFunction:
    shared = physical.sriov.shared_group
    return FakeFunction(
        address=virtual_address(physical, index),
        vendor=physical.vendor,
        product=physical.vf_product,
        class_code=physical.class_code,
        driver=physical.sriov.driver,
        group=physical.group if shared or physical.group is None else group,
        numa_node=physical.numa_node,
        path=physical.path,
        bar_sizes=physical.sriov.bar_sizes,
        reset_methods=("flr",),
        physfn=physical.address,
        link=physical.link,
        subsystem=physical.subsystem,
    )


def virtual_address(physical: FakeFunction, index: int) -> str:
    """By routing id: first offset, then stride; it may run on into the next bus."""
    domain, bus, device, function = re.split("[:.]", physical.address)
    own = int(bus, 16) * _FUNCTIONS_OF_BUS + int(device, 16) * 8 + int(function)
    routing = own + physical.sriov.offset + index * physical.sriov.stride
    return f"{domain}:{routing >> 8:02x}:{routing >> 3 & 0x1F:02x}.{routing & 7}"
