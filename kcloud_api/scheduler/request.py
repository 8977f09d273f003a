"""Turns a flavor into what placement is asked for. Pure.

Extra specs understood: `resources[S]:CLASS=N`, `trait[S]:NAME=required|forbidden`, `group_policy`,
with Nova's meanings. `resources:VCPU`, `MEMORY_MB` and `DISK_GB` replace what the flavor's own size says; 0
leaves the class out. Other extra specs are not placement's and pass by.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kcloud_api.placement.names import canonical_class, canonical_trait, is_resource_class, is_trait
from kcloud_api.placement.request import HOST_DOWN, HOST_NOT_READY, UNSUFFIXED, Group, ResourceRequest, all_of
from kcloud_common.errors import BadRequest

__all__ = ["FlavorShape", "ResourceRequest", "from_flavor"]

RESOURCES = re.compile(r"^resources([a-zA-Z0-9_-]{1,64})?:(.*)$")
TRAIT = re.compile(r"^trait([a-zA-Z0-9_-]{1,64})?:(.*)$")
GROUP_POLICIES = ("none", "isolate")
MIB_PER_GIB = 1024
HOSTS_ALONE: Mapping[str, str] = {"CUSTOM_PIM_UPMEM_RANK": "ranks of UPMEM memory"}
"""What hosts count and no server can be given: it is no PCI function."""
LARGEST = 2**31 - 1
"""As the Placement API has it."""


@dataclass(frozen=True, slots=True)
class FlavorShape:
    """What of a flavor matters here."""

    vcpus: int
    ram_mib: int
    disk_gib: int = 0
    ephemeral_gib: int = 0
    swap_mib: int = 0
    extra_specs: Mapping[str, str] = field(default_factory=dict)


def from_flavor(flavor: FlavorShape) -> ResourceRequest:
    """BadRequest names the extra spec that is wrong."""
    groups: dict[str, dict[str, int]] = {UNSUFFIXED: _own_size(flavor)}
    required: dict[str, set[str]] = {}
    forbidden: dict[str, set[str]] = {}
    for key, value in sorted(flavor.extra_specs.items()):
        if match := RESOURCES.match(key):
            name = _resource_class(key, match[2])
            groups.setdefault(match[1] or UNSUFFIXED, {})[name] = _amount(key, value)
        elif match := TRAIT.match(key):
            wanted = {"required": required, "forbidden": forbidden}.get(value)
            if wanted is None:
                raise BadRequest(f"Extra spec {key} must be 'required' or 'forbidden'.", field=key)
            wanted.setdefault(match[1] or UNSUFFIXED, set()).add(_trait(key, match[2]))
    asked = {suffix: _without_zeros(amounts) for suffix, amounts in groups.items()}
    asked = {suffix: amounts for suffix, amounts in asked.items() if amounts}
    _check_suffixes(asked, required.keys() | forbidden.keys())
    return ResourceRequest(
        {
            suffix: Group(
                amounts,
                required=all_of(*sorted(required.get(suffix, ()))),
                forbidden=frozenset(forbidden.get(suffix, ())),
            )
            for suffix, amounts in asked.items()
        },
        group_policy=_group_policy(flavor.extra_specs),
        root_forbidden=frozenset({HOST_DOWN, HOST_NOT_READY}),
    )


def _own_size(flavor: FlavorShape) -> dict[str, int]:
    swap_gib = -(-flavor.swap_mib // MIB_PER_GIB)
    return {
        "VCPU": flavor.vcpus,
        "MEMORY_MB": flavor.ram_mib,
        "DISK_GB": flavor.disk_gib + flavor.ephemeral_gib + swap_gib,
    }


def _resource_class(key: str, name: str) -> str:
    if not is_resource_class(name):
        raise BadRequest(
            f"Extra spec {key}: no resource class {name!r}; a class of your own is named CUSTOM_... "
            "in capital letters, digits and underscores.",
            field=key,
        )
    if what := HOSTS_ALONE.get(name):
        raise BadRequest(
            f"Extra spec {key}: hosts count their {what}, and no server can have any.", field=key
        )
    return canonical_class(name)


def _trait(key: str, name: str) -> str:
    if not is_trait(name):
        raise BadRequest(
            f"Extra spec {key}: no trait {name!r}; a trait of your own is named CUSTOM_... "
            "in capital letters, digits and underscores.",
            field=key,
        )
    return canonical_trait(name)


def _amount(key: str, value: str) -> int:
    # isdecimal alone would let other scripts' digits pass.
    if not (value.isascii() and value.isdecimal() and int(value) <= LARGEST):
        raise BadRequest(f"Extra spec {key} must be a whole number from 0 to {LARGEST}.", field=key)
    return int(value)


def _without_zeros(amounts: Mapping[str, int]) -> dict[str, int]:
    return {name: amount for name, amount in amounts.items() if amount}


def _group_policy(extra_specs: Mapping[str, str]) -> str:
    policy = extra_specs.get("group_policy", "none")
    if policy not in GROUP_POLICIES:
        raise BadRequest("Extra spec group_policy must be 'none' or 'isolate'.", field="group_policy")
    return policy


def _check_suffixes(groups: Mapping[str, Mapping[str, int]], with_traits: set[str]) -> None:
    for suffix in sorted(with_traits - groups.keys()):
        raise BadRequest(
            f"Extra specs ask for traits of group {suffix!r}, but not for resources of it.",
            field=f"trait{suffix}",
        )
    if not groups:
        raise BadRequest("The flavor asks for no resources at all.", field="extra_specs")
