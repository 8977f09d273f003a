"""Decides what a report says, from the assignment, one observation and the ledger. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from hypervisor_drivers.spec import Capabilities, DomainSeen, DomainState
from kcloud_common.wire import (
    Assignment,
    CardReport,
    DeviceReport,
    Fault,
    HostReport,
    PowerState,
    Presence,
    ResourceReport,
    ServerReport,
    ServerWant,
)
from kcloud_compute.guest_shape import HostShape
from kcloud_compute.ledger import Standing
from kcloud_compute.machine_report import machine_report
from kcloud_compute.observed import Observed
from kcloud_compute.planner import HostPlan, ServerPlan
from vfio.catalogue_pim import HostResource

_POWER = {
    DomainState.RUNNING: PowerState.RUNNING,
    DomainState.PAUSED: PowerState.PAUSED,
    DomainState.SHUTOFF: PowerState.SHUTOFF,
    DomainState.CRASHED: PowerState.CRASHED,
}


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a report says about the host itself."""

    capabilities: Capabilities
    disk_gib: int
    reserved_memory_mib: int
    epoch: int = 0
    certificate_key: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """Of the work on servers: who is worked on now and at which step, and how earlier attempts stand."""

    steps: Mapping[UUID, str]
    standings: Mapping[UUID, Standing]
    retrying: frozenset[UUID]
    addresses: Mapping[UUID, tuple[str, ...]]
    overdue: Mapping[UUID, float] = field(default_factory=dict)
    """Servers whose start takes longer than it may, with the seconds that were allowed."""


def server_reports(
    assignment: Assignment, plan: HostPlan, observed: Observed, progress: Progress
) -> tuple[ServerReport, ...]:
    """Every server that is assigned, and every one that is here without being assigned."""
    assigned = {want.id for want in assignment.servers}
    strays = sorted((observed.domains.keys() | observed.folders.keys()) - assigned)
    return (
        *(_assigned(server, observed, progress) for server in plan.servers),
        *(_stray(id, observed, progress) for id in strays),
    )


def _assigned(server: ServerPlan, observed: Observed, progress: Progress) -> ServerReport:
    want = server.want
    standing = progress.standings.get(want.id, Standing())
    working = want.id in progress.steps
    late = _overdue(want, progress)
    busy = late is None and (working or want.id in progress.retrying)
    folder = observed.folders.get(want.id)
    done = folder.record.reboot_count if folder and folder.record else 0
    return ServerReport(
        id=want.id,
        generation=want.generation if late else standing.settled,
        power_state=_power(observed.domains.get(want.id)),
        gone=not working and is_gone(want, observed),
        busy=busy,
        fault=late or standing.fault,
        addresses=progress.addresses.get(want.id, ()),
        step=progress.steps.get(want.id, standing.step),
        reboot_count=done,
    )


def _overdue(want: ServerWant, progress: Progress) -> Fault | None:
    """Told as an end, for the control plane takes no word of a busy server: somebody waits for it. The start
    itself goes on, since the hypervisor cannot be made to give it up."""
    if want.presence is Presence.ABSENT or want.id not in progress.overdue:
        return None
    return Fault(
        code="start_slow",
        message="The server's start takes longer than it should.",
        details=f"it was given {progress.overdue[want.id]:.0f} s for its memory and its devices' BARs; "
        "look into the log of its QEMU, and at free hugepages and the host's load",
    )


def is_gone(want: ServerWant, observed: Observed) -> bool:
    """Nothing is left of it: no domain, no file, no device prepared for one of its claims."""
    return (
        want.presence is Presence.ABSENT
        and want.id not in observed.domains
        and want.id not in observed.folders
        and not any(claim.id in observed.claims for claim in want.claims)
    )


def _stray(server_id: UUID, observed: Observed, progress: Progress) -> ServerReport:
    return ServerReport(
        id=server_id,
        generation=0,
        power_state=_power(observed.domains.get(server_id)),
        addresses=progress.addresses.get(server_id, ()),
    )


def _power(domain: DomainSeen | None) -> PowerState:
    return PowerState.NONE if domain is None else _POWER[domain.state]


@dataclass(frozen=True, slots=True)
class Findings:
    """The parts of a report that change."""

    boot_id: UUID
    assignment_generation: int
    servers: Sequence[ServerReport]
    devices: Sequence[DeviceReport]
    problems: Sequence[str]
    cards: Sequence[CardReport] = ()
    resources: Sequence[HostResource] = ()
    layout_version: str = ""
    shape: HostShape | None = None
    """None: the host could not be looked at yet."""


def host_report(host: HostFacts, found: Findings) -> HostReport:
    """Without its sequence, which the reporter sets."""
    able = host.capabilities
    return HostReport(
        epoch=host.epoch,
        sequence=0,
        boot_id=found.boot_id,
        assignment_generation=found.assignment_generation,
        hypervisor_type=able.hypervisor_type,
        hypervisor_version=able.version,
        vcpus=able.vcpus,
        memory_mib=able.memory_mib,
        disk_gib=host.disk_gib,
        reserved_memory_mib=host.reserved_memory_mib,
        traits=able.traits,
        servers=tuple(found.servers),
        devices=tuple(found.devices),
        cards=tuple(found.cards),
        resources=tuple(map(_resource, found.resources)),
        machine=machine_report(found.shape, able.virt_type) if found.shape is not None else None,
        layout_version=found.layout_version,
        certificate_key=host.certificate_key,
        problems=tuple(found.problems),
    )


def _resource(each: HostResource) -> ResourceReport:
    """Without what the host's own processes hold of it: that changes all the time, and means nothing to who
    cannot have any."""
    return ResourceReport(resource_class=each.resource_class, total=each.total, declared=each.declared)
