"""Decides what to do on this host: from the assignment and one observation to actions in order. Pure.

A plan leaves its executor nothing to choose. Whatever subset of a server's artefacts is there, the plan adds
what is missing; applied, the next plan is empty. Servers that the assignment does not name are not touched.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from hypervisor_drivers.spec import DomainState
from kcloud_common.wire import Assignment, GuestShape, Power, Presence, ServerWant
from kcloud_compute.actions import (
    Action,
    Define,
    DeviceAction,
    FetchImage,
    MakeConfigDrive,
    MakeDisk,
    PrepareDevice,
    Reboot,
    ReleaseDevice,
    RemoveFiles,
    Start,
    Stop,
    Undefine,
    UploadConsole,
    WriteRecord,
)
from kcloud_compute.claims import (
    Holders,
    claims_to_release,
    has_other_devices,
    is_ready,
    orphans,
    slice_of,
)
from kcloud_compute.device_plans import device_actions
from kcloud_compute.guest_shape import Unfit, start_seconds
from kcloud_compute.observed import Folder, Observed
from kcloud_compute.obstacles import Obstacle, obstacle_of, unfit
from kcloud_compute.records import Record
from kcloud_compute.translate import Around, Host, domain_spec, functions_of

LIVE = frozenset({DomainState.RUNNING, DomainState.PAUSED})


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """Either actions in order, or an obstacle; neither: the server is as it should be."""

    want: ServerWant
    actions: tuple[Action, ...] = ()
    obstacle: Obstacle | None = None


@dataclass(frozen=True, slots=True)
class HostPlan:
    servers: tuple[ServerPlan, ...] = ()
    consoles: tuple[UploadConsole, ...] = ()
    orphans: tuple[ReleaseDevice, ...] = ()
    """Devices prepared for claims that nobody knows any more."""
    devices: tuple[DeviceAction, ...] = ()
    """For devices' own sake: cards to cut, devices to clean. Each may be carried out side by side."""


def plan(assignment: Assignment, observed: Observed, host: Host) -> HostPlan:
    """Removals and builds of one turn. Plans of different servers may be carried out side by side."""
    wants = {want.id: want for want in assignment.servers}
    holders = Holders(observed)
    servers = [_server_plan(wants[id], wants, observed, host, holders) for id in sorted(wants)]
    return HostPlan(
        tuple(servers),
        _consoles(wants, observed),
        orphans(wants, observed),
        device_actions(assignment.devices, observed),
    )


def _server_plan(
    want: ServerWant, wants: Mapping[UUID, ServerWant], observed: Observed, host: Host, holders: Holders
) -> ServerPlan:
    if want.presence is Presence.ABSENT:
        return ServerPlan(want, _removal(want, wants, observed))
    domain = observed.domains.get(want.id)
    if domain is not None and _half_started(want, domain.state, observed):
        return ServerPlan(want, (Stop(want.id, 0.0),))  # the next turn starts it like any other
    if domain is not None and domain.state in LIVE:
        return ServerPlan(want, _while_live(want, observed, host))
    obstacle = obstacle_of(want, observed, holders)
    if obstacle is not None:
        return ServerPlan(want, obstacle=obstacle)
    try:
        actions = (*_artefacts(want, observed, host), *_power_on(want, observed, host))
    except Unfit as error:
        return ServerPlan(want, obstacle=unfit(error))
    holders.take(want)
    return ServerPlan(want, actions)


# --- removal -----------------------------------------------------------------------------------------


def _removal(want: ServerWant, wants: Mapping[UUID, ServerWant], observed: Observed) -> tuple[Action, ...]:
    """Stop, undefine, give devices back, remove files: each only when there is something to do."""
    actions: list[Action] = []
    domain = observed.domains.get(want.id)
    if domain is not None:
        if domain.state in LIVE:
            actions.append(Stop(want.id, 0.0))
        actions.append(Undefine(want.id))
    for claim in claims_to_release(want, wants, observed):
        if claim.mend is not None:  # the journal's entry is damaged; preparing again mends it
            mended = slice_of(claim.mend, observed)
            actions.append(PrepareDevice(want.id, claim.id, mended, claim.mend.generation))
        actions.append(ReleaseDevice(want.id, claim.id, claim.device, claim.generation))
    if want.id in observed.folders:
        actions.append(RemoveFiles(want.id))
    return tuple(actions)


# --- a server that should be here ----------------------------------------------------------------------


def _while_live(want: ServerWant, observed: Observed, host: Host) -> tuple[Action, ...]:
    record = _record(want, observed)
    if want.power is Power.OFF:
        off = _settled(want, observed, running=False)
        return (Stop(want.id, host.shutdown_grace), WriteRecord(want.id, off))
    on = _settled(want, observed, running=True)
    if record is not None and record.has_run and want.reboot_count > record.reboot_count:
        return (Reboot(want.id), WriteRecord(want.id, on))
    return () if record == on else (WriteRecord(want.id, on),)


def _artefacts(want: ServerWant, observed: Observed, host: Host) -> tuple[Action, ...]:
    """Whatever is missing before the server can be started."""
    actions: list[Action] = []
    folder = observed.folders.get(want.id, Folder())
    domain = observed.domains.get(want.id)
    claims = tuple(claim.id for claim in want.claims)
    if folder.record is None or folder.record.claims != claims:
        record = folder.record or Record(reboot_count=want.reboot_count, boot_id=observed.boot_id)
        actions.append(WriteRecord(want.id, record.model_copy(update={"claims": claims})))
    if want.image is not None:
        if want.image.sha512 not in observed.images:
            actions.append(FetchImage(want.id, want.image))
        if not folder.disk:
            actions.append(MakeDisk(want.id, want.image, want.disk_gib))
    if want.guest is not None and not folder.config_drive:
        actions.append(MakeConfigDrive(want.id, want.name, want.guest, want.ports))
    actions += [
        PrepareDevice(want.id, claim.id, slice_of(claim, observed), claim.generation)
        for claim in want.claims
        if not is_ready(claim, observed)
    ]
    if domain is None or has_other_devices(domain, want) or _sits_anew(want, observed, host):
        actions.append(Define(want.id, domain_spec(want, host, _around(observed))))
    return tuple(actions)


def _sits_anew(want: ServerWant, observed: Observed, host: Host) -> bool:
    """Where its cells and pages were, there may be no room any more, and some elsewhere: at each start, and
    after one that failed, they are looked for again."""
    starts = want.power is Power.ON and _should_start(want, _record(want, observed), observed.boot_id, host)
    return starts and want.shape != GuestShape()


def _power_on(want: ServerWant, observed: Observed, host: Host) -> tuple[Action, ...]:
    record = _record(want, observed)
    if want.power is Power.ON and _should_start(want, record, observed.boot_id, host):
        allowed = start_seconds(want.memory_mib, functions_of(want, _around(observed)))
        return (Start(want.id, allowed), WriteRecord(want.id, _settled(want, observed, running=True)))
    off = _settled(want, observed, running=False)
    return () if record == off else (WriteRecord(want.id, off),)


def _should_start(want: ServerWant, record: Record | None, boot_id: UUID, host: Host) -> bool:
    """Once per generation and per reboot asked for. One that then stopped by itself stays as it is."""
    if record is None or record.generation != want.generation or want.reboot_count > record.reboot_count:
        return True
    return host.resume and record.running and record.boot_id != boot_id


def _half_started(want: ServerWant, state: DomainState, observed: Observed) -> bool:
    """Paused before it ever ran: libvirt died in the middle of the start, and nobody will let it go on."""
    record = _record(want, observed)
    never_ran = record is None or not record.has_run
    return state is DomainState.PAUSED and want.power is Power.ON and never_ran


def _settled(want: ServerWant, observed: Observed, *, running: bool) -> Record:
    """What to remember once the server is in the power state that its want asks for."""
    before = _record(want, observed)
    live = want.id in observed.domains and observed.domains[want.id].state in LIVE
    return Record(
        claims=tuple(claim.id for claim in want.claims),
        generation=want.generation,
        has_run=running or live or (before is not None and before.has_run),
        running=running,
        boot_id=observed.boot_id,
        reboot_count=want.reboot_count,
    )


def _record(want: ServerWant, observed: Observed) -> Record | None:
    folder = observed.folders.get(want.id)
    return folder.record if folder else None


def _consoles(wants: Mapping[UUID, ServerWant], observed: Observed) -> tuple[UploadConsole, ...]:
    return tuple(
        UploadConsole(want.id, want.console_count)
        for want in wants.values()
        if want.presence is Presence.PRESENT and want.console_count > observed.consoles.get(want.id, 0)
    )


def _around(observed: Observed) -> Around:
    nodes = {each.mdev: each.numa_node for each in observed.offered.values() if each.mdev is not None}
    return Around(observed.functions, nodes, observed.shape)
