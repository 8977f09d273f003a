"""The words for cutting cards: what a card can be cut into, what it shall be, what stands. Pure data.

The strings and shapes are those of the agent's contract (kcloud_common.wire), which this package cannot see.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID, uuid5

from vfio.device import Link, PciDevice, Snapshot

_MDEVS = UUID("5f1c9a52-7d0e-4c1b-9b59-0d6c1f3f7a10")
"""The namespace of names of mediated devices: never to change, for every uuid follows from it."""


class Kind(StrEnum):
    """How a card is handed out: one value for each back end."""

    WHOLE = "whole"
    VF = "vf"
    MDEV = "mdev"
    VENDOR_VF = "vendor-vf"
    XE_VF = "xe-vf"


class Policy(StrEnum):
    """How a card's time is shared among its slices."""

    BEST_EFFORT = "best-effort"
    EQUAL = "equal"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Sharing:
    """Time slicing of a card or of one sort of its slices. None: as the driver has it."""

    policy: Policy | None = None
    quantum_us: int | None = None
    preempt_timeout_us: int | None = None
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """`count` slices of one sort."""

    kind: Kind
    type: str = ""
    """Of an mdev (`nvidia-558`) or a vendor's VF (`1145`); empty where there is one sort only."""
    count: int = 1
    resource_class: str | None = None
    traits: tuple[str, ...] = ()
    memory_mib: int | None = None
    sharing: Sharing | None = None


@dataclass(frozen=True, slots=True)
class CardLayout:
    """How the cards that a rule fits are cut; without cuts they are whole."""

    match: str
    """In the words of vfio.rules."""
    cuts: tuple[Cut, ...] = ()
    sharing: Sharing | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How one card shall be cut. No cuts: whole, and nothing of ours is left on it."""

    cuts: tuple[Cut, ...] = ()
    sharing: Sharing | None = None

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(cut.kind for cut in self.cuts)

    @property
    def count(self) -> int:
        """Slices of all sorts."""
        return sum(cut.count for cut in self.cuts)


@dataclass(frozen=True, slots=True)
class Ability:
    """One way in which a card can be cut, as its kernel says."""

    kind: Kind
    type: str = ""
    name: str = ""
    """What the driver calls the type."""
    most: int = 0
    """Slices of this sort on an empty card."""
    memory_mib: int | None = None
    policies: tuple[Policy, ...] = ()
    quantum: bool = False
    refused: str = ""
    """Why it can't be used here, although the card has it; empty when it can."""


@dataclass(frozen=True, slots=True)
class Card:
    """An accelerator as the host's scan finds it, with all that goes with it when it is taken whole."""

    name: str
    """`pci_0000_41_00_0`, after the lowest of its functions."""
    device: PciDevice
    """The function that makes it an accelerator."""
    functions: tuple[str, ...]
    """All endpoints of its IOMMU group; just the device where there is no group."""
    others: tuple[str, ...] = ()
    """Further accelerators in its group: such a card is whole or nothing."""
    model: str = ""
    kind: str = ""
    """`gpu`, `npu` ..."""
    memory_mib: int | None = None
    mig_parts: int | None = None
    """Compute parts that its hardware is cut into in MIG mode, where the catalogue knows."""
    resource_class: str = ""
    """Of the whole card."""
    classes: tuple[str, ...] = ()
    """Of all accelerators in it; more than one: rules must make them one before it is handed out whole."""
    slice_class: str = ""
    """Of its slices, where all are of one sort."""
    traits: tuple[str, ...] = ()
    link: Link | None = None
    """What it and its seat can do."""

    @property
    def address(self) -> str:
        return self.device.address


@dataclass(frozen=True, slots=True)
class Slice:
    """What one claim can hold. It exists: whoever is given it can be started on it."""

    name: str
    kind: Kind
    card: str
    addresses: tuple[str, ...]
    """PCI functions that the guest gets; empty for an mdev."""
    resource_class: str
    traits: tuple[str, ...] = ()
    type: str = ""
    mdev: UUID | None = None
    share: int = 1000
    """Of the card's power to compute, in thousandths, as its policy promises it."""
    memory_mib: int | None = None
    sharing: Sharing | None = None
    numa_node: int | None = None
    pci_path: tuple[str, ...] = ()
    iommu_group: int | None = None
    link: Link | None = None
    vendor_id: str = ""
    product_id: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Mdev:
    """A mediated device that exists."""

    uuid: UUID
    parent: str
    """Address of the function that it is a part of."""
    type: str


@dataclass(frozen=True, slots=True)
class Sight:
    """A host read once."""

    snapshot: Snapshot
    used: Mapping[str, str]
    """What the host itself does with a function (vfio.hostuse)."""
    vfs: Mapping[str, tuple[PciDevice, ...]]
    """Virtual functions by their physical one's address, in the order of their numbers."""
    mdevs: Mapping[UUID, Mdev]

    def vfs_of(self, card: Card) -> tuple[PciDevice, ...]:
        return self.vfs.get(card.address, ())

    def mdevs_of(self, card: Card) -> tuple[Mdev, ...]:
        """On the card, and on its virtual functions."""
        parents = {card.address, *(device.address for device in self.vfs_of(card))}
        return tuple(mdev for mdev in self.mdevs.values() if mdev.parent in parents)


def by_physical(snapshot: Snapshot) -> dict[str, tuple[PciDevice, ...]]:
    """For Sight.vfs. Routing ids grow with the number of a virtual function, so addresses sort like them."""
    found: dict[str, list[PciDevice]] = {}
    for address in sorted(snapshot.devices):
        device = snapshot.devices[address]
        if device.physfn is not None:
            found.setdefault(device.physfn, []).append(device)
    return {physical: tuple(devices) for physical, devices in found.items()}


def mdev_uuid(card: str, type_name: str, index: int) -> UUID:
    """The same for ever, so that a slice has its name again after a reboot."""
    return uuid5(_MDEVS, f"{card}/{type_name}/{index}")


def mdev_name(mdev: UUID) -> str:
    """Libvirt's node-device style: `mdev_c0f4..._...`."""
    return f"mdev_{mdev}".replace("-", "_")
