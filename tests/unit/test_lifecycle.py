"""The life of a device: the table is drawn in docs, and no history hands out what may not be handed out."""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from kcloud_common.wire import DeviceState
from tests.conftest import Golden
from vfio.lifecycle import LEASED, NEXT, Event, NotAllowed, State, after, drawing

HISTORIES = 1000
ROOT = Path(__file__).parents[2]
PAGE = "docs/device-states.md"
BY_HAND = "\n## What makes a device ill\n"
"""From here on the page is written by people."""
INTRODUCTION = """# The states of a device

Drawing and table are made from `vfio/lifecycle.py` (`pytest --regenerate tests/unit/test_lifecycle.py`).
What the drawing lacks is answered with a conflict. A device is a slice that can be claimed: a whole card, a
virtual function, a mediated device.
"""
MEANING = {
    State.FREE: ("yes", "may be handed out"),
    State.CLAIMED: ("no", "kept for one lease; no guest has it at this moment"),
    State.ATTACHED: ("no", "a guest has it"),
    State.SANITISING: ("no", "taken from its guest, or in a burn-in; not shown to be clean yet"),
    State.QUARANTINED: ("no", "could not be shown to be clean, or is ill; only a passed burn-in leads out"),
    State.MAINTENANCE: ("no", "out of use because an operator wants it so"),
}


def page() -> str:
    rows = [f"| {state} | {offered} | {meaning} |" for state, (offered, meaning) in MEANING.items()]
    table = "\n".join(["| state | can be claimed | what it means |", "|---|---|---|", *rows])
    return f"{INTRODUCTION}\n```mermaid\n{drawing()}\n```\n\n{table}\n"


def test_the_page_about_device_states_is_drawn_from_the_table(golden: Golden) -> None:
    by_hand = (ROOT / PAGE).read_text().partition(BY_HAND)[2]
    golden.check(PAGE, f"{page()}{BY_HAND}{by_hand}")
    assert by_hand.strip()


def test_the_drawing_has_each_row_of_the_table_once_and_nothing_else() -> None:
    arrows = [line.strip() for line in drawing().splitlines() if "-->" in line and "[*]" not in line]
    assert sorted(arrows) == sorted(f"{was} --> {becomes}: {event}" for (was, event), becomes in NEXT.items())
    assert len(set(arrows)) == len(NEXT)


def test_hosts_and_the_control_plane_use_the_same_words() -> None:
    assert [state.value for state in State] == [state.value for state in DeviceState]


def test_what_the_table_lacks_is_a_conflict() -> None:
    for state in State:
        for event in Event:
            if (state, event) not in NEXT:
                with pytest.raises(NotAllowed, match=f"`{event}`"):
                    after(state, event)


def test_only_a_free_device_can_be_claimed_and_only_certified_or_returned_ones_become_free() -> None:
    assert [was for (was, event) in NEXT if event is Event.CLAIM] == [State.FREE]
    assert {event for event in Event if State.FREE in (NEXT.get((was, event)) for was in State)} == {
        Event.CERTIFY,
        Event.RETURN,
    }
    assert [was for (was, event) in NEXT if event is Event.CERTIFY] == [State.SANITISING]


def test_a_lease_ends_only_by_cleaning() -> None:
    ends = {becomes for (was, _), becomes in NEXT.items() if was in LEASED and becomes not in LEASED}
    assert ends == {State.SANITISING}


def test_every_state_can_be_reached_and_left_again_towards_free() -> None:
    for state in State:
        reached = {state}
        for _ in State:
            reached |= {becomes for (was, _), becomes in NEXT.items() if was in reached}
        assert State.FREE in reached
        assert reached == set(State)


@dataclass
class World:
    """One device as its host keeps it, the leases given for it, and who may use it now."""

    state: State = State.FREE
    holder: int | None = None
    leases: int = 0
    certificates: int = 0
    attached_to: int | None = None
    ill: bool = False
    violations: list[str] = field(default_factory=list)

    def happens(self, event: Event) -> bool:
        """False: refused, nothing changed. A process that dies before its write changes nothing either."""
        try:
            becomes = after(self.state, event)
        except NotAllowed:
            return False
        self.state = becomes
        return True

    def claim(self) -> None:
        was, held = self.state, self.holder
        if not self.happens(Event.CLAIM):
            return
        if was is State.QUARANTINED or self.ill:
            self.violations.append(f"claimed although {was}")
        if held is not None:
            self.violations.append("claimed twice")
        if self.leases > self.certificates:
            self.violations.append("claimed without a certificate of its last lease")
        self.leases += 1
        self.holder = self.leases

    def release(self) -> None:
        if self.happens(Event.RELEASE):
            self.attached_to = None

    def clean(self, *, fails: bool) -> None:
        if self.state is not State.SANITISING:
            return
        if fails or self.ill:
            self.happens(Event.FAIL)
        elif self.happens(Event.CERTIFY):
            self.certificates = self.leases
        self.holder = None

    def sickens(self) -> None:
        """Seen at once where nobody has it, by its cleaning else."""
        self.ill = True
        self.happens(Event.FAIL)

    def reboot(self) -> None:
        self.attached_to = None
        self.happens(Event.STOP)

    def mend(self) -> None:
        self.ill = False
        self.happens(Event.BURN_IN)


@pytest.mark.parametrize("seed", range(0, HISTORIES, 100))
def test_no_history_claims_a_quarantined_device_or_claims_one_twice(seed: int) -> None:
    """A hundred histories each: claims, crashes, failures, what operators do, reboots."""
    seen: set[State] = set()
    for number in range(seed, seed + 100):
        chance, world = Random(number), World()
        acts = (
            world.claim,
            world.claim,
            lambda world=world: world.happens(Event.START),
            world.release,
            lambda world=world: world.clean(fails=False),
            lambda world=world: world.clean(fails=True),
            world.sickens,
            world.reboot,
            world.mend,
            lambda world=world: world.happens(Event.BURN_IN),
            lambda world=world: world.happens(Event.WITHDRAW),
            lambda world=world: world.happens(Event.RETURN),
        )
        for _ in range(60):
            chance.choice(acts)()
            seen.add(world.state)
            assert world.violations == [], number
            assert (world.state in LEASED) <= (world.holder is not None)
    assert seen == set(State)
