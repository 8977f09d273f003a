"""The life of a server as one table, and what each state is called in Nova's words. Pure.

`docs/server-states.md` is drawn from NEXT by tests/unit/test_server_states.py.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from kcloud_common.errors import Conflict


class State(StrEnum):
    PLACING = "PLACING"
    """Wanted; the place loop has not yet chosen a host."""
    BUILDING = "BUILDING"
    """Placed: host, devices and port are claimed; the host has not yet reported it running."""
    ACTIVE = "ACTIVE"
    SHUTOFF = "SHUTOFF"
    """Off, by wish or by itself; all claims are kept."""
    ERROR = "ERROR"
    """Could not be placed or brought to its desired state; the fault says why. What it holds it keeps."""
    DELETING = "DELETING"
    """Must go; claims end only when the host has reported it gone."""
    DELETED = "DELETED"


class Event(StrEnum):
    # What the user asks for.
    START = "start"
    STOP = "stop"
    REBOOT = "reboot"
    """A hard one: whatever the guest does."""
    SOFT_REBOOT = "soft reboot"
    DELETE = "delete"
    DROP = "drop"
    """Delete of a server that is on no host."""
    # What the place loop decides.
    PLACED = "placed"
    UNPLACEABLE = "unplaceable"
    # What the host reports.
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    GONE = "gone"


NEXT: dict[tuple[State, Event], State] = {
    (State.PLACING, Event.PLACED): State.BUILDING,
    (State.PLACING, Event.UNPLACEABLE): State.ERROR,
    (State.PLACING, Event.DROP): State.DELETED,
    (State.BUILDING, Event.RUNNING): State.ACTIVE,
    (State.BUILDING, Event.STOPPED): State.SHUTOFF,
    (State.BUILDING, Event.FAILED): State.ERROR,
    (State.BUILDING, Event.DELETE): State.DELETING,
    (State.ACTIVE, Event.STOP): State.ACTIVE,
    (State.ACTIVE, Event.REBOOT): State.ACTIVE,
    (State.ACTIVE, Event.SOFT_REBOOT): State.ACTIVE,
    (State.ACTIVE, Event.RUNNING): State.ACTIVE,
    (State.ACTIVE, Event.STOPPED): State.SHUTOFF,
    (State.ACTIVE, Event.FAILED): State.ERROR,
    (State.ACTIVE, Event.DELETE): State.DELETING,
    (State.SHUTOFF, Event.START): State.SHUTOFF,
    (State.SHUTOFF, Event.REBOOT): State.SHUTOFF,
    (State.SHUTOFF, Event.RUNNING): State.ACTIVE,
    (State.SHUTOFF, Event.STOPPED): State.SHUTOFF,
    (State.SHUTOFF, Event.FAILED): State.ERROR,
    (State.SHUTOFF, Event.DELETE): State.DELETING,
    (State.ERROR, Event.REBOOT): State.ERROR,
    (State.ERROR, Event.STOP): State.ERROR,
    (State.ERROR, Event.RUNNING): State.ACTIVE,
    (State.ERROR, Event.STOPPED): State.SHUTOFF,
    (State.ERROR, Event.FAILED): State.ERROR,
    (State.ERROR, Event.DELETE): State.DELETING,
    (State.ERROR, Event.DROP): State.DELETED,
    (State.DELETING, Event.DELETE): State.DELETING,
    (State.DELETING, Event.FAILED): State.DELETING,
    (State.DELETING, Event.GONE): State.DELETED,
}


def after(state: State, event: Event) -> State:
    """The state that follows; Conflict for what the table lacks."""
    try:
        return NEXT[state, event]
    except KeyError:
        raise Conflict(f"'{event}' is not possible while the server is {state}") from None


def accepts(state: State, event: Event) -> bool:
    return (state, event) in NEXT


class PowerState(IntEnum):
    """Nova's numbers."""

    NOSTATE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6


POWER_STATES: dict[str, PowerState] = {
    "none": PowerState.NOSTATE,
    "running": PowerState.RUNNING,
    "paused": PowerState.PAUSED,
    "shutoff": PowerState.SHUTDOWN,
    "crashed": PowerState.CRASHED,
}
"""What a host reports (kcloud_common.wire.PowerState) in Nova's numbers."""


class Reboot(StrEnum):
    NONE = ""
    SOFT = "SOFT"
    HARD = "HARD"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the words depend on. `wanted_on`: desired power; `power`: what the host last reported."""

    state: State
    wanted_on: bool = True
    power: PowerState = PowerState.NOSTATE
    launched: bool = False
    faulty: bool = False
    rebooting: Reboot = Reboot.NONE


@dataclass(frozen=True, slots=True)
class Shown:
    status: str
    vm_state: str
    task_state: str | None
    power_state: PowerState


def shown(facts: Facts) -> Shown:
    """Nova's four words for one server."""
    match facts.state:
        case State.PLACING:
            return Shown("BUILD", "building", "scheduling", PowerState.NOSTATE)
        case State.BUILDING:
            return Shown("BUILD", "building", "spawning", PowerState.NOSTATE)
        case State.ACTIVE:
            return _shown_active(facts)
        case State.SHUTOFF:
            return Shown("SHUTOFF", "stopped", "powering-on" if facts.wanted_on else None, facts.power)
        case State.ERROR:
            return Shown("ERROR", "error", None, facts.power)
        case State.DELETING:
            return _shown_deleting(facts)
        case State.DELETED:
            return Shown("DELETED", "deleted", None, PowerState.NOSTATE)


def _shown_active(facts: Facts) -> Shown:
    if facts.rebooting is Reboot.HARD:
        return Shown("HARD_REBOOT", "active", "rebooting_hard", facts.power)
    if facts.rebooting is Reboot.SOFT:
        return Shown("REBOOT", "active", "rebooting", facts.power)
    return Shown("ACTIVE", "active", None if facts.wanted_on else "powering-off", facts.power)


def _shown_deleting(facts: Facts) -> Shown:
    """Nova keeps the status that the server had and says `deleting` as its task."""
    if facts.faulty:
        return Shown("ERROR", "error", "deleting", facts.power)
    if not facts.launched:
        return Shown("BUILD", "building", "deleting", facts.power)
    if not facts.wanted_on:
        return Shown("SHUTOFF", "stopped", "deleting", facts.power)
    return Shown("ACTIVE", "active", "deleting", facts.power)


STATUSES: dict[str, frozenset[State]] = {
    "BUILD": frozenset({State.PLACING, State.BUILDING}),
    "ACTIVE": frozenset({State.ACTIVE}),
    "REBOOT": frozenset({State.ACTIVE}),
    "HARD_REBOOT": frozenset({State.ACTIVE}),
    "SHUTOFF": frozenset({State.SHUTOFF}),
    "ERROR": frozenset({State.ERROR}),
    "DELETED": frozenset({State.DELETED}),
}
"""A status that a list is filtered by, to the states whose servers may show it."""
