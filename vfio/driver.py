"""Moves one PCI function between drivers, step by small step; each step may be repeated."""

from vfio.errors import NotRestored, SysfsError, Vanished
from vfio.journal import FunctionRecord
from vfio.scan import DEVICES, Attributes
from vfio.sysfs import Sysfs

VFIO_PCI = "vfio-pci"
DRIVERS = "sys/bus/pci/drivers"
_PROBE = "sys/bus/pci/drivers_probe"


def driver_known(sysfs: Sysfs, driver: str) -> bool:
    return sysfs.exists(f"{DRIVERS}/{driver}")


def current_driver(sysfs: Sysfs, address: str) -> str | None:
    """Vanished when there is no such device."""
    return Attributes(sysfs, address).link("driver")


def override(sysfs: Sysfs, address: str, driver: str | None) -> None:
    """Say which driver alone may take the function; None lets the kernel choose by its ids again."""
    if Attributes(sysfs, address).override() != driver:
        # An empty line clears it; an empty write(2) would not reach the kernel at all.
        sysfs.write(f"{DEVICES}/{address}/driver_override", f"{driver or ''}\n")


def unbind(sysfs: Sysfs, address: str) -> None:
    driver = current_driver(sysfs, address)
    if driver is None:
        return
    try:
        sysfs.write(f"{DRIVERS}/{driver}/unbind", address)
    except Vanished:
        # The kernel says ENODEV when the driver let go by itself between our look and our write.
        if current_driver(sysfs, address) is not None:
            raise


def probe(sysfs: Sysfs, address: str) -> None:
    """Let the kernel choose: by driver_override when there is one, else by ids."""
    if current_driver(sysfs, address) is None:
        sysfs.write(_PROBE, address)


def restore(sysfs: Sysfs, before: FunctionRecord) -> None:
    """Bring the function back to what the record says, from wherever it is. A function that left the host
    has nothing to restore. Raises NotRestored."""
    address = before.address
    try:
        override(sysfs, address, before.override)
        if before.known:
            _return_to(sysfs, address, before.driver)
        else:
            _let_kernel_choose(sysfs, address)
        now = current_driver(sysfs, address), Attributes(sysfs, address).override()
    except Vanished as error:
        if sysfs.exists(f"{DEVICES}/{address}"):
            raise NotRestored(f"restoring {address}: {error}", (address,)) from error
        return
    except SysfsError as error:
        raise NotRestored(f"restoring {address}: {error}", (address,)) from error
    if before.known and now != (before.driver, before.override):
        raise NotRestored(
            f"{address} was on driver {before.driver or 'none'} before and is on {now[0] or 'none'} now; "
            f"look into the kernel's log for why {before.driver or 'it'} did not take it back",
            (address,),
        )


def _return_to(sysfs: Sysfs, address: str, driver: str | None) -> None:
    if current_driver(sysfs, address) == driver:
        return
    unbind(sysfs, address)
    if driver is None:
        return
    if driver_known(sysfs, driver):
        # By name and not by drivers_probe: where two drivers match (nouveau, nvidia), the one it had returns.
        sysfs.write(f"{DRIVERS}/{driver}/bind", address)
    else:
        probe(sysfs, address)


def _let_kernel_choose(sysfs: Sysfs, address: str) -> None:
    if current_driver(sysfs, address) == VFIO_PCI:
        unbind(sysfs, address)
    probe(sysfs, address)
