"""Devices, which is to say slices: what operators want of one, how each stands, and what it is worth."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from kcloud_common.certificate import NO_CERTIFICATE, Certificate
from kcloud_common.wire.base import Amount, Counter, Wire, Word, Words
from kcloud_common.wire.slices import Sharing, SliceKind


class ChainHead(Wire):
    """Where a device's certificates stand: the newest, and the newest lease."""

    sequence: int = 0
    hash: str = Field(default=NO_CERTIFICATE, pattern=r"^[0-9a-f]{64}$")
    generation: int = 0


class DeviceWant(Wire):
    """What operators want of one device; a device that is not named is in ordinary use."""

    name: str
    maintenance: bool = False
    """Out of use as soon as it is free."""
    release_count: int = 0
    """Times that an operator has asked for it to leave quarantine. When it is above what the host has done,
    the host runs the burn-in, and frees the device if that is passed."""
    chain: ChainHead | None = None
    """As the control plane knows it, while a burn-in is asked for: what a host continues whose own record of
    the device is lost."""


class DeviceState(StrEnum):
    """Stands of a slice; vfio/lifecycle.py has the table of what leads where."""

    FREE = "free"
    CLAIMED = "claimed"
    """Prepared for a claim, journalled; no guest has it yet."""
    ATTACHED = "attached"
    """A guest has it."""
    SANITISING = "sanitising"
    """Taken from its guest; not clean yet."""
    QUARANTINED = "quarantined"
    """Could not be returned to a clean state; `reason` says why. Never handed out."""
    MAINTENANCE = "maintenance"
    """Out of use because an operator wants it so."""


class PcieLink(Wire):
    """What a device's seat can do: GT/s of one lane, and lanes."""

    speed: float = Field(gt=0, lt=1000)
    width: int = Field(ge=1, le=32)


class Health(Wire):
    """Signs of a device's health that the host can always see. None: it can't be read here."""

    aer_correctable: Counter | None = None
    aer_nonfatal: Counter | None = None
    aer_fatal: Counter | None = None
    link: PcieLink | None = None
    """As it runs now; a link that saves power is slower than its seat allows."""
    xid: Amount | None = None
    """The last NVIDIA XID in the kernel's log."""
    evidence: Words = ""
    """What is wrong, for the operator; empty when nothing is."""


class DeviceReport(Wire):
    """One slice that this host offers: a whole IOMMU group, a virtual function, a mediated device."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")
    """Stable on this host, e.g. `pci_0000_41_00_0`."""
    card: str = Field(default="", pattern=r"^[A-Za-z0-9_.:-]{0,128}$")
    """Name of the card that it is a slice of; empty when it is the whole card."""
    kind: SliceKind = SliceKind.WHOLE
    slice_type: Word = ""
    mdev: UUID | None = None
    addresses: tuple[str, ...]
    """PCI functions; empty for an mdev."""
    vendor_id: str = Field(pattern=r"^[0-9a-f]{4}$")
    product_id: str = Field(pattern=r"^[0-9a-f]{4}$")
    model: Word = ""
    serial: Word = ""
    """Of the card, where it says one: slots change, serials do not."""
    resource_class: str
    traits: tuple[str, ...] = ()
    share: int = Field(default=1000, ge=0, le=1000)
    """Of the card's power to compute, in thousandths, as its policy promises it."""
    memory_mib: Amount | None = None
    sharing: Sharing | None = None
    """As the driver has it now; None where a slice is not shared in time."""
    numa_node: int | None = None
    pci_path: tuple[str, ...] = ()
    """Bridges from the root complex down to the device."""
    link: PcieLink | None = None
    state: DeviceState = DeviceState.FREE
    claim_id: UUID | None = None
    generation: Counter = 0
    """Of the newest lease that this host has seen on it."""
    release_count: Counter = 0
    """Burn-ins done, echoing DeviceWant's."""
    reason: Words = ""
    health: Health | None = None
    certificate: Certificate | None = None
    """The newest, until a report with it was accepted."""
