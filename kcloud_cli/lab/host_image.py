"""The lab host's disk, kernel and initramfs, made of Debian packages, and the QEMU that runs it.

The result is a folder: `disk.qcow2` (the root file system), `vmlinuz`, `initrd.img`, `key` and `key.pub`
(root's way in), `qemu/` (QEMU 10 of the same release, so that a Debian 12 machine can run it as well).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kcloud_cli.lab import cpio, initramfs, rootfs
from kcloud_cli.lab.debian import Suite, kernel_package, unpacked, versions
from kcloud_cli.lab.kernel import Kernel, installed_files, open_kernel
from kcloud_cli.lab.process import phase, run

FILES = Path(__file__).parent / "files"
KERNEL_META = "linux-image-amd64"
PACKAGES = tuple((FILES / "host-packages.txt").read_text().split())
MODULES = tuple((FILES / "host-modules.txt").read_text().split())
ROOT_DISK_MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")
DISK_SIZE = "6G"
WARM_UP = "virsh capabilities && virsh domcapabilities --virttype kvm && sync"
"""Libvirt probes each QEMU once, half a minute here, and keeps what it learned."""


@dataclass(frozen=True, slots=True)
class HostPackages:
    suite: Suite
    kernel: str
    versions: Mapping[str, str]


def packages(suite: Suite) -> HostPackages:
    kernel = kernel_package(suite, KERNEL_META)
    return HostPackages(suite, kernel, versions(suite, [kernel, "busybox-static", *PACKAGES]))


def install(suite: Suite, work: Path) -> None:
    """The root file system as packages make it, in `work/root`."""
    with phase("lab host: packages installed"):
        rootfs.install(suite, PACKAGES, work / "root")


def build(cache: Path, chosen: HostPackages, installed: Path, work: Path) -> None:
    """Fill `work` from an installed root file system, which stays as it is."""
    root, extra, raw = work / "root", work / "extra", work / "disk.raw"
    with phase("lab host: kernel, QEMU, disk"):
        kernel = open_kernel(unpacked(cache, chosen.suite, chosen.kernel, chosen.versions[chosen.kernel]))
        busybox = unpacked(cache, chosen.suite, "busybox-static", chosen.versions["busybox-static"])
        init = (FILES / "host-initramfs.sh").read_bytes()
        (work / "vmlinuz").write_bytes(kernel.image.read_bytes())
        (work / "initrd.img").write_bytes(
            cpio.archive(initramfs.nodes(kernel, ROOT_DISK_MODULES, busybox, init))
        )
        _take_qemu(installed / "root", work / "qemu")
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "kcloud-lab", "-f", work / "key"])
        rootfs.write_tree(_files(kernel, (work / "key.pub").read_bytes()), extra)
        for private in ("root", "root/.ssh"):
            (extra / private).chmod(0o700)
        rootfs.copy(installed / "root", root)
        rootfs.overlay(extra, root)
        rootfs.index_modules(root, kernel.release)
        rootfs.write_file_system(root, "lab", raw, DISK_SIZE)
        run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, work / "disk.qcow2"])
        rootfs.remove(root, extra, raw)


def _files(kernel: Kernel, public_key: bytes) -> dict[Path, bytes]:
    """Everything that is not from a package."""
    return {
        **installed_files(kernel, MODULES),
        Path("usr/sbin/lab-init"): (FILES / "host-init.sh").read_bytes(),
        Path("etc/libvirt/qemu.conf"): (FILES / "host-qemu.conf").read_bytes(),
        Path("etc/libvirt/libvirtd.conf"): (FILES / "host-libvirtd.conf").read_bytes(),
        Path("etc/ssh/sshd_config.d/kcloud-lab.conf"): (FILES / "host-sshd.conf").read_bytes(),
        Path("root/.ssh/authorized_keys"): public_key,
        Path("etc/hostname"): b"lab\n",
        Path("etc/hosts"): b"127.0.0.1 localhost lab\n",
        Path("etc/fstab"): b"",
    }


def _take_qemu(root: Path, target: Path) -> None:
    """QEMU with its loader, libraries and firmware, to be run outside of its root file system."""
    libraries = root / "usr/lib/x86_64-linux-gnu"
    program = root / "usr/bin/qemu-system-x86_64"
    loader = libraries / "ld-linux-x86-64.so.2"
    listed = run([loader, "--inhibit-cache", "--library-path", libraries, "--list", program])
    (target / "lib").mkdir(parents=True)
    needed = [line.split(" => ")[1].split(" (")[0] for line in listed.splitlines() if " => /" in line]
    run(["cp", "-L", loader, *needed, target / "lib"])
    run(["cp", "-L", program, target])
    for share in ("qemu", "seabios"):
        run(["cp", "-aL", root / "usr/share" / share, target])
