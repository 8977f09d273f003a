"""The agent's configuration file for a newly enrolled host. Pure."""

from collections import defaultdict
from collections.abc import Iterable

from kcloud_common.errors import BadRequest

TOKEN_FILE = "/etc/kcloud/enrol-token"  # noqa: S105 - a path
CONF_FILE = "/etc/kcloud/compute.conf"


def compute_conf(host: str, api_url: str, settings: Iterable[str] = ()) -> str:
    """INI text; `settings` are `group.option=value`, and an option given twice is written twice."""
    groups: dict[str, list[str]] = defaultdict(list)
    groups["agent"] += [f"api_url = {api_url}", f"host = {host}", f"enrol_token = {TOKEN_FILE}"]
    for setting in settings:
        name, separator, value = setting.partition("=")
        group, dot, option = name.partition(".")
        if not (separator and dot and group.isidentifier() and option.isidentifier()) or "\n" in value:
            raise BadRequest(f"--set {setting!r}: want GROUP.OPTION=VALUE", field="set")
        groups[group].append(f"{option} = {value}")
    parts = [f"[{group}]\n" + "\n".join(lines) + "\n" for group, lines in groups.items()]
    return "# Written by `kcloud host enroll`; a repeated enrolment writes it anew.\n" + "\n".join(parts)
