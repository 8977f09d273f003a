"""The control plane's configuration groups, by the name they have in a file."""

from collections.abc import Iterable, Mapping, Sequence

from kcloud_api.conf.accelerator import AcceleratorConf
from kcloud_api.conf.api import ApiConf
from kcloud_api.conf.bus import BusConf
from kcloud_api.conf.compute import ComputeConf
from kcloud_api.conf.database import DatabaseConf
from kcloud_api.conf.hosts import HostsConf
from kcloud_api.conf.identity import IdentityConf
from kcloud_api.conf.image import ImageConf
from kcloud_api.conf.pci import PciConf
from kcloud_api.conf.placement import PlacementConf
from kcloud_api.conf.scheduler import SchedulerConf
from kcloud_common.config import Conf, load

GROUPS: Mapping[str, type] = {
    "accelerator": AcceleratorConf,
    "api": ApiConf,
    "bus": BusConf,
    "compute": ComputeConf,
    "database": DatabaseConf,
    "hosts": HostsConf,
    "identity": IdentityConf,
    "image": ImageConf,
    "pci": PciConf,
    "placement": PlacementConf,
    "scheduler": SchedulerConf,
}


def load_control_plane(files: Sequence[str] = (), overrides: Iterable[str] = ()) -> Conf:
    """Every group of the control plane; API workers and the controller read the same. Raises BadConfig."""
    return load(GROUPS, files=files, overrides=overrides)
