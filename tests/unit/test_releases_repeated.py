"""A release may be carried out twice: a look that began before the first has ended may ask for it again."""

from pathlib import Path

from tests.unit.care_world import place
from vfio.lifecycle import State


def test_a_release_that_comes_again_finds_nothing_to_do_and_blames_no_device(tmp_path: Path) -> None:
    agent = place(tmp_path).agent()
    agent.lease()
    first = agent.end()
    assert first.state is State.FREE
    assert agent.end() == first


def test_a_lease_of_before_leases_were_numbered_is_released_once(tmp_path: Path) -> None:
    agent = place(tmp_path).agent()
    agent.lease(0)
    first = agent.end()
    assert first.state is State.FREE
    assert agent.end() == first
