"""A server with slices of two cards: how an operator cuts them, what its guest does, what is left."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from openstack.compute.v2.flavor import Flavor
from openstack.compute.v2.server import Server

from tests.e2e.processes import eventually
from tests.lab import labvgpu
from tests.lab.control import HOST, Control
from tests.lab.lab_cards import LABVGPU, NVME
from tests.lab.leftovers import assert_nothing_left
from tests.lab.machine import LabMachine

pytestmark = [
    pytest.mark.lab,
    # Only the emulator's own hangs, and loudly: the run's summary counts the rerun.
    pytest.mark.flaky(reruns=1, only_rerun=["EmulatorHung"]),
    # The SDK warns about parts of itself that we do not use.
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]

NAME = "slices"
LAYOUT = {
    "name": NAME,
    "target": {"kind": "host", "hosts": [HOST]},
    "cards": [
        {"match": LABVGPU, "cuts": [{"kind": "mdev", "type": "labvgpu-2", "count": 2}]},
        {"match": NVME, "cuts": [{"kind": "vf", "count": 1, "resource_class": "CUSTOM_LAB_VF"}]},
    ],
}
FUNCTION = "0000:03:00.1"
LOG = "/var/log/kcloud-compute.log"
GIVE_NAMESPACE = f"""
set -e; nvme=/dev/$(ls /sys/bus/pci/devices/{NVME}/nvme)
nvme virt-mgmt $nvme -c 1 -a 7 || true; nvme detach-ns $nvme -n 1 -c 1 || true
nvme virt-mgmt $nvme -c 1 -r 0 -a 8 -n 2; nvme virt-mgmt $nvme -c 1 -r 1 -a 8 -n 1
nvme virt-mgmt $nvme -c 1 -a 9; nvme attach-ns $nvme -n 1 -c 1
"""
"""How this maker's functions get queues, interrupts and a namespace: an operator's task."""


@pytest.fixture
def cut(control: Control, lab: LabMachine, tmp_path: Path) -> Iterator[LabMachine]:
    """The two cards, cut by the operator's layout; afterwards they are whole again, and as they were."""
    before = lab.tree()
    with labvgpu.loaded(lab):
        whole = lab.tree()
        file = tmp_path / "layout.json"
        file.write_text(json.dumps(LAYOUT))
        control.kcloud("layout", "create", str(file))
        eventually(lambda: kinds(control) == ["mdev", "mdev", "vf", "whole"], "slices", seconds=120, every=1)
        control.kcloud("layout", "status", HOST)
        yield lab
        control.delete_all()
        control.kcloud("layout", "delete", NAME)
        eventually(lambda: kinds(control) == ["whole"] * 3, "whole cards", seconds=120, every=1)
        assert lab.tree() == whole
    assert lab.tree() == before


@pytest.fixture(scope="module")
def flavor(control: Control) -> Flavor:
    made = control.admin.compute.create_flavor(name="sliced", ram=256, vcpus=1, disk=0)
    wanted = {"resources:VGPU": "1", "resources:CUSTOM_LAB_VF": "1"}
    return control.admin.compute.create_flavor_extra_specs(made, wanted)


def test_a_guest_drives_its_mediated_device_and_reads_through_its_virtual_function(
    control: Control, cut: LabMachine, image: str, flavor: Flavor
) -> None:
    cut.run("sh", "-c", GIVE_NAMESPACE)
    view, tree = cut.view(), cut.tree()

    server = control.boot("with-slices", image, flavor)
    assert server.status == "ACTIVE", server.fault
    assert cut.driver(FUNCTION) == "vfio-pci"
    assert len(control.allocations()) == 3, "of the host and of two cards"
    console = control.console_of_ready(server, "GUEST-READY with-slices")
    assert re.search(r"^GUEST-PCI .* Class 0700: 4348:3253 serial", console, re.M), console
    assert re.search(r"^GUEST-SERIAL /dev/ttyS\d+ KCLOUD-SERIAL", console, re.M), console
    assert re.search(r"^GUEST-PCI .* Class 0108: 1b36:0010 nvme", console, re.M), console
    assert re.search(r"^GUEST-DMA /dev/nvme0n1 KCLOUD-NVME-NS1", console, re.M), console

    guest, held = emulators(cut), control.allocations()
    kill_agent(cut)
    assert (emulators(cut), control.allocations()) == (guest, held)
    assert sorted(holders(control).values()) == [server.id, server.id]

    control.delete(server)
    assert_nothing_left(control, cut, view)
    assert cut.tree() == tree
    assert_certified(control, server)


def test_a_cut_host_that_loses_power_cuts_its_cards_again_and_gives_nothing_away(
    control: Control, cut: LabMachine, image: str, flavor: Flavor
) -> None:
    view = cut.view()
    server = control.boot("in-the-dark", image, flavor)
    assert server.status == "ACTIVE", server.fault
    held, names = control.allocations(), holders(control)

    cut.reboot()
    labvgpu.load(cut)

    control.wait_status(server, "SHUTOFF")
    eventually(lambda: holders(control) == names, "the same slices", seconds=120, every=1)
    assert control.allocations() == held
    eventually(
        lambda: cut.driver(FUNCTION) == "vfio-pci", "the function is bound again", seconds=120, every=1
    )

    control.delete(server)
    assert_nothing_left(control, cut, view)
    assert kinds(control) == ["mdev", "mdev", "vf", "whole"]
    assert_certified(control, server)


def assert_certified(control: Control, server: Server) -> None:
    """Both of its slices were cleaned, and the chain says so."""
    certified = ("--server", str(server.id))
    said = control.ask("device", "certificates", *certified)["certificates"]
    grades = {each["device"].partition("_")[0]: each["grade"] for each in said}
    assert grades == {"mdev": "B", "pci": "C"}
    assert "verified: 2" in control.kcloud("device", "verify", *certified, "--part")


def kill_agent(lab: LabMachine) -> None:
    """As a fault would; its supervisor starts the next, which tells of itself."""
    count = ("grep", "-c", "agent_started", LOG)
    seen = int(lab.run(*count))
    lab.run("kill", "-9", str(lab.agent()))
    eventually(lambda: int(lab.run(*count)) > seen, "the next agent", seconds=60, every=1)


def emulators(lab: LabMachine) -> list[str]:
    """The processes in which guests run."""
    return sorted(lab.run("pgrep", "qemu-system").split())


def holders(control: Control) -> dict[str, str]:
    """The server of each slice that one has, by the slice's name."""
    found = control.ask("device", "list", "--host", HOST)
    return {each["name"]: each["claim"]["server_id"] for each in found if each["claim"]}


def kinds(control: Control) -> list[str]:
    """Of the slices that the host has."""
    found = control.ask("device", "list", "--host", HOST)
    return sorted(each["kind"] for each in found if each["state"] != "missing")
