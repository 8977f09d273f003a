"""Takes away from a newest-version answer what a client of an older microversion does not know. Pure."""

from collections.abc import Mapping
from typing import Any

from kcloud_api.http.microversions import Version

Json = dict[str, Any]

SERVER_SINCE: Mapping[str, Version] = {
    "OS-EXT-SRV-ATTR:reservation_id": Version(2, 3),
    "OS-EXT-SRV-ATTR:launch_index": Version(2, 3),
    "OS-EXT-SRV-ATTR:root_device_name": Version(2, 3),
    "OS-EXT-SRV-ATTR:kernel_id": Version(2, 3),
    "OS-EXT-SRV-ATTR:ramdisk_id": Version(2, 3),
    "OS-EXT-SRV-ATTR:user_data": Version(2, 3),
    "locked": Version(2, 9),
    "description": Version(2, 19),
    "tags": Version(2, 26),
    "trusted_image_certificates": Version(2, 63),
    "server_groups": Version(2, 71),
    "locked_reason": Version(2, 73),
    "pinned_availability_zone": Version(2, 96),
    "scheduler_hints": Version(2, 100),
}
"""The microversion that brought each field of a server."""

ACTIONS_PAGED = Version(2, 58)
"""With `changes-since`."""
ACTIONS_BEFORE = Version(2, 66)
ACTION_SINCE: Mapping[str, Version] = {"updated_at": ACTIONS_PAGED}
EVENT_SINCE: Mapping[str, Version] = {
    "host": Version(2, 62),
    "hostId": Version(2, 62),
    "details": Version(2, 84),
}

HOSTNAME_FOR_ADMINS = Version(2, 3)
HOSTNAME_FOR_ALL = Version(2, 90)
FLAVOR_EMBEDDED = Version(2, 47)
UPDATE_SHOWS_ALL = Version(2, 75)
NOT_IN_UPDATE = frozenset({
    "config_drive", "key_name", "security_groups", "os-extended-volumes:volumes_attached",
    "OS-EXT-AZ:availability_zone", "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at",
})  # fmt: skip
"""What PUT /servers/{id} did not show before it showed everything."""


def server(view: Json, version: Version, *, flavor_link: Json, sees_hosts: bool) -> Json:
    """A server as `version` shows it; `flavor_link` replaces the embedded flavor for old clients."""
    older = known(view, SERVER_SINCE, version)
    since = HOSTNAME_FOR_ADMINS if sees_hosts else HOSTNAME_FOR_ALL
    if version < since:
        older.pop("OS-EXT-SRV-ATTR:hostname", None)
    if version < FLAVOR_EMBEDDED:
        older["flavor"] = flavor_link
    return older


def updated(view: Json, version: Version) -> Json:
    """The answer to PUT /servers/{id}."""
    if version >= UPDATE_SHOWS_ALL:
        return view
    return {
        key: value
        for key, value in view.items()
        if key not in NOT_IN_UPDATE and not key.startswith(("OS-EXT-SRV-ATTR:", "OS-EXT-STS:"))
    }


def action(view: Json, version: Version) -> Json:
    older = known(view, ACTION_SINCE, version)
    if "events" in older:
        older["events"] = [known(event, EVENT_SINCE, version) for event in older["events"]]
    return older


def known(view: Json, since: Mapping[str, Version], version: Version) -> Json:
    """Only the fields that `version` has."""
    return {key: value for key, value in view.items() if since.get(key, version) <= version}
