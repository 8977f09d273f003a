"""Says of flavors with slices of cards how large these are: shown among their extra specs, kept nowhere.

`kcloud:slice_share`        of a card's power to compute, in thousandths
`kcloud:slice_memory_mib`   of its memory

Whether a flavor asks by resources, by device profile or by PCI alias: only where all that it asks for is of
one class, and every slice that hosts have of it is alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.cyborg.profiles import profile_page
from kcloud_api.accelerator.product_shapes import Product, of_products
from kcloud_api.accelerator.records import Shape
from kcloud_api.compute.flavors.accelerators import NO_ALIASES
from kcloud_api.compute.flavors.service import FlavorRecord
from kcloud_api.placement.names import canonical_class
from kcloud_api.scheduler import aliases as pci
from kcloud_api.scheduler import profiles
from kcloud_api.scheduler.aliases import Aliases
from kcloud_api.scheduler.request import RESOURCES
from kcloud_common.errors import BadRequest

SHARE = "kcloud:slice_share"
MEMORY = "kcloud:slice_memory_mib"
HOSTS_OWN = frozenset({"VCPU", "PCPU", "MEMORY_MB", "DISK_GB"})
ProfileSpecs = Mapping[str, Mapping[str, str]]
"""What each device profile stands for, by its name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One sort of devices that a flavor asks for: by class, by PCI ids, or by both."""

    resource_class: str | None
    product: Product | None = None


def slice_specs(
    session: Session, flavors: Sequence[FlavorRecord], aliases: Aliases = NO_ALIASES
) -> Mapping[str, Mapping[str, str]]:
    """What is to be shown besides, by flavor id; three questions for all of them."""
    known = _profiles(session, flavors)
    asked = {flavor.id: asked_for(flavor.extra_specs, known, aliases) for flavor in flavors}
    every = {each for wishes in asked.values() for each in wishes}
    classes = {each.resource_class for each in every if each.product is None and each.resource_class}
    by_class = accelerator.shapes_of(session, classes)
    by_product = of_products(session, {each.product for each in every if each.product is not None})

    def shapes(each: Asked) -> list[Shape]:
        if each.product is None:
            return by_class.get(each.resource_class or "", [])
        found = by_product[each.product]
        return [shape for shape in found if each.resource_class in (None, shape.resource_class)]

    return {id_: derived([shapes(each) for each in wishes]) for id_, wishes in asked.items()}


def derived(found: Sequence[Sequence[Shape]]) -> dict[str, str]:
    """`found`: the sorts of which each thing asked for may be."""
    shapes = [shape for each in found for shape in each]
    if not all(found) or len({shape.resource_class for shape in shapes}) != 1:
        return {}
    sizes = {
        SHARE: {str(shape.share) for shape in shapes},
        MEMORY: {str(shape.memory_mib or "") for shape in shapes},
    }
    return {key: min(values) for key, values in sizes.items() if len(values) == 1 and min(values)}


def asked_for(extra_specs: Mapping[str, str], known: ProfileSpecs, aliases: Aliases) -> frozenset[Asked]:
    """Of devices. A profile or alias that there is not is asked for too, and nothing is of it."""
    wishes = set(_by_class(extra_specs))
    if (profile := extra_specs.get(profiles.KEY)) is not None:
        wishes.update(_by_class(known[profile]) if profile in known else {Asked(None)})
    if (value := extra_specs.get(pci.KEY)) is not None:
        wishes.update(_by_alias(value, aliases))
    return frozenset(wishes)


def _by_class(extra_specs: Mapping[str, str]) -> Iterable[Asked]:
    matches = (RESOURCES.match(key) for key, value in extra_specs.items() if value != "0")
    names = frozenset(canonical_class(match[2]) for match in matches if match) - HOSTS_OWN
    return map(Asked, names)


def _by_alias(value: str, aliases: Aliases) -> set[Asked]:
    try:
        found = pci.known(pci.asked_for(value), aliases)
    except BadRequest:
        return {Asked(None)}
    return {
        Asked(alias.resource_class, Product(*alias.ids, alias.kinds) if alias.ids else None)
        for alias, _ in found
    }


def _profiles(session: Session, flavors: Sequence[FlavorRecord]) -> ProfileSpecs:
    names = {flavor.extra_specs[profiles.KEY] for flavor in flavors if profiles.KEY in flavor.extra_specs}
    if not names:
        return {}
    found, _ = profile_page(session, names=names, limit=len(names), marker=None)
    return {record.name: profiles.as_extra_specs(record.groups) for record in found}
