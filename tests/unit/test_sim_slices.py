"""The fake kernel's answers for slices: VFs, mediated devices, types on vendor's VFs, xe's quanta."""

import errno
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid5

import pytest

from vfio.errors import SysfsError
from vfio.scan import DEVICES, scan
from vfio.sim.trees import build
from vfio.sysfs import Sysfs
from vfio.testing import FakeHost

MDEVS = "sys/bus/mdev/devices"
CARD = "0000:21:00.0"
HERE = f"{DEVICES}/{CARD}"


def uuid(number: int) -> str:
    return str(uuid5(UUID(int=1), str(number)))


def refusal(act: Callable[[], None]) -> int:
    with pytest.raises(SysfsError) as caught:
        act()
    return caught.value.errno


def available(sysfs: Sysfs, parent: str) -> dict[str, int]:
    top = f"{parent}/mdev_supported_types"
    return {name: int(sysfs.read_text(f"{top}/{name}/available_instances")) for name in sysfs.listdir(top)}


def creatable(sysfs: Sysfs, virtual: str) -> list[int]:
    lines = sysfs.read_text(f"{virtual}/nvidia/creatable_vgpu_types").splitlines()
    assert lines[0] == "ID    : vGPU Name"
    return [int(line.partition(":")[0]) for line in lines[1:]]


# --- SR-IOV --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("autoprobe", "driver"), [("1", "nvidia"), ("0", None)])
def test_vfs_get_their_native_driver_only_when_the_kernel_may_probe(
    tmp_path: Path, autoprobe: str, driver: str | None
) -> None:
    host = build("l40s-x1", tmp_path)
    host.sysfs().write(f"{HERE}/sriov_drivers_autoprobe", autoprobe)
    host.sysfs().write(f"{HERE}/sriov_numvfs", "2")
    assert [host.driver_of(f"0000:21:00.{n}") for n in (4, 5)] == [driver, driver]


def test_without_probing_a_vf_is_taken_only_by_the_driver_that_it_is_given(tmp_path: Path) -> None:
    host = build("flex170-x1", tmp_path)
    sysfs, virtual = host.sysfs(), "0000:21:00.1"
    sysfs.write(f"{HERE}/sriov_drivers_autoprobe", "0")
    sysfs.write(f"{HERE}/sriov_numvfs", "1")
    sysfs.write("sys/bus/pci/drivers_probe", virtual)
    assert host.driver_of(virtual) is None
    assert refusal(lambda: sysfs.write("sys/bus/pci/drivers/xe/bind", virtual)) == errno.ENODEV
    sysfs.write(f"{DEVICES}/{virtual}/driver_override", "vfio-pci\n")
    sysfs.write("sys/bus/pci/drivers_probe", virtual)
    assert host.driver_of(virtual) == "vfio-pci"


def test_vfs_have_links_groups_and_addresses_by_offset_and_stride_and_leave_nothing(tmp_path: Path) -> None:
    host = build("l40s-x1", tmp_path)
    sysfs, before = host.sysfs(), host.picture()
    sysfs.write(f"{HERE}/sriov_numvfs", "32")
    devices = scan(sysfs).devices
    own = [sysfs.readlink(f"{HERE}/virtfn{n}").rpartition("/")[2] for n in range(32)]
    assert (own[0], own[4], own[31]) == ("0000:21:00.4", "0000:21:01.0", "0000:21:04.3")
    assert {devices[each].physfn for each in own} == {CARD}
    assert len({devices[each].iommu_group for each in own}) == 32
    assert devices[own[0]].reset_methods == ("flr",)
    assert sysfs.read_bytes(f"{DEVICES}/{own[0]}/config")[:4] == b"\xff" * 4
    sysfs.write(f"{HERE}/sriov_numvfs", "0")
    assert host.picture() == before


def test_vfs_stay_while_a_process_holds_one_open(tmp_path: Path) -> None:
    host = build("rngd-x1", tmp_path)
    sysfs = host.sysfs()
    sysfs.write(f"{HERE}/sriov_numvfs", "2")
    host.open("0000:21:10.1")
    before = host.picture()
    assert refusal(lambda: sysfs.write(f"{HERE}/sriov_numvfs", "0")) == errno.EBUSY
    assert refusal(lambda: sysfs.write("sys/bus/pci/drivers/rngd/unbind", CARD)) == errno.EBUSY
    assert host.picture() == before
    host.close("0000:21:10.1")
    sysfs.write(f"{HERE}/sriov_numvfs", "0")


def test_a_card_may_have_fewer_vfs_than_it_says(tmp_path: Path) -> None:
    host = build("rngd-x1", tmp_path)
    host.short_of_functions(CARD, 2)
    assert refusal(lambda: host.sysfs().write(f"{HERE}/sriov_numvfs", "3")) == errno.ENOMEM
    host.sysfs().write(f"{HERE}/sriov_numvfs", "2")


# --- mediated devices ----------------------------------------------------------------------------------


def test_the_first_mdev_locks_the_size_of_all_and_capacity_shrinks_to_nothing(tmp_path: Path) -> None:
    host = build("t4-x1", tmp_path)
    sysfs, before = host.sysfs(), host.picture()
    free = available(sysfs, HERE)
    assert (free["nvidia-319"], free["nvidia-321"]) == (4, 1)
    for number in range(4):
        sysfs.write(f"{HERE}/mdev_supported_types/nvidia-319/create", uuid(number))
        now = available(sysfs, HERE)
        # T4-4Q has as much memory as T4-4C; all others are locked out.
        assert {name for name, count in now.items() if count} <= {"nvidia-232", "nvidia-319"}
        assert now["nvidia-319"] == 3 - number
    assert refusal(lambda: _create(sysfs, "nvidia-319", uuid(9))) == errno.ENOSPC
    for number in range(4):
        sysfs.write(f"{MDEVS}/{uuid(number)}/remove", "1")
    assert host.picture() == before


def _create(sysfs: Sysfs, kind: str, text: str) -> None:
    sysfs.write(f"{HERE}/mdev_supported_types/{kind}/create", text)


def test_an_mdev_has_its_type_its_group_and_a_link_of_its_parent(tmp_path: Path) -> None:
    sysfs = build("t4-x1", tmp_path).sysfs()
    _create(sysfs, "nvidia-319", uuid(1))
    here = f"{MDEVS}/{uuid(1)}"
    assert sysfs.readlink(f"{here}/mdev_type").endswith("/nvidia-319")
    group = sysfs.readlink(f"{here}/iommu_group").rpartition("/")[2]
    assert sysfs.listdir(f"sys/kernel/iommu_groups/{group}/devices") == (uuid(1),)
    assert sysfs.realpath(here).endswith(f"{CARD}/{uuid(1)}")
    assert sysfs.listdir(f"{HERE}/mdev_supported_types/nvidia-319/devices") == (uuid(1),)


def test_what_is_no_mdev_to_make_or_remove_is_refused_as_the_kernel_does(tmp_path: Path) -> None:
    host = build("t4-x1", tmp_path)
    sysfs = host.sysfs()
    _create(sysfs, "nvidia-319", uuid(1))
    before = host.picture()
    assert refusal(lambda: _create(sysfs, "nvidia-319", uuid(1))) == errno.EEXIST
    assert refusal(lambda: _create(sysfs, "nvidia-319", "no uuid")) == errno.EINVAL
    assert refusal(lambda: _create(sysfs, "nvidia-999", uuid(2))) == errno.ENOENT
    host.open(uuid(1))
    assert refusal(lambda: sysfs.write(f"{MDEVS}/{uuid(1)}/remove", "1")) == errno.EBUSY
    assert host.picture() == before


def test_a_vf_makes_one_mdev_and_all_vfs_share_the_card(tmp_path: Path) -> None:
    sysfs = build("a100-x1", tmp_path).sysfs()
    sysfs.write(f"{HERE}/sriov_numvfs", "16")
    first, second = f"{HERE}/virtfn0", f"{HERE}/virtfn1"
    assert {available(sysfs, first)[f"nvidia-{n}"] for n in range(468, 474)} == {1}
    sysfs.write(f"{first}/mdev_supported_types/nvidia-472/create", uuid(1))
    assert set(available(sysfs, first).values()) == {0}
    assert {name for name, count in available(sysfs, second).items() if count} == {"nvidia-472"}
    sysfs.write(f"{second}/mdev_supported_types/nvidia-472/create", uuid(2))
    assert set(available(sysfs, f"{HERE}/virtfn2").values()) == {0}


def test_a_card_in_mig_mode_makes_as_many_as_it_has_instances(tmp_path: Path) -> None:
    sysfs = build("a100-x4", tmp_path).sysfs()
    card = f"{DEVICES}/0000:3c:00.0"
    sysfs.write(f"{card}/sriov_numvfs", "3")
    assert {name for name, count in available(sysfs, f"{card}/virtfn0").items() if count} == {
        "nvidia-475",
        "nvidia-476",
    }
    sysfs.write(f"{card}/virtfn0/mdev_supported_types/nvidia-476/create", uuid(1))
    assert available(sysfs, f"{card}/virtfn1")["nvidia-476"] == 0
    assert available(sysfs, f"{card}/virtfn1")["nvidia-475"] == 1


def test_a_card_may_say_that_it_has_more_room_than_it_has(tmp_path: Path) -> None:
    host = build("t4-x1", tmp_path)
    host.overstate(CARD)
    _create(host.sysfs(), "nvidia-321", uuid(1))
    assert available(host.sysfs(), HERE)["nvidia-321"] == 1
    assert refusal(lambda: _create(host.sysfs(), "nvidia-321", uuid(2))) == errno.ENOSPC


# --- types on VFs of the vendor's driver ---------------------------------------------------------------


def test_types_of_vendor_s_vfs_shrink_with_siblings_and_come_back(tmp_path: Path) -> None:
    host = build("l40s-x1", tmp_path)
    sysfs = host.sysfs()
    sysfs.write(f"{HERE}/sriov_numvfs", "4")
    before = host.picture()
    first, second = f"{HERE}/virtfn0", f"{HERE}/virtfn1"
    sysfs.write(f"{first}/nvidia/current_vgpu_type", "1155")
    assert creatable(sysfs, second) == [1155, 1172]  # both of 24 GiB
    sysfs.write(f"{second}/nvidia/current_vgpu_type", "1172")
    assert creatable(sysfs, f"{HERE}/virtfn2") == []
    assert refusal(lambda: sysfs.write(f"{first}/nvidia/current_vgpu_type", "1147")) == errno.EBUSY
    third = f"{HERE}/virtfn2/nvidia/current_vgpu_type"
    assert refusal(lambda: sysfs.write(third, "1155")) == errno.ENOSPC
    assert refusal(lambda: sysfs.write(third, "7")) == errno.EINVAL
    for virtual in (first, second):
        sysfs.write(f"{virtual}/nvidia/current_vgpu_type", "0")
    assert host.picture() == before


def test_a_type_in_use_stays_and_vfio_cannot_have_the_vf(tmp_path: Path) -> None:
    host = build("l40s-x1", tmp_path)
    sysfs, virtual = host.sysfs(), "0000:21:00.4"
    sysfs.write(f"{HERE}/sriov_numvfs", "1")
    sysfs.write(f"{DEVICES}/{virtual}/nvidia/current_vgpu_type", "1147")
    host.open(virtual)
    current = f"{DEVICES}/{virtual}/nvidia/current_vgpu_type"
    assert refusal(lambda: sysfs.write(current, "0")) == errno.EBUSY
    host.close(virtual)
    sysfs.write("sys/bus/pci/drivers/nvidia/unbind", virtual)
    sysfs.write(f"{DEVICES}/{virtual}/driver_override", "vfio-pci\n")
    assert refusal(lambda: sysfs.write("sys/bus/pci/drivers/vfio-pci/bind", virtual)) == errno.EINVAL


def test_mixed_sizes_go_where_their_own_size_divides_the_place(tmp_path: Path) -> None:
    sysfs = build("l40s-mixed-x1", tmp_path).sysfs()
    sysfs.write(f"{HERE}/sriov_numvfs", "3")
    sysfs.write(f"{HERE}/virtfn0/nvidia/current_vgpu_type", "1152")  # 8 GiB at 0
    sysfs.write(f"{HERE}/virtfn1/nvidia/placement_id", str(16 * 1024))
    sysfs.write(f"{HERE}/virtfn1/nvidia/current_vgpu_type", "1154")  # 16 GiB
    assert sysfs.read_text(f"{HERE}/virtfn1/nvidia/placement_id") == str(16 * 1024)
    # 24 GiB are free, in two pieces.
    assert 1155 not in creatable(sysfs, f"{HERE}/virtfn2")
    assert 1154 in creatable(sysfs, f"{HERE}/virtfn2")


# --- xe ------------------------------------------------------------------------------------------------


def test_quanta_and_priorities_are_checked_and_shown(tmp_path: Path) -> None:
    sysfs = build("b60-x1", tmp_path).sysfs()
    admin = f"{HERE}/sriov_admin"
    sysfs.write(f"{admin}/vf1/profile/exec_quantum_ms", "20")
    sysfs.write(f"{admin}/.bulk_profile/preempt_timeout_us", "5000")
    sysfs.write(f"{admin}/.bulk_profile/sched_priority", "normal")
    sysfs.write(f"{admin}/pf/profile/sched_priority", "high")
    assert sysfs.read_text(f"{admin}/vf1/profile/exec_quantum_ms") == "20"
    assert sysfs.read_text(f"{admin}/vf24/profile/preempt_timeout_us") == "5000"
    assert sysfs.read_text(f"{admin}/vf2/profile/sched_priority") == "low [normal] high"
    assert sysfs.read_text(f"{admin}/pf/profile/sched_priority") == "low normal [high]"
    for path, text, number in (
        ("vf1/profile/exec_quantum_ms", "soon", errno.EINVAL),
        ("vf1/profile/preempt_timeout_us", "-1", errno.EINVAL),
        ("vf1/profile/sched_priority", "normal", errno.EACCES),
        (".bulk_profile/sched_priority", "high", errno.EINVAL),
        (".bulk_profile/vram_quota", str(2 << 30), errno.ENOSPC),
        ("vf1/stop", "1", errno.ENOENT),
    ):
        with pytest.raises(SysfsError) as caught:
            sysfs.write(f"{admin}/{path}", text)
        assert caught.value.errno == number, path


def test_vfs_without_a_quota_get_equal_parts_for_as_long_as_they_are(tmp_path: Path) -> None:
    host = build("b60-x1", tmp_path)
    sysfs, before = host.sysfs(), host.picture()
    quota = f"{HERE}/sriov_admin/vf2/profile/vram_quota"
    sysfs.write(f"{HERE}/sriov_numvfs", "3")
    assert sysfs.read_text(quota) == str(8 << 30)
    assert refusal(lambda: sysfs.write(quota, "1")) == errno.EBUSY
    sysfs.write(f"{HERE}/sriov_numvfs", "0")
    assert host.picture() == before


def test_a_stopped_vf_stays_so_until_its_reset(tmp_path: Path) -> None:
    host = build("flex170-x1", tmp_path)
    sysfs, virtual = host.sysfs(), "0000:21:00.1"
    sysfs.write(f"{HERE}/sriov_numvfs", "1")
    sysfs.write(f"{HERE}/sriov_admin/vf1/stop", "1")
    assert host.stopped(virtual)
    sysfs.write(f"{DEVICES}/{virtual}/reset", "1")
    assert not host.stopped(virtual)


# --- all of them ---------------------------------------------------------------------------------------


def test_after_a_reboot_the_host_is_as_at_first(tmp_path: Path) -> None:
    def tidy(host: FakeHost) -> dict[str, str]:
        return {path: text for path, text in host.picture().items() if not path.endswith("boot_id")}

    for name, act in (
        ("t4-x1", [("mdev_supported_types/nvidia-319/create", uuid(1))]),
        ("l40s-x1", [("sriov_numvfs", "2"), ("virtfn1/nvidia/current_vgpu_type", "1155")]),
        ("flex170-x1", [("sriov_numvfs", "2"), ("sriov_admin/vf1/profile/exec_quantum_ms", "9")]),
        ("rngd-x1", [("sriov_drivers_autoprobe", "0"), ("d3cold_allowed", "0"), ("reset_method", "bus")]),
    ):
        host = build(name, tmp_path / name)
        before = tidy(host)
        for path, text in act:
            host.sysfs().write(f"{HERE}/{path}", text)
        assert tidy(host) != before
        host.reboot()
        assert tidy(host) == before, name
