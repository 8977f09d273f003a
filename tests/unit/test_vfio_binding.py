"""Preparing gives whole groups to vfio-pci, releasing gives them back, and a refusal changes nothing."""

import errno
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from vfio.binding import Binder
from vfio.errors import (
    BindFailed,
    BindingError,
    DeviceBusy,
    DeviceGone,
    DriverMissing,
    NotRestored,
    NotViable,
)
from vfio.journal import Journal
from vfio.scan import DEVICES
from vfio.testing import FakeFunction, FakeHost, behind_bridge, gpu_host, npu_host, two_function_group

GPU = "0000:41:00.0"
AUDIO = "0000:41:00.1"
CLAIM = UUID("6c8b7a4e-0000-4000-8000-000000000001")
OTHER = UUID("6c8b7a4e-0000-4000-8000-000000000002")


class Bench:
    """A fake host, a journal folder and the binder over both."""

    def __init__(self, host: FakeHost, folder: Path) -> None:
        self.host = host
        self.folder = folder
        self.before = host.picture()
        self.binder = self.restarted()

    def restarted(self) -> Binder:
        self.binder = Binder(self.host.sysfs(), Journal(self.folder))
        return self.binder

    @property
    def untouched(self) -> bool:
        return self.host.picture() == self.before and list(self.folder.iterdir()) == []


@pytest.fixture
def gpu(tmp_path: Path) -> Bench:
    return Bench(gpu_host(tmp_path / "host"), tmp_path / "journal")


@pytest.fixture
def pair(tmp_path: Path) -> Bench:
    return Bench(two_function_group(tmp_path / "host"), tmp_path / "journal")


def test_preparing_binds_and_releasing_restores_everything(gpu: Bench) -> None:
    assert gpu.binder.prepare(CLAIM, [GPU]) == (GPU,)
    assert gpu.host.driver_of(GPU) == "vfio-pci"
    assert gpu.binder.prepared() == {CLAIM: (GPU,)}
    gpu.binder.release(CLAIM)
    assert gpu.untouched
    assert gpu.binder.prepared() == {}


def test_all_overrides_come_before_all_unbinds_before_all_probes(pair: Bench) -> None:
    pair.binder.prepare(CLAIM, [GPU])
    names = [path.rpartition("/")[2] for path, _ in pair.host.writes]
    assert names == ["driver_override"] * 2 + ["unbind"] * 2 + ["drivers_probe"] * 2


def test_the_companion_is_taken_and_returned_with_its_device(pair: Bench) -> None:
    assert pair.binder.prepare(CLAIM, [GPU]) == (GPU, AUDIO)
    assert pair.host.driver_of(AUDIO) == "vfio-pci"
    assert pair.binder.prepared() == {CLAIM: (GPU,)}
    pair.binder.release(CLAIM)
    assert pair.untouched


def test_the_bridge_of_a_group_keeps_its_driver(tmp_path: Path) -> None:
    bench = Bench(behind_bridge(tmp_path / "host"), tmp_path / "journal")
    bench.binder.prepare(CLAIM, ["0000:61:00.0", "0000:61:01.0"])
    assert bench.host.driver_of("0000:00:03.0") == "pcieport"
    bench.binder.release(CLAIM)
    assert bench.untouched


def test_doing_it_again_writes_nothing(pair: Bench) -> None:
    pair.binder.prepare(CLAIM, [GPU])
    writes = len(pair.host.writes)
    inode = next(pair.folder.iterdir()).stat().st_ino
    pair.restarted().prepare(CLAIM, [GPU])
    assert len(pair.host.writes) == writes
    assert next(pair.folder.iterdir()).stat().st_ino == inode
    pair.binder.release(CLAIM)
    writes = len(pair.host.writes)
    pair.binder.release(CLAIM)
    assert len(pair.host.writes) == writes


def test_a_function_without_a_driver_ends_without_one(tmp_path: Path) -> None:
    host = gpu_host(tmp_path / "host")
    host.sysfs().write("sys/bus/pci/drivers/nouveau/unbind", GPU)
    bench = Bench(host, tmp_path / "journal")
    bench.binder.prepare(CLAIM, [GPU])
    bench.binder.release(CLAIM)
    assert host.driver_of(GPU) is None
    assert bench.untouched


def test_an_override_that_was_there_before_is_there_again(tmp_path: Path) -> None:
    host = gpu_host(tmp_path / "host")
    host.sysfs().write(f"{DEVICES}/{GPU}/driver_override", "nouveau\n")
    bench = Bench(host, tmp_path / "journal")
    bench.binder.prepare(CLAIM, [GPU])
    bench.binder.release(CLAIM)
    assert bench.untouched


def test_a_function_that_the_operator_keeps_on_vfio_pci_stays_there(tmp_path: Path) -> None:
    host = gpu_host(tmp_path / "host")
    sysfs = host.sysfs()
    sysfs.write(f"{DEVICES}/{GPU}/driver_override", "vfio-pci\n")
    sysfs.write("sys/bus/pci/drivers/nouveau/unbind", GPU)
    sysfs.write("sys/bus/pci/drivers_probe", GPU)
    bench = Bench(host, tmp_path / "journal")
    writes = len(host.writes)
    bench.binder.prepare(CLAIM, [GPU])
    bench.binder.release(CLAIM)
    assert len(host.writes) == writes
    assert bench.untouched


def test_another_claim_for_the_same_device_is_refused(gpu: Bench) -> None:
    gpu.binder.prepare(CLAIM, [GPU])
    with pytest.raises(DeviceBusy, match=str(CLAIM)):
        gpu.binder.prepare(OTHER, [GPU])
    assert gpu.binder.prepared() == {CLAIM: (GPU,)}


def test_a_companion_is_as_taken_as_its_device(pair: Bench) -> None:
    pair.binder.prepare(CLAIM, [GPU])
    with pytest.raises(DeviceBusy, match=AUDIO):
        pair.binder.prepare(OTHER, [AUDIO])


def test_a_claim_cannot_change_its_devices(tmp_path: Path) -> None:
    bench = Bench(behind_bridge(tmp_path / "host"), tmp_path / "journal")
    bench.binder.prepare(CLAIM, ["0000:61:00.0", "0000:61:01.0"])
    with pytest.raises(DeviceBusy, match="release it first"):
        bench.binder.prepare(CLAIM, ["0000:61:00.0"])


@pytest.mark.parametrize(
    ("addresses", "error"),
    [
        (["0000:99:00.0"], DeviceGone),
        ([], DeviceGone),
        (["0000:01:00.0"], DeviceBusy),
        (["0000:02:00.0"], DeviceBusy),
    ],
)
def test_a_refusal_changes_nothing(gpu: Bench, addresses: list[str], error: type[BindingError]) -> None:
    with pytest.raises(error):
        gpu.binder.prepare(CLAIM, addresses)
    assert gpu.untouched
    assert gpu.host.writes == []


def test_a_text_that_is_no_address_never_reaches_a_path(gpu: Bench) -> None:
    with pytest.raises(ValueError, match="not a PCI address"):
        gpu.binder.prepare(CLAIM, ["../../../etc"])


def test_a_group_with_a_stranger_is_not_taken(tmp_path: Path) -> None:
    host = gpu_host(tmp_path / "host")
    host.add(FakeFunction("0000:42:00.0", 0x8086, 0x10C9, 0x020000, driver="igb", group=41))
    bench = Bench(host, tmp_path / "journal")
    with pytest.raises(NotViable, match="0000:42:00"):
        bench.binder.prepare(CLAIM, [GPU])
    assert bench.untouched


def test_a_card_whose_virtual_functions_are_enabled_is_not_taken(tmp_path: Path) -> None:
    host = npu_host(tmp_path / "host")
    host.sysfs().write(f"{DEVICES}/0000:51:00.0/sriov_numvfs", "2")
    bench = Bench(host, tmp_path / "journal")
    with pytest.raises(NotViable, match="2 virtual functions"):
        bench.binder.prepare(CLAIM, ["0000:51:00.0"])
    assert bench.untouched


def test_without_an_iommu_nothing_is_bound(tmp_path: Path) -> None:
    host = FakeHost(tmp_path / "host")
    host.add(FakeFunction(GPU, 0x10DE, 0x20B5, 0x030200, driver="nouveau"))
    bench = Bench(host, tmp_path / "journal")
    with pytest.raises(NotViable, match="intel_iommu=on"):
        bench.binder.prepare(CLAIM, [GPU])
    assert bench.untouched


def test_a_missing_driver_is_named_with_the_command_that_loads_it(tmp_path: Path) -> None:
    host = FakeHost(tmp_path / "host")
    host.add(FakeFunction(GPU, 0x10DE, 0x20B5, 0x030200, driver="nouveau", group=1))
    bench = Bench(host, tmp_path / "journal")
    with pytest.raises(DriverMissing, match="modprobe vfio-pci"):
        bench.binder.prepare(CLAIM, [GPU])
    assert bench.untouched


@pytest.mark.parametrize(
    ("pattern", "number"),
    [
        ("*/0000:41:00.0/driver_override", errno.EACCES),
        ("*/0000:41:00.1/driver_override", errno.EINVAL),
        ("*/nouveau/unbind", errno.EBUSY),
        ("*/snd_hda_intel/unbind", errno.EINVAL),
        ("*/drivers_probe", errno.ENODEV),
        ("*/drivers_probe", errno.EINVAL),
    ],
)
def test_when_a_step_fails_everything_is_put_back(pair: Bench, pattern: str, number: int) -> None:
    pair.host.fail(pattern, number)
    with pytest.raises(BindFailed, match=f"errno {number}"):
        pair.binder.prepare(CLAIM, [GPU])
    assert pair.untouched
    pair.binder.prepare(CLAIM, [GPU])
    pair.binder.release(CLAIM)
    assert pair.untouched


def test_when_the_new_driver_refuses_the_old_one_gets_it_back(pair: Bench) -> None:
    pair.host.refuse("vfio-pci", AUDIO, errno.EINVAL)
    with pytest.raises(BindFailed, match=f"{AUDIO} is on driver none"):
        pair.binder.prepare(CLAIM, [GPU])
    assert pair.untouched


def test_when_the_old_driver_refuses_too_the_device_is_to_be_quarantined(pair: Bench) -> None:
    pair.host.refuse("vfio-pci", GPU, errno.EINVAL)
    pair.host.refuse("nouveau", GPU, errno.ENODEV)
    with pytest.raises(NotRestored) as caught:
        pair.binder.prepare(CLAIM, [GPU])
    assert caught.value.addresses == (GPU,)
    assert "to vfio-pci" in str(caught.value)
    assert pair.host.driver_of(AUDIO) == "snd_hda_intel"
    assert pair.binder.prepared() == {CLAIM: (GPU,)}
    pair.host.relent()
    pair.restarted().release(CLAIM)
    assert pair.untouched


@pytest.mark.parametrize(
    ("pattern", "number"),
    [
        ("*/driver_override", errno.EACCES),
        ("*/vfio-pci/unbind", errno.EBUSY),
        ("*/nouveau/bind", errno.EIO),
    ],
)
def test_a_release_that_fails_keeps_its_record_and_works_the_next_time(
    pair: Bench, pattern: str, number: int
) -> None:
    pair.binder.prepare(CLAIM, [GPU])
    pair.host.fail(pattern, number)
    with pytest.raises(NotRestored):
        pair.binder.release(CLAIM)
    assert pair.binder.prepared() == {CLAIM: (GPU,)}
    pair.binder.release(CLAIM)
    assert pair.untouched


def test_the_driver_that_it_had_returns_though_another_one_matches_too(tmp_path: Path) -> None:
    host = gpu_host(tmp_path / "host")
    sysfs = host.sysfs()
    host.load_driver("nvidia")
    sysfs.write(f"{DEVICES}/{GPU}/driver_override", "nvidia\n")
    sysfs.write("sys/bus/pci/drivers/nouveau/unbind", GPU)
    sysfs.write("sys/bus/pci/drivers_probe", GPU)
    bench = Bench(host, tmp_path / "journal")
    bench.binder.prepare(CLAIM, [GPU])
    bench.binder.release(CLAIM)
    assert host.driver_of(GPU) == "nvidia"
    assert bench.untouched


def test_a_device_that_left_the_host_is_released(pair: Bench) -> None:
    pair.binder.prepare(CLAIM, [GPU])
    pair.host.vanish(GPU)
    pair.binder.release(CLAIM)
    assert pair.host.driver_of(AUDIO) == "snd_hda_intel"
    assert pair.binder.prepared() == {}


@pytest.mark.parametrize("pattern", ["*/driver_override", "*/nouveau/unbind", "*/drivers_probe"])
def test_a_device_that_leaves_while_it_is_bound_fails_and_leaves_no_record(pair: Bench, pattern: str) -> None:
    pair.host.vanish_at(pattern, GPU)
    with pytest.raises((BindFailed, DeviceGone)):
        pair.binder.prepare(CLAIM, [GPU])
    assert pair.host.driver_of(AUDIO) == "snd_hda_intel"
    assert pair.binder.prepared() == {}


def test_after_a_reboot_preparing_binds_again_and_releasing_restores(pair: Bench) -> None:
    pair.binder.prepare(CLAIM, [GPU])
    pair.host.reboot()
    rebooted = pair.host.picture()
    assert pair.host.driver_of(GPU) == "nouveau"
    assert pair.restarted().prepared() == {CLAIM: (GPU,)}
    pair.binder.prepare(CLAIM, [GPU])
    assert pair.host.driver_of(GPU) == "vfio-pci"
    pair.binder.release(CLAIM)
    assert pair.host.picture() == rebooted


def test_after_a_reboot_releasing_touches_nothing(pair: Bench) -> None:
    pair.binder.prepare(CLAIM, [GPU])
    pair.host.reboot()
    writes = len(pair.host.writes)
    pair.restarted().release(CLAIM)
    assert len(pair.host.writes) == writes
    assert list(pair.folder.iterdir()) == []


@pytest.mark.parametrize("prepared_again", [True, False])
def test_after_a_reboot_the_driver_of_this_boot_is_the_native_one(gpu: Bench, prepared_again: bool) -> None:
    """A new kernel may have chosen another driver than the record of the boot before names."""
    gpu.binder.prepare(CLAIM, [GPU])
    gpu.host.reboot()
    sysfs = gpu.host.sysfs()
    sysfs.write("sys/bus/pci/drivers/nouveau/unbind", GPU)
    if prepared_again:
        gpu.restarted().prepare(CLAIM, [GPU])
    gpu.restarted().release(CLAIM)
    assert gpu.host.driver_of(GPU) is None


def test_a_damaged_record_is_told_and_mended_by_preparing_again(pair: Bench) -> None:
    pair.binder.prepare(CLAIM, [GPU])
    path = next(pair.folder.iterdir())
    path.write_text(path.read_text()[:50])
    binder = pair.restarted()
    assert binder.prepared() == {}
    assert set(binder.damaged()) == {CLAIM}
    with pytest.raises(NotRestored, match="nobody knows"):
        binder.release(CLAIM)
    binder.prepare(CLAIM, [GPU])
    binder.release(CLAIM)
    assert pair.untouched


def test_a_journal_that_cannot_be_written_is_noticed_before_anything_is_changed(gpu: Bench) -> None:
    (gpu.folder / f"{CLAIM}.tmp").mkdir()
    with pytest.raises(BindFailed, match="nothing was changed"):
        gpu.binder.prepare(CLAIM, [GPU])
    assert gpu.host.picture() == gpu.before
    assert gpu.binder.prepared() == {}


def test_a_native_driver_that_was_unloaded_meanwhile_is_missed(gpu: Bench) -> None:
    gpu.binder.prepare(CLAIM, [GPU])
    gpu.host.unload_driver("nouveau")
    with pytest.raises(NotRestored, match="was on driver nouveau before and is on none now"):
        gpu.binder.release(CLAIM)
    gpu.host.load_driver("nouveau")
    gpu.binder.release(CLAIM)
    assert gpu.untouched


def test_a_driver_that_lets_go_by_itself_is_not_a_failure(gpu: Bench) -> None:
    """The kernel answers ENODEV to an unbind when the driver has just left."""
    gpu.host.unbind_at("*/nouveau/unbind", GPU)
    gpu.binder.prepare(CLAIM, [GPU])
    gpu.binder.release(CLAIM)
    assert gpu.untouched


def test_releasing_an_unknown_claim_is_nothing(gpu: Bench) -> None:
    gpu.binder.release(uuid4())
    assert gpu.untouched
