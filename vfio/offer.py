"""Decides which devices a host offers, each as its whole IOMMU group, and explains what it does not offer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from vfio.catalogue import Catalogue, Product, builtin
from vfio.catalogue_product import slice_class, whole_class
from vfio.catalogue_words import OFFERED_KINDS
from vfio.device import Link, PciDevice, Snapshot
from vfio.groups import judge
from vfio.rules import KNOWN, OfferRule, parse_rule

__all__ = ["Offer", "OfferResult", "OfferRule", "Refusal", "named", "offers", "parse_rule"]


@dataclass(frozen=True, slots=True)
class Offer:
    """One slice: all endpoints of a group. Ids and model are of the lowest function that a rule named."""

    name: str
    """`pci_0000_41_00_0`, after the lowest function; stable while the card stays in its slot."""
    addresses: tuple[str, ...]
    vendor_id: str
    product_id: str
    model: str
    resource_class: str
    traits: tuple[str, ...]
    numa_node: int | None
    pci_path: tuple[str, ...]
    iommu_group: int
    link: Link | None = None
    kind: str = "other"
    """Of vfio.catalogue_words."""
    memory_mib: int | None = None
    """Of all cards in the group together; None: of one at least it is not known."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule named these functions, but they cannot be offered. `code` is stable: in_use, group_shared,
    virtual_functions, no_iommu_group, mixed_classes, no_such_device."""

    code: str
    addresses: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class OfferResult:
    offers: tuple[Offer, ...]
    refusals: tuple[Refusal, ...]


def offers(
    snapshot: Snapshot,
    rules: Sequence[OfferRule],
    in_use: Mapping[str, str],
    *,
    catalogue: Catalogue | None = None,
) -> OfferResult:
    """No rules means: known accelerators. The first rule that fits a device names it. Which driver a device
    is on does not matter: one that we have bound already stays an offer."""
    catalogue = catalogue or builtin()
    matched: dict[str, Product] = {}
    for address in sorted(snapshot.devices):
        device = snapshot.devices[address]
        rule = next((rule for rule in rules or (KNOWN,) if rule.fits(device, catalogue)), None)
        if rule is not None and not device.is_bridge:
            matched[address] = named(rule, device, catalogue)

    made: list[Offer] = []
    refused = [_absent(rule) for rule in rules if rule.address and rule.address not in snapshot.devices]
    by_group: dict[int, list[PciDevice]] = {}
    for address in matched:
        device = snapshot.devices[address]
        if device.iommu_group is None:
            refused.append(_no_group(device, in_use))
        else:
            by_group.setdefault(device.iommu_group, []).append(device)
    for group, devices in by_group.items():
        result = _offer_group(snapshot, group, {d.address: matched[d.address] for d in devices}, in_use)
        if isinstance(result, Offer):
            made.append(result)
        else:
            refused.append(result)
    return OfferResult(tuple(made), tuple(refused))


def _offer_group(
    snapshot: Snapshot, group: int, ours: Mapping[str, Product], in_use: Mapping[str, str]
) -> Offer | Refusal:
    """`ours` are the members that rules named, in order of their addresses."""
    wanted = tuple(ours)
    verdict = judge(snapshot, group, ours.keys(), in_use)
    if not verdict.viable:
        return Refusal(verdict.blockers[0].code, wanted, verdict.reason)
    classes = sorted({product.resource_class for product in ours.values()})
    if len(classes) > 1:
        return Refusal(
            "mixed_classes",
            wanted,
            f"IOMMU group {group} ({', '.join(verdict.members)}) is given away whole, but its devices are of "
            f"different resource classes ({', '.join(classes)}). Way out: rules that give them one class, "
            f"such as address:{wanted[0]}={classes[0]}.",
        )
    first = snapshot.devices[wanted[0]]
    product = ours[first.address]
    lowest = snapshot.devices[verdict.endpoints[0]]
    return Offer(
        name=lowest.name,
        addresses=verdict.endpoints,
        vendor_id=f"{first.vendor:04x}",
        product_id=f"{first.product:04x}",
        model=product.model,
        resource_class=product.resource_class,
        traits=tuple(dict.fromkeys(trait for product in ours.values() for trait in product.traits)),
        numa_node=first.numa_node,
        pci_path=first.pci_path,
        iommu_group=group,
        link=seated_link(snapshot, first),
        kind=product.kind,
        memory_mib=_memory(ours.values()),
    )


def seated_link(snapshot: Snapshot, device: PciDevice) -> Link | None:
    """What the device and the port above it can both do: a wide card may sit in a narrow slot."""
    port = snapshot.devices.get(device.pci_path[-1]) if device.pci_path else None
    if device.link is None or port is None or port.link is None:
        return device.link
    return Link(min(device.link.speed, port.link.speed), min(device.link.width, port.link.width))


def named(rule: OfferRule, device: PciDevice, catalogue: Catalogue) -> Product:
    """The rule's kind and resource class win; its traits add to the catalogue's."""
    product = catalogue.describe(device)
    if rule.kind is not None:
        ids = device.vendor, device.product
        cut = slice_class(rule.kind, ids)
        whole = whole_class(rule.kind, ids) if device.physfn is None else cut
        product = replace(product, kind=rule.kind, resource_class=whole, slice_class=cut)
    if rule.resource_class is None:
        return product
    traits = tuple(dict.fromkeys((*product.traits, *rule.traits)))
    return replace(product, resource_class=rule.resource_class, traits=traits)


def _memory(products: Iterable[Product]) -> int | None:
    """Functions that go with a card have none of their own to know."""
    sizes = [product.memory_mib for product in products if product.kind in OFFERED_KINDS]
    return sum(size for size in sizes if size is not None) if sizes and None not in sizes else None


def _absent(rule: OfferRule) -> Refusal:
    address = rule.address or ""
    reason = (
        f"rule {rule}: there is no such PCI device on this host. Way out: correct the rule or seat the card."
    )
    return Refusal("no_such_device", (address,), reason)


def _no_group(device: PciDevice, in_use: Mapping[str, str]) -> Refusal:
    if why := in_use.get(device.address):
        return Refusal("in_use", (device.address,), f"{device.described} is in use by the host ({why}).")
    return Refusal(
        "no_iommu_group",
        (device.address,),
        f"{device.described} has no IOMMU group. Way out: switch the IOMMU on in the firmware (VT-d, AMD-Vi) "
        "and boot with intel_iommu=on or amd_iommu=on.",
    )
