"""The contract between control plane and agent: what a host is told to have, and what it says it has.

The agent pulls an `Assignment` (all of it, each time), converges, and sends a `HostReport` (all of it, each
time something changed). Nothing here is an order: every field is state, so a message may be lost, doubled
or late. Sizes: memory in MiB, disk in GiB, file sizes in bytes; times are RFC 3339 in UTC.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


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


class ClaimWant(Wire):
    """One claimed slice; `device` is the name under which this host reported it."""

    id: UUID
    device: str
    addresses: tuple[str, ...]
    """PCI addresses of the functions the guest gets, in order."""


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
    reboot_count: int = 0
    console_count: int = 0
    """Raised each time somebody asks for the console log; the agent then uploads it and echoes the count."""
    request_id: str = ""
    """Of the request that waits for this state, for the logs."""


class Assignment(Wire):
    host_id: UUID
    generation: int
    servers: tuple[ServerWant, ...] = ()


# --- up: what the host has ---------------------------------------------------------------------------
# What a host says is shown to others, and kept for as long as the host is: texts are cut, not refused, for a
# report that is refused for its words would also hide what it says of servers.

Word = Annotated[str, AfterValidator(lambda text: text[:255])]
Words = Annotated[str, AfterValidator(lambda text: text[:4096])]
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
    FREE = "free"
    CLAIMED = "claimed"
    """Prepared for a claim (bound to vfio-pci, journalled)."""
    QUARANTINED = "quarantined"
    """Could not be returned to a clean state; `reason` says why. Never handed out."""


class PcieLink(Wire):
    """What a device's seat can do: GT/s of one lane, and lanes."""

    speed: float = Field(gt=0, lt=1000)
    width: int = Field(ge=1, le=32)


class DeviceReport(Wire):
    """One slice that this host offers: here, the whole IOMMU group of an accelerator."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")
    """Stable on this host, e.g. `pci_0000_41_00_0`."""
    addresses: tuple[str, ...]
    vendor_id: str = Field(pattern=r"^[0-9a-f]{4}$")
    product_id: str = Field(pattern=r"^[0-9a-f]{4}$")
    resource_class: str
    traits: tuple[str, ...] = ()
    numa_node: int | None = None
    pci_path: tuple[str, ...] = ()
    """Bridges from the root complex down to the device."""
    link: PcieLink | None = None
    state: DeviceState = DeviceState.FREE
    claim_id: UUID | None = None
    reason: Words = ""


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
