"""Lays one catalogue over another, and makes products of what comes out. Pure.

Fact by fact: what the later file says of a vendor, a family or a device takes the place of what the earlier
one said there. Then, for each device, its own entry wins over its family's, and that over its vendor's; an
entry for one board (with subsystem ids) stands on the entry without them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypedDict, TypeVar, cast

from vfio.catalogue_product import (
    MEMORY_TRAIT,
    Ids,
    Product,
    custom_trait,
    ids_name,
    memory_trait,
    slice_class,
    whole_class,
)
from vfio.catalogue_schema import EntryKey, Facts, VendorEntry
from vfio.catalogue_words import OTHER

Key = TypeVar("Key", str, EntryKey)


class _Stated(TypedDict, total=False):
    """The facts of one product, as catalogue_fields checked them."""

    model: str
    kind: str
    memory_mib: int
    mig_parts: int
    companions: tuple[str, ...]
    vf_of: int
    partitions: frozenset[str]
    reset_methods: tuple[str, ...] | None
    scrub: str
    quirks: frozenset[str]
    traits: tuple[str, ...]
    resource_class: str
    slice_class: str
    notes: Mapping[str, str]


@dataclass(slots=True)
class Products:
    products: dict[Ids, Product] = field(default_factory=dict)
    boards: dict[tuple[Ids, Ids], Product] = field(default_factory=dict)
    vendors: dict[int, Product] = field(default_factory=dict)


def laid_over(below: Mapping[int, VendorEntry], above: Mapping[int, VendorEntry]) -> dict[int, VendorEntry]:
    merged = dict(below)
    for vendor, entry in above.items():
        base = below.get(vendor, VendorEntry())
        merged[vendor] = VendorEntry(
            file=entry.file,
            name=entry.name or base.name,
            facts=base.facts | entry.facts,
            families=_by_name(base.families, entry.families),
            devices=_by_name(base.devices, entry.devices),
        )
    return merged


def _by_name(below: Mapping[Key, Facts], above: Mapping[Key, Facts]) -> dict[Key, Facts]:
    return {**below, **{name: below.get(name, {}) | facts for name, facts in above.items()}}


def build(vendors: Mapping[int, VendorEntry]) -> Products:
    """ValueError when what all files say together is not enough for a product."""
    made = Products()
    for vendor, entry in vendors.items():
        if not entry.name:
            raise ValueError(f"{entry.file}: vendor {vendor:04x}: name: is missing, and no other file has it")
        made.vendors[vendor] = _of_vendor(entry)
        functions = {key for key in entry.devices if "vf_of" in _own(entry, key)}
        # Cards first: their virtual functions have their names from them.
        for key in (*(key for key in entry.devices if key not in functions), *functions):
            _add(made, vendor, entry, key)
    return made


def _own(entry: VendorEntry, key: EntryKey) -> Facts:
    """An entry for one board stands on the entry without it."""
    return entry.devices.get((key[0], None), {}) | entry.devices[key]


def _add(made: Products, vendor: int, entry: VendorEntry, key: EntryKey) -> None:
    device, board = key
    ids = vendor, device
    facts = _stacked(entry, ids, key)
    product = _vf(made, entry, ids, facts) if "vf_of" in facts else _card(entry, ids, facts)
    if board is None:
        made.products[ids] = product
    else:
        made.boards[ids, board] = product


def _stacked(entry: VendorEntry, ids: Ids, key: EntryKey) -> Facts:
    """What holds for a device, its own facts on top."""
    own = _own(entry, key)
    family: Facts = {}
    if named := own.get("family"):
        name = cast(str, named.value)
        if name not in entry.families:
            raise _error(entry, ids, "family", f"there is no family {name!r}")
        family = entry.families[name]
    return entry.facts | family | {name: fact for name, fact in own.items() if name != "family"}


def _card(entry: VendorEntry, ids: Ids, facts: Facts) -> Product:
    stated = _stated(facts)
    for needed in ("model", "kind"):
        if needed not in stated:
            raise _error(entry, ids, needed, "is missing, in its family and its vendor too")
    traits = (custom_trait(entry.name, stated["model"]), *stated.get("traits", ()))
    return _product(stated, ids, facts, (*traits, *memory_trait(stated.get("memory_mib"))))


def _vf(made: Products, entry: VendorEntry, ids: Ids, facts: Facts) -> Product:
    """Named after its card. It takes over nothing else: what resets a card need not reset its functions."""
    card_ids = ids[0], cast(int, facts["vf_of"].value)
    card = made.products.get(card_ids)
    if card is None or card.vf_of:
        raise _error(entry, ids, "vf_of", f"no entry is of a card {card_ids[0]:04x}:{card_ids[1]:04x}")
    stated: _Stated = cast(_Stated, {"model": f"{card.model} VF", "kind": card.kind, **_stated(facts)})
    product = _product(stated, ids, facts, (*card_traits(card, card_ids), *stated.get("traits", ())))
    name = stated.get("slice_class") or card.slice_class
    return replace(product, vf_of=card_ids, resource_class=name, slice_class=name)


def card_traits(card: Product, ids: Ids) -> tuple[str, ...]:
    """Those that hold for a part of the card too."""
    return tuple(
        trait
        for trait in card.traits
        if trait != f"CUSTOM_{ids_name(ids)}" and not trait.startswith(MEMORY_TRAIT)
    )


def _of_vendor(entry: VendorEntry) -> Product:
    """Without ids: Catalogue gives it those of the device. Its kind is `other` where a vendor makes many."""
    stated = _stated(entry.facts)
    return replace(
        _product(cast(_Stated, {"kind": OTHER, **stated, "model": entry.name}), (0, 0), entry.facts, ()),
        traits=(custom_trait(entry.name), *stated.get("traits", ())),
        resource_class=stated.get("resource_class", ""),
        slice_class=stated.get("slice_class", ""),
    )


def _product(stated: _Stated, ids: Ids, facts: Facts, traits: tuple[str, ...]) -> Product:
    kind = stated["kind"]
    return Product(
        model=stated["model"],
        resource_class=stated.get("resource_class") or whole_class(kind, ids),
        traits=tuple(dict.fromkeys((*traits, f"CUSTOM_{ids_name(ids)}"))),
        kind=kind,
        memory_mib=stated.get("memory_mib"),
        mig_parts=stated.get("mig_parts"),
        companions=stated.get("companions", ()),
        partitions=stated.get("partitions", frozenset()),
        reset_methods=stated.get("reset_methods"),
        scrub=stated.get("scrub", "none"),
        quirks=stated.get("quirks", frozenset()),
        slice_class=stated.get("slice_class") or slice_class(kind, ids),
        notes=stated.get("notes", {}),
        source={name: fact.source for name, fact in facts.items()},
    )


def _stated(facts: Facts) -> _Stated:
    return cast(_Stated, {name: fact.value for name, fact in facts.items()})


def _error(entry: VendorEntry, ids: Ids, name: str, why: str) -> ValueError:
    return ValueError(f"{entry.file}: device {ids[0]:04x}:{ids[1]:04x}: {name}: {why}")
