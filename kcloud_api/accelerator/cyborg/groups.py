"""Decides what a device profile may ask for: groups of resource classes and traits. Pure."""

import re
from collections.abc import Iterable, Mapping

from kcloud_api.placement.names import (
    LONGEST,
    canonical_class,
    canonical_trait,
    is_resource_class,
    is_trait,
)
from kcloud_common.errors import BadRequest

NAME = re.compile(r"^[a-zA-Z0-9_-]+$", re.ASCII)
MOST_GROUPS = 64
LARGEST = 2**31 - 1
OF_HOSTS = frozenset({"VCPU", "PCPU", "MEMORY_MB", "DISK_GB"})
"""Classes that flavors ask of the host itself, by their size."""


def checked_name(name: str) -> str:
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise BadRequest(
            f"Device profile name must be of the form ^[a-zA-Z0-9-_]+$, and of at most {LONGEST} characters",
            field="name",
        )
    return name


def checked_groups(groups: Iterable[Mapping[str, object]]) -> list[dict[str, str]]:
    """As they are kept: values as texts, names without spaces around them. BadRequest says what is wrong."""
    checked = [_checked(group) for group in groups]
    if not checked:
        raise BadRequest("DeviceProfile needs groups field.", field="groups")
    if len(checked) > MOST_GROUPS:
        raise BadRequest(f"A device profile has at most {MOST_GROUPS} groups.", field="groups")
    return checked


def _checked(group: Mapping[str, object]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in group.items():
        prefix, _, rest = key.partition(":")
        check = {"resources": _resources, "trait": _trait}.get(prefix)
        if check is None:
            raise BadRequest(_foreign(key, prefix), field="groups")
        name, text = check(rest.strip(), str(value).strip())
        if f"{prefix}:{name}" in found:
            raise BadRequest(f"A group names {name} twice.", field="groups")
        found[f"{prefix}:{name}"] = text
    if not any(key.startswith("resources:") for key in found):
        raise BadRequest("Each group of a device profile must ask for a resource class.", field="groups")
    return found


def _foreign(key: str, prefix: str) -> str:
    if prefix == "accel":
        return f"{key}: kcloud programs no FPGAs, so that a profile can ask for no bitstream and no function."
    return f"Device profile group keys must be of the form ^(resources:|trait:), not {key!r}"


def _resources(name: str, value: str) -> tuple[str, str]:
    if not is_resource_class(name) or name in OF_HOSTS:
        raise BadRequest(f"Unsupported resource class {name}", field="groups")
    if not (value.isascii() and value.isdecimal() and 1 <= int(value[:11]) <= LARGEST):
        raise BadRequest(f"Resources number {value} is invalid", field="groups")
    return canonical_class(name), str(int(value))


def _trait(name: str, value: str) -> tuple[str, str]:
    if not is_trait(name):
        raise BadRequest(
            f"Unsupported trait name format {name}: a standard one, or one of your own, named CUSTOM_...",
            field="groups",
        )
    if value not in ("required", "forbidden"):
        raise BadRequest(
            f"Unsupported trait value {value}, the value must be one among ['required', 'forbidden']",
            field="groups",
        )
    return canonical_trait(name), value
