"""The life of a device slice as one table: which event leads from which state to which. Pure.

`docs/device-states.md` is drawn from NEXT by tests/unit/test_lifecycle.py.
"""

from enum import StrEnum


class State(StrEnum):
    """The same words as kcloud_common.wire.DeviceState."""

    FREE = "free"
    """May be handed out."""
    CLAIMED = "claimed"
    """Kept for one lease; no guest has it at this moment."""
    ATTACHED = "attached"
    """A guest has it."""
    SANITISING = "sanitising"
    """Taken from its guest, or in a burn-in; not shown to be clean yet."""
    QUARANTINED = "quarantined"
    """Could not be shown to be clean, or is ill. Only a passed burn-in leads out."""
    MAINTENANCE = "maintenance"
    """Out of use because an operator wants it so."""


class Event(StrEnum):
    # What the control plane wants.
    CLAIM = "claim"
    RELEASE = "release"
    # What operators want.
    WITHDRAW = "withdraw"
    RETURN = "return"
    BURN_IN = "burn in"
    # What the host sees.
    START = "start"
    """A guest with it was started."""
    STOP = "stop"
    """Its guest is off, or the host was rebooted; the lease goes on."""
    CERTIFY = "certify"
    """Shown to be clean; never without a certificate."""
    FAIL = "fail"
    """A step of the cleaning failed, or the device shows that it is ill."""


NEXT: dict[tuple[State, Event], State] = {
    (State.FREE, Event.CLAIM): State.CLAIMED,
    (State.FREE, Event.WITHDRAW): State.MAINTENANCE,
    (State.FREE, Event.BURN_IN): State.SANITISING,
    (State.FREE, Event.FAIL): State.QUARANTINED,
    (State.CLAIMED, Event.START): State.ATTACHED,
    (State.CLAIMED, Event.RELEASE): State.SANITISING,
    (State.ATTACHED, Event.STOP): State.CLAIMED,
    (State.ATTACHED, Event.RELEASE): State.SANITISING,
    (State.SANITISING, Event.CERTIFY): State.FREE,
    (State.SANITISING, Event.FAIL): State.QUARANTINED,
    (State.QUARANTINED, Event.BURN_IN): State.SANITISING,
    (State.QUARANTINED, Event.FAIL): State.QUARANTINED,
    (State.MAINTENANCE, Event.RETURN): State.FREE,
    (State.MAINTENANCE, Event.FAIL): State.QUARANTINED,
}
"""A leased device never goes to quarantine directly: what a guest holds is released and cleaned first, and an
ill one does not pass its cleaning. So nothing is ever both leased and quarantined."""

LEASED = frozenset({State.CLAIMED, State.ATTACHED})


class NotAllowed(Exception):
    """The device's state does not allow this."""

    def __init__(self, state: State, event: Event) -> None:
        allowed = ", ".join(sorted(known for at, known in NEXT if at is state))
        super().__init__(f"a device that is {state} does not allow `{event}` (but: {allowed})")
        self.state = state
        self.event = event


def after(state: State, event: Event) -> State:
    """The state that follows. NotAllowed for what the table lacks."""
    try:
        return NEXT[state, event]
    except KeyError:
        raise NotAllowed(state, event) from None


def drawing() -> str:
    """The table as a mermaid diagram, one line for each of its rows."""
    rows = (f"    {was} --> {becomes}: {event}" for (was, event), becomes in NEXT.items())
    return "\n".join(("stateDiagram-v2", f"    [*] --> {State.FREE}: found", *rows))
