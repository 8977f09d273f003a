"""The Debian guest: Debian 12 with the real cloud-init and sshd, on a disk that boots by BIOS.

It proves that what kcloud writes for guests is read by what guests run; otherwise the tiny one is quicker.
"""

import gzip
from pathlib import Path

from kcloud_cli.lab import cpio, initramfs, rootfs, tiny
from kcloud_cli.lab.bootdisk import MIB, BootFiles, write_boot_disk
from kcloud_cli.lab.kernel import Kernel, installed_files, open_kernel
from kcloud_cli.lab.process import phase, run

FILES = Path(__file__).parent / "files"
PACKAGES = tuple((FILES / "debian-packages.txt").read_text().split())
ROOT_BYTES = 2048 * MIB
COMMAND_LINE = "console=ttyS0 quiet mitigations=off random.trust_cpu=on nowatchdog systemd.show_status=0"


def build(cache: Path, chosen: tiny.GuestPackages, work: Path) -> None:
    """Leave `disk.qcow2` in `work`."""
    kernel = open_kernel(chosen.folder(cache, chosen.kernel))
    root, extra, raw = work / "root", work / "extra", work / "disk.raw"
    with phase("Debian guest: packages installed"):
        rootfs.install(chosen.suite, PACKAGES, root)
    with phase("Debian guest: disk"):
        rootfs.write_tree(_files(kernel), extra)
        _choose_units(extra / "etc/systemd/system")
        rootfs.overlay(extra, root)
        rootfs.index_modules(root, kernel.release)
        # Each guest makes its own: cloud-init writes keys, systemd the machine id.
        rootfs.remove(*root.glob("etc/ssh/ssh_host_*"))
        init = (FILES / "debian-initramfs.sh").read_bytes()
        nodes = initramfs.nodes(kernel, tiny.MODULES, chosen.folder(cache, "busybox-static"), init)
        packed = gzip.compress(cpio.archive(nodes), 6, mtime=0)
        boot = BootFiles(kernel.image.read_bytes(), packed, COMMAND_LINE)
        offset = write_boot_disk(raw, tiny.boot_tools(cache, chosen), boot, ROOT_BYTES)
        rootfs.write_file_system(root, "kcloud-root", raw, f"{ROOT_BYTES // 1024}k", offset=offset)
        run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", raw, work / "disk.qcow2"])
        rootfs.remove(root, extra, raw)


def _choose_units(units: Path) -> None:
    """Mask what a trial guest has no use for; networkd is not enabled by its package."""
    wants = units / "multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "systemd-networkd.service").symlink_to("/lib/systemd/system/systemd-networkd.service")
    for unit in (FILES / "debian-masked.txt").read_text().split():
        (units / unit).symlink_to("/dev/null")


def _files(kernel: Kernel) -> dict[Path, bytes]:
    return {
        **installed_files(kernel, tiny.MODULES),
        Path("etc/cloud/cloud.cfg.d/90-kcloud-lab.cfg"): (FILES / "debian-cloud.cfg").read_bytes(),
        Path("etc/fstab"): b"LABEL=kcloud-root / ext4 noatime 0 0\n",
        Path("etc/machine-id"): b"",
    }
