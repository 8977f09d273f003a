"""What a catalogue says of one product, and how placement names it unless told otherwise. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from vfio.catalogue_words import OTHER, SLICE_CLASS, WHOLE_CLASS

Ids = tuple[int, int]
"""Vendor and device id."""


@dataclass(frozen=True, slots=True)
class Product:
    """Facts of one product. What the kernel shows of a card always wins over them."""

    model: str
    resource_class: str
    """Of the whole card; of a slice, when this is a virtual function."""
    traits: tuple[str, ...]
    kind: str = OTHER
    """A word of catalogue_words.WHOLE_CLASS, or `other`."""
    memory_mib: int | None = None
    """Of the whole card, where its vendor says it."""
    mig_parts: int | None = None
    """Compute parts that its hardware is cut into in MIG mode, where its vendor says it."""
    companions: tuple[str, ...] = ()
    """What goes with it, as rules say it: `class:0403`, a function in the same slot; `10de:22a3`, a device
    elsewhere in the host."""
    vf_of: Ids | None = None
    """The card that this is a virtual function of."""
    partitions: frozenset[str] = frozenset()
    """Ways in which its vendor cuts it (catalogue_words.PARTITIONS); the kernel says whether it can here."""
    reset_methods: tuple[str, ...] | None = None
    """Resets to try, in order; empty: none is safe. None: whatever the kernel offers."""
    scrub: str = "none"
    """Name of what clears its memory (catalogue_words.SCRUBS, or `vendor:<tool>`)."""
    quirks: frozenset[str] = frozenset()
    """Words of catalogue_words.QUIRKS."""
    slice_class: str = ""
    """Resource class of its slices unless a layout names one."""
    notes: Mapping[str, str] = field(default_factory=dict, hash=False)
    """For people: a partition method or a quirk, and what to know of it (kernel versions, say)."""
    source: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Name of each fact that a catalogue states, and where it is from."""


def whole_class(kind: str, ids: Ids) -> str:
    return WHOLE_CLASS.get(kind, f"CUSTOM_{ids_name(ids)}")


def slice_class(kind: str, ids: Ids) -> str:
    return SLICE_CLASS.get(kind, f"CUSTOM_{ids_name(ids)}_SLICE")


def ids_name(ids: Ids) -> str:
    """`PCI_10DE_20B5`: every device has a trait with its ids, which is what tells unknown ones apart."""
    return f"PCI_{ids[0]:04X}_{ids[1]:04X}"


MEMORY_TRAIT = "CUSTOM_MEMORY_"


def memory_trait(mib: int | None) -> tuple[str, ...]:
    """`CUSTOM_MEMORY_80GIB`: rounded by a sixteenth at most, as makers call 4864 MiB 5 GB; what no number of
    GiB is near to is told in MiB. Nothing where the memory is not known."""
    if not mib:
        return ()
    gib = round(mib / 1024)
    near = gib and abs(mib - gib * 1024) * 16 <= gib * 1024
    return (f"{MEMORY_TRAIT}{gib}GIB" if near else f"{MEMORY_TRAIT}{mib}MIB",)


def custom_trait(*words: str) -> str:
    """`CUSTOM_NVIDIA_A100_PCIE_80GB`."""
    return "CUSTOM_" + re.sub(r"[^A-Z0-9]+", "_", " ".join(words).upper()).strip("_")
