"""The agent may be killed at any line of a whole card's burn-in, from the operator's word to the certificate.

Each kill gets a host of its own; then one agent goes on, and the card is free with a burn-in's certificate.
"""

import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from kcloud_common.certificate import Certificate, Occasion
from kcloud_common.signing import public_key, verify_chain
from kcloud_compute.cared_host import Tools
from kcloud_compute.device_record import DeviceRecord
from tests.thoroughness import THOROUGH
from tests.unit.care_world import Place, place
from tests.unit.cleaning_world import AUDIO, DEVICE, GPU, HOST_ID, SEED
from vfio.lifecycle import NotAllowed, State
from vfio.sanitise.modes import Mode
from vfio.testing import Crash, Harm, two_function_group

pytestmark = pytest.mark.slow

STRIDE = 1 if os.environ.get(THOROUGH) else 4
"""Of the places to die at, each one is tried by `make test`, a quarter of them in between."""
OTHER = UUID(int=0xC102)
KEYS = {HOST_ID: {public_key(SEED)}}


class Untouched:
    """Modes that nobody changes."""

    def read(self, address: str) -> dict[str, Mode]:
        return {"MIG mode": Mode(0, 0)}

    def set(self, address: str, name: str, value: int) -> None:
        raise AssertionError("nothing was to be set")


class KillAt:
    """Kills at the n-th checkpoint of ledger and pipeline; counts them when it kills nobody."""

    def __init__(self, number: int | None) -> None:
        self.number, self.seen = number, 0

    def __call__(self, name: str) -> None:
        self.seen += 1
        if self.number is not None and self.seen > self.number:
            raise Crash


def quarantined(folder: Path) -> Place:
    """A card that has had a lease, and whose cleaning failed."""
    found = place(folder, two_function_group)
    found.tools = Tools(modes=Untouched())
    found.agent().lease()
    found.kernel.harm_reset(GPU, Harm(errors={"fatal": 1}))
    assert found.agent().end().state is State.QUARANTINED
    found.kernel.relent()
    found.kernel.writes.clear()
    return found


def no_kill(host: Place) -> None:
    """Its checkpoints are where this agent dies."""


def check(host: Place, before: dict[str, str]) -> DeviceRecord:
    """Whatever happened: free only with the burn-in's certificate, and nobody gets the card else."""
    record = host.record()
    assert record.state in (State.FREE, State.SANITISING, State.QUARANTINED)
    if record.state is State.FREE:
        assert record.certificate is not None
        assert record.certificate.occasion is Occasion.BURN_IN
        assert host.kernel.picture() == before
    else:
        with pytest.raises(NotAllowed):
            host.agent().host.ledger.claim(DEVICE, OTHER, 2)
    return record


def story(folder: Path, kill: KillAt, arm: Callable[[Place], None]) -> bool:
    """Whether the agent died."""
    host = quarantined(folder)
    before = host.kernel.picture()
    arm(host)
    try:
        host.agent(kill).burn_in(1)
        died = False
    except Crash:
        died = True
    check(host, before)
    if host.record().state is not State.FREE:
        host.agent().burn_in(1)
    record = check(host, before)
    assert record.state is State.FREE
    assert record.release_count == 1, "it was asked for once"
    assert {host.kernel.driver_of(address) for address in (GPU, AUDIO)} == {"nouveau", "snd_hda_intel"}
    assert not list((host.state / "journal").iterdir())
    verified(record.certificate)
    again = host.agent()
    again.lease(2)
    assert host.record().state is State.CLAIMED
    return died


def verified(certificate: Certificate | None) -> None:
    assert certificate is not None
    assert verify_chain([certificate], KEYS) == []
    steps = [step.name for step in certificate.steps]
    assert steps[:3] == ["fence", "stop", "restore"]
    assert steps.count("reset") == steps.count("verify") == 3


def test_a_burn_in_killed_at_every_checkpoint_ends_with_the_next_agent(tmp_path: Path) -> None:
    count = KillAt(None)
    assert not story(tmp_path / "unharmed", count, no_kill)
    assert count.seen > 20
    for number in range(0, count.seen, STRIDE):
        assert story(tmp_path / f"kill-{number}", KillAt(number), no_kill), number


@pytest.mark.parametrize("after", [False, True])
def test_a_burn_in_killed_at_every_write_to_the_kernel_ends_with_the_next_agent(
    tmp_path: Path, after: bool
) -> None:
    host = quarantined(tmp_path / "unharmed")
    host.agent().burn_in(1)
    writes = len(host.kernel.writes)
    assert writes > 20
    for number in range(0, writes, STRIDE):

        def arm(host: Place, number: int = number) -> None:
            host.kernel.crash_at_write(number, after=after)

        assert story(tmp_path / f"write-{number}", KillAt(None), arm), number


def test_a_reboot_in_the_middle_of_a_burn_in_changes_nothing_of_that(tmp_path: Path) -> None:
    count = KillAt(None)
    story(tmp_path / "unharmed", count, no_kill)
    for number in range(0, count.seen, 3 * STRIDE):
        host = quarantined(tmp_path / f"reboot-{number}")
        with pytest.raises(Crash):
            host.agent(KillAt(number)).burn_in(1)
        host.kernel.reboot()
        before = host.kernel.picture()
        check(host, before)
        if host.record().state is not State.FREE:
            host.agent().burn_in(1)
        assert check(host, before).state is State.FREE
        assert host.record(DEVICE).certificate is not None
