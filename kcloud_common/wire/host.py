"""All that one host is told (`Assignment`), and all that it says (`HostReport`)."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from kcloud_common.wire.base import Amount, Counter, Wire, Word, Words
from kcloud_common.wire.cards import CardReport, LayoutWant
from kcloud_common.wire.devices import DeviceReport, DeviceWant
from kcloud_common.wire.machine import MachineReport
from kcloud_common.wire.resources import ResourceReport
from kcloud_common.wire.servers import ServerReport, ServerWant


class Assignment(Wire):
    host_id: UUID
    generation: int
    servers: tuple[ServerWant, ...] = ()
    layout: LayoutWant | None = None
    """None: cards are offered whole."""
    devices: tuple[DeviceWant, ...] = ()


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
    resources: Annotated[tuple[ResourceReport, ...], AfterValidator(lambda found: found[:16])] = ()
    """What it has besides cards, which no server can be given."""
    machine: MachineReport | None = None
    """None: it says nothing of it."""
    layout_version: Annotated[str, AfterValidator(lambda text: text[:128])] = ""
    """Of the layout that this report has taken into account; cards tell how far it stands."""
    certificate_key: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """The ed25519 public key with which this host signs certificates."""
    problems: Annotated[tuple[Words, ...], AfterValidator(lambda found: found[:64])] = ()
    """What keeps the host from taking new servers; empty when it is ready."""
