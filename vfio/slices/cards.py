"""Decides which accelerators a host has, each with all that is taken with it when it is taken whole. Pure."""

from collections.abc import Iterable, Sequence

from vfio.catalogue import Catalogue, Product, builtin
from vfio.catalogue_product import MEMORY_TRAIT, memory_trait
from vfio.catalogue_words import OFFERED_KINDS
from vfio.device import PciDevice, Snapshot
from vfio.groups import judge
from vfio.offer import named, seated_link
from vfio.rules import KNOWN, OfferRule
from vfio.slices.model import Card

Member = tuple[PciDevice, Product]


def cards(
    snapshot: Snapshot, rules: Sequence[OfferRule] = (), catalogue: Catalogue | None = None
) -> tuple[Card, ...]:
    """One for each accelerator that a rule names; those that share an IOMMU group are one card. No rules
    means: known accelerators. Virtual functions are slices, unless this host has not their physical one."""
    catalogue = catalogue or builtin()
    together: dict[int | str, list[Member]] = {}
    for address in sorted(snapshot.devices):
        device = snapshot.devices[address]
        if device.is_bridge or device.physfn in snapshot.devices:
            continue
        rule = next((rule for rule in rules or (KNOWN,) if rule.fits(device, catalogue)), None)
        if rule is not None:
            key = address if device.iommu_group is None else device.iommu_group
            together.setdefault(key, []).append((device, named(rule, device, catalogue)))
    return tuple(_card(snapshot, members) for members in together.values())


def _card(snapshot: Snapshot, members: Sequence[Member]) -> Card:
    device, product = members[0]
    others = tuple(other.address for other, _ in members[1:])
    functions = _functions(snapshot, (device.address, *others))
    memory = _memory(product for _, product in members)
    return Card(
        name=snapshot.devices[functions[0]].name,
        device=device,
        functions=functions,
        others=others,
        model=product.model,
        kind=product.kind,
        memory_mib=memory,
        mig_parts=None if others else product.mig_parts,
        resource_class=product.resource_class,
        classes=tuple(sorted({product.resource_class for _, product in members})),
        slice_class=product.slice_class,
        traits=_traits(members, memory) if others else product.traits,
        link=seated_link(snapshot, device),
    )


def _functions(snapshot: Snapshot, ours: tuple[str, ...]) -> tuple[str, ...]:
    """Endpoints of the card's group, without virtual functions of its own that are in it."""
    group = snapshot.devices[ours[0]].iommu_group
    if group is None:
        return ours
    endpoints = judge(snapshot, group, set(ours), {}).endpoints
    return tuple(address for address in endpoints if snapshot.devices[address].physfn not in ours)


def _traits(members: Iterable[Member], memory_mib: int | None) -> tuple[str, ...]:
    """Those of all accelerators that go together, and one for the memory of all."""
    every = (trait for _, product in members for trait in product.traits)
    kept = (trait for trait in every if not trait.startswith(MEMORY_TRAIT))
    return tuple(dict.fromkeys((*kept, *memory_trait(memory_mib))))


def _memory(products: Iterable[Product]) -> int | None:
    """Of all accelerators together; None when it is not known of one. Functions that go with a card have none
    of their own to know."""
    sizes = [product.memory_mib for product in products if product.kind in OFFERED_KINDS]
    return sum(size for size in sizes if size is not None) if sizes and None not in sizes else None
