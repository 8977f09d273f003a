"""The errors of vfio, named for what the caller can do about them.

SysfsError              the kernel said no; keeps its errno and the path
|- Vanished             ENOENT, ENODEV, ENXIO: the file or its device is not there (any more)
|- Denied               EACCES, EPERM, EROFS: we may not; never to be taken for "not there"
|- Busy                 EBUSY: somebody holds it
|- Refused              any other errno
BindingError            a device could not be prepared or released; names the addresses
|- DeviceGone           no such device on this host (now)
|- DeviceBusy           another claim has it, or the host itself uses it
|- NotViable            its IOMMU group cannot be taken whole; the message says what would help
|- DriverMissing        vfio-pci is not loaded
|- BindFailed           the kernel refused, and everything was put back as it was: another try may work
|- LayoutRefused        the card cannot be cut like that, and is as it was before; the message has the numbers
|- NotRestored          it could not be put back: quarantine the device; releasing again tries again
JournalDamaged          a record on disk cannot be read; names the file
"""

from collections.abc import Iterable


class SysfsError(Exception):
    """Reading or writing one file failed. `errno` and `path` (relative to the root) say what and where."""

    def __init__(self, doing: str, path: str, errno: int, words: str) -> None:
        super().__init__(f"{doing} /{path}: {words} (errno {errno})")
        self.path = path
        self.errno = errno


class Vanished(SysfsError):
    pass


class Denied(SysfsError):
    pass


class Busy(SysfsError):
    pass


class Refused(SysfsError):
    pass


class BindingError(Exception):
    """Base of what `Binder` raises. `addresses` are the functions to blame."""

    def __init__(self, message: str, addresses: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.addresses = tuple(addresses)


class DeviceGone(BindingError):
    pass


class DeviceBusy(BindingError):
    pass


class NotViable(BindingError):
    pass


class DriverMissing(BindingError):
    pass


class BindFailed(BindingError):
    pass


class LayoutRefused(BindingError):
    pass


class NotRestored(BindingError):
    pass


class JournalDamaged(Exception):
    """A record is truncated or not ours; a person, or a new `prepare` of the same claim, must replace it."""
