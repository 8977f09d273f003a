"""The words for what a host offers whole and what it does not, and how a rule names a device. Pure.

vfio.slices.offering decides which is which.
"""

from dataclasses import dataclass, replace

from vfio.catalogue import Catalogue, Product
from vfio.catalogue_product import slice_class, whole_class
from vfio.device import Link, PciDevice, Snapshot
from vfio.rules import OfferRule, parse_rule

__all__ = ["Offer", "OfferResult", "OfferRule", "Refusal", "named", "parse_rule", "seated_link"]


@dataclass(frozen=True, slots=True)
class Offer:
    """One whole card: all endpoints of a group. Ids and model are of the first function that a rule named."""

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
    virtual_functions, virtual_function, no_iommu_group, mixed_classes, no_such_device."""

    code: str
    addresses: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class OfferResult:
    offers: tuple[Offer, ...]
    refusals: tuple[Refusal, ...]


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
