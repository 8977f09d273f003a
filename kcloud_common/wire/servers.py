"""Servers: the machine that is wanted, with its image, devices and ports, and how it stands."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from kcloud_common.wire.base import Counter, Wire, Word, Words
from kcloud_common.wire.slices import SliceKind


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
    """PCI addresses of the functions the guest gets, in order. Empty for an mdev."""
    kind: SliceKind = SliceKind.WHOLE
    mdev: UUID | None = None
    generation: int = 0
    """Of the lease: grows with each claim on the device. A host never acts for a generation below the newest
    that it has seen on the device."""


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
