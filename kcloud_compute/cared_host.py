"""What devices are taken care of with: the host's parts, and the operator's own tools."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from hypervisor_drivers.driver import Driver
from kcloud_compute.device_ledger import DeviceLedger
from vfio.catalogue import Catalogue
from vfio.device import Link
from vfio.journal import Journal
from vfio.sanitise.modes import Modes
from vfio.sanitise.pipeline import Tool
from vfio.scan import boot_id
from vfio.slices.model import Slice
from vfio.slices.slicer import Slicer
from vfio.sysfs import Sysfs


@dataclass(frozen=True, slots=True)
class Tools:
    """The operator's own, by the catalogue's names of methods; the kernel's log; the vendor's library."""

    scrubs: Mapping[str, Tool] = field(default_factory=dict)
    read_backs: Mapping[str, Tool] = field(default_factory=dict)
    kernel_log: Callable[[], str] = lambda: ""
    modes: Modes | None = None
    """Of NVIDIA's cards; None: nobody asks for them."""


@dataclass(frozen=True, slots=True)
class Host:
    """What care is taken of, and by what."""

    sysfs: Sysfs
    driver: Driver
    slicer: Slicer
    journal: Journal
    ledger: DeviceLedger
    catalogue: Catalogue
    slices: Callable[[], Mapping[str, Slice] | None]
    """As last seen, by name; None before they could be read."""
    cutting: Callable[[], Collection[str]] = tuple
    """Names of cards that are to be cut now: what is not there may be there soon."""
    serials: Callable[[], Mapping[str, str]] = dict
    """Of cards, by name, as last seen."""
    accepted: Mapping[str, Link] = field(default_factory=dict)
    """Links with which an operator is content, by the function's address."""

    def boot(self) -> str:
        """Id of the boot that the host is in, read anew each time; empty where its kernel says none."""
        return boot_id(self.sysfs) or ""
