"""The host's own disks, NICs, displays and consoles are found through every layer between."""

from pathlib import Path

import pytest

from vfio.hostuse import in_use
from vfio.scan import DEVICES
from vfio.testing import FakeFunction, FakeHost

DISK = "0000:01:00.0"
NIC = "0000:02:00.0"
CARD = "0000:03:00.0"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """Functions that nobody uses yet."""
    host = FakeHost(tmp_path)
    host.add(
        FakeFunction(DISK, 0x144D, 0xA80A, 0x010802, driver="nvme", group=1),
        FakeFunction(NIC, 0x8086, 0x10C9, 0x020000, driver="igb", group=2, total_vfs=2),
        FakeFunction(CARD, 0x10DE, 0x20B5, 0x030000, driver="nouveau", group=3),
    )
    return host


def block(root: Path, name: str, folder: str, number: str = "") -> Path:
    """A block device whose real folder is `folder` (below /sys)."""
    real = root / "sys" / folder
    (real / "holders").mkdir(parents=True)
    (real / "slaves").mkdir()
    (root / "sys/class/block" / name).symlink_to(real)
    if number:
        (root / "sys/dev/block" / number).symlink_to(real)
    return real


def mount(root: Path, *, number: str, source: str, kind: str = "ext4", where: str = "/srv") -> None:
    with (root / "proc/self/mountinfo").open("a") as file:
        file.write(f"40 1 {number} / {where} rw,relatime shared:1 - {kind} {source} rw\n")


def test_an_idle_host_uses_nothing(host: FakeHost) -> None:
    assert in_use(host.sysfs()) == {}


def test_a_host_without_any_of_the_files_uses_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert in_use(FakeHost(tmp_path / "empty").sysfs()) == {}


def test_a_mounted_partition_holds_its_controller(host: FakeHost) -> None:
    host.add_disk("nvme0n1", DISK, mounted_at="/")
    assert in_use(host.sysfs()) == {DISK: "its disk holds /"}


def test_a_mount_point_with_a_space_is_named_as_it_is(host: FakeHost) -> None:
    host.add_disk("nvme0n1", DISK, mounted_at="/my\\040disk")
    assert in_use(host.sysfs()) == {DISK: "its disk holds /my disk"}


def test_swap_holds_its_disk(host: FakeHost, tmp_path: Path) -> None:
    block(tmp_path, "sda", f"devices/pci0000:00/{DISK}/ata1/host0/block/sda")
    with (tmp_path / "proc/swaps").open("a") as file:
        file.write("/dev/sda partition 1000 0 -2\n/swapfile file 1000 0 -3\n")
    assert in_use(host.sysfs()) == {DISK: "its disk holds swap"}


def test_a_volume_holds_the_disks_that_it_is_made_of(host: FakeHost, tmp_path: Path) -> None:
    disk = block(tmp_path, "sda", f"devices/pci0000:00/{DISK}/ata1/block/sda")
    array = block(tmp_path, "md0", "devices/virtual/block/md0")
    volume = block(tmp_path, "dm-0", "devices/virtual/block/dm-0", number="253:0")
    (array / "slaves/sda").symlink_to(disk)
    (volume / "slaves/md0").symlink_to(array)
    mount(tmp_path, number="253:0", source="/dev/mapper/vg-srv")
    assert in_use(host.sysfs()) == {DISK: "its disk holds /srv"}


def test_a_disk_that_a_volume_holds_is_in_use_though_nothing_is_mounted(
    host: FakeHost, tmp_path: Path
) -> None:
    disk = block(tmp_path, "sda", f"devices/pci0000:00/{DISK}/ata1/block/sda")
    (disk / "holders/md0").touch()
    assert in_use(host.sysfs()) == {DISK: "its disk is part of md0"}


def test_btrfs_is_found_by_its_source_and_by_its_members(host: FakeHost, tmp_path: Path) -> None:
    block(tmp_path, "sda", f"devices/pci0000:00/{DISK}/ata1/block/sda")
    second = block(tmp_path, "sdb", f"devices/pci0000:00/{CARD}/ata1/block/sdb")
    (tmp_path / "sys/fs/btrfs/6b1f/devices").mkdir(parents=True)
    (tmp_path / "sys/fs/btrfs/6b1f/devices/sdb").symlink_to(second)
    mount(tmp_path, number="0:30", source="/dev/sda", kind="btrfs")
    assert in_use(host.sysfs()) == {DISK: "its disk holds /srv", CARD: "its disk is part of a mounted btrfs"}


def test_btrfs_on_a_mapped_volume_is_found_by_the_volume_s_name(host: FakeHost, tmp_path: Path) -> None:
    disk = block(tmp_path, "sda", f"devices/pci0000:00/{DISK}/ata1/block/sda")
    volume = block(tmp_path, "dm-0", "devices/virtual/block/dm-0")
    (volume / "slaves/sda").symlink_to(disk)
    host.put("sys/devices/virtual/block/dm-0/dm/name", "crypt\n")
    mount(tmp_path, number="0:30", source="/dev/mapper/crypt", kind="btrfs")
    assert in_use(host.sysfs()) == {DISK: "its disk holds /srv"}


def test_zfs_keeps_every_disk_for_it_does_not_tell_its_own(host: FakeHost, tmp_path: Path) -> None:
    block(tmp_path, "sda", f"devices/pci0000:00/{DISK}/ata1/block/sda")
    mount(tmp_path, number="0:31", source="tank/srv", kind="zfs")
    assert "ZFS" in in_use(host.sysfs())[DISK]


def test_an_nvme_disk_with_multipath_holds_all_its_controllers(host: FakeHost, tmp_path: Path) -> None:
    block(tmp_path, "nvme0n1", "devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1", number="259:0")
    for name, address in (("nvme0", DISK), ("nvme1", CARD)):
        controller = tmp_path / f"sys/devices/pci0000:00/{address}/nvme/{name}"
        controller.mkdir(parents=True)
        (tmp_path / f"sys/devices/virtual/nvme-subsystem/nvme-subsys0/{name}").symlink_to(controller)
    mount(tmp_path, number="259:0", source="/dev/nvme0n1", where="/")
    assert in_use(host.sysfs()) == {DISK: "its disk holds /", CARD: "its disk holds /"}


def test_an_interface_that_is_down_and_bare_is_not_in_use(host: FakeHost) -> None:
    host.add_nic("enp2s0", NIC, up=False)
    assert in_use(host.sysfs()) == {}


def test_an_interface_that_is_up_is_in_use_with_or_without_a_route(host: FakeHost, tmp_path: Path) -> None:
    host.add_nic("enp2s0", NIC, up=True)
    assert in_use(host.sysfs()) == {NIC: "network interface enp2s0 has the default route"}
    (tmp_path / "proc/net/route").write_text("Iface\tDestination\n")
    assert in_use(host.sysfs()) == {NIC: "network interface enp2s0 is up"}


def test_an_address_or_a_bond_keeps_an_interface_that_is_down(host: FakeHost, tmp_path: Path) -> None:
    host.add_nic("enp2s0", NIC, up=False)
    (tmp_path / "sys/class/net/enp2s0/upper_bond0").symlink_to("/nowhere")
    assert in_use(host.sysfs()) == {NIC: "network interface enp2s0 belongs to bond0"}
    with (tmp_path / "proc/net/if_inet6").open("a") as file:
        file.write("fe80000000000000000000000000001 02 40 20 80 enp2s0\n")
    assert in_use(host.sysfs()) == {NIC: "network interface enp2s0 has an address"}


def test_a_virtual_function_in_use_keeps_its_physical_function(host: FakeHost) -> None:
    host.sysfs().write(f"{DEVICES}/{NIC}/sriov_numvfs", "1")
    host.add_nic("enp2s0v0", "0000:02:10.0", up=True)
    assert in_use(host.sysfs())[NIC] == (
        "its virtual function 0000:02:10.0: network interface enp2s0v0 has the default route"
    )


def test_the_boot_display_the_frame_buffer_and_a_serial_console_are_in_use(
    host: FakeHost, tmp_path: Path
) -> None:
    host.put(f"{DEVICES}/{CARD}/boot_vga", "1\n")
    assert in_use(host.sysfs()) == {CARD: "it is the display that the firmware started on"}
    host.put(f"{DEVICES}/{CARD}/boot_vga", "0\n")
    for folder, name in (("graphics", "fb0"), ("tty", "ttyS0")):
        (tmp_path / f"sys/class/{folder}/{name}").mkdir(parents=True)
    (tmp_path / "sys/class/graphics/fb0/device").symlink_to(tmp_path / f"sys/devices/pci0000:03/{CARD}")
    (tmp_path / "sys/class/tty/ttyS0/device").symlink_to(tmp_path / f"sys/devices/pci0000:02/{NIC}")
    assert in_use(host.sysfs()) == {CARD: "the console's frame buffer fb0", NIC: "the kernel's console ttyS0"}
