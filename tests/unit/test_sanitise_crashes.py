"""The agent may be killed at any line of a cleaning: the device is never free without its certificate."""

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kcloud_common.certificate import Certificate, Occasion
from kcloud_common.signing import public_key, verify_chain
from kcloud_compute.cleaning import Job, clean
from kcloud_compute.device_ledger import DeviceLedger
from kcloud_compute.device_record import DeviceRecord
from tests.thoroughness import THOROUGH
from tests.unit.cleaning_world import CLAIM, DEVICE, GPU, HOST_ID, SEED, World, signatory, world
from vfio.errors import NotRestored
from vfio.lifecycle import NotAllowed, State
from vfio.sanitise.pipeline import Unclean
from vfio.scan import boot_id
from vfio.testing import Crash, Harm

pytestmark = pytest.mark.slow

KEYS = {HOST_ID: {public_key(SEED)}}
TOOL = "vendor:wipe"
THOROUGHLY = bool(os.environ.get(THOROUGH))
"""Quick runs kill one process for a device of two functions, which has all the lines of one of one."""


def passes(_: str) -> None:
    """A checkpoint at which nothing happens."""


def gives_back() -> None:
    """The functions return to their drivers."""


@dataclass
class Killer:
    """Kills the process at a checkpoint (of the pipeline or of a file), or at a write to the host."""

    place: World
    index: int
    at: str

    def __enter__(self) -> Callable[[str], None]:
        if self.at != "checkpoint":
            self.place.host.crash_at_write(self.index, after=self.at == "after a write")
            return passes
        return self._checkpoint

    def __exit__(self, *_: object) -> None:
        self.place.host.relent()

    def _checkpoint(self, _: str) -> None:
        self.index -= 1
        if self.index < 0:
            raise Crash


@dataclass
class Scene:
    """One host with a device, and processes of the agent that may die."""

    place: World
    folder: Path
    burns_in: bool = False
    chain: list[Certificate] = field(default_factory=list)

    def ledger(self, checkpoint: Callable[[str], None] = passes) -> DeviceLedger:
        return DeviceLedger(self.folder, checkpoint)

    def record(self) -> DeviceRecord:
        return self.ledger().of(DEVICE)

    def boot(self) -> str:
        return boot_id(self.place.host.sysfs()) or ""

    def begin(self) -> None:
        """A lease ends, or an operator asks for a burn-in."""
        ledger = self.ledger()
        ledger.accepted(DEVICE, ledger.of(DEVICE).head.sequence)
        if self.burns_in:
            ledger.fail(DEVICE, "ill")
            ledger.burn_in(DEVICE, ledger.of(DEVICE).release_count + 1, self.boot())
        else:
            ledger.claim(DEVICE, CLAIM, ledger.of(DEVICE).generation + 1)
            ledger.release(DEVICE, self.boot())

    def clean(
        self, checkpoint: Callable[[str], None] = passes, give_back: Callable[[], None] = gives_back
    ) -> Certificate:
        ledger = self.ledger(checkpoint)
        tools = {TOOL: lambda addresses: f"wiped {' '.join(addresses)}"}
        facts = {"scrubs": tools, "read_backs": tools, "checkpoint": checkpoint}
        job = self.place.job(ledger, self.place.subject(scrub=TOOL), **facts)
        job = Job(job.subject, job.identity, job.means, give_back)
        return clean(self.place.host.sysfs(), ledger, signatory(), job)

    def dies(self, index: int, at: str) -> bool:
        with Killer(self.place, index, at) as checkpoint:
            try:
                self.clean(checkpoint)
            except Crash:
                return True
        return False

    def check(self) -> None:
        """Whatever happened: free only with the certificate of the last lease, and nobody gets it else."""
        record = self.record()
        assert record.state in (State.FREE, State.SANITISING, State.QUARANTINED)
        if record.state is State.FREE:
            assert record.certificate is not None
            assert record.certificate.generation == record.generation == record.head.generation
            return
        assert record.state is State.SANITISING or record.reason
        with pytest.raises(NotAllowed):
            self.ledger().claim(DEVICE, CLAIM, record.generation + 1)

    def collect(self) -> None:
        newest = self.record().certificate
        assert newest is not None
        if newest not in self.chain:
            self.chain.append(newest)


DEATHS = ("checkpoint", "before a write", "after a write")


@pytest.fixture(params=["gpu", "two functions"] if THOROUGHLY else ["two functions"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    return Scene(world(tmp_path, request.param), tmp_path / "devices")


def every_death(scene: Scene, at: str) -> Iterator[int]:
    for index in itertools.count():
        scene.begin()
        if not scene.dies(index, at):
            scene.collect()
            return
        yield index


@pytest.mark.parametrize("burns_in", [False, True] if THOROUGHLY else [False])
@pytest.mark.parametrize("at", DEATHS)
def test_killed_at_any_line_the_device_is_not_free_and_the_next_process_ends_it(
    scene: Scene, at: str, burns_in: bool
) -> None:
    scene.burns_in = burns_in
    before, most = scene.place.host.picture(), 0
    for index in every_death(scene, at):
        scene.check()
        if scene.record().state is State.SANITISING:
            scene.clean()
        scene.check()
        scene.collect()
        assert scene.record().state is State.FREE
        assert scene.place.host.picture() == before
        most = index
    assert most >= 4
    assert verify_chain(scene.chain, KEYS) == []
    assert len(scene.chain) == most + 2
    occasion = Occasion.BURN_IN if burns_in else Occasion.LEASE
    assert {certificate.occasion for certificate in scene.chain} == {occasion}


@pytest.mark.parametrize("at", DEATHS)
def test_killed_at_any_line_a_harmed_device_ends_in_quarantine_with_evidence(scene: Scene, at: str) -> None:
    for index in itertools.count():
        scene.begin()
        scene.place.host.harm_reset(GPU, Harm(errors={"fatal": 1}, times=1000))
        try:
            died = scene.dies(index, at)
        except Unclean:
            died = False
        scene.check()
        if scene.record().state is State.SANITISING:
            scene.place.host.harm_reset(GPU, Harm(errors={"fatal": 1}, times=1000))
            with pytest.raises(Unclean):
                scene.clean()
        record = scene.record()
        assert record.state is State.QUARANTINED
        assert "fatal errors" in record.reason
        assert "done before: fence, stop" in record.reason
        scene.place.host.relent()
        scene.ledger().burn_in(DEVICE, record.release_count + 1, scene.boot())
        scene.clean()
        scene.check()
        if not died:
            break
    assert index >= 5


@pytest.mark.parametrize("at", DEATHS)
def test_a_reboot_after_any_death_changes_nothing_of_that(scene: Scene, at: str) -> None:
    for _ in every_death(scene, at):
        scene.place.host.reboot()
        before = scene.place.host.picture()
        scene.check()
        if scene.record().state is State.SANITISING:
            scene.clean()
        assert scene.record().state is State.FREE
        assert scene.place.host.picture() == before


@pytest.mark.parametrize("number", [errno.EIO, errno.EBUSY, errno.ENODEV, errno.EACCES, errno.EINVAL])
def test_every_write_that_fails_ends_in_quarantine_with_evidence(scene: Scene, number: int) -> None:
    scene.begin()
    scene.clean()
    paths = dict.fromkeys(path for path, _ in scene.place.host.writes)
    for path in paths:
        scene.begin()
        scene.place.host.fail(path, number)
        with pytest.raises(Unclean):
            scene.clean()
        scene.check()
        assert f"errno {number}" in scene.record().reason
        scene.place.host.relent()
        scene.ledger().burn_in(DEVICE, scene.record().release_count + 1, scene.boot())
        scene.clean()
        assert scene.record().state is State.FREE


def test_functions_that_do_not_return_to_the_host_end_in_quarantine(scene: Scene) -> None:
    def refuses() -> None:
        raise NotRestored("its driver did not take it back")

    scene.begin()
    with pytest.raises(Unclean):
        scene.clean(give_back=refuses)
    assert "its driver did not take it back" in scene.record().reason
    scene.check()


def test_only_a_device_whose_lease_has_ended_is_cleaned(scene: Scene) -> None:
    with pytest.raises(NotAllowed):
        scene.clean()
    scene.ledger().claim(DEVICE, CLAIM, 1)
    with pytest.raises(NotAllowed):
        scene.clean()
    assert scene.place.host.resets() == ()
