"""Cards cut on a real kernel: the suite that fake hosts pass, and processes killed in the middle of it."""

import json
import random
import re
from collections.abc import Iterator

import pytest

from tests.contract import test_slices
from tests.lab import labvgpu, slice_suite
from tests.lab.lab_benches import OF_FAKES
from tests.lab.machine import LabMachine

pytestmark = pytest.mark.lab

KILLS = 10
TESTS = [name for name in vars(test_slices) if name.startswith("test_")]
REAL = {name for name in TESTS if not any(word in name for word in OF_FAKES)}


@pytest.fixture(scope="module")
def bench(lab: LabMachine) -> Iterator[LabMachine]:
    """With the suite on it, and a card that has mediated devices. Afterwards the host is what it was."""
    slice_suite.bring(lab)
    before = lab.tree()
    with labvgpu.loaded(lab):
        yield lab
    assert lab.tree() == before


@pytest.mark.parametrize("card", ["whole-edu", "vf-nvme", "mdev-labvgpu"])
def test_the_suite_about_slices_passes_on_a_real_kernel(bench: LabMachine, card: str) -> None:
    said = slice_suite.suite(bench, card)
    print(said)
    assert said.endswith("exit status 0"), said
    assert set(re.findall(r"^PASSED \S+::(\w+)\[", said, re.M)) == REAL


def test_virtual_functions_of_another_maker_are_held_all_at_once_too(bench: LabMachine) -> None:
    said = slice_suite.suite(bench, "vf-igb and all_slices_are_held_at_once")
    assert re.search(r"^2 passed, ", said, re.M), said


def test_a_process_killed_at_random_leaves_what_the_next_can_finish_or_undo(bench: LabMachine) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    told = slice_suite.kills(bench, seed, KILLS)
    print(json.dumps(told, indent=1))
    assert len(told["kills"]) == KILLS
    assert [kill for kill in told["kills"] if kill["wrong"]] == [], f"seed {seed}"
    assert told["left"] == []
    assert told["grades"] == {"whole-edu": "C", "vf-nvme": "C", "vf-igb": "C", "mdev-labvgpu": "B"}
