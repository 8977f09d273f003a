"""The process may die, or the kernel may refuse, at any write: what follows finishes it or undoes it.

Every write is tried by `make test`; every third without `KCLOUD_TEST_THOROUGH`.
"""

import errno
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.slice_bench import BENCHES, claim, settled
from tests.thoroughness import examples
from vfio.errors import BindFailed, BindingError, LayoutRefused, NotRestored
from vfio.slices.model import Kind, Plan
from vfio.testing import Crash

pytestmark = pytest.mark.slow


class Scene:
    """One bench, and what it looks like empty and cut."""

    def __init__(self, folder: Path, name: str) -> None:
        self.bench = BENCHES[name](folder)
        self.empty = self.bench.picture()
        self.made = self.bench.apply()
        self.standing = settled(self.bench.picture())
        self.bench.undo()

    def apply(self) -> None:
        assert self.bench.apply() == self.made

    def prepare(self) -> None:
        self.bench.process().prepare(claim(1), self.made[-1])

    def release(self) -> None:
        self.bench.process().release(claim(1))

    def undo(self) -> None:
        self.bench.undo()

    def before(self, act: str) -> None:
        """Brings the empty scene to where the act begins."""
        if act != "apply":
            self.apply()
        if act == "release":
            self.prepare()

    def check_cut(self) -> None:
        assert self.bench.slices() == self.made
        assert settled(self.bench.picture()) == self.standing

    def check_cut_by(self, plan: Plan) -> None:
        """The card is to be what it was, whatever of it stands now."""
        assert self.bench.process().plan(self.bench.card()) == plan

    def check_empty(self) -> None:
        assert self.bench.picture() == self.empty
        assert self.bench.records() == []

    def check_defined(self) -> None:
        """All slices are said to be there, or none, or the whole card: never a part as if it were all."""
        said = self.bench.slices()
        slicer = self.bench.process()
        if slicer.stands(self.bench.card(), self.bench.plan, slicer.look()):
            assert said == self.made
        elif said and self.bench.kind is not Kind.WHOLE:
            assert said[0].kind is Kind.WHOLE or set(said) < set(self.made)


def dies(scene: Scene, act: str, index: int, *, after: bool) -> bool:
    """Whether the act had a write with this number to die at."""
    scene.bench.fake.crash_at_write(index, after=after)
    try:
        getattr(scene, act)()
    except Crash:
        return True
    scene.bench.fake.relent()
    return False


def every_crash(scene: Scene, act: str) -> Iterator[Scene]:
    """The scene dead at each write in turn. Whoever takes one leaves it empty again."""
    writes = 0
    for after in (False, True):
        for index in itertools.count(step=STEP):
            scene.before(act)
            if not dies(scene, act, index, after=after):
                scene.release()
                scene.undo()
                break
            writes += 1
            yield scene
            scene.check_empty()
    # Holding a vGPU or giving a whole card its layout changes nothing but the records.
    assert writes or (act in ("prepare", "apply", "undo") and scene.bench.kind in NO_WRITES)


STEP = 1 if examples(8) == 8 else 3
ERRNOS = (errno.EBUSY, errno.EIO, errno.ENOSPC, errno.EINVAL, errno.ENODEV)
NO_WRITES = (Kind.WHOLE, Kind.MDEV, Kind.VENDOR_VF)
ACTS: dict[str, Callable[[Scene], None]] = {
    "apply": Scene.apply,
    "prepare": Scene.prepare,
    "release": Scene.release,
    "undo": Scene.undo,
}


@pytest.mark.parametrize("name", BENCHES)
@pytest.mark.parametrize("act", ACTS)
def test_after_every_crash_the_same_call_finishes_what_it_began(tmp_path: Path, name: str, act: str) -> None:
    for scene in every_crash(Scene(tmp_path, name), act):
        scene.check_defined()
        ACTS[act](scene)
        if act == "undo":
            scene.check_empty()
            continue
        if act == "prepare":
            scene.release()
        scene.check_cut()
        scene.undo()


@pytest.mark.parametrize("name", BENCHES)
@pytest.mark.parametrize("act", ACTS)
def test_after_every_crash_the_way_back_leads_to_the_empty_card(tmp_path: Path, name: str, act: str) -> None:
    for scene in every_crash(Scene(tmp_path, name), act):
        scene.release()
        scene.undo()
        scene.check_empty()


@pytest.mark.parametrize("name", BENCHES)
def test_after_every_crash_of_a_layout_another_one_can_be_applied(tmp_path: Path, name: str) -> None:
    for scene in every_crash(Scene(tmp_path, name), "apply"):
        other = scene.bench.smaller
        assert len(scene.bench.apply(other)) == other.count
        scene.undo()


@pytest.mark.parametrize("name", BENCHES)
def test_a_reboot_after_every_crash_lets_the_layout_be_applied_again(tmp_path: Path, name: str) -> None:
    scene = Scene(tmp_path, name)
    for after in (False, True):
        for index in itertools.count(step=STEP):
            if not dies(scene, "apply", index, after=after):
                scene.undo()
                break
            scene.bench.fake.reboot()
            scene.apply()
            scene.undo()


def refused(act: Callable[[Scene], None], scene: Scene) -> BindingError | None:
    """Every refusal is one of ours: a plain errno would say nothing of what stands."""
    try:
        act(scene)
    except BindingError as error:
        return error
    return None


def number_of_writes(scene: Scene, act: str) -> int:
    scene.before(act)
    first = len(scene.bench.fake.writes)
    getattr(scene, act)()
    count = len(scene.bench.fake.writes) - first
    scene.release()
    scene.undo()
    return count


@pytest.mark.parametrize("name", BENCHES)
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_after_every_refused_write_the_host_is_in_a_defined_state(
    tmp_path: Path, name: str, act: str, lasting: bool
) -> None:
    scene = Scene(tmp_path, name)
    errors = itertools.cycle(ERRNOS)
    for index in range(0, number_of_writes(scene, act), STEP):
        scene.before(act)
        scene.bench.stumble(index, next(errors), lasting=lasting)
        refusal = refused(ACTS[act], scene)
        scene.bench.walk()
        scene.check_defined()
        match refusal:
            case NotRestored():
                assert scene.bench.records() != []  # what is to be done still is written down
            case LayoutRefused():
                scene.check_empty()
            case BindFailed() if act == "apply":  # another try may do better
                scene.check_empty()
            case BindFailed():
                scene.check_cut()
        scene.release()
        scene.undo()
        scene.check_empty()


@pytest.mark.parametrize("name", [name for name in BENCHES if name != "whole"])
def test_what_a_reboot_undid_is_made_again_after_every_refused_write(tmp_path: Path, name: str) -> None:
    """A claim still holds a slice, whose driver does not let it be made at once."""
    scene = Scene(tmp_path, name)
    errors = itertools.cycle(ERRNOS)
    writes = number_of_writes(scene, "apply")
    assert writes
    for index in range(0, writes, STEP):
        scene.apply()
        scene.prepare()
        scene.bench.fake.reboot()
        scene.bench.stumble(index, next(errors), lasting=False)
        assert refused(Scene.apply, scene)
        scene.bench.walk()
        scene.check_defined()
        scene.check_cut_by(scene.bench.plan)
        scene.apply()
        scene.prepare()
        scene.release()
        scene.undo()
        assert scene.bench.records() == []
