"""The agent is killed between any two of its writes; the next one reaches the goal and nothing leaks.

One run without a kill tells how many places there are; then each gets its own host, its own control plane
and its own kill. The kernel's side (each write to sysfs) is cut as well.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.agent_bench import (
    CLAIM,
    GPU,
    SERVER,
    Bench,
    KillAt,
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


def places(folder: Path, story: str) -> list[str]:
    """The checkpoints that a run passes when nobody kills it."""
    before, ask, goal = STORIES[story]
    with ControlPlane() as plane:
        bench = Bench(folder, plane)
        before(bench)
        count = KillAt(None)
        bench.agent(count)
        ask(bench)
        goal(bench)
        bench.close()
    return count.names


def killed_once(folder: Path, story: str, kill: KillAt | None, write: int | None = None) -> bool:
    """Play the story with one kill; False when the run ended before it came to it."""
    before, ask, goal = STORIES[story]
    with ControlPlane() as plane:
        bench = Bench(folder, plane)
        before(bench)
        if write is not None:
            bench.host.crash_at_write(write // 2, after=bool(write % 2))
        doomed = bench.agent(kill) if kill else bench.agent()
        ask(bench)
        if kill is None:
            # Whether a kill comes at this write shows only when the goal is reached without it.
            with plane.changed:
                plane.changed.wait_for(lambda: doomed.ended.is_set() or reached(bench, goal), 20)
        else:
            assert doomed.ended.wait(20), "it was not killed"
        hit = doomed.ended.is_set()
        if hit:
            assert isinstance(doomed.error, BaseException)
            assert not isinstance(doomed.error, Exception), repr(doomed.error)
            bench.agent()
        goal(bench)
        delete(bench)
        is_clean(bench)
        bench.close()
    return hit


def reached(bench: Bench, goal: Step) -> bool:
    seen = bench.plane.server(SERVER)
    return seen is not None and (is_gone(seen) if goal is is_clean else runs(seen))


@pytest.mark.parametrize("story", STORIES)
def test_a_kill_between_any_two_writes_loses_and_leaks_nothing(tmp_path: Path, story: str) -> None:
    names = places(tmp_path / "unharmed", story)
    assert len(names) > 8
    for number, name in enumerate(names):
        kill = KillAt(number)
        try:
            assert killed_once(tmp_path / f"kill-{number}", story, kill)
        except AssertionError as error:
            raise AssertionError(f"killed at {number} ({name})") from error


@pytest.mark.parametrize("story", STORIES)
def test_a_kill_at_any_write_to_the_kernel_loses_and_leaks_nothing(tmp_path: Path, story: str) -> None:
    for write in range(100):
        if not killed_once(tmp_path / f"write-{write}", story, None, write):
            break
    assert write >= 8, Crash
