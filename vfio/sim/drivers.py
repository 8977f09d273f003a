"""Which driver holds which function, and how that changes (drivers/base/bus.c, drivers/pci/pci-driver.c)."""

import errno
import os
from collections.abc import Callable

from vfio.sim.function import Cutting
from vfio.sim.tree import FakeTree

VFIO_PCI = "vfio-pci"

Hook = Callable[[str, str], None]
"""Called with an address and a driver."""


def refused(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class Drivers:
    """Binds and unbinds. `refusals` maps (driver, address) to the errno of its probe; `bound` are called
    after a driver took a function, `leaving` before it lets go (any of them may refuse with OSError)."""

    def __init__(self, tree: FakeTree) -> None:
        self._tree = tree
        self.refusals: dict[tuple[str, str], int] = {}
        self.bound: list[Hook] = []
        self.leaving: list[Hook] = []

    def bind(self, driver: str, address: str) -> None:
        """What a write to the driver's `bind` does: it alone learns that the driver's probe failed."""
        self._loaded(driver)
        if self._tree.folder(address) is None or self._candidate(address) != driver:
            raise refused(errno.ENODEV)
        if self._tree.driver_of(address) is not None:
            raise refused(errno.EBUSY)
        if number := self._refusal(driver, address):
            raise refused(number)
        self._take(address, driver)

    def unbind(self, driver: str, address: str) -> None:
        self._loaded(driver)
        if self._tree.folder(address) is None or self._tree.driver_of(address) != driver:
            raise refused(errno.ENODEV)
        self.let_go(address)

    def probe(self, address: str) -> None:
        """What drivers_probe does, and the arrival of a function."""
        driver = self._candidate(address)
        if driver is None or self._tree.driver_of(address) is not None:
            return
        if (self._tree.drivers / driver).exists() and not self._refusal(driver, address):
            self._take(address, driver)

    def let_go(self, address: str) -> None:
        """Refused while a process holds the function open: a real kernel waits for that process, and a fake
        one that waited would stop the test."""
        driver = self._tree.driver_of(address)
        if driver is None:
            return
        if address in self._tree.opened():
            raise refused(errno.EBUSY)
        for hook in self.leaving:
            hook(address, driver)
        self._tree.detach(address)

    def _take(self, address: str, driver: str) -> None:
        self._tree.attach(address, driver)
        for hook in self.bound:
            hook(address, driver)

    def _candidate(self, address: str) -> str | None:
        """The one driver that may take the function."""
        override = (self._tree.by_address / address / "driver_override").read_text().strip()
        return self._tree.native_of(address) if override == "(null)" else override

    def _refusal(self, driver: str, address: str) -> int | None:
        function = self._tree.function(address)
        if number := self.refusals.get((driver, address)):
            return number
        if function.physfn is None:
            return None
        physical = self._tree.by_address / function.physfn
        override = (self._tree.by_address / address / "driver_override").read_text().strip()
        if override == "(null)" and (physical / "sriov_drivers_autoprobe").read_text().strip() == "0":
            return errno.ENODEV  # pci_device_can_probe()
        board = self._tree.function(function.physfn).board
        if board is not None and board.cutting is Cutting.VENDOR_VFIO and driver == VFIO_PCI:
            return errno.EINVAL  # its vendor's driver keeps such a VF for itself
        return None

    def _loaded(self, driver: str) -> None:
        if not (self._tree.drivers / driver).exists():
            raise refused(errno.ENOENT)
