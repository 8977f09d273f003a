"""The agent is killed between any two of its writes; the next one reaches the goal and nothing leaks.

One run without a kill tells how many places there are; then each gets its own host, its own control plane
and its own kill. The kernel's side (each write to sysfs) is cut as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from kcloud_compute.durable import Checkpoint, no_checkpoint
from tests.functional.agent_bench import (
    CLAIM,
    GPU,
    SERVER,
    Bench,
    KillAt,
    Killed,
    absent,
    gpu_claim,
    is_gone,
    runs,
    want,
)
from tests.functional.agent_control_plane import ControlPlane
from vfio.testing import Crash

pytestmark = pytest.mark.slow


def create(bench: Bench) -> None:
    bench.plane.assign(want())


def delete(bench: Bench) -> None:
    bench.plane.assign(absent(SERVER, gpu_claim()))


def delete_without_claims(bench: Bench) -> None:
    bench.plane.assign(absent())


def is_there(bench: Bench) -> None:
    bench.plane.wait_server(SERVER, runs)
    assert {bench.host.driver_of(address) for address in GPU} == {"vfio-pci"}
    assert [path.stem for path in (bench.state / "journal").iterdir()] == [str(CLAIM)]
    starts = [id for verb, id in bench.driver.calls if verb == "start"]
    assert len(starts) <= 2


def is_clean(bench: Bench) -> None:
    bench.plane.wait_server(SERVER, is_gone)
    assert bench.leaks() == []


def before_delete(bench: Bench) -> None:
    """The server runs, by an agent that ended in peace."""
    first = bench.agent()
    create(bench)
    bench.plane.wait_server(SERVER, runs)
    first.stop()


def nothing(bench: Bench) -> None:
    """A host that was never enrolled."""


Step = Callable[[Bench], None]
STORIES: dict[str, tuple[Step, Step, Step]] = {
    "create": (nothing, create, is_there),
    "delete": (before_delete, delete, is_clean),
    "delete-without-claims": (before_delete, delete_without_claims, is_clean),
}


@dataclass(frozen=True)
class Unharmed:
    """What a run that nobody kills passes through: checkpoints, and writes to the kernel."""

    places: list[str]
    writes: list[tuple[str, str]]


def unharmed(folder: Path, story: str) -> Unharmed:
    before, ask, goal = STORIES[story]
    with ControlPlane() as plane:
        bench = Bench(folder, plane)
        before(bench)
        count, written = KillAt(None), len(bench.host.writes)
        bench.agent(count)
        ask(bench)
        goal(bench)
        bench.close()
    return Unharmed(count.names, bench.host.writes[written:])


def play(folder: Path, story: str, kill: Checkpoint, arm: Callable[[Bench], None]) -> None:
    """The story with one agent that is killed and one that goes on; then a delete, and nothing is left."""
    before, ask, goal = STORIES[story]
    with ControlPlane() as plane:
        bench = Bench(folder, plane)
        before(bench)
        arm(bench)
        doomed = bench.agent(kill)
        ask(bench)
        assert doomed.ended.wait(20), "it was not killed"
        assert isinstance(doomed.error, Killed | Crash), repr(doomed.error)
        # What the dead one said last must not be taken for the next one's word.
        assert bench.agent().wait_ready(20)
        goal(bench)
        delete(bench)
        is_clean(bench)
        bench.close()


@pytest.mark.parametrize("story", STORIES)
def test_a_kill_between_any_two_writes_loses_and_leaks_nothing(tmp_path: Path, story: str) -> None:
    names = unharmed(tmp_path / "unharmed", story).places
    assert len(names) > 8
    for number, name in enumerate(names):
        try:
            play(tmp_path / f"kill-{number}", story, KillAt(number), nothing)
        except AssertionError as error:
            raise AssertionError(f"killed at {number} ({name}): {error}") from error


@pytest.mark.parametrize("story", STORIES)
def test_a_kill_at_any_write_to_the_kernel_loses_and_leaks_nothing(tmp_path: Path, story: str) -> None:
    writes = unharmed(tmp_path / "unharmed", story).writes
    assert len(writes) >= 5
    for number, write in enumerate(writes):
        for after in (False, True):
            arm = partial(crash_at_write, number=number, after=after)
            try:
                play(tmp_path / f"write-{number}-{after}", story, no_checkpoint, arm)
            except AssertionError as error:
                raise AssertionError(f"killed at write {number} ({write}): {error}") from error


def crash_at_write(bench: Bench, number: int, after: bool) -> None:
    bench.host.crash_at_write(number, after=after)
