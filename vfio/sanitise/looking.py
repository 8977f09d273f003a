"""Takes pictures of a device, before its first reset and after each."""

from vfio.config_space import damage, parse
from vfio.errors import Vanished
from vfio.health_reading import read
from vfio.sanitise.handles import MDEVS
from vfio.sanitise.subject import Subject
from vfio.sanitise.verifying import FunctionSeen, Picture
from vfio.scan import DEVICES, parse_bars
from vfio.sysfs import Sysfs

VGPU_TYPE = "nvidia/current_vgpu_type"


def picture(sysfs: Sysfs, subject: Subject, kernel_log: str = "") -> Picture:
    """What can be seen of the device now. What is missing is part of the picture, not an error."""
    return Picture(
        functions={
            function.address: _function(sysfs, function.address, kernel_log) for function in subject.functions
        },
        watched={address: read(sysfs, address, kernel_log) for address in subject.watched},
        slice_type=_slice_type(sysfs, subject),
    )


def _function(sysfs: Sysfs, address: str, kernel_log: str) -> FunctionSeen:
    reading = read(sysfs, address, kernel_log)
    try:
        names = frozenset(sysfs.listdir(f"{DEVICES}/{address}"))
        resource = sysfs.read_text(f"{DEVICES}/{address}/resource") if "resource" in names else ""
        data = sysfs.read_bytes(f"{DEVICES}/{address}/config") if "config" in names else b""
    except Vanished:
        return FunctionSeen(reading)
    return FunctionSeen(reading, parse_bars(resource), parse(data) if damage(data) is None else None)


def _slice_type(sysfs: Sysfs, subject: Subject) -> str | None:
    try:
        if subject.mdev is not None:
            return sysfs.readlink(f"{MDEVS}/{subject.mdev}/mdev_type").rpartition("/")[2]
        if subject.kind == "vendor-vf":
            return sysfs.read_text(f"{DEVICES}/{subject.functions[0].address}/{VGPU_TYPE}").strip()
    except Vanished:
        return None
    return None
