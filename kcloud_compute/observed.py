"""What is on this host, as one immutable value. Pure data; observe.py reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from hypervisor_drivers.spec import DomainSeen
from kcloud_compute.device_record import DeviceRecord
from kcloud_compute.guest_shape import FunctionFacts, HostShape
from kcloud_compute.records import Record
from vfio.layout import Decision
from vfio.slices.model import Slice


@dataclass(frozen=True, slots=True)
class Folder:
    """A server's folder: which of its files are there."""

    disk: bool = False
    config_drive: bool = False
    record: Record | None = None
    damage: str = ""
    """Why its record, which is there, cannot be read."""


@dataclass(frozen=True, slots=True)
class Held:
    """One claim that this host still has something to do for: it is in the journal, or the device's record
    says that it is claimed or being cleaned. A damaged entry no longer says of what."""

    addresses: tuple[str, ...] = ()
    """What it asked for; empty for an mdev."""
    device: str = ""
    """The slice's name."""
    mdev: UUID | None = None
    ready: bool = False
    """All is there for its guest; not so after a reboot of the host, or a crash half-way."""
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at the host."""

    boot_id: UUID
    domains: Mapping[UUID, DomainSeen] = field(default_factory=dict)
    folders: Mapping[UUID, Folder] = field(default_factory=dict)
    images: frozenset[str] = frozenset()
    """Digests of the images in the cache."""
    claims: Mapping[UUID, Held] = field(default_factory=dict)
    offered: Mapping[str, Slice] = field(default_factory=dict)
    """Slices that the operator's rules and the layout let guests have, by name."""
    scanned: bool = True
    """Whether the host's devices could ever be read; else nothing follows from what is not offered."""
    decisions: tuple[Decision, ...] = ()
    """What the layout wants of each card."""
    cutting: frozenset[str] = frozenset()
    """Cards that are being cut at this moment, by name: what is offered of them may be gone the next."""
    dated: bool = False
    """Whether cards were left alone at the last look: one that is to be cut by it may be cut already."""
    devices: Mapping[str, DeviceRecord] = field(default_factory=dict)
    """What the host remembers of devices, by name; those without a record are free."""
    ill: Mapping[str, str] = field(default_factory=dict)
    """Cards that show a fault, by name, with the evidence."""
    functions: Mapping[str, FunctionFacts] = field(default_factory=dict)
    """Of the functions that guests may get, by address."""
    shape: HostShape = field(default_factory=HostShape)
    consoles: Mapping[UUID, int] = field(default_factory=dict)
    """Console requests that have been answered."""
