"""What vfio reads from a real kernel's sysfs, against what the lab host was built with."""

from typing import Any

import pytest

from kcloud_cli.lab.machine import NPU_ADDRESS
from tests.lab.machine import LabMachine

pytestmark = pytest.mark.lab

Found = dict[str, Any]

NVME, EDU, IGB = (0x1B36, 0x0010), (0x1234, 0x11E8), (0x8086, 0x10C9)
ROOT_DISK, OWN_NIC = "0000:00:02.0", "0000:00:03.0"


@pytest.fixture(scope="module")
def found(lab: LabMachine) -> Found:
    return lab.script("discover.py")


@pytest.mark.parametrize(
    ("address", "ids", "path", "numa_node"),
    [
        ("0000:00:08.0", EDU, [], None),
        ("0000:01:00.0", EDU, ["0000:00:10.0"], None),
        ("0000:02:00.0", EDU, ["0000:00:11.0"], None),
        ("0000:02:00.1", EDU, ["0000:00:11.0"], None),
        ("0000:03:00.0", NVME, ["0000:00:12.0"], None),
        ("0000:04:00.0", IGB, ["0000:00:13.0"], None),
        ("0000:07:00.0", EDU, ["0000:00:14.0", "0000:05:00.0", "0000:06:00.0"], None),
        ("0000:08:00.0", EDU, ["0000:00:14.0", "0000:05:00.0", "0000:06:01.0"], None),
        ("0000:0a:02.0", EDU, ["0000:00:15.0", "0000:09:00.0"], None),
        (NPU_ADDRESS, NVME, ["0000:40:00.0"], 1),
    ],
)
def test_each_accelerator_is_found_at_its_place(
    found: Found, address: str, ids: tuple[int, int], path: list[str], numa_node: int | None
) -> None:
    device = found["devices"][address]
    assert (device["vendor"], device["product"]) == ids
    assert device["pci_path"] == path
    assert device["numa_node"] == numa_node
    assert not device["is_bridge"]


def test_groups_are_the_kernels(found: Found) -> None:
    def members(address: str) -> list[str]:
        return sorted(found["groups"][str(found["devices"][address]["iommu_group"])])

    assert members("0000:01:00.0") == ["0000:01:00.0"]
    assert members("0000:02:00.0") == ["0000:02:00.0", "0000:02:00.1"]
    assert members("0000:0a:01.0") == ["0000:09:00.0", "0000:0a:01.0", "0000:0a:02.0"]
    assert members("0000:07:00.0") == ["0000:06:00.0", "0000:07:00.0"]
    assert members(NPU_ADDRESS) == [NPU_ADDRESS]


def test_drivers_virtual_functions_and_resets_are_read(found: Found) -> None:
    npu, nic, edu = (
        found["devices"][address] for address in ("0000:03:00.0", "0000:04:00.0", "0000:01:00.0")
    )
    assert (npu["driver"], nic["driver"], edu["driver"]) == ("nvme", "igb", None)
    assert (npu["sriov_total_vfs"], npu["sriov_num_vfs"]) == (4, 0)
    assert nic["sriov_total_vfs"] == 7
    assert edu["sriov_total_vfs"] == 0
    assert "flr" in nic["reset_methods"]
    assert all(device["driver_override"] is None for device in found["devices"].values())


def test_bars_have_the_sizes_that_the_devices_were_given(found: Found) -> None:
    (bar,) = found["devices"]["0000:01:00.0"]["bars"]
    assert (bar["index"], bar["size"], bar["is_io"]) == (0, 1024 * 1024, False)
    (npu_bar, *_) = found["devices"][NPU_ADDRESS]["bars"]
    assert npu_bar["is_64bit"]


def test_what_the_host_lives_on_is_never_offered(lab: LabMachine) -> None:
    by_address = lab.script("offers.py", f"address:{ROOT_DISK}", f"address:{OWN_NIC}")
    assert by_address["offers"] == []
    assert {refusal["code"] for refusal in by_address["refusals"]} == {"in_use"}


def test_offers_are_whole_groups_and_refusals_name_the_way_out(lab: LabMachine) -> None:
    result = lab.script("offers.py", "1b36:0010=CUSTOM_NPU", "1234:11e8=CUSTOM_EDU")
    offered = {offer["name"]: offer for offer in result["offers"]}
    assert offered["pci_0000_02_00_0"]["addresses"] == ["0000:02:00.0", "0000:02:00.1"]
    assert offered["pci_0000_41_00_0"]["resource_class"] == "CUSTOM_NPU"
    assert offered["pci_0000_41_00_0"]["numa_node"] == 1
    (refusal,) = [refusal for refusal in result["refusals"] if "0000:0a:02.0" in refusal["addresses"]]
    assert refusal["code"] == "group_shared"
    assert "0000:0a:01.0" in refusal["reason"]
