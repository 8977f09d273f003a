"""Which hosts `kcloud up` runs: one real at most, names that an enrolment accepts, a folder for each."""

import re
from pathlib import Path

import pytest

from kcloud_cli.host_plans import plan, simulated
from kcloud_common.errors import PermanentError
from kcloud_common.wire import Enrolment
from vfio.sim.trees import NAMES

FOLDER = Path("/data")


def test_fakes_are_numbered_and_have_their_own_folders() -> None:
    hosts = plan(2, hypervisor="fake", folder=FOLDER)
    assert [(host.name, host.folder, host.is_fake) for host in hosts] == [
        ("fake-1", FOLDER / "hosts" / "fake-1", True),
        ("fake-2", FOLDER / "hosts" / "fake-2", True),
    ]


def test_with_libvirt_only_the_first_is_real() -> None:
    hosts = plan(3, hypervisor="libvirt", folder=FOLDER, machine="node7")
    assert [(host.name, host.is_fake) for host in hosts] == [
        ("node7", False), ("fake-1", True), ("fake-2", True),
    ]  # fmt: skip


def test_no_hosts_is_a_cloud_without_hosts() -> None:
    assert plan(0, hypervisor="libvirt", folder=FOLDER) == ()


@pytest.mark.parametrize("machine", ["node7", "my_machine", "-odd-", "x" * 200, "a.b.example", "___", "é"])
def test_any_machines_name_becomes_one_that_an_enrolment_accepts(machine: str) -> None:
    (host,) = plan(1, hypervisor="libvirt", folder=FOLDER, machine=machine)
    assert Enrolment(host=host.name, secret="s" * 32).host == host.name
    assert re.fullmatch(r"[A-Za-z0-9.-]+", host.name)


def test_simulated_hosts_are_named_after_their_trees_and_numbered_where_there_are_several() -> None:
    hosts = simulated("t4, hgx-h100,t4,rngd-x8,t4", count=None, folder=FOLDER)
    assert [(host.name, host.tree) for host in hosts] == [
        ("t4", "t4"), ("hgx-h100", "hgx-h100"), ("t4-2", "t4"), ("rngd-x8", "rngd-x8"), ("t4-3", "t4"),
    ]  # fmt: skip
    assert all(host.is_fake for host in hosts)
    assert {host.folder.name for host in hosts} == {host.name for host in hosts}


def test_as_many_hosts_as_are_asked_for_take_the_trees_in_turn() -> None:
    names = [host.name for host in simulated("t4,rngd", count=5, folder=FOLDER)]
    assert names == ["t4", "rngd", "t4-2", "rngd-2", "t4-3"]
    assert [host.name for host in simulated("t4,rngd", count=1, folder=FOLDER)] == ["t4"]
    assert simulated("t4", count=0, folder=FOLDER) == ()


@pytest.mark.parametrize("tree", NAMES)
def test_every_tree_makes_a_name_that_an_enrolment_accepts(tree: str) -> None:
    for host in simulated(tree, count=2, folder=FOLDER):
        assert Enrolment(host=host.name, secret="s" * 32).host == host.name


@pytest.mark.parametrize(
    "trees", ["", "t4,,rngd", "t4;rngd", "T4", "a-tree", "hgx-h100-x2", "t4-x0", "t4-x999"]
)
def test_a_tree_that_there_is_not_is_refused_with_those_that_there_are(trees: str) -> None:
    with pytest.raises(PermanentError, match=r"hgx-h100, upmem\[-xN\]"):
        simulated(trees, count=None, folder=FOLDER)
