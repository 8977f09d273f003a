"""The agent's disk is full, or can only be read, from any of its writes on: the host says so, loses no claim,
blames no device, and goes on where it was when there is room.

KCLOUD_TEST_EXHAUSTIVE=1 tries every write of each story, any other run some of them.
"""

import errno
import logging
import os
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.functional.agent_bench import SERVER, Bench, runs, want
from tests.functional.agent_control_plane import ControlPlane
from tests.functional.agent_fixtures import bench, plane
from tests.functional.full_disk import FREES, Disk
from tests.functional.test_agent_slice_crashes import (
    STORIES,
    Stage,
    all_undone,
    ask_cut,
    stands,
)
from vfio.sim.trees import build

__all__ = ["bench", "plane"]

TREES = ("t4-x1", "rngd-x1")
EXHAUSTIVE = "KCLOUD_TEST_EXHAUSTIVE"
ERRORS = (errno.ENOSPC, errno.EROFS)
FEW = 2


def known(stage: Stage) -> None:
    """The host is enrolled, and nothing was asked for."""
    first = stage.bench.agent()
    assert first.wait_ready(20)
    first.stop()


DISK_STORIES = {
    **{name: STORIES[name] for name in ("give", "take-back", "burn-in", "undo")},
    "cut": (known, ask_cut, stands),
}
"""Those of a host that is ready: one that is not waits for its disk, as a test below shows."""


def changes(folder: Path, tree: str, story: str) -> list[str]:
    """Of a run with a disk that takes all."""
    before, ask, goal = DISK_STORIES[story]
    with ControlPlane() as plane:
        stage = Stage(Bench(folder, plane, partial(build, tree)), tree)
        before(stage)
        with Disk(stage.bench.state) as disk:
            stage.bench.agent()
            ask(stage)
            goal(stage)
        stage.bench.close()
    return disk.changes


def wait_told(plane: ControlPlane, error: int) -> None:
    words = os.strerror(error)
    plane.wait(words, lambda: any(words in each for each in plane.reports[-1].problems))


def play(folder: Path, tree: str, story: str, disk: tuple[int, int, bool]) -> None:
    before, ask, goal = DISK_STORIES[story]
    number, error, lasting = disk
    with ControlPlane() as plane:
        stage = Stage(Bench(folder, plane, partial(build, tree)), tree)
        bench = stage.bench
        try:
            before(stage)
            with Disk(bench.state, number, error=error, lasting=lasting) as full:
                assert bench.agent().wait_ready(20)
                ask(stage)
                # Not every run writes as often as the one that was counted.
                if full.struck.wait(5) and lasting:
                    wait_told(plane, error)
                if lasting:
                    full.relent()
                goal(stage)
            plane.wait("well", lambda: plane.reports[-1].problems == ())
            all_undone(stage)
        finally:
            bench.close()


def some(places: list[tuple[int, int, bool]], story: str) -> list[tuple[int, int, bool]]:
    if os.environ.get(EXHAUSTIVE):
        return places
    return Random(story).sample(places, min(FEW, len(places)))


@pytest.mark.slow
@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("story", DISK_STORIES)
def test_a_disk_that_takes_nothing_any_more_loses_no_claim_and_blames_no_device(
    tmp_path: Path, tree: str, story: str
) -> None:
    names = changes(tmp_path / "unharmed", tree, story)
    assert names
    every = [
        (number, error, lasting)
        for number, name in enumerate(names)
        for error in ERRORS
        for lasting in (True, False)
        if error != errno.ENOSPC or name.split()[0] not in FREES
    ]
    for number, error, lasting in some(every, f"{tree} {story}"):
        name = f"disk-{number}-{error}-{lasting}"
        try:
            play(tmp_path / name, tree, story, (number, error, lasting))
        except AssertionError as failed:
            raise AssertionError(f"{name} ({names[number]}): {failed}") from failed


@pytest.mark.parametrize("number", range(6))
def test_a_host_that_first_starts_on_a_full_disk_says_so_and_enrols_when_there_is_room(
    bench: Bench, plane: ControlPlane, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    bench.state.mkdir()
    for name in ("images", "servers", "journal"):
        (bench.state / name).mkdir()
    with Disk(bench.state, number, error=errno.ENOSPC) as full, caplog.at_level(logging.WARNING):
        agent = bench.agent()
        assert full.struck.wait(20)
        plane.wait("it is told", lambda: not agent.ended.is_set(), 1)
        full.relent()
        assert agent.wait_ready(20)
    told = [vars(each)["reason"] for each in caplog.records if each.getMessage() == "waiting"]
    assert any("No space left" in reason for reason in told)


def test_a_server_is_built_when_there_is_room_again_and_the_host_takes_no_others_until_then(
    bench: Bench, plane: ControlPlane
) -> None:
    assert bench.agent().wait_ready(20)
    with Disk(bench.state, 0, error=errno.ENOSPC) as full:
        plane.assign(want())
        wait_told(plane, errno.ENOSPC)
        seen = plane.wait_server(SERVER, lambda seen: seen.busy)
        assert seen.fault is None
        full.relent()
        plane.wait_server(SERVER, runs)
    plane.wait("well", lambda: plane.reports[-1].problems == ())
