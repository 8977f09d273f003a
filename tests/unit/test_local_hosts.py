"""Which hosts `kcloud up` runs: one real at most, names that an enrolment accepts, a folder for each."""

import re
from pathlib import Path

import pytest

from kcloud_cli.local_hosts import plan
from kcloud_common.wire import Enrolment

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
