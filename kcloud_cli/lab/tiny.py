"""The tiny guest: Debian's cloud kernel and a busybox initramfs, on a disk that boots by BIOS in seconds.

Everything runs from the initramfs; the disk is only read by the boot loader.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kcloud_cli.lab import cpio, initramfs
from kcloud_cli.lab.bootdisk import BootFiles, BootTools, write_boot_disk
from kcloud_cli.lab.debian import Suite, kernel_package, unpacked, versions
from kcloud_cli.lab.kernel import Kernel, open_kernel
from kcloud_cli.lab.process import LabError, run

FILES = Path(__file__).parent / "files"
KERNEL_META = "linux-image-cloud-amd64"
BOOT_PACKAGES = ("syslinux", "mtools")
USERLAND = (
    "busybox-static",
    "dropbear-bin",
    "libc6",
    "libcrypt1",
    "libgmp10",
    "libtomcrypt1",
    "libtommath1",
    "zlib1g",
)
MODULES = (
    *("virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "sr_mod", "isofs", "nls_ascii"),
    *("virtio_net", "virtio_rng", "nvme", "button", "evdev"),
)
COMMAND_LINE = "console=ttyS0 quiet mitigations=off random.trust_cpu=on nowatchdog"
LOADER = "lib64/ld-linux-x86-64.so.2"


@dataclass(frozen=True, slots=True)
class GuestPackages:
    """Versions that a guest image is made from; `kernel` is the real package behind the meta package."""

    suite: Suite
    kernel: str
    versions: Mapping[str, str]

    def folder(self, cache: Path, package: str) -> Path:
        return unpacked(cache, self.suite, package, self.versions[package])


def packages(suite: Suite) -> GuestPackages:
    kernel = kernel_package(suite, KERNEL_META)
    return GuestPackages(suite, kernel, versions(suite, [kernel, *BOOT_PACKAGES, *USERLAND]))


def boot_tools(cache: Path, chosen: GuestPackages) -> BootTools:
    return BootTools(*(chosen.folder(cache, package) for package in BOOT_PACKAGES))


def build(cache: Path, chosen: GuestPackages, work: Path) -> None:
    """Leave `disk.qcow2` in `work`."""
    kernel = open_kernel(chosen.folder(cache, chosen.kernel))
    packed = gzip.compress(cpio.archive(_nodes(cache, chosen, kernel)), 6, mtime=0)
    boot = BootFiles(kernel.image.read_bytes(), packed, COMMAND_LINE)
    raw = work / "disk.raw"
    write_boot_disk(raw, boot_tools(cache, chosen), boot)
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, work / "disk.qcow2"])
    raw.unlink()


def _nodes(cache: Path, chosen: GuestPackages, kernel: Kernel) -> dict[str, cpio.Node]:
    init = (FILES / "tiny-init.sh").read_bytes()
    return {
        **initramfs.nodes(kernel, MODULES, chosen.folder(cache, "busybox-static"), init),
        **_ssh_server(cache, chosen),
        "etc/udhcpc.sh": cpio.file((FILES / "tiny-udhcpc.sh").read_bytes(), 0o755),
        "etc/acpi/PWRF/00000080": cpio.file(b"#!/bin/sh\npoweroff -f\n", 0o755),
        "etc/passwd": cpio.file(b"root::0:0:root:/root:/bin/sh\n"),
        "etc/group": cpio.file(b"root:x:0:\n"),
        "etc/shadow": cpio.file(b"root:*:1:0:99999:7:::\n", 0o600),
        "etc/shells": cpio.file(b"/bin/sh\n"),
        "var/log/lastlog": cpio.file(b""),
        "root/.ssh": cpio.folder(0o700),
        "root/.ssh/authorized_keys": cpio.file(b"", 0o600),
    }


def _ssh_server(cache: Path, chosen: GuestPackages) -> dict[str, cpio.Node]:
    """dropbear with the libraries that its loader finds, all from the suite and none from this host."""
    roots = [chosen.folder(cache, package) for package in USERLAND]
    server = chosen.folder(cache, "dropbear-bin") / "usr/sbin/dropbear"
    loader = chosen.folder(cache, "libc6") / LOADER
    path = ":".join(
        str(root / place) for root in roots for place in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
    )
    listed = run([loader, "--inhibit-cache", "--library-path", path, "--list", server])
    nodes = {
        "bin/dropbear": cpio.file(server.read_bytes(), 0o755),
        LOADER: cpio.file(loader.read_bytes(), 0o755),
        "etc/dropbear": cpio.folder(),
    }
    for line in listed.splitlines():
        name, arrow, place = line.strip().partition(" => ")
        if arrow:
            library = Path(place.split(" (")[0])
            if not any(library.is_relative_to(root) for root in roots):
                raise LabError(f"dropbear needs {name}, which none of its packages holds")
            nodes[f"lib/x86_64-linux-gnu/{name}"] = cpio.file(library.read_bytes(), 0o755)
    return nodes
