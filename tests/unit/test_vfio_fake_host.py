"""The fake host answers as the kernel does: what the tests of everything above it rest on."""

import errno
from pathlib import Path

import pytest

from vfio.errors import SysfsError
from vfio.scan import DEVICES, scan
from vfio.testing import Crash, FakeHost, gpu_host, npu_host

GPU = "0000:41:00.0"
NPU = "0000:51:00.0"
DRIVERS = "sys/bus/pci/drivers"
PROBE = "sys/bus/pci/drivers_probe"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return gpu_host(tmp_path)


@pytest.mark.parametrize(
    ("path", "text", "number"),
    [
        (f"{DRIVERS}/vfio-pci/unbind", GPU, errno.ENODEV),
        (f"{DRIVERS}/nouveau/unbind", "0000:99:00.0", errno.ENODEV),
        (f"{DRIVERS}/nouveau/bind", GPU, errno.EBUSY),
        (f"{DRIVERS}/vfio-pci/bind", GPU, errno.ENODEV),
        (f"{DRIVERS}/nvidia/bind", GPU, errno.ENOENT),
        (PROBE, "0000:99:00.0", errno.ENODEV),
        (f"{DEVICES}/0000:99:00.0/driver_override", "vfio-pci", errno.ENODEV),
        (f"{DEVICES}/{GPU}/vendor", "0x1234", errno.EACCES),
        (f"{DEVICES}/{GPU}/nonsense", "1", errno.ENOENT),
        (f"{DEVICES}/{GPU}/sriov_numvfs", "1", errno.ENOENT),
    ],
)
def test_a_write_that_the_kernel_refuses_is_refused_with_its_errno(
    host: FakeHost, path: str, text: str, number: int
) -> None:
    before = host.picture()
    with pytest.raises(SysfsError) as caught:
        host.sysfs().write(path, text)
    assert caught.value.errno == number
    assert host.picture() == before


def test_an_override_alone_moves_nothing_and_decides_the_next_probe(host: FakeHost) -> None:
    sysfs = host.sysfs()
    sysfs.write(f"{DEVICES}/{GPU}/driver_override", "vfio-pci\n")
    assert host.driver_of(GPU) == "nouveau"
    sysfs.write(PROBE, GPU)
    assert host.driver_of(GPU) == "nouveau"
    sysfs.write(f"{DRIVERS}/nouveau/unbind", GPU)
    sysfs.write(PROBE, GPU)
    assert host.driver_of(GPU) == "vfio-pci"


def test_a_cleared_override_reads_as_the_kernel_prints_it(host: FakeHost) -> None:
    sysfs = host.sysfs()
    sysfs.write(f"{DEVICES}/{GPU}/driver_override", "vfio-pci\n")
    assert sysfs.read_text(f"{DEVICES}/{GPU}/driver_override") == "vfio-pci"
    sysfs.write(f"{DEVICES}/{GPU}/driver_override", "\n")
    assert sysfs.read_text(f"{DEVICES}/{GPU}/driver_override") == "(null)"


def test_a_probe_tells_nobody_that_a_driver_refused_but_a_bind_does(host: FakeHost) -> None:
    sysfs = host.sysfs()
    sysfs.write(f"{DRIVERS}/nouveau/unbind", GPU)
    host.refuse("nouveau", GPU, errno.EIO)
    sysfs.write(PROBE, GPU)
    assert host.driver_of(GPU) is None
    with pytest.raises(SysfsError) as caught:
        sysfs.write(f"{DRIVERS}/nouveau/bind", GPU)
    assert caught.value.errno == errno.EIO


def test_virtual_functions_come_and_go_by_the_kernel_s_rules(tmp_path: Path) -> None:
    host = npu_host(tmp_path)
    sysfs, before, knob = host.sysfs(), host.picture(), f"{DEVICES}/{NPU}/sriov_numvfs"
    for text in ("4", "4", "0", "8"):
        sysfs.write(knob, text)
        assert sysfs.read_text(knob) == text
        assert sum(1 for device in scan(sysfs).devices.values() if device.physfn) == int(text)
    for text, number in (("9", errno.ERANGE), ("2", errno.EBUSY)):
        with pytest.raises(SysfsError) as caught:
            sysfs.write(knob, text)
        assert caught.value.errno == number
    sysfs.write(knob, "0")
    assert set(host.picture()) >= set(before)


def test_unbinding_a_physical_function_takes_its_virtual_ones_away(tmp_path: Path) -> None:
    host = npu_host(tmp_path)
    host.sysfs().write(f"{DEVICES}/{NPU}/sriov_numvfs", "2")
    host.sysfs().write(f"{DRIVERS}/rngd/unbind", NPU)
    assert scan(host.sysfs()).devices[NPU].sriov_num_vfs == 0
    assert "0000:51:10.0" not in host.addresses()


def test_a_removed_function_is_nowhere_any_more(host: FakeHost) -> None:
    host.sysfs().write(f"{DEVICES}/{GPU}/remove", "1")
    assert not [path for path in host.picture() if GPU in path]


def test_the_host_outlives_the_process_that_made_it(tmp_path: Path, host: FakeHost) -> None:
    host.sysfs().write(f"{DRIVERS}/nouveau/unbind", GPU)
    again = gpu_host(tmp_path)
    assert again.picture() == host.picture()
    again.sysfs().write(PROBE, GPU)
    assert host.driver_of(GPU) == "nouveau"


def test_a_dead_process_does_nothing_more_and_another_one_can(host: FakeHost) -> None:
    sysfs = host.sysfs()
    host.crash_at_write(1)
    sysfs.write(f"{DEVICES}/{GPU}/driver_override", "vfio-pci\n")
    for act in (
        lambda: sysfs.write(PROBE, GPU),
        lambda: sysfs.listdir(DEVICES),
        lambda: sysfs.write(PROBE, GPU),
    ):
        with pytest.raises(Crash):
            act()
    assert host.writes == [(f"{DEVICES}/{GPU}/driver_override", "vfio-pci\n")]
    host.sysfs().write(PROBE, GPU)


def test_a_planned_failure_ends_after_its_times(host: FakeHost) -> None:
    sysfs = host.sysfs()
    host.fail("*/unbind", errno.EBUSY, times=2)
    for _ in range(2):
        with pytest.raises(SysfsError):
            sysfs.write(f"{DRIVERS}/nouveau/unbind", GPU)
    sysfs.write(f"{DRIVERS}/nouveau/unbind", GPU)
    assert host.driver_of(GPU) is None


def test_a_reboot_brings_the_native_drivers_and_another_boot_id(host: FakeHost) -> None:
    first = scan(host.sysfs()).boot_id
    host.sysfs().write(f"{DEVICES}/{GPU}/driver_override", "vfio-pci\n")
    host.sysfs().write(f"{DRIVERS}/nouveau/unbind", GPU)
    host.reboot()
    snapshot = scan(host.sysfs())
    assert (snapshot.devices[GPU].driver, snapshot.devices[GPU].driver_override) == ("nouveau", None)
    assert snapshot.boot_id != first
