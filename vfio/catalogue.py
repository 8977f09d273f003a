"""Knows which PCI ids are accelerators and how placement calls them; the data is catalogue.toml.

A product is built once, when a catalogue is read: to describe a device is to look it up. docs/catalogue.md
says how the files read and how an operator's own file is laid over ours.
"""

import functools
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vfio.catalogue_merge import Products, build, card_traits, laid_over
from vfio.catalogue_product import Ids, Product, ids_name, slice_class, whole_class
from vfio.catalogue_schema import VendorEntry, read_catalogue
from vfio.catalogue_words import OFFERED_KINDS, OTHER
from vfio.device import PciDevice

__all__ = ["Catalogue", "Product", "builtin", "extended", "parse"]

_DISPLAY_BASE = 0x03
_ACCELERATOR_BASE = 0x12
_BUILTIN = "catalogue.toml"


@dataclass(frozen=True, slots=True)
class Catalogue:
    products: Mapping[Ids, Product]
    """By vendor and device id."""
    boards: Mapping[tuple[Ids, Ids], Product] = field(default_factory=dict)
    """By ids and the subsystem's, where one chip's id is on boards that differ."""
    vendors: Mapping[int, Product] = field(default_factory=dict)
    """What is true of any accelerator of a vendor; the name is the vendor's alone."""
    vfs: Mapping[Ids, Product] = field(default_factory=dict)
    """A listed card's own id on a virtual function: some have their card's."""

    def accelerator(self, device: PciDevice) -> Product | None:
        """The product when we know it for an accelerator without being told: listed, or of the class of
        processing accelerators. A virtual function is never one by itself, nor is what serves the host."""
        if device.physfn is not None:
            return None
        known = self._listed(device)
        if known is not None:
            return known if known.kind in OFFERED_KINDS and known.vf_of is None else None
        return self.describe(device) if device.class_code >> 16 == _ACCELERATOR_BASE else None

    def describe(self, device: PciDevice) -> Product:
        """What to tell of any device, known or not. The trait with its ids tells unknown ones apart."""
        known = self._listed(device)
        if known is None:
            product = self._unlisted(device)
            return product if device.physfn is None else as_vf(product, (device.vendor, device.product))
        if device.physfn is None or known.vf_of is not None:
            return known
        ids = device.vendor, device.product
        made = self.vfs.get(ids) if known is self.products.get(ids) else None
        return made or as_vf(known, ids)

    def _listed(self, device: PciDevice) -> Product | None:
        ids = device.vendor, device.product
        board = device.subsystem_vendor, device.subsystem_product
        return self.boards.get((ids, board)) or self.products.get(ids)

    def _unlisted(self, device: PciDevice) -> Product:
        """By its class and its vendor, if that one is listed."""
        ids = device.vendor, device.product
        base = device.class_code >> 16
        vendor = self.vendors.get(device.vendor)
        if vendor is None or base not in (_DISPLAY_BASE, _ACCELERATOR_BASE):
            return _by_class(ids, base)
        kind = "gpu" if base == _DISPLAY_BASE else vendor.kind if vendor.kind != OTHER else "npu"
        return replace(
            vendor,
            model=f"{vendor.model} {device.vendor:04x}:{device.product:04x}",
            kind=kind,
            resource_class=vendor.resource_class or whole_class(kind, ids),
            slice_class=vendor.slice_class or slice_class(kind, ids),
            traits=(*vendor.traits, f"CUSTOM_{ids_name(ids)}"),
        )


def as_vf(product: Product, card: Ids) -> Product:
    """A virtual function with its card's own ids, or of a card that nobody listed."""
    return replace(
        product,
        traits=(*card_traits(product, card), f"CUSTOM_{ids_name(card)}"),
        resource_class=product.slice_class,
        vf_of=card,
        memory_mib=None,
        mig_parts=None,
        companions=(),
        partitions=frozenset(),
        reset_methods=None,
    )


@functools.cache
def builtin() -> Catalogue:
    """The catalogue that ships with the package."""
    return _catalogue(_shipped())


def parse(text: str, name: str = "catalogue") -> Catalogue:
    """A catalogue of this text alone. ValueError names the file, the entry and the field."""
    return _catalogue(read_catalogue(text, name, default_source=name))


def extended(texts: Mapping[str, str]) -> Catalogue:
    """Ours with the operator's texts laid over it by name, the last one winning, fact by fact. ValueError
    names the file, the entry and the field. (catalogue_files.load reads them from files.)"""
    vendors = _shipped()
    for name, text in texts.items():
        vendors = laid_over(vendors, read_catalogue(text, name, default_source=name))
    return _catalogue(vendors)


def _shipped() -> dict[int, VendorEntry]:
    text = importlib.resources.files("vfio").joinpath(_BUILTIN).read_text(encoding="utf-8")
    return read_catalogue(text, _BUILTIN)


def _catalogue(vendors: Mapping[int, VendorEntry]) -> Catalogue:
    made: Products = build(vendors)
    vfs = {ids: as_vf(product, ids) for ids, product in made.products.items() if product.vf_of is None}
    return Catalogue(made.products, made.boards, made.vendors, vfs)


def _by_class(ids: Ids, base: int) -> Product:
    kind = {_DISPLAY_BASE: "gpu", _ACCELERATOR_BASE: "npu"}.get(base, OTHER)
    return Product(
        model=f"{ids[0]:04x}:{ids[1]:04x}",
        resource_class=whole_class(kind, ids),
        traits=(f"CUSTOM_{ids_name(ids)}",),
        kind=kind,
        slice_class=slice_class(kind, ids),
    )
