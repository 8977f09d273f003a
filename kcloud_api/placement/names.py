"""Knows which traits and resource classes exist without being made: the standard ones. Pure."""

import re

import os_resource_classes
import os_traits

CUSTOM = re.compile(r"^CUSTOM_[A-Z0-9_]+$")
STANDARD_TRAITS: frozenset[str] = frozenset(os_traits.get_traits())
STANDARD_CLASSES: tuple[str, ...] = tuple(os_resource_classes.STANDARDS)
LONGEST = 255
CLASS_ALIASES = {"CUSTOM_AICHIP": "CUSTOM_NPU"}
"""openKcloud's words for classes that have another name here; understood wherever a class is given."""

TRAIT_ALIASES = {"FURIOSA": "1ED2", "NVIDIA": "10DE", "REBELLIONS": "1EFF"}
"""Vendors in openKcloud's trait names, `CUSTOM_<VENDOR>_<DEVICE ID>`; ours have both ids in one trait."""
# The first is a digit, as in all ids of these vendors: CA22 is a model of Rebellions'.
_BY_DEVICE_ID = re.compile(r"^CUSTOM_([A-Z]+)_([0-9][0-9A-F]{3})$")


def canonical_trait(name: str) -> str:
    """The trait that this name stands for: mostly itself."""
    found = _BY_DEVICE_ID.match(name)
    vendor = TRAIT_ALIASES.get(found[1]) if found else None
    return f"CUSTOM_PCI_{vendor}_{found[2]}" if found and vendor else name


def canonical_class(name: str) -> str:
    """The class that this name stands for: mostly itself."""
    return CLASS_ALIASES.get(name, name)


def class_order(name: str) -> tuple[int, str]:
    """Sorts standard classes in their own order, then custom ones by name."""
    standard = STANDARD_CLASSES.index(name) if name in STANDARD_CLASSES else len(STANDARD_CLASSES)
    return standard, name


def is_custom(name: str) -> bool:
    return len(name) <= LONGEST and CUSTOM.fullmatch(name) is not None


def is_trait(name: str) -> bool:
    """A standard trait, or a well-formed custom one."""
    return name in STANDARD_TRAITS or is_custom(name)


def is_resource_class(name: str) -> bool:
    """A standard class, or a well-formed custom one."""
    return name in STANDARD_CLASSES or is_custom(name)
