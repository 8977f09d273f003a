"""Small disk images for tests, made byte by byte: real enough for an inspector, none to boot from."""

import struct

MIB = 1024**2


def qcow2(
    virtual_size: int = 8 * MIB, *, version: int = 3, backing_offset: int = 0, incompatible: int = 0
) -> bytes:
    """A qcow2 header (and nothing behind it) in one 64 KiB cluster."""
    header = struct.pack(
        ">4sIQIIQIIQQIIQ",
        b"QFI\xfb",
        version,
        backing_offset,
        8 if backing_offset else 0,
        16,
        virtual_size,
        0,
        1,
        0x30000,
        0x10000,
        1,
        0,
        0,
    )
    header += struct.pack(">QQQII", incompatible, 0, 0, 4, 104)
    return header.ljust(65536, b"\0")


def raw(size: int = MIB) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def partitioned(size: int = MIB) -> bytes:
    """A raw disk with an MBR of one Linux partition."""
    entry = struct.pack("<B3sB3sII", 0x80, b"\1\1\0", 0x83, b"\xff\xff\xff", 2048, 4096)
    return (b"\0" * 446 + entry + b"\0" * 48 + b"\x55\xaa").ljust(size, b"\0")


def vmdk() -> bytes:
    """A sparse VMDK: its magic and a header of version 1."""
    header = struct.pack("<4sIIQQQQIQQQ", b"KDMV", 1, 3, 2048, 128, 1, 20, 512, 21, 26, 128)
    return header.ljust(65536, b"\0")
