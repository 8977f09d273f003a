"""A server with a real accelerator: through the public API, an agent on a real kernel, vfio and the IOMMU."""

import re
from collections.abc import Iterator
from datetime import datetime

import pytest
from openstack.compute.v2.flavor import Flavor

from kcloud_cli.lab.machine import NPU_ADDRESS
from tests.e2e.processes import eventually
from tests.lab.control import HOST, RESOURCE_CLASS, Control
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


@pytest.fixture(scope="module")
def flavor(control: Control) -> Flavor:
    made = control.admin.compute.create_flavor(name="npu", ram=256, vcpus=1, disk=0)
    return control.admin.compute.create_flavor_extra_specs(made, {f"resources:{RESOURCE_CLASS}": "1"})


@pytest.fixture(autouse=True)
def no_server_stays(control: Control, lab: LabMachine) -> Iterator[None]:
    """A failed test leaves the one device free, and a lab host that works, to the next."""
    yield
    if lab.is_stuck() or not lab.answers():
        lab.reboot()
    control.delete_all()


def test_an_enrolment_may_be_repeated(control: Control, lab: LabMachine) -> None:
    before = control.kcloud("host", "show", HOST).splitlines()[0]
    said = control.enroll(f"root@127.0.0.1:{lab.host.ssh_port}", lab.host.key)
    assert "kcloud doctor:" in said
    assert control.kcloud("host", "show", HOST).splitlines()[0] == before
    assert lab.run("stat", "-c", "%a", "/etc/kcloud/compute.conf").strip() == "600"
    assert lab.run("ls", "/etc/kcloud").split() == ["compute.conf"]


def test_a_guest_sees_its_device_reads_it_by_dma_and_leaves_no_trace(
    control: Control, lab: LabMachine, image: str, flavor: Flavor
) -> None:
    before = lab.view()
    server = control.boot("with-npu", image, flavor)
    assert server.status == "ACTIVE", server.fault
    assert lab.driver(NPU_ADDRESS) == "vfio-pci"

    console = control.console_of_ready(server, "GUEST-READY with-npu")
    assert re.search(r"^GUEST-PCI .* Class 0108: 1b36:0010 nvme", console, re.M), console
    assert "GUEST-DMA /dev/nvme0n1 KCLOUD-NVME-NS1" in console
    provider = "pci_0000_41_00_0"
    assert any(name.endswith(provider) for name in control.allocations())

    control.delete(server)
    assert_nothing_left(control, lab, before)
    certified = ("--server", str(server.id))
    (certificate,) = control.ask("device", "certificates", *certified)["certificates"]
    assert (certificate["device"], certificate["grade"]) == (provider, "C")
    steps = {step["name"]: step["outcome"] for step in certificate["steps"]}
    assert steps["reset"] == steps["verify"] == "done"
    assert "verified: 1" in control.kcloud("device", "verify", *certified, "--part")


def test_the_one_device_goes_to_one_server_then_to_the_next(
    control: Control, lab: LabMachine, image: str, flavor: Flavor
) -> None:
    before = lab.view()
    first = control.boot("first", image, flavor)
    assert first.status == "ACTIVE", first.fault

    second = control.boot("second", image, flavor)
    assert second.status == "ERROR"
    took = datetime.fromisoformat(second.fault["created"]) - datetime.fromisoformat(second.created_at)
    assert took.total_seconds() <= 5
    told = second.fault["message"]
    assert RESOURCE_CLASS in told
    assert "What would help" in told
    assert HOST not in told, "a tenant is told how many hosts, not which"
    details = control.admin.compute.get_server(second.id).fault["details"]
    assert f"{HOST}: resource_class_short: needs 1 {RESOURCE_CLASS}, has none free" in details

    control.delete(second)
    control.delete(first)
    third = control.boot("third", image, flavor)
    assert third.status == "ACTIVE", third.fault
    control.delete(third)
    assert_nothing_left(control, lab, before)


def test_a_server_survives_the_reboot_of_its_host(
    control: Control, lab: LabMachine, image: str, flavor: Flavor
) -> None:
    before = lab.view()
    server = control.boot("survivor", image, flavor)
    assert server.status == "ACTIVE", server.fault
    held = control.allocations()
    boot = lab.boot_id()

    lab.reboot()

    assert lab.boot_id() != boot
    control.wait_status(server, "SHUTOFF")
    assert control.allocations() == held
    eventually(
        lambda: lab.driver(NPU_ADDRESS) == "vfio-pci", "the device is bound again", seconds=120, every=1
    )
    control.delete(server)
    assert_nothing_left(control, lab, before)
