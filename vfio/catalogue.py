"""Knows which PCI ids are accelerators and how placement calls them; the data is catalogue.toml."""

import functools
import importlib.resources
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict, cast

from vfio.device import PciDevice

_VERSION = 1
_DISPLAY_BASE = 0x03
_ACCELERATOR_BASE = 0x12
_CLASS_OF_KIND = {"gpu": "PGPU", "npu": "CUSTOM_NPU"}


@dataclass(frozen=True, slots=True)
class Product:
    """What placement is told about a device unless the operator's rule says otherwise."""

    model: str
    resource_class: str
    traits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    products: Mapping[tuple[int, int], Product]
    """By vendor and device id."""

    def accelerator(self, device: PciDevice) -> Product | None:
        """The product when we know it for an accelerator without being told: listed, or of the class of
        processing accelerators. A virtual function is never one by itself."""
        if device.physfn is not None:
            return None
        known = self.products.get((device.vendor, device.product))
        if known is None and device.class_code >> 16 == _ACCELERATOR_BASE:
            return self.describe(device)
        return known

    def describe(self, device: PciDevice) -> Product:
        """How to call any device, known or not. The trait with its ids is what tells unknown ones apart."""
        known = self.products.get((device.vendor, device.product))
        ids = f"PCI_{device.vendor:04X}_{device.product:04X}"
        if known is not None:
            return Product(known.model, known.resource_class, (*known.traits, f"CUSTOM_{ids}"))
        model = f"{device.vendor:04x}:{device.product:04x}"
        return Product(model, _class_by_code(device, ids), (f"CUSTOM_{ids}",))


class _Vendor(TypedDict, total=False):
    id: str
    name: str
    kind: str
    resource_class: str
    traits: list[str]
    devices: dict[str, str]


@functools.cache
def builtin() -> Catalogue:
    """The catalogue that ships with the package."""
    return parse(importlib.resources.files("vfio").joinpath("catalogue.toml").read_text(encoding="utf-8"))


def parse(text: str) -> Catalogue:
    """ValueError (or KeyError) says what is wrong with the text."""
    raw = tomllib.loads(text)
    if raw.get("version") != _VERSION:
        raise ValueError(f"catalogue version {raw.get('version')!r} is not known here")
    products: dict[tuple[int, int], Product] = {}
    for vendor in cast(list[_Vendor], raw.get("vendor", [])):
        resource_class = vendor.get("resource_class") or _CLASS_OF_KIND[vendor["kind"]]
        for device, model in vendor["devices"].items():
            key = int(vendor["id"], 16), int(device, 16)
            if key in products:
                raise ValueError(f"{vendor['id']}:{device} is listed twice")
            products[key] = Product(model, resource_class, _traits(vendor, model))
    return Catalogue(products)


def _traits(vendor: _Vendor, model: str) -> tuple[str, ...]:
    name = re.sub(r"[^A-Z0-9]+", "_", f"{vendor['name']} {model}".upper())
    return (f"CUSTOM_{name}", *vendor.get("traits", ()))


def _class_by_code(device: PciDevice, ids: str) -> str:
    base = device.class_code >> 16
    if base == _DISPLAY_BASE:
        return _CLASS_OF_KIND["gpu"]
    if base == _ACCELERATOR_BASE:
        return _CLASS_OF_KIND["npu"]
    return f"CUSTOM_{ids}"
