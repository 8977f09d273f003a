"""Decides which of Cyborg's words fits a card, and what its attributes are. Pure."""

from collections.abc import Iterable
from uuid import UUID

from kcloud_api.placement.names import class_order

AICHIP = "AICHIP"
PREFIXES = (
    ("GPU", ("PGPU", "VGPU", "CUSTOM_PGPU", "CUSTOM_VGPU", "CUSTOM_GPU")),
    ("FPGA", ("FPGA", "CUSTOM_FPGA")),
    ("QAT", ("CUSTOM_QAT",)),
    ("NIC", ("NIC", "CUSTOM_NIC", "SRIOV_NET", "PCI_NET", "CUSTOM_DPU")),
    ("SSD", ("CUSTOM_SSD", "CUSTOM_NVME")),
)
"""Cyborg's types, by how the names of resource classes begin."""
MOST_ATTRIBUTES = 255
CLASS, TRAIT = "rc", "trait"


def type_of(resource_class: str) -> str:
    """All that is none of the others makes somebody's artificial intelligence."""
    return next((name for name, begins in PREFIXES if resource_class.startswith(begins)), AICHIP)


def attributes_of(classes: Iterable[str], traits: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Keys and values as Cyborg's drivers name them: `rc`, `trait0`, `trait1`; a card that is cut into
    several classes has `rc1` and so on too."""
    named = [
        (f"{CLASS}{number or ''}", name) for number, name in enumerate(sorted(set(classes), key=class_order))
    ]
    named += [(f"{TRAIT}{number}", name) for number, name in enumerate(sorted(set(traits)))]
    return tuple(named[:MOST_ATTRIBUTES])


def attribute_id(card_id: UUID, place: int) -> UUID:
    """Of the card's attribute at this place. One can be found by its id, although nobody keeps it: the last
    byte tells the place."""
    return UUID(int=card_id.int ^ (place + 1))


def possible_cards(attribute: UUID) -> tuple[UUID, ...]:
    """The cards of which it could be an attribute, by place."""
    return tuple(attribute_id(attribute, place) for place in range(MOST_ATTRIBUTES))
