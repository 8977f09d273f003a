"""Reads a host once for all that is asked about its cards."""

from contextlib import suppress
from uuid import UUID

from vfio.device import Snapshot
from vfio.errors import Vanished
from vfio.hostuse import in_use
from vfio.reading import names
from vfio.scan import scan
from vfio.slices.model import Mdev, Sight, by_physical
from vfio.sysfs import Sysfs

MDEVS = "sys/bus/mdev/devices"


def look(sysfs: Sysfs, snapshot: Snapshot | None = None) -> Sight:
    """`snapshot` saves a scan to who has made one already."""
    snapshot = snapshot or scan(sysfs)
    return Sight(snapshot, in_use(sysfs), by_physical(snapshot), read_mdevs(sysfs))


def read_mdevs(sysfs: Sysfs) -> dict[UUID, Mdev]:
    found: dict[UUID, Mdev] = {}
    for name in names(sysfs, MDEVS):
        with suppress(Vanished, ValueError):
            mdev = read_mdev(sysfs, UUID(name))
            found[mdev.uuid] = mdev
    return found


def read_mdev(sysfs: Sysfs, uuid: UUID) -> Mdev:
    """Vanished when there is none."""
    parent = sysfs.readlink(f"{MDEVS}/{uuid}").rstrip("/").split("/")[-2]
    kind = sysfs.readlink(f"{MDEVS}/{uuid}/mdev_type").rpartition("/")[2]
    return Mdev(uuid, parent, kind)
