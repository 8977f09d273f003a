"""The control plane's configuration groups, by the name they have in a file."""

from collections.abc import Iterable, Mapping, Sequence

from kcloud_api.conf.api import ApiConf
from kcloud_api.conf.bus import BusConf
from kcloud_api.conf.database import DatabaseConf
from kcloud_common.config import Conf, load

GROUPS: Mapping[str, type] = {
    "api": ApiConf,
    "bus": BusConf,
    "database": DatabaseConf,
}


def load_control_plane(files: Sequence[str] = (), overrides: Iterable[str] = ()) -> Conf:
    """Every group of the control plane; API workers and the controller read the same."""
    return load(GROUPS, files=files, overrides=overrides)
