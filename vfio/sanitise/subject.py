"""The device that is to be cleaned: what it must look like afterwards, and what may be done to it. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vfio.catalogue_product import Product
from vfio.device import Bar, Link, PciDevice, Snapshot
from vfio.reset_choice import Target

RECREATED_KINDS = frozenset({"mdev", "vendor-vf"})
"""Slices that their vendor's driver takes away and makes anew; they have no reset of their own."""
_COMPANION_BASES = frozenset({0x04, 0x0C})
"""Audio, and serial buses (USB, I2C): what sits on a graphics card beside it."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the device, as the host's scan saw it when it was healthy."""

    target: Target
    vendor: int
    product: int
    bars: tuple[Bar, ...] = ()
    seat: Link | None = None
    """What the function and its slot can both do."""
    accepted: Link | None = None
    """Less than that, where an operator has said that it is right so (vfio.accepted_link)."""

    @property
    def address(self) -> str:
        return self.target.address


@dataclass(frozen=True, slots=True)
class Subject:
    """A slice. `kind` is a word of kcloud_common.wire.SliceKind."""

    name: str
    kind: str
    functions: tuple[Function, ...] = ()
    """None for an mdev."""
    watched: tuple[str, ...] = ()
    """Functions besides its own whose health counts: the card that a virtual function belongs to."""
    mdev: str | None = None
    """UUID of an mdev."""
    slice_type: str = ""
    """That a mediated device or a vendor's function must have again."""
    scrub: str = "none"
    """By the catalogue."""
    rebooted: bool = False
    """The host was started anew since the lease: what has no reset at all was reset by that."""

    @property
    def recreated(self) -> bool:
        return self.kind in RECREATED_KINDS


Describe = Callable[[PciDevice], Product]
"""`Catalogue.describe`, where something knows the function."""


_NONE_ACCEPTED: Mapping[str, Link] = {}


def functions_of(
    snapshot: Snapshot,
    addresses: Sequence[str],
    describe: Describe,
    seated: Callable[[Snapshot, PciDevice], Link | None],
    accepted: Mapping[str, Link] = _NONE_ACCEPTED,
) -> tuple[Function, ...]:
    """The functions of a device from a scan. KeyError for one that is not there: it can't be cleaned.
    `seated` is vfio.offer.seated_link; `accepted` are links by address."""
    found = []
    for number, address in enumerate(addresses):
        device = snapshot.devices[address]
        # The first address is the device itself; only others can be mere companions of it.
        companion = number > 0 and device.class_code >> 16 in _COMPANION_BASES
        allowed = None if companion else describe(device).reset_methods
        found.append(
            Function(
                target=Target(address, allowed, companion),
                vendor=device.vendor,
                product=device.product,
                bars=device.bars,
                seat=seated(snapshot, device),
                accepted=accepted.get(address),
            )
        )
    return tuple(found)
