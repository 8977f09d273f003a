"""The agent dies anywhere while it cuts a card, gives a slice away, takes it back, burns it in or undoes the
layout; the host may lose its power as well. The next agent reaches the goal, every slice that was leased is
free by a certificate only, and undoing all leaves the host as it was.

There are over a thousand places, a quarter of an hour's worth: KCLOUD_TEST_EXHAUSTIVE=1 tries them all, any
other run two of each story.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest

from kcloud_common.certificate import Certificate
from kcloud_common.signing import verify_chain
from kcloud_common.wire import DeviceReport, DeviceState, DeviceWant, LayoutWant, SliceKind
from kcloud_compute.device_ledger import DeviceLedger
from kcloud_compute.durable import no_checkpoint
from tests.functional.agent_bench import SERVER, Bench, KillAt, Killed, is_gone, runs
from tests.functional.agent_control_plane import HOST_ID, ControlPlane
from tests.functional.test_agent_slices import CUTS, cut, devices, holding, layout, leaving
from vfio.lifecycle import State
from vfio.sim.trees import build
from vfio.testing import Crash

pytestmark = pytest.mark.slow

TREES = ("t4-x1", "rngd-x1", "l40s-x1", "flex170-x1")
RESET = {"rngd-x1": "*/reset", "flex170-x1": "*/reset", "t4-x1": "*/remove", "l40s-x1": "*/current_vgpu_type"}
"""What a cleaning writes to, for each tree: made to fail, it ends in quarantine."""
EXHAUSTIVE = "KCLOUD_TEST_EXHAUSTIVE"
FEW = 2
Place = TypeVar("Place")


@dataclass
class Stage:
    """A bench, and what a story knows of it."""

    bench: Bench
    tree: str
    slice: DeviceReport | None = None

    @property
    def layout(self) -> LayoutWant:
        wanted, match, _ = CUTS[self.tree]
        return layout(match, wanted)

    def held(self) -> DeviceReport:
        assert self.slice is not None
        return self.slice

    def now(self) -> DeviceReport | None:
        return devices(self.bench).get(self.held().name)


def whole(stage: Stage) -> None:
    """Nothing was asked for yet."""


def is_cut(stage: Stage) -> None:
    first = stage.bench.agent()
    stage.slice = cut(stage.bench, stage.layout)[0]
    first.stop()


def is_used(stage: Stage) -> None:
    first = stage.bench.agent()
    stage.slice = cut(stage.bench, stage.layout)[0]
    give(stage)
    stage.bench.plane.wait_server(SERVER, runs)
    first.stop()


def is_quarantined(stage: Stage) -> None:
    first = stage.bench.agent()
    stage.slice = cut(stage.bench, stage.layout)[0]
    give(stage)
    stage.bench.plane.wait_server(SERVER, runs)
    stage.bench.host.fail(RESET[stage.tree], 5, times=1)
    take_back(stage)
    stage.bench.plane.wait_server(SERVER, is_gone)
    stage.bench.plane.wait("quarantine", lambda: state(stage) is DeviceState.QUARANTINED)
    first.stop()
    stage.bench.host.relent()


def ask_cut(stage: Stage) -> None:
    stage.bench.plane.assign(layout=stage.layout)


def give(stage: Stage) -> None:
    stage.bench.plane.assign(holding(stage.held()), layout=stage.layout)


def take_back(stage: Stage) -> None:
    stage.bench.plane.assign(leaving(holding(stage.held())), layout=stage.layout)


def burn_in(stage: Stage) -> None:
    asked = DeviceWant(name=stage.held().name, release_count=1)
    stage.bench.plane.assign(layout=stage.layout, devices=(asked,))


def undo(stage: Stage) -> None:
    stage.bench.plane.assign()


def state(stage: Stage) -> DeviceState | None:
    now = stage.now()
    return now.state if now else None


def stands(stage: Stage) -> None:
    kind = CUTS[stage.tree][0].kind

    def done() -> bool:
        reports = stage.bench.plane.reports
        found = [each for each in reports[-1].devices if each.kind is kind] if reports else []
        return [each.state for each in found] == [DeviceState.FREE] * 2 and not reports[-1].problems

    stage.bench.plane.wait("both slices stand", done)
    stage.slice = next(each for each in devices(stage.bench).values() if each.kind is kind)


def runs_with_it(stage: Stage) -> None:
    stage.bench.plane.wait_server(SERVER, runs)
    stage.bench.plane.wait("it is attached", lambda: state(stage) is DeviceState.ATTACHED)
    domain = stage.bench.driver.domains()[SERVER]
    assert (domain.hostdevs, domain.mdevs) == (
        stage.held().addresses,
        (stage.held().mdev,) if stage.held().mdev else (),
    )


def came_back(stage: Stage) -> None:
    stage.bench.plane.wait_server(SERVER, is_gone)
    is_free_again(stage)


def is_free_again(stage: Stage) -> None:
    stage.bench.plane.wait("it is free", lambda: state(stage) is DeviceState.FREE)


def is_whole(stage: Stage) -> None:
    def done() -> bool:
        reports = stage.bench.plane.reports
        kinds = [each.kind for each in reports[-1].devices] if reports else []
        return kinds == [SliceKind.WHOLE] and not reports[-1].problems

    stage.bench.plane.wait("whole again", done)


Step = Callable[[Stage], None]
STORIES: dict[str, tuple[Step, Step, Step]] = {
    "cut": (whole, ask_cut, stands),
    "give": (is_cut, give, runs_with_it),
    "take-back": (is_used, take_back, came_back),
    "burn-in": (is_quarantined, burn_in, is_free_again),
    "undo": (is_cut, undo, is_whole),
}


def all_undone(stage: Stage) -> None:
    """From wherever the story ended."""
    bench = stage.bench
    if stage.slice is not None and SERVER in bench.driver.domains():
        bench.plane.assign(leaving(holding(stage.held())))
        bench.plane.wait_server(SERVER, is_gone)
    else:
        bench.plane.assign()
    is_whole(stage)
    records = DeviceLedger(bench.state / "devices").all()  # as every start does, it removes unfinished ones
    assert [leak for leak in bench.leaks() if "random/boot_id" not in leak] == []
    for record in records.values():
        assert record.state is State.FREE, record
        assert record.head.generation == record.generation, "free without its certificate"
        assert not record.before
    assert list(faults_of_chains(bench)) == []


def faults_of_chains(bench: Bench) -> Iterator[object]:
    chains: dict[str, dict[int, Certificate]] = {}
    keys = {HOST_ID: sorted({report.certificate_key for report in bench.plane.reports})}
    for report in bench.plane.reports:
        for device in report.devices:
            if device.certificate is not None:
                chains.setdefault(device.name, {})[device.certificate.sequence] = device.certificate
    for chain in chains.values():
        yield from verify_chain(list(chain.values()), keys)


def unharmed(folder: Path, tree: str, story: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Checkpoints and writes to the kernel of a run that nobody kills."""
    before, ask, goal = STORIES[story]
    with ControlPlane() as plane:
        stage = Stage(Bench(folder, plane, partial(build, tree)), tree)
        before(stage)
        count, written = KillAt(None), len(stage.bench.host.writes)
        stage.bench.agent(count)
        ask(stage)
        goal(stage)
        stage.bench.close()
    return count.names, stage.bench.host.writes[written:]


@dataclass(frozen=True)
class Death:
    """Of the agent: at a checkpoint, or at a write to the kernel; the host may go down with it."""

    number: int
    write: bool = False
    after: bool = False
    power_cut: bool = False


def play(folder: Path, tree: str, story: str, death: Death) -> None:
    before, ask, goal = STORIES[story]
    with ControlPlane() as plane:
        stage = Stage(Bench(folder, plane, partial(build, tree)), tree)
        bench = stage.bench
        try:
            before(stage)
            if death.write:
                bench.host.crash_at_write(death.number, after=death.after)
            doomed = bench.agent(no_checkpoint if death.write else KillAt(death.number))
            ask(stage)
            assert doomed.ended.wait(20), "it was not killed"
            assert isinstance(doomed.error, Killed | Crash), repr(doomed.error)
            if death.power_cut:
                bench.host.reboot()
                bench.driver.reboot_host()
            # What the dead one said last must not be taken for the next one's word.
            assert bench.agent(resume_guests_state_on_host_boot=True).wait_ready(20)
            goal(stage)
            all_undone(stage)
        finally:
            bench.close()


def some(places: Sequence[Place], story: str) -> list[Place]:
    if os.environ.get(EXHAUSTIVE):
        return list(places)
    return Random(story).sample(places, min(FEW, len(places)))


def deaths(names: Sequence[str], writes: Sequence[tuple[str, str]]) -> Iterator[Death]:
    for power_cut in (False, True):
        for number in range(len(names)):
            yield Death(number, power_cut=power_cut)
        for number in range(len(writes)):
            for after in (False, True):
                yield Death(number, write=True, after=after, power_cut=power_cut)


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("story", STORIES)
def test_a_death_anywhere_leaves_a_host_that_reaches_its_goal(tmp_path: Path, tree: str, story: str) -> None:
    names, writes = unharmed(tmp_path / "unharmed", tree, story)
    assert names
    assert writes or story == "give"
    for death in some(list(deaths(names, writes)), f"{tree} {story}"):
        where = writes[death.number] if death.write else names[death.number]
        name = f"{'write' if death.write else 'place'}-{death.number}-{death.after}-{death.power_cut}"
        try:
            play(tmp_path / name, tree, story, death)
        except AssertionError as error:
            raise AssertionError(f"{death} ({where}): {error}") from error
