"""Reads for which "not there" means "none": optional files, empty folders, devices that hang on nothing."""

from contextlib import suppress

from vfio.device import ADDRESS
from vfio.errors import Vanished
from vfio.sysfs import Sysfs


def lines(sysfs: Sysfs, path: str) -> list[str]:
    with suppress(Vanished):
        return sysfs.read_text(path).splitlines()
    return []


def names(sysfs: Sysfs, path: str) -> tuple[str, ...]:
    with suppress(Vanished):
        return sysfs.listdir(path)
    return ()


def resolved(sysfs: Sysfs, path: str) -> str | None:
    with suppress(Vanished):
        return sysfs.realpath(path)
    return None


def pci_function_of(sysfs: Sysfs, path: str) -> str | None:
    """The PCI function that a class device hangs on: the last one in its resolved path."""
    parts = (resolved(sysfs, path) or "").split("/")
    return next((part for part in reversed(parts) if ADDRESS.match(part)), None)
