"""The agent dies anywhere while it cuts a card, gives a slice away, takes it back, burns it in or undoes the
layout; the host may lose its power as well. The next agent reaches the goal, every slice that was leased is
free by a certificate only, and undoing all leaves the host as it was.

Each story is played once, and filmed; from every picture that differs an agent goes on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from kcloud_common.certificate import Certificate
from kcloud_common.signing import verify_chain
from kcloud_common.wire import DeviceReport, DeviceState, DeviceWant, LayoutWant, SliceKind
from kcloud_compute.device_ledger import DeviceLedger
from tests.functional.agent_bench import SERVER, Bench, devices, is_gone, runs
from tests.functional.agent_control_plane import HOST_ID, ControlPlane
from tests.functional.agent_film import Film, Frame, show
from tests.functional.agent_fixtures import hasty
from tests.functional.agent_slices import CUTS, cut, halves, holding, leaving
from vfio.lifecycle import State
from vfio.sim import cards
from vfio.sim.machine import TWO_NODES, below_root_port, furnished, seat
from vfio.sim.trees import build
from vfio.testing import FakeHost

pytestmark = pytest.mark.slow
__all__ = ["hasty"]

TREES = ("t4-x1", "rngd-x1", "l40s-x1", "flex170-x1")
RESET = {"rngd-x1": "*/reset", "flex170-x1": "*/reset", "t4-x1": "*/remove", "l40s-x1": "*/current_vgpu_type"}
"""What a cleaning writes to, for each tree: made to fail, it ends in quarantine."""


@dataclass
class Stage:
    """A bench, and what a story knows of it."""

    bench: Bench
    tree: str
    slice: DeviceReport | None = None

    @property
    def layout(self) -> LayoutWant:
        return halves(self.tree)

    def held(self) -> DeviceReport:
        assert self.slice is not None
        return self.slice

    def now(self) -> DeviceReport | None:
        return devices(self.bench).get(self.held().name)


def whole(stage: Stage) -> None:
    """Nothing was asked for yet."""


def is_enrolled(stage: Stage) -> None:
    assert stage.bench.agent().wait_ready(20)


def is_cut(stage: Stage) -> None:
    stage.bench.agent()
    stage.slice = cut(stage.bench, stage.layout)[0]
    stage.bench.close()


def is_used(stage: Stage) -> None:
    stage.bench.agent()
    stage.slice = cut(stage.bench, stage.layout)[0]
    give(stage)
    stage.bench.plane.wait_server(SERVER, runs)
    stage.bench.close()


def has_lost_power(stage: Stage) -> None:
    """While its guest ran: cards are whole, and what was leased has to be made again before it is cleaned."""
    is_used(stage)
    stage.bench.reboot_host()


def is_quarantined(stage: Stage) -> None:
    stage.bench.agent()
    stage.slice = cut(stage.bench, stage.layout)[0]
    give(stage)
    stage.bench.plane.wait_server(SERVER, runs)
    stage.bench.host.fail(RESET[stage.tree], 5, times=1)
    take_back(stage)
    stage.bench.plane.wait_server(SERVER, is_gone)
    stage.bench.plane.wait("quarantine", lambda: state(stage) is DeviceState.QUARANTINED)
    stage.bench.close()
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


def machine(tree: str, folder: Path) -> FakeHost:
    """With one card. An L40S has 32 functions, of which four show all that there is to see."""
    if tree != "l40s-x1":
        return build(tree, folder)
    place = seat(0, 1)
    model = replace(cards.L40S, total_vfs=4)
    return furnished(folder, below_root_port(place, place.card(model)), memory_kib=TWO_NODES)


Step = Callable[[Stage], None]
STORIES: dict[str, tuple[Step, Step, Step]] = {
    "enrol": (whole, undo, is_whole),
    "cut": (is_enrolled, ask_cut, stands),
    "give": (is_cut, give, runs_with_it),
    "take-back": (is_used, take_back, came_back),
    "take-back-after-reboot": (has_lost_power, take_back, came_back),
    "burn-in": (is_quarantined, burn_in, is_free_again),
    "undo": (is_cut, undo, is_whole),
}


FEWEST = {
    "enrol": 20, "cut": 10, "give": 40, "take-back": 18, "take-back-after-reboot": 30, "burn-in": 25,
    "undo": 4,
}  # fmt: skip
"""Pictures that differ, of each story: a film that shows less has missed something."""


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


def filmed(stage: Stage, story: str) -> Film:
    """The story as it goes when nobody is killed."""
    before, ask, goal = STORIES[story]
    before(stage)
    stage.bench.close()
    film = Film(stage.bench)
    with film.rolling():
        stage.bench.agent(film, film.sysfs())
        ask(stage)
        goal(stage)
        stage.bench.close()
    return film


@dataclass(frozen=True)
class Death:
    """Of the agent alone, or of the host with it; what was not synced may be lost then."""

    frame: Frame
    power_cut: bool = False
    lost: bool = False


def deaths(frames: Sequence[Frame]) -> Iterator[Death]:
    for frame in frames:
        yield Death(frame)
        if not frame.torn:
            yield Death(frame, power_cut=True)
        if frame.synced is not None:
            yield Death(frame, power_cut=True, lost=True)


def go_on(stage: Stage, death: Death, story: str) -> None:
    """With what the dead one left."""
    _, ask, goal = STORIES[story]
    bench = stage.bench
    ask(stage)
    show(bench, death.frame, lost=death.lost)
    if death.power_cut:
        bench.reboot_host()
    try:
        # What the dead one said last must not be taken for the next one's word.
        assert bench.agent(resume_guests_state_on_host_boot=True).wait_ready(20)
        goal(stage)
        all_undone(stage)
    finally:
        bench.close()


SAME_FOR_ALL = {"enrol": TREES[:1], "take-back-after-reboot": TREES[:2]}
"""Stories in which cards differ by nothing that those do not show."""
PLAYS = [(tree, story) for story in FEWEST for tree in SAME_FOR_ALL.get(story, TREES)]


@pytest.mark.parametrize(("tree", "story"), PLAYS)
def test_a_death_anywhere_leaves_a_host_that_reaches_its_goal(
    tmp_path: Path, hasty: None, record_property: Callable[[str, object], None], tree: str, story: str
) -> None:
    with ControlPlane() as plane:
        stage = Stage(Bench(tmp_path / "bench", plane, partial(machine, tree)), tree)
        film = filmed(stage, story)
        found = list(deaths(film.frames))
        assert len(film.frames) >= FEWEST[story]
        record_property("counted", ["deaths of an agent with slices", len(found)])
        for death in found:
            try:
                go_on(replace(stage), death, story)
            except AssertionError as error:
                how = "power cut" if death.power_cut else "kill"
                lost = ", what was not synced is lost" if death.lost else ""
                raise AssertionError(f"{how} at {death.frame.where}{lost}: {error}") from error
