"""The contract between control plane and agent: what a host is told to have, and what it says it has.

The agent pulls an `Assignment` (all of it, each time), converges, and sends a `HostReport` (all of it, each
time something changed). Nothing here is an order: every field is state, so a message may be lost, doubled
or late. Sizes: memory in MiB, disk in GiB, file sizes in bytes; times are RFC 3339 in UTC.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kcloud_common.certificate import NO_CERTIFICATE, Certificate


class Wire(BaseModel):
    """Base of what travels: frozen, and unknown fields are refused (a typo must not pass for a default)."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- down: what the host should have -----------------------------------------------------------------


class Presence(StrEnum):
    PRESENT = "present"
    ABSENT = "absent"


class Power(StrEnum):
    ON = "on"
    OFF = "off"


class ImageWant(Wire):
    """An image by content: the host downloads it once and keeps it under its digest."""

    id: UUID
    sha512: str = Field(pattern=r"^[0-9a-f]{128}$")
    size: int
    disk_format: str = Field(pattern=r"^(qcow2|raw)$")


class SliceKind(StrEnum):
    """How a card is handed out: one value for each back end."""

    WHOLE = "whole"
    """All functions of the card's IOMMU group."""
    VF = "vf"
    """An SR-IOV function on vfio-pci."""
    MDEV = "mdev"
    VENDOR_VF = "vendor-vf"
    """An SR-IOV function that stays on its vendor's driver, with a vGPU type set."""
    XE_VF = "xe-vf"
    """An SR-IOV function of Intel's xe driver, with quanta and a memory quota."""


class ClaimWant(Wire):
    """One claimed slice; `device` is the name under which this host reported it."""

    id: UUID
    device: str
    addresses: tuple[str, ...]
    """PCI addresses of the functions the guest gets, in order. Empty for an mdev."""
    kind: SliceKind = SliceKind.WHOLE
    mdev: UUID | None = None
    generation: int = 0
    """Of the lease: grows with each claim on the device. A host never acts for a generation below the newest
    that it has seen on the device."""


class SharingPolicy(StrEnum):
    """How a card's time is shared among its slices (NVIDIA's three words for it)."""

    BEST_EFFORT = "best-effort"
    """Round robin; what one does not use, others get."""
    EQUAL = "equal"
    """One part for each slice that runs."""
    FIXED = "fixed"
    """One part for each slice that could run."""


class Sharing(Wire):
    """Time slicing of one slice, or of a card. None: as the driver has it."""

    policy: SharingPolicy | None = None
    quantum_us: int | None = Field(default=None, ge=0, lt=2**31)
    """How long a slice runs at a stretch, microseconds."""
    preempt_timeout_us: int | None = Field(default=None, ge=0, lt=2**31)
    weight: int | None = Field(default=None, ge=1, le=1000)


class CutWant(Wire):
    """`count` slices of one sort on a card."""

    kind: SliceKind
    type: str = Field(default="", max_length=128)
    """Of an mdev (`nvidia-558`) or a vendor's VF (`1145`); empty where there is one sort only."""
    count: int = Field(default=1, ge=1, le=4096)
    resource_class: str | None = None
    """None: the catalogue's for this kind of card."""
    traits: tuple[str, ...] = ()
    memory_mib: int | None = Field(default=None, ge=1, lt=2**31)
    """Quota of a slice where the back end takes one (xe's vram_quota)."""
    sharing: Sharing | None = None


class CardLayoutWant(Wire):
    """How the cards that `match` fits are cut. Without cuts: whole. The first that fits a card counts."""

    match: str
    """A rule in the words of `[devices] offer`: `10de:26b9`, `address:0000:41:00.0`, `known`."""
    cuts: tuple[CutWant, ...] = ()
    sharing: Sharing | None = None
    """For all slices of the card."""


class LayoutWant(Wire):
    """The desired partition layout of a host. `version` is echoed by the report once it stands."""

    version: str = Field(max_length=128)
    cards: tuple[CardLayoutWant, ...] = ()


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


class PortWant(Wire):
    id: UUID
    mac: str


class GuestData(Wire):
    """What the guest may read about itself (config drive, OpenStack layout)."""

    hostname: str
    project_id: str
    key_name: str | None = None
    public_key: str | None = None
    user_data: str | None = None
    """Base64, as the API got it."""
    metadata: dict[str, str] = Field(default_factory=dict)
    availability_zone: str = "nova"


class GuestShape(Wire):
    """How a guest's machine is to look beyond its size, from the flavor's `hw:` extra specs."""

    numa_nodes: int = Field(default=0, ge=0, le=64)
    """NUMA nodes that the guest sees; 0: it sees none."""
    page_size: str | None = Field(default=None, pattern=r"^(small|large|any|[1-9][0-9]{0,9})$")
    """Of the pages behind its memory: a word, or KiB."""
    phys_bits_mode: str | None = Field(default=None, pattern=r"^(passthrough|emulate)$")
    phys_bits: int | None = Field(default=None, ge=32, le=64)


class ServerWant(Wire):
    """The desired state of one server. An ABSENT one may carry only `id`, `generation` and its claims."""

    id: UUID
    generation: int
    presence: Presence
    power: Power = Power.ON
    name: str = ""
    vcpus: int = 1
    memory_mib: int = 64
    disk_gib: int = 0
    """Size of the root disk; 0 means the image's own size."""
    image: ImageWant | None = None
    claims: tuple[ClaimWant, ...] = ()
    ports: tuple[PortWant, ...] = ()
    guest: GuestData | None = None
    shape: GuestShape = GuestShape()
    reboot_count: int = 0
    console_count: int = 0
    """Raised each time somebody asks for the console log; the agent then uploads it and echoes the count."""
    request_id: str = ""
    """Of the request that waits for this state, for the logs."""


class Assignment(Wire):
    host_id: UUID
    generation: int
    servers: tuple[ServerWant, ...] = ()
    layout: LayoutWant | None = None
    """None: cards are offered whole."""
    devices: tuple[DeviceWant, ...] = ()


# --- up: what the host has ---------------------------------------------------------------------------
# What a host says is shown to others, and kept for as long as the host is: texts are cut, not refused, for a
# report that is refused for its words would also hide what it says of servers. Left out is what steers an
# operator's terminal, or turns the order of letters round; and NULs, which PostgreSQL does not keep.

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _cut(length: int) -> AfterValidator:
    return AfterValidator(lambda text: _STEERING.sub(" ", text[:length]))


Word = Annotated[str, _cut(255)]
Words = Annotated[str, _cut(4096)]
Amount = Annotated[int, Field(ge=0, lt=2**31)]
Counter = Annotated[int, Field(ge=0, lt=2**63)]


class PowerState(StrEnum):
    """What the hypervisor shows. `NONE`: no domain."""

    NONE = "none"
    RUNNING = "running"
    PAUSED = "paused"
    SHUTOFF = "shutoff"
    CRASHED = "crashed"


class Fault(Wire):
    """Why a server could not be brought to its desired state, for the person who asked for it."""

    code: Word
    message: Words
    """Safe for the tenant."""
    details: Words = ""
    """For the operator: device addresses, libvirt's words, paths."""


class ServerReport(Wire):
    """One server as it stands. `gone`: no domain, disk, tap, binding or journal entry is left of it."""

    id: UUID
    generation: Counter
    """Of the newest ServerWant that the agent has acted on (0: none yet)."""
    power_state: PowerState
    gone: bool = False
    busy: bool = False
    """The agent is working on it right now."""
    fault: Fault | None = None
    addresses: Annotated[tuple[Word, ...], AfterValidator(lambda found: found[:64])] = ()
    step: Word = ""
    """What the agent is doing, or did last: `image`, `prepare`, `define`, `start`, `stop` ..."""
    reboot_count: Counter = 0


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


class Ability(Wire):
    """One way in which a card can be cut, as its kernel says."""

    kind: SliceKind
    type: Word = ""
    name: Word = ""
    """What the driver calls the type: `NVIDIA L40S-12Q`."""
    most: Amount
    """Slices of this sort on an empty card."""
    memory_mib: Amount | None = None
    policies: tuple[SharingPolicy, ...] = ()
    quantum: bool = False
    """Whether quanta can be set."""
    refused: Words = ""
    """Why it can't be used here, although the card has it; empty when it can."""


class CardReport(Wire):
    """One card: what it can be cut into, and how the layout stands on it."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")
    address: Word
    vendor_id: str = Field(pattern=r"^[0-9a-f]{4}$")
    product_id: str = Field(pattern=r"^[0-9a-f]{4}$")
    model: Word = ""
    serial: Word = ""
    memory_mib: Amount | None = None
    abilities: Annotated[tuple[Ability, ...], AfterValidator(lambda found: found[:256])] = ()
    drift: Words = ""
    """How the card differs from the layout, and why; empty when it stands."""


class HostReport(Wire):
    """Everything the host has. `epoch` and `sequence` let the control plane drop what comes late or from
    an agent that was replaced."""

    epoch: Counter
    sequence: Counter
    boot_id: UUID
    assignment_generation: Counter
    """Of the assignment that this report has taken into account (0: none yet)."""
    hypervisor_type: Word
    hypervisor_version: Word
    vcpus: Amount
    memory_mib: Amount
    disk_gib: Amount
    reserved_memory_mib: Amount = 0
    traits: tuple[str, ...] = ()
    servers: tuple[ServerReport, ...] = ()
    devices: tuple[DeviceReport, ...] = ()
    cards: tuple[CardReport, ...] = ()
    layout_version: Annotated[str, AfterValidator(lambda text: text[:128])] = ""
    """Of the layout that this report has taken into account; cards tell how far it stands."""
    certificate_key: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """The ed25519 public key with which this host signs certificates."""
    problems: Annotated[tuple[Words, ...], AfterValidator(lambda found: found[:64])] = ()
    """What keeps the host from taking new servers; empty when it is ready."""


# --- enrolment and session ---------------------------------------------------------------------------


class Enrolment(Wire):
    """Sent once, with the one-time token in `X-Kcloud-Enrol-Token`. The agent makes and stores `secret`
    first, so a repeat after a crash is the same request again and succeeds."""

    host: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$")
    secret: str = Field(min_length=32, max_length=128)


class Enrolled(Wire):
    host_id: UUID


class HostSession(Wire):
    """Answer to POST .../session: reports with a lower epoch are refused from now on."""

    epoch: int
    server_time: datetime


class ReportAck(Wire):
    accepted: bool
    """False: stale epoch or sequence; a stale epoch means another agent took over."""
    assignment_generation: int
