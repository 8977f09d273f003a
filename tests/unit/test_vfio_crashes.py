"""The process may die at any write of a prepare or a release: the next one finishes or undoes it."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.thoroughness import examples
from vfio.binding import Binder
from vfio.errors import BindingError
from vfio.journal import Journal
from vfio.testing import Crash, FakeHost, behind_bridge, gpu_host, two_function_group

pytestmark = pytest.mark.slow

CLAIM = UUID("6c8b7a4e-0000-4000-8000-000000000001")
HOSTS: dict[str, tuple[Callable[[Path], FakeHost], tuple[str, ...]]] = {
    "gpu": (gpu_host, ("0000:41:00.0",)),
    "two functions": (two_function_group, ("0000:41:00.0", "0000:41:00.1")),
    "behind a bridge": (behind_bridge, ("0000:61:00.0", "0000:61:01.0")),
}


class Scene:
    """One host and its journal, driven by processes that may die."""

    def __init__(self, folder: Path, name: str) -> None:
        make, self.addresses = HOSTS[name]
        self.host = make(folder / "host")
        self.journal = folder / "journal"
        self.before = self.host.picture()

    def process(self) -> Binder:
        return Binder(self.host.sysfs(), Journal(self.journal))

    def prepare(self) -> None:
        self.process().prepare(CLAIM, self.addresses)

    def release(self) -> None:
        self.process().release(CLAIM)

    def dies(self, act: Callable[[], None], index: int, *, after: bool) -> bool:
        """Whether the act had a write with this number to die at."""
        self.host.crash_at_write(index, after=after)
        try:
            act()
        except Crash:
            return True
        self.host.relent()
        return False

    def check_bound(self) -> None:
        assert [self.host.driver_of(address) for address in self.addresses] == ["vfio-pci"] * len(
            self.addresses
        )
        assert set(self.process().prepared()) == {CLAIM}

    def check_original(self) -> None:
        assert self.host.picture() == self.before
        assert list(self.journal.iterdir()) == []


def crashed(scene: Scene, act: str, index: int, *, after: bool) -> bool:
    """Brings the untouched scene to where the act died before or after its n-th write; False: it had no such
    write, and is done."""
    if act == "release":
        scene.prepare()
    return scene.dies(getattr(scene, act), index, after=after)


def every_crash(scene: Scene, act: str) -> Iterator[Scene]:
    """The scene dead at each write in turn. Whoever takes one leaves it untouched again."""
    for after in (False, True):
        for index in itertools.count():
            if not crashed(scene, act, index, after=after):
                break
            yield scene
        scene.release()
        assert index == 3 * len(scene.addresses)  # each function takes three writes, either way


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("act", ["prepare", "release"])
def test_after_every_crash_preparing_again_binds_and_releasing_restores(
    tmp_path: Path, name: str, act: str
) -> None:
    for scene in every_crash(Scene(tmp_path, name), act):
        scene.prepare()
        scene.check_bound()
        scene.release()
        scene.check_original()


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("act", ["prepare", "release"])
def test_after_every_crash_releasing_alone_restores(tmp_path: Path, name: str, act: str) -> None:
    for scene in every_crash(Scene(tmp_path, name), act):
        scene.release()
        scene.check_original()


@pytest.mark.parametrize("first", ["prepare", "release"])
@pytest.mark.parametrize("second", ["prepare", "release"])
def test_after_every_crash_a_second_crash_is_survived_too(tmp_path: Path, first: str, second: str) -> None:
    scene = Scene(tmp_path, "two functions")
    for one, two in itertools.product(range(6), range(6)):
        assert crashed(scene, first, one, after=False)
        scene.dies(getattr(scene, second), two, after=False)
        scene.release()
        scene.check_original()


@pytest.mark.parametrize("act", ["prepare", "release"])
def test_a_reboot_after_every_crash_leaves_the_native_drivers(tmp_path: Path, act: str) -> None:
    for scene in every_crash(Scene(tmp_path, "two functions"), act):
        scene.host.reboot()
        scene.before = scene.host.picture()
        scene.prepare()
        scene.check_bound()
        scene.release()
        scene.check_original()


@pytest.mark.parametrize("left", ["", '{"version": 1', "whole"])
def test_a_crash_while_the_journal_is_written_is_no_claim(tmp_path: Path, left: str) -> None:
    scene = Scene(tmp_path, "two functions")
    scene.prepare()
    record = scene.journal / f"{CLAIM}.json"
    whole = record.read_text()
    scene.release()
    record.with_suffix(".tmp").write_text(whole if left == "whole" else left)
    assert scene.process().prepared() == {}
    scene.prepare()
    scene.check_bound()
    scene.release()
    scene.check_original()


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["prepare", "release"])),
        st.tuples(
            st.just("crash"), st.sampled_from(["prepare", "release"]), st.integers(0, 6), st.booleans()
        ),
        st.tuples(
            st.just("fail"),
            st.sampled_from(["*/driver_override", "*/unbind", "*/drivers_probe", "*/bind"]),
            st.sampled_from([1, 5, 16, 19, 22]),
            st.integers(1, 3),
        ),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=examples(40))
@given(events=EVENTS)
def test_whatever_went_wrong_a_release_that_is_let_through_restores_the_host(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[object, ...]]
) -> None:
    scene = Scene(tmp_path_factory.mktemp("scene"), "two functions")
    for event in events:
        match event:
            case ("crash", "prepare" | "release" as act, int(index), bool(after)):
                scene.host.crash_at_write(index, after=after)
            case ("fail", str(pattern), int(number), int(times)):
                scene.host.fail(pattern, number, times=times)
                continue
            case ("prepare" | "release" as act,):
                pass
        try:
            getattr(scene, act)()
        except (BindingError, Crash):
            continue
        if act == "prepare":
            scene.check_bound()
        else:
            scene.check_original()
    scene.host.relent()
    scene.release()
    scene.check_original()
