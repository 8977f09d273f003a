"""Reads the PCI aliases that operators configure, and says in extra specs what a flavor's stand for. Pure.

An alias is a line of JSON with Nova's words: `name`; `vendor_id` and `product_id`, or `resource_class`, or
both; `device_type`, `traits`, `numa_policy`. `type-PCI` and `type-PF` are whole cards, under their own ids;
`type-VF` virtual functions, under theirs. `pci_passthrough:alias=NAME:COUNT,...` asks for COUNT groups of one
each.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kcloud_api.placement.names import canonical_class, is_resource_class, is_trait
from kcloud_api.scheduler.device_policy import NOVA_WORDS, NOVAS
from kcloud_common.errors import BadRequest, PermanentError
from kcloud_common.wire import SliceKind

KEY = "pci_passthrough:alias"
SUFFIX = "pci_alias_"
MOST = 64
"""Devices that one flavor may ask for by aliases."""

WHOLE = "type-PCI"
KINDS: Mapping[str, frozenset[SliceKind]] = {
    WHOLE: frozenset({SliceKind.WHOLE}),
    "type-PF": frozenset({SliceKind.WHOLE}),
    "type-VF": frozenset({SliceKind.VF, SliceKind.VENDOR_VF, SliceKind.XE_VF}),
}
_ID = re.compile(r"^[0-9a-fA-F]{4}$")
_WORDS = frozenset(
    {
        "name", "capability_type", "vendor_id", "product_id", "device_type", "resource_class", "traits",
        "numa_policy",
    }
)  # fmt: skip


class BadAlias(PermanentError):
    """A configured alias makes no sense."""

    code = "bad_config"


@dataclass(frozen=True, slots=True)
class Alias:
    name: str
    kinds: frozenset[SliceKind]
    ids: tuple[str, str] | None
    """Vendor's and product's, in small letters."""
    resource_class: str | None
    """None: that under which hosts offer the product."""
    traits: tuple[str, ...]
    numa_policy: str | None


Aliases = Mapping[str, Alias]


@dataclass(frozen=True, slots=True)
class Asked:
    """So many devices by an alias."""

    name: str
    count: int


def read_aliases(lines: Iterable[str]) -> Aliases:
    """By name. Raises BadAlias, which names the line."""
    found: dict[str, Alias] = {}
    for line in lines:
        alias = _read(line)
        if alias.name in found:
            raise BadAlias(f"[pci] alias: there are two named {alias.name!r}")
        found[alias.name] = alias
    return found


def asked_for(value: str) -> tuple[Asked, ...]:
    """What `pci_passthrough:alias` says. BadRequest where it says nothing."""
    asked: list[Asked] = []
    for part in value.split(","):
        name, colon, count = part.strip().rpartition(":")
        if not (name and colon and count.isascii() and count.isdecimal() and 1 <= int(count[:9]) <= MOST):
            raise BadRequest(
                f"Extra spec {KEY} must be NAME:COUNT[,NAME:COUNT ...], with 1 to {MOST} of each; "
                f"{part.strip()!r} is not.",
                field=KEY,
            )
        asked.append(Asked(name, int(count)))
    if sum(each.count for each in asked) > MOST:
        raise BadRequest(f"Extra spec {KEY} may ask for {MOST} devices at most.", field=KEY)
    return tuple(asked)


def known(asked: Iterable[Asked], aliases: Aliases) -> tuple[tuple[Alias, int], ...]:
    """BadRequest names an alias that is not configured."""
    found = []
    for each in asked:
        alias = aliases.get(each.name)
        if alias is None:
            raise BadRequest(f"PCI alias {each.name} is not defined", field=KEY)
        found.append((alias, each.count))
    return tuple(found)


def as_extra_specs(wanted: Iterable[tuple[Alias, int]], classes: Mapping[str, str]) -> dict[str, str]:
    """A group for each device. `classes`: by alias name, where the alias does not say it itself. BadRequest
    for aliases that contradict each other."""
    single = [alias for alias, count in wanted for _ in range(count)]
    specs: dict[str, str] = {}
    for number, alias in enumerate(single):
        specs[f"resources{SUFFIX}{number}:{alias.resource_class or classes[alias.name]}"] = "1"
        specs |= {f"trait{SUFFIX}{number}:{trait}": "required" for trait in alias.traits}
    policies = {alias.numa_policy: alias.name for alias in single if alias.numa_policy is not None}
    if len(policies) > 1:
        names = ", ".join(sorted(policies.values()))
        raise BadRequest(f"PCI aliases {names} have different NUMA policies.", field=KEY)
    for policy in policies:
        specs[NOVAS] = policy
    return specs


def _read(line: str) -> Alias:
    try:
        said = json.loads(line)
    except ValueError as error:
        raise BadAlias(f"[pci] alias: {line!r} is no JSON: {error}") from error
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise BadAlias(f"[pci] alias: {line!r} is no object of texts")
    name = said.get("name", "")
    fault = _fault(said)
    if fault:
        raise BadAlias(f"[pci] alias {name or line!r}: {fault}")
    ids = _ids(said)
    asked = said.get("resource_class")
    traits = [_custom(each.strip(), is_trait) for each in said.get("traits", "").split(",") if each.strip()]
    return Alias(
        name=name,
        kinds=KINDS[said.get("device_type", WHOLE)],
        ids=ids,
        resource_class=canonical_class(_custom(asked, is_resource_class)) if asked else None,
        traits=(*((f"CUSTOM_PCI_{ids[0]}_{ids[1]}".upper(),) if ids else ()), *traits),
        numa_policy=said.get("numa_policy"),
    )


def _fault(said: Mapping[str, str]) -> str:
    """The first of what is wrong with it; empty when nothing is."""
    unknown = ", ".join(sorted(said.keys() - _WORDS))
    name, ids = said.get("name", ""), _ids(said)
    checks = (
        (not unknown, f"{unknown} is nothing that an alias says"),
        (name and not set(name) & {":", ","}, "it needs a name without colon and comma"),
        (said.get("capability_type", "pci") == "pci", "capability_type can only be 'pci'"),
        (said.get("device_type", WHOLE) in KINDS, f"device_type must be one of {', '.join(KINDS)}"),
        (
            said.get("numa_policy", "legacy") in NOVA_WORDS,
            f"numa_policy must be one of {', '.join(NOVA_WORDS)}",
        ),
        (
            ids or not said.keys() & {"vendor_id", "product_id"},
            "vendor_id and product_id are four hexadecimal digits each, and come together",
        ),
        (ids or said.get("resource_class"), "it needs vendor_id and product_id, or a resource_class"),
    )
    return next((fault for right, fault in checks if not right), "")


def _ids(said: Mapping[str, str]) -> tuple[str, str] | None:
    ids = said.get("vendor_id", ""), said.get("product_id", "")
    return (ids[0].lower(), ids[1].lower()) if all(map(_ID.match, ids)) else None


def _custom(name: str, is_standard: Callable[[str], bool]) -> str:
    """As Nova writes names of one's own: in capitals, without other signs, under CUSTOM_."""
    plain = re.sub(r"[^A-Z0-9_]", "_", name.upper())
    return plain if is_standard(plain) else f"CUSTOM_{plain}"
