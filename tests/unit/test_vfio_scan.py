"""One scan reads what the kernel shows of each function, and survives functions that leave meanwhile."""

import errno
from pathlib import Path

import pytest

from vfio.device import Bar, Link
from vfio.errors import Denied
from vfio.scan import DEVICES, bridges_above, parse_bars, parse_link, scan
from vfio.sysfs import Sysfs
from vfio.testing import GIB, MIB, FakeFunction, FakeHost, behind_bridge, gpu_host, npu_host

GPU = "0000:41:00.0"


def test_a_function_is_read_as_the_kernel_shows_it(tmp_path: Path) -> None:
    gpu = scan(gpu_host(tmp_path).sysfs()).devices[GPU]
    assert (gpu.vendor, gpu.product, gpu.class_code) == (0x10DE, 0x20B5, 0x030200)
    assert (gpu.driver, gpu.driver_override, gpu.iommu_group, gpu.numa_node) == ("nouveau", None, 41, 0)
    assert gpu.reset_methods == ("flr", "bus")
    assert [bar.size for bar in gpu.bars] == [16 * MIB, 128 * GIB, 32 * MIB]
    assert gpu.name == "pci_0000_41_00_0"
    assert gpu.link == Link(16.0, 16)
    assert not gpu.is_bridge
    assert not gpu.boot_vga


@pytest.mark.parametrize(
    ("speed", "width", "link"),
    [
        ("16.0 GT/s PCIe", "16", Link(16.0, 16)),
        ("2.5 GT/s", "1", Link(2.5, 1)),
        ("Unknown", "16", None),
        ("Unknown speed", "63", None),
        ("32.0 GT/s PCIe", "255", None),
        ("32.0 GT/s PCIe", "0", None),
        (None, None, None),
    ],
)
def test_a_link_is_what_can_be_done_or_none(speed: str | None, width: str | None, link: Link | None) -> None:
    assert parse_link(speed, width) == link


def test_the_path_names_the_bridges_from_the_root_down(tmp_path: Path) -> None:
    devices = scan(behind_bridge(tmp_path).sysfs()).devices
    assert devices["0000:61:00.0"].pci_path == ("0000:00:03.0", "0000:60:00.0")
    assert devices["0000:60:00.0"].is_bridge


def test_a_domain_below_a_volume_management_device_has_a_long_address() -> None:
    link = "../../../devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:1d.0/10000:e1:00.0"
    assert bridges_above(link) == ("0000:00:0e.0", "10000:e0:1d.0")


def test_groups_list_their_members_and_the_boot_is_known(tmp_path: Path) -> None:
    snapshot = scan(behind_bridge(tmp_path).sysfs())
    assert snapshot.groups[60] == ("0000:60:00.0", "0000:61:00.0", "0000:61:01.0")
    assert snapshot.boot_id


def test_a_group_member_that_is_no_pci_device_is_listed(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    host.put("sys/kernel/iommu_groups/41/devices/arm-smmu-thing/uevent", "")
    assert scan(host.sysfs()).groups[41] == (GPU, "arm-smmu-thing")


def test_virtual_functions_know_their_physical_one(tmp_path: Path) -> None:
    sysfs = npu_host(tmp_path).sysfs()
    sysfs.write(f"{DEVICES}/0000:51:00.0/sriov_numvfs", "3")
    devices = scan(sysfs).devices
    assert (devices["0000:51:00.0"].sriov_total_vfs, devices["0000:51:00.0"].sriov_num_vfs) == (8, 3)
    functions = [device for device in devices.values() if device.physfn == "0000:51:00.0"]
    assert [device.address for device in functions] == ["0000:51:10.0", "0000:51:10.1", "0000:51:10.2"]


@pytest.mark.parametrize("moment", ["", "/uevent", "/driver", "/resource", "/reset_method", "/numa_node"])
def test_a_function_that_vanishes_meanwhile_is_left_out(tmp_path: Path, moment: str) -> None:
    host = gpu_host(tmp_path)
    host.vanish_at(f"{DEVICES}/{GPU}{moment}", GPU)
    snapshot = scan(host.sysfs())
    assert GPU not in snapshot.devices
    assert 41 not in snapshot.groups
    assert "0000:01:00.0" in snapshot.devices


def test_what_may_not_be_read_is_raised_and_not_left_out(tmp_path: Path) -> None:
    class Closed:
        def before_read(self, path: str) -> None:
            if path.endswith(f"{GPU}/resource"):
                raise PermissionError(errno.EACCES, "Permission denied")

        def write(self, path: str, data: bytes) -> None:
            raise AssertionError("a scan writes nothing")

    gpu_host(tmp_path)
    with pytest.raises(Denied):
        scan(Sysfs(tmp_path, Closed()))


def test_a_host_without_pci_is_an_empty_snapshot(tmp_path: Path) -> None:
    snapshot = scan(Sysfs(tmp_path))
    assert (snapshot.devices, snapshot.groups, snapshot.boot_id) == ({}, {}, None)


def test_bars_carry_their_flags_and_unused_ones_are_left_out() -> None:
    text = (
        "0x00000000fb000000 0x00000000fbffffff 0x0000000000040200\n"
        "0x000000e000000000 0x000000efffffffff 0x000000000014220c\n"
        "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
        "0x000000000000e000 0x000000000000e07f 0x0000000000040101\n"
        "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
        "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
        "0x00000000fc000000 0x00000000fc07ffff 0x0000000000046200\n"
    )
    assert parse_bars(text) == (
        Bar(0, 16 * MIB, is_64bit=False, prefetchable=False, is_io=False),
        Bar(1, 64 * GIB, is_64bit=True, prefetchable=True, is_io=False),
        Bar(3, 128, is_64bit=False, prefetchable=False, is_io=True),
    )


def test_a_large_host_is_read_with_few_calls_for_each_function(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    cards = [f"0000:{0x40 + card:02x}:00.0" for card in range(16)]
    for group, address in enumerate(cards):
        host.add(FakeFunction(address, 0x10DE, 0x2331, 0x030200, driver="nvidia", group=group, total_vfs=16))
    for address in cards:
        host.sysfs().write(f"{DEVICES}/{address}/sriov_numvfs", "16")

    class Counting:
        calls = 0

        def before_read(self, path: str) -> None:
            self.calls += 1

        def write(self, path: str, data: bytes) -> None:
            raise AssertionError("a scan writes nothing")

    counting = Counting()
    snapshot = scan(Sysfs(tmp_path, counting))
    assert len(snapshot.devices) == 16 + 256
    assert len(snapshot.groups) == 16 + 256
    assert counting.calls <= 18 * len(snapshot.devices)
