"""Decides what a host's word about a server means for the server. Pure.

A host reports all it has again and again, and reports may be late or doubled: only what was said of the
newest desired state counts, and what is known already is no event.
"""

from dataclasses import dataclass
from uuid import UUID

from kcloud_api.compute.states import Event, State
from kcloud_common.wire import PowerState, ServerReport


@dataclass(frozen=True, slots=True)
class Known:
    """What the control plane holds of the server when the report arrives."""

    state: State
    generation: int
    wanted_on: bool
    fault_generation: int | None = None
    reboot_count: int = 0
    reboot_seen: int = 0


def event_of(known: Known, report: ServerReport) -> Event | None:
    """The event that this report is, or None when it changes nothing."""
    if known.state in (State.PLACING, State.DELETED) or report.generation < known.generation:
        return None
    if known.state is State.DELETING:
        return _deleting(known, report)
    if known.fault_generation == known.generation:
        # Whoever was told of the fault has asked for nothing since; the server keeps it.
        return None
    if report.fault is not None and not report.busy:
        return Event.FAILED
    if report.gone or report.power_state is PowerState.NONE:
        return None
    return _present(known, report)


def _deleting(known: Known, report: ServerReport) -> Event | None:
    if report.gone:
        return Event.GONE
    if report.fault is not None and known.fault_generation != known.generation:
        return Event.FAILED
    return None


def _present(known: Known, report: ServerReport) -> Event | None:
    if report.power_state is PowerState.RUNNING:
        rebooted = known.reboot_seen < known.reboot_count <= report.reboot_count
        waited_for = known.state is not State.ACTIVE or rebooted
        return Event.RUNNING if known.wanted_on and waited_for else None
    if report.power_state in (PowerState.SHUTOFF, PowerState.CRASHED) and not report.busy:
        settled = known.state is State.SHUTOFF and not known.wanted_on
        return None if settled else Event.STOPPED
    return None


def strays(assigned: frozenset[UUID], reports: tuple[ServerReport, ...]) -> frozenset[UUID]:
    """Servers that a host has and should not have."""
    return frozenset(report.id for report in reports if not report.gone) - assigned
