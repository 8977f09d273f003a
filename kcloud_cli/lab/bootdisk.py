"""A disk that boots by BIOS on its own: SYSLINUX, kernel and initramfs in FAT, written without mounts.

SYSLINUX rather than GRUB: under emulation GRUB needs seven seconds for what SYSLINUX does in one and a half.
Layout: the master boot record, from 1 MiB the FAT partition, behind it an optional Linux partition.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from kcloud_cli.lab.process import run

SECTOR = 512
MIB = 1024 * 1024
FAT_AT = MIB
FAT_SLACK = 2 * MIB
HEADS, SECTORS_PER_TRACK = 64, 32
PARTITION_TABLE_AT = 446
SIGNATURE_AT = 510
ACTIVE, FAT16_LBA, LINUX = 0x80, 0x0E, 0x83


@dataclass(frozen=True, slots=True)
class BootTools:
    """The unpacked packages `syslinux` and `mtools`."""

    syslinux: Path
    mtools: Path

    @property
    def programs(self) -> str:
        return f"{self.syslinux / 'usr/bin'}:{self.mtools / 'usr/bin'}"


@dataclass(frozen=True, slots=True)
class BootFiles:
    kernel: bytes
    initramfs: bytes
    command_line: str

    @property
    def config(self) -> str:
        return (
            "DEFAULT kcloud\nPROMPT 0\nTIMEOUT 0\nLABEL kcloud\n"
            f"  LINUX vmlinuz\n  INITRD initrd.img\n  APPEND {self.command_line}\n"
        )


def write_boot_disk(target: Path, tools: BootTools, boot: BootFiles, linux_bytes: int = 0) -> int:
    """Write a raw, sparse disk image to `target`; returns the offset in bytes of its empty Linux partition.

    Scratch files are left beside `target`: it belongs in a folder of its own.
    """
    fat_bytes = _whole_mib(len(boot.kernel) + len(boot.initramfs) + FAT_SLACK)
    linux_at = FAT_AT + fat_bytes
    record = bytearray((tools.syslinux / "usr/lib/SYSLINUX/mbr.bin").read_bytes().ljust(SECTOR, b"\0"))
    entries = _partition(ACTIVE, FAT16_LBA, FAT_AT, fat_bytes)
    if linux_bytes:
        entries += _partition(0, LINUX, linux_at, linux_bytes)
    record[PARTITION_TABLE_AT : PARTITION_TABLE_AT + len(entries)] = entries
    record[SIGNATURE_AT:] = b"\x55\xaa"
    with target.open("wb") as disk:
        disk.write(bytes(record))
        disk.truncate(linux_at + linux_bytes)
    _fill_fat(target, tools, boot, fat_bytes)
    return linux_at


def _fill_fat(disk: Path, tools: BootTools, boot: BootFiles, size: int) -> None:
    environment = {"PATH": f"{tools.programs}:/usr/bin:/bin", "MTOOLS_SKIP_CHECK": "1"}
    volume = f"{disk}@@{FAT_AT}"
    geometry = ["-T", str(size // SECTOR), "-h", str(HEADS), "-s", str(SECTORS_PER_TRACK)]
    hidden = ["-H", str(FAT_AT // SECTOR)]
    run(["mformat", "-i", volume, "-v", "BOOT", *geometry, *hidden, "::"], env=environment)
    contents = {"vmlinuz": boot.kernel, "initrd.img": boot.initramfs, "syslinux.cfg": boot.config.encode()}
    for name, data in contents.items():
        scratch = disk.with_name(name)
        scratch.write_bytes(data)
        run(["mcopy", "-i", volume, scratch, f"::/{name}"], env=environment)
        scratch.unlink()
    run(["syslinux", "--offset", str(FAT_AT), "--install", disk], env=environment)


def _partition(flag: int, kind: int, start: int, size: int) -> bytes:
    """One entry of the partition table; its CHS fields say "use the LBA fields"."""
    chs = b"\xfe\xff\xff"
    return struct.pack("<B3sB3sII", flag, chs, kind, chs, start // SECTOR, size // SECTOR)


def _whole_mib(size: int) -> int:
    return -(-size // MIB) * MIB
