"""The registry: one back end for each way of cutting cards."""

from collections.abc import Mapping

from vfio.binding import Binder
from vfio.journal import Journal
from vfio.slices.backend import BackEnd
from vfio.slices.driver_scheduler import DriverScheduler
from vfio.slices.mdev import Mediated
from vfio.slices.model import Kind
from vfio.slices.nvml import nvml_scheduler
from vfio.slices.scheduler import Scheduler
from vfio.slices.vendor_vf import VendorFunction
from vfio.slices.vf import VirtualFunction
from vfio.slices.whole import Whole
from vfio.slices.xe_vf import XeFunction
from vfio.sysfs import Sysfs


def back_ends(
    sysfs: Sysfs, journal: Journal, binder: Binder, scheduler: Scheduler | None
) -> Mapping[Kind, BackEnd]:
    """`scheduler` None: NVIDIA's, where its library is on this host."""
    shared = DriverScheduler(scheduler or nvml_scheduler())
    found: tuple[BackEnd, ...] = (
        Whole(sysfs, binder),
        VirtualFunction(sysfs, binder),
        Mediated(sysfs, journal, shared),
        VendorFunction(sysfs, journal, shared),
        XeFunction(sysfs, binder),
    )
    return {back.kind: back for back in found}
