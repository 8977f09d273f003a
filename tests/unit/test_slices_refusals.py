"""Every refusal says what is in the way, with the kernel's numbers, and changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.slice_bench import (
    BENCHES,
    CARD,
    GB,
    NPU,
    T4,
    XE,
    Bench,
    FakeScheduler,
    bench,
    claim,
    gpu,
    mdev,
    mdev_on_vfs,
    vendor,
    vf,
    whole,
    xe,
)
from vfio.errors import BindFailed, DeviceBusy, DeviceGone, LayoutRefused, NotRestored, NotViable
from vfio.scan import DEVICES
from vfio.sim.function import Sriov
from vfio.sim.trees import build
from vfio.slices.model import Cut, Kind, Plan, Policy, Sharing
from vfio.slices.nvml import nvml_scheduler
from vfio.slices.scheduler import NoScheduler
from vfio.testing import FakeHost

VGPU = Cut(Kind.VENDOR_VF, "1100")
FIXED = Sharing(Policy.FIXED)
MIB = 1 << 20


def only(cut: Cut, sharing: Sharing | None = None) -> Plan:
    return Plan((cut,), sharing)


REFUSED: dict[str, tuple[Callable[[Path], Bench], Plan, str]] = {
    "two whole cards of one": (whole, only(Cut(Kind.WHOLE, count=2)), "one slice"),
    "a policy for a whole card": (whole, only(Cut(Kind.WHOLE), FIXED), "no time slicing"),
    "more functions than there are": (vf, only(Cut(Kind.VF, count=5)), "sriov_totalvfs"),
    "no slices": (vf, only(Cut(Kind.VF, count=0)), "no slices"),
    "a quota for plain functions": (vf, only(Cut(Kind.VF, memory_mib=GB)), "no memory quota"),
    "a policy for plain functions": (vf, only(Cut(Kind.VF), FIXED), "no time slicing"),
    "an mdev on a card without": (vf, only(Cut(Kind.MDEV, "nvidia-1")), "no mediated devices"),
    "quanta without xe": (vf, only(Cut(Kind.XE_VF)), "no sriov_admin"),
    "a vGPU without nvidia": (vf, only(Cut(Kind.VENDOR_VF, "1")), "need driver nvidia"),
    "an unknown mdev type": (mdev, only(Cut(Kind.MDEV, "nvidia-9")), r"nvidia-222 \(NVIDIA T4-4Q\)"),
    "an mdev without type": (mdev, only(Cut(Kind.MDEV)), "names no type"),
    "one type twice": (mdev, Plan((Cut(Kind.MDEV, "nvidia-222"),) * 2), "two cuts"),
    "a quota for an mdev": (mdev, only(Cut(Kind.MDEV, "nvidia-222", memory_mib=1)), "its type's"),
    "functions of a card without": (mdev, only(Cut(Kind.VF)), "nvidia keeps"),
    "mixed sizes where one locks": (
        mdev,
        Plan((Cut(Kind.MDEV, "nvidia-222"), Cut(Kind.MDEV, "nvidia-223"))),
        "available_instances now: nvidia-222 0, nvidia-223 1",
    ),
    "functions that nvidia keeps": (vendor, only(Cut(Kind.VF, count=2)), "cut it into mdev or vendor-vf"),
    "an mdev where types are set": (vendor, only(Cut(Kind.MDEV, "nvidia-1")), "no mediated devices"),
    "a type set where mdevs are": (mdev_on_vfs, only(Cut(Kind.VENDOR_VF, "1")), "creatable_vgpu_types"),
    "an unknown vGPU type": (vendor, only(Cut(Kind.VENDOR_VF, "9")), r"not among .*1100 \(NVIDIA L40S-8Q\)"),
    "too many vGPUs": (vendor, only(Cut(Kind.VENDOR_VF, "1101", 3)), "room for 2"),
    "a mix that does not fit": (
        vendor,
        Plan((Cut(Kind.VENDOR_VF, "1100", 1), Cut(Kind.VENDOR_VF, "1102", 1))),
        r"only 0 of 1 of type 1100 fit: .*listed now: none",
    ),
    "weights of vGPUs": (vendor, only(VGPU, Sharing(Policy.EQUAL, weight=2)), "weights"),
    "a quantum too long": (vendor, only(VGPU, Sharing(Policy.EQUAL, 31_000)), "1000 to 30000 us"),
    "a quantum without policy": (vendor, only(VGPU, Sharing(quantum_us=2000)), "needs a policy"),
    "fixed shares of a mix": (
        vendor,
        Plan((Cut(Kind.VENDOR_VF, "1100"), Cut(Kind.VENDOR_VF, "1101")), FIXED),
        "cannot have fixed shares",
    ),
    "two policies on a card": (
        vendor,
        Plan((Cut(Kind.VENDOR_VF, "1100", sharing=FIXED), Cut(Kind.VENDOR_VF, "1101"))),
        "one scheduler for all slices",
    ),
    "fixed shares of xe": (xe, only(Cut(Kind.XE_VF), FIXED), "to be had: best-effort"),
    "half a millisecond": (xe, only(Cut(Kind.XE_VF), Sharing(quantum_us=1500)), "whole milliseconds"),
    "a weight of nothing": (xe, only(Cut(Kind.XE_VF), Sharing(weight=3)), "needs a quantum"),
    "more memory than there is": (xe, only(Cut(Kind.XE_VF, count=4, memory_mib=8 * GB)), "No space left"),
    "plain functions of xe": (xe, only(Cut(Kind.VF)), "cut it into xe-vf"),
    "types of xe": (xe, only(Cut(Kind.XE_VF, "big")), "no types"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_layout_that_cannot_be_is_refused_with_the_reason(tmp_path: Path, case: str) -> None:
    make, plan, words = REFUSED[case]
    scene = make(tmp_path)
    before = scene.picture()
    for _ in range(2):
        with pytest.raises(LayoutRefused, match=words):
            scene.apply(plan)
        assert scene.picture() == before
        assert scene.records() == []


def test_what_the_kernel_has_refused_is_not_tried_again_in_the_same_boot(tmp_path: Path) -> None:
    scene = vendor(tmp_path)
    plan = REFUSED["a mix that does not fit"][1]
    slicer = scene.process()
    for _ in range(2):
        with pytest.raises(LayoutRefused, match="listed now"):
            slicer.apply(scene.card(), plan)
    tried = len(scene.fake.writes)
    with pytest.raises(LayoutRefused, match="listed now"):
        slicer.apply(scene.card(), plan)
    assert len(scene.fake.writes) == tried
    assert slicer.apply(scene.card(), scene.plan)


def test_nothing_is_set_where_no_library_can(tmp_path: Path) -> None:
    def missing(name: str) -> object:
        raise OSError(f"{name}: cannot open shared object file")

    scene = vendor(tmp_path)
    scene.scheduler = nvml_scheduler(missing)  # type: ignore[arg-type]
    with pytest.raises(LayoutRefused, match=r"libnvidia-ml\.so\.1, which is not on this host"):
        scene.apply()
    assert scene.apply(Plan(scene.plan.cuts))


def test_policies_are_nvidia_s_alone(tmp_path: Path) -> None:
    scene = bench(
        tmp_path, Kind.MDEV, gpu(board=replace(T4, driver="i915"), vendor=0x8086, driver="i915"), Plan(), None
    )
    with pytest.raises(LayoutRefused, match="driver i915 has no time slicing"):
        scene.apply(only(Cut(Kind.MDEV, "nvidia-222"), FIXED))


def test_a_scheduler_that_breaks_leaves_the_card_as_it_was(tmp_path: Path) -> None:
    scene = vendor(tmp_path)
    assert isinstance(scene.scheduler, FakeScheduler)
    before = scene.picture()
    scene.scheduler.broken = True
    with pytest.raises(LayoutRefused, match="nvmlDeviceSetVgpuSchedulerState"):
        scene.apply()
    assert scene.picture() == before
    scene.scheduler.broken = False
    scene.apply()
    assert scene.scheduler.read(CARD) == Sharing(Policy.EQUAL, 4000)
    scene.scheduler.broken = True
    with pytest.raises(NotRestored, match="scheduler"):
        scene.undo()
    scene.scheduler.broken = False
    scene.undo()
    assert scene.scheduler.read(CARD) == Sharing(Policy.BEST_EFFORT, 2000)
    assert scene.picture() == before


# --- cards that are used ---------------------------------------------------------------------------------


def test_a_function_that_somebody_else_holds_keeps_the_card_as_it_is(tmp_path: Path) -> None:
    scene = vf(tmp_path)
    sysfs = scene.sysfs()
    sysfs.write(f"{DEVICES}/{CARD}/sriov_numvfs", "2")
    taken = sysfs.readlink(f"{DEVICES}/{CARD}/virtfn1").rpartition("/")[2]
    sysfs.write(f"{DEVICES}/{taken}/driver_override", "vfio-pci\n")
    sysfs.write("sys/bus/pci/drivers/rngd/unbind", taken)
    sysfs.write("sys/bus/pci/drivers_probe", taken)
    before = scene.picture()
    with pytest.raises(DeviceBusy, match=f"{taken} is on vfio-pci but of no claim here"):
        scene.apply()
    assert scene.picture() == before


def test_functions_that_stood_before_stand_again_afterwards(tmp_path: Path) -> None:
    scene = vf(tmp_path)
    scene.sysfs().write(f"{DEVICES}/{CARD}/sriov_numvfs", "2")
    before = scene.picture()
    assert len(scene.apply()) == 3
    scene.undo()
    assert scene.picture() == before
    same = only(Cut(Kind.VF, count=2))
    assert len(scene.apply(same)) == 2
    assert scene.picture() == before
    scene.undo()
    assert scene.picture() == before


def test_a_mediated_device_of_somebody_else_keeps_the_card_as_it_is(tmp_path: Path) -> None:
    scene = mdev(tmp_path)
    uuid = str(claim(7))
    scene.sysfs().write(f"{DEVICES}/{CARD}/mdev_supported_types/nvidia-222/create", uuid)
    before = scene.picture()
    with pytest.raises(DeviceBusy, match=f"mediated device {uuid}"):
        scene.apply()
    slicer = scene.process()
    assert scene.slices() == ()
    busy = slicer.busy(scene.card(), scene.plan, slicer.look())
    assert busy is not None
    assert uuid in busy.why
    assert not busy.ends
    assert scene.picture() == before


def test_a_whole_card_with_a_mediated_device_is_not_given_away(tmp_path: Path) -> None:
    scene = mdev(tmp_path)
    card = scene.slices()[0]
    scene.sysfs().write(f"{DEVICES}/{CARD}/mdev_supported_types/nvidia-222/create", str(claim(7)))
    with pytest.raises(DeviceBusy, match="has mediated devices"):
        scene.process().prepare(claim(1), card)


def test_a_type_that_somebody_else_set_keeps_the_card_as_it_is(tmp_path: Path) -> None:
    scene = vendor(tmp_path)
    sysfs = scene.sysfs()
    sysfs.write(f"{DEVICES}/{CARD}/sriov_numvfs", "4")
    sysfs.write(f"{DEVICES}/0000:41:00.5/nvidia/current_vgpu_type", "1100")
    before = scene.picture()
    with pytest.raises(DeviceBusy, match=r"0000:41:00\.5 has vGPU type 1100"):
        scene.apply()
    assert scene.picture() == before


def test_a_guest_that_still_holds_its_slice_keeps_it_from_being_made_anew(tmp_path: Path) -> None:
    for make, name in ((mdev, "mdev"), (vendor, "vendor")):
        scene = make(tmp_path / name)
        each = scene.apply()[0]
        scene.process().prepare(claim(1), each)
        held = str(each.mdev) if each.mdev else each.addresses[0]
        scene.fake.open(held)
        with pytest.raises(NotRestored, match="busy"):
            scene.process().release(claim(1))
        assert list(scene.process().prepared()) == [claim(1)]
        scene.fake.close(held)
        scene.process().release(claim(1))
        assert scene.process().prepared() == {}


def test_a_slice_that_lost_its_type_is_not_prepared(tmp_path: Path) -> None:
    scene = vendor(tmp_path)
    each = scene.apply()[0]
    scene.sysfs().write(f"{DEVICES}/{each.addresses[0]}/nvidia/current_vgpu_type", "0")
    with pytest.raises(BindFailed, match="has vGPU type 0"):
        scene.process().prepare(claim(1), each)
    assert scene.apply()
    assert each in scene.slices()
    scene.process().prepare(claim(1), each)


def test_a_mediated_device_that_went_is_not_prepared_but_made_again(tmp_path: Path) -> None:
    scene = mdev(tmp_path)
    each = scene.apply()[1]
    scene.sysfs().write(f"sys/bus/mdev/devices/{each.mdev}/remove", "1")
    assert each not in scene.slices()
    with pytest.raises(DeviceGone, match="apply its layout again"):
        scene.process().prepare(claim(1), each)
    assert each in scene.apply()


# --- IOMMU groups ----------------------------------------------------------------------------------------


def test_functions_in_the_group_of_their_card_are_refused_with_all_members(tmp_path: Path) -> None:
    """Nothing above the card isolates them: two guests would share one group."""
    shared = replace(NPU, sriov=Sriov(driver="rngd", shared_group=True))
    scene = bench(tmp_path, Kind.VF, shared, only(Cut(Kind.VF, count=3)), "vfio-pci")
    before = scene.picture()
    with pytest.raises(LayoutRefused) as refusal:
        scene.apply()
    assert CARD in str(refusal.value)
    assert "Its members:" in str(refusal.value)
    assert "Way out:" in str(refusal.value)
    assert scene.picture() == before


def test_a_card_that_shares_its_group_with_a_nic_in_use_is_refused_whole(tmp_path: Path) -> None:
    host = build("shared-with-nic", tmp_path / "host")
    scene = Bench(Kind.WHOLE, host.sysfs, host.picture, tmp_path / "agent", Plan(), None, rule="10de:26b9")
    slicer = scene.process()
    sight = slicer.look()
    ability = next(a for a in slicer.abilities(scene.card(), sight) if a.kind is Kind.WHOLE)
    assert "enp33s1" in ability.refused
    assert "Its members:" in ability.refused
    assert "Way out:" in ability.refused
    assert slicer.slices(scene.card(), sight) == ()


def test_two_accelerators_in_one_group_are_one_whole_card(tmp_path: Path) -> None:
    host = FakeHost(tmp_path / "host")
    host.load_driver("vfio-pci")
    host.add(NPU, replace(NPU, address="0000:42:00.0"))
    scene = Bench(Kind.VF, host.sysfs, host.picture, tmp_path / "agent", Plan(), None, rule="1ed2:0001")
    with pytest.raises(LayoutRefused, match=r"shares its IOMMU group with 0000:42:00\.0"):
        scene.apply(only(Cut(Kind.VF, count=2)))
    assert scene.slices()[0].addresses == (CARD, "0000:42:00.0")


def test_a_function_joined_by_a_stranger_is_not_prepared(tmp_path: Path) -> None:
    """Hot-plugged into the group of a function after the layout was applied."""
    scene = vf(tmp_path)
    each = scene.apply()[0]
    assert each.iommu_group is not None
    scene.fake.add(replace(NPU, address="0000:43:00.0", group=each.iommu_group, total_vfs=0))
    with pytest.raises(NotViable, match=r"0000:43:00\.0 .*Its members:.*Way out:"):
        scene.process().prepare(claim(1), each)
    assert scene.process().prepared() == {}


# --- records ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BENCHES)
def test_a_damaged_record_of_a_layout_keeps_a_cut_card_as_it_is(tmp_path: Path, name: str) -> None:
    scene = BENCHES[name](tmp_path)
    made = scene.apply()
    record = next((tmp_path / "agent" / "layouts").iterdir())
    record.write_text(record.read_text()[:100])
    standing = scene.picture()
    with pytest.raises(DeviceBusy, match="nobody knows"):
        scene.process().prepare(claim(1), made[0])
    if scene.kind is not Kind.WHOLE:
        with pytest.raises(DeviceBusy, match="cannot be read"):
            scene.apply()
        assert scene.picture() == standing
    scene.fake.reboot()
    assert scene.apply() == made


def test_xe_s_quota_is_set_in_bytes_and_quanta_by_weight(tmp_path: Path) -> None:
    scene = xe(tmp_path)
    made = scene.apply()
    profile = f"{DEVICES}/{CARD}/sriov_admin/vf1/profile"
    assert scene.sysfs().read_text(f"{profile}/vram_quota") == str(8 * GB * MIB)
    assert scene.sysfs().read_text(f"{profile}/exec_quantum_ms") == "16"
    assert [each.share for each in made] == [500, 250, 250]
    assert [each.memory_mib for each in made] == [8 * GB, 4 * GB, 4 * GB]


def test_xe_without_its_administration_has_plain_functions(tmp_path: Path) -> None:
    """Before Linux 6.19."""
    scene = bench(tmp_path, Kind.VF, replace(XE, board=None), only(Cut(Kind.VF, count=2)), "vfio-pci")
    assert len(scene.apply()) == 2


def test_a_vgpu_of_fixed_share_has_its_part_of_a_full_card(tmp_path: Path) -> None:
    scene = vendor(tmp_path)
    scene.scheduler = FakeScheduler()
    assert [each.share for each in scene.apply(only(Cut(Kind.VENDOR_VF, "1101"), FIXED))] == [500]
    scene.undo()
    equal = scene.apply(only(Cut(Kind.VENDOR_VF, "1101"), Sharing(Policy.EQUAL)))
    assert [each.share for each in equal] == [1000]


def test_a_host_without_a_scheduler_says_so_of_each_ability(tmp_path: Path) -> None:
    scene = mdev(tmp_path)
    scene.scheduler = NoScheduler("not here")
    abilities = scene.abilities()
    assert {each.policies for each in abilities} == {()}
