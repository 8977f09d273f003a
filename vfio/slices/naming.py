"""Decides how placement calls the slices of a card, and what is said of each."""

import re
from dataclasses import replace

from vfio.catalogue_product import MEMORY_TRAIT, ids_name, memory_trait
from vfio.device import PciDevice
from vfio.slices.model import Ability, Card, Cut, Kind, Plan, Slice


def resource_class(card: Card, plan: Plan, cut: Cut) -> str:
    """The layout's own word wins. Slices of one sort have the product's class; of several, one each."""
    if cut.resource_class:
        return cut.resource_class
    if cut.kind is Kind.WHOLE:
        return card.resource_class
    sort = cut.type or (f"{cut.memory_mib}M" if cut.memory_mib else "")
    if len(plan.cuts) == 1 or not sort:
        return card.slice_class
    name = f"{card.slice_class.removeprefix('CUSTOM_')}_{sort}".upper()
    return "CUSTOM_" + re.sub(r"[^A-Z0-9]+", "_", name)


def traits(card: Card, cut: Cut) -> tuple[str, ...]:
    """Those of the card hold for its slices too, but for its memory; and how it is cut."""
    if cut.kind is Kind.WHOLE:
        return tuple(dict.fromkeys((*card.traits, *cut.traits)))
    kept = (trait for trait in card.traits if not trait.startswith(MEMORY_TRAIT))
    mode = "CUSTOM_PARTITION_" + cut.kind.upper().replace("-", "_")
    return tuple(dict.fromkeys((*kept, mode, *cut.traits)))


def with_memory(each: Slice, mib: int | None) -> Slice:
    """A slice of a cut card has a trait for its own memory, so that who asks for so much gets so much."""
    return replace(each, memory_mib=mib, traits=tuple(dict.fromkeys((*each.traits, *memory_trait(mib)))))


def blank(card: Card, plan: Plan, cut: Cut, name: str) -> Slice:
    """A slice with all that its card and its cut say of it."""
    return Slice(
        name=name,
        kind=cut.kind,
        card=card.name,
        addresses=(),
        resource_class=resource_class(card, plan, cut),
        traits=traits(card, cut),
        type=cut.type,
        numa_node=card.device.numa_node,
        pci_path=card.device.pci_path,
        link=card.link,
        vendor_id=f"{card.device.vendor:04x}",
        product_id=f"{card.device.product:04x}",
        model=card.model,
    )


def of_function(blank: Slice, device: PciDevice) -> Slice:
    """A slice that is a virtual function: it is told by its own ids too, which may differ from its card's."""
    own = f"CUSTOM_{ids_name((device.vendor, device.product))}"
    return replace(
        blank,
        name=device.name,
        addresses=(device.address,),
        iommu_group=device.iommu_group,
        vendor_id=f"{device.vendor:04x}",
        product_id=f"{device.product:04x}",
        traits=blank.traits if own in blank.traits else (*blank.traits, own),
    )


def by_type(abilities: tuple[Ability, ...]) -> dict[str, Ability]:
    return {ability.type: ability for ability in abilities}


def too_many(plan: Plan, known: dict[str, Ability]) -> str:
    """Why the types can't be had in these numbers, each taken alone; empty when the kernel may be asked."""
    for cut in plan.cuts:
        ability = known.get(cut.type)
        if ability is None:
            types = ", ".join(f"{id} ({a.name})" if a.name else id for id, a in sorted(known.items()))
            return f"type {cut.type or '(none)'} is not among what its driver offers: {types or 'nothing'}"
        if cut.count > ability.most:
            return (
                f"{cut.count} of type {cut.type} are wanted, and its driver has room for {ability.most} "
                "on an empty card"
            )
    return ""
