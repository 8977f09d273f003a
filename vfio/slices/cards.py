"""Decides which accelerators a host offers, each with all that is taken with it. Pure."""

from collections.abc import Sequence

from vfio.catalogue import Catalogue, builtin
from vfio.device import PciDevice, Snapshot
from vfio.groups import judge
from vfio.offer import named, seated_link
from vfio.rules import KNOWN, OfferRule
from vfio.slices.model import Card


def cards(
    snapshot: Snapshot, rules: Sequence[OfferRule] = (), catalogue: Catalogue | None = None
) -> tuple[Card, ...]:
    """One for each accelerator that a rule names; those that share an IOMMU group are one card. No rules
    means: known accelerators. Virtual functions are slices, unless this host has not their physical one."""
    catalogue = catalogue or builtin()
    together: dict[int | str, list[tuple[PciDevice, OfferRule]]] = {}
    for address in sorted(snapshot.devices):
        device = snapshot.devices[address]
        if device.is_bridge or device.physfn in snapshot.devices:
            continue
        rule = next((rule for rule in rules or (KNOWN,) if rule.fits(device, catalogue)), None)
        if rule is not None:
            key = address if device.iommu_group is None else device.iommu_group
            together.setdefault(key, []).append((device, rule))
    return tuple(_card(snapshot, members, catalogue) for members in together.values())


def _card(snapshot: Snapshot, members: Sequence[tuple[PciDevice, OfferRule]], catalogue: Catalogue) -> Card:
    device, rule = members[0]
    product = named(rule, device, catalogue)
    others = tuple(other.address for other, _ in members[1:])
    functions = _functions(snapshot, (device.address, *others))
    return Card(
        name=snapshot.devices[functions[0]].name,
        device=device,
        functions=functions,
        others=others,
        model=product.model,
        kind=product.kind,
        memory_mib=_memory(members, catalogue),
        mig_parts=None if others else product.mig_parts,
        resource_class=product.resource_class,
        slice_class=product.slice_class,
        traits=product.traits,
        link=seated_link(snapshot, device),
    )


def _functions(snapshot: Snapshot, ours: tuple[str, ...]) -> tuple[str, ...]:
    """Endpoints of the card's group, without virtual functions of its own that are in it."""
    group = snapshot.devices[ours[0]].iommu_group
    if group is None:
        return ours
    endpoints = judge(snapshot, group, set(ours), {}).endpoints
    return tuple(address for address in endpoints if snapshot.devices[address].physfn not in ours)


def _memory(members: Sequence[tuple[PciDevice, OfferRule]], catalogue: Catalogue) -> int | None:
    """Of all accelerators of the card together; None when it is not known of one."""
    sizes = [catalogue.describe(device).memory_mib for device, _ in members]
    return None if None in sizes else sum(size or 0 for size in sizes)
