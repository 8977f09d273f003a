"""What can be done to a host, one small deed each. Pure data: planner.py makes them, execute.py does them."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from hypervisor_drivers.spec import DomainSpec
from kcloud_common.wire import ChainHead, GuestData, ImageWant, PortWant
from kcloud_compute.records import Record
from vfio.slices.model import Card, Plan, Slice


@dataclass(frozen=True, slots=True)
class WriteRecord:
    step: ClassVar[str] = "record"
    server_id: UUID
    record: Record


@dataclass(frozen=True, slots=True)
class FetchImage:
    step: ClassVar[str] = "image"
    server_id: UUID
    image: ImageWant


@dataclass(frozen=True, slots=True)
class MakeDisk:
    """An overlay on the cached image. `size_gib` 0: as large as the image says."""

    step: ClassVar[str] = "disk"
    server_id: UUID
    image: ImageWant
    size_gib: int


@dataclass(frozen=True, slots=True)
class MakeConfigDrive:
    step: ClassVar[str] = "config"
    server_id: UUID
    name: str
    guest: GuestData
    ports: tuple[PortWant, ...]


@dataclass(frozen=True, slots=True)
class PrepareDevice:
    step: ClassVar[str] = "prepare"
    server_id: UUID
    claim_id: UUID
    slice: Slice
    generation: int
    """Of the lease."""


@dataclass(frozen=True, slots=True)
class Define:
    step: ClassVar[str] = "define"
    server_id: UUID
    spec: DomainSpec


@dataclass(frozen=True, slots=True)
class Start:
    step: ClassVar[str] = "start"
    server_id: UUID
    seconds: float = 120.0
    """How long it may take before something must be wrong."""


@dataclass(frozen=True, slots=True)
class Reboot:
    step: ClassVar[str] = "reboot"
    server_id: UUID


@dataclass(frozen=True, slots=True)
class Stop:
    step: ClassVar[str] = "stop"
    server_id: UUID
    grace_seconds: float


@dataclass(frozen=True, slots=True)
class Undefine:
    step: ClassVar[str] = "undefine"
    server_id: UUID


@dataclass(frozen=True, slots=True)
class ReleaseDevice:
    step: ClassVar[str] = "release"
    server_id: UUID
    """Of the server it was prepared for; of the claim itself when no server is known any more."""
    claim_id: UUID
    device: str = ""
    """Name of the slice; empty where only the journal may know it."""
    generation: int = 0
    """Of its lease, for a host that kept no ledger when the lease began."""


@dataclass(frozen=True, slots=True)
class RemoveFiles:
    step: ClassVar[str] = "remove"
    server_id: UUID


@dataclass(frozen=True, slots=True)
class UploadConsole:
    step: ClassVar[str] = "console"
    server_id: UUID
    count: int


@dataclass(frozen=True, slots=True)
class CleanDevice:
    """Go on with a cleaning that nobody waits for, or burn a device in because an operator asked for it the
    `burn_in`th time."""

    step: ClassVar[str] = "clean"
    device: str
    burn_in: int | None = None
    chain: ChainHead | None = None
    """Where the control plane knows the device's certificates to stand, should this host have lost that."""


@dataclass(frozen=True, slots=True)
class CutCard:
    step: ClassVar[str] = "cut"
    card: Card
    plan: Plan


@dataclass(frozen=True, slots=True)
class MaintainDevice:
    """Take a free device out of use, or back."""

    step: ClassVar[str] = "maintain"
    device: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class QuarantineDevice:
    """A free device that shows that it is ill, or that an operator distrusts."""

    step: ClassVar[str] = "quarantine"
    device: str
    evidence: str


DeviceAction = CleanDevice | CutCard | MaintainDevice | QuarantineDevice
"""What is done for devices' own sake."""

OnDevice = PrepareDevice | ReleaseDevice | DeviceAction
"""After which devices are to be looked at anew."""

Action = (
    WriteRecord
    | FetchImage
    | MakeDisk
    | MakeConfigDrive
    | PrepareDevice
    | Define
    | Start
    | Reboot
    | Stop
    | Undefine
    | ReleaseDevice
    | RemoveFiles
    | UploadConsole
    | DeviceAction
)


def device_of(action: Action) -> str:
    """The device or the card that it is done to; empty for none, or where only the journal knows."""
    match action:
        case CutCard():
            return action.card.name
        case PrepareDevice():
            return action.slice.name
        case ReleaseDevice() | CleanDevice() | MaintainDevice() | QuarantineDevice():
            return action.device
    return ""
