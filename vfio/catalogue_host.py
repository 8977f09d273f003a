"""Reads what a host has of accelerators that are no PCI devices, as counts (catalogue_pim)."""

from contextlib import suppress

from vfio.catalogue_pim import UPMEM_CLASS, UPMEM_OWNED, HostResource, upmem_ranks
from vfio.errors import Vanished
from vfio.reading import names
from vfio.sysfs import Sysfs


def host_resources(sysfs: Sysfs, *, upmem_declared: int | None = None) -> tuple[HostResource, ...]:
    """`upmem_declared`: ranks that an operator says are there, for hosts without UPMEM's driver. Denied when
    the host may not be read."""
    shown: dict[str, str] = {}
    for rank in names(sysfs, UPMEM_CLASS):
        shown[rank] = ""
        with suppress(Vanished):
            shown[rank] = sysfs.read_text(f"{UPMEM_CLASS}/{rank}/{UPMEM_OWNED}")
    found = upmem_ranks(shown, upmem_declared)
    return (found,) if found else ()
