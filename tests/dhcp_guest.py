"""A guest's NIC without a guest: asks for an address on a bridge and prints it.

Run as: python dhcp_guest.py BRIDGE MAC [CLIENT-ID], in the bridge's network namespace.
"""

import fcntl
import os
import struct
import subprocess
import sys

_TUNSETIFF, _IFF_TAP_NO_PI = 0x400454CA, 0x1002
_DISCOVER, _REQUEST = 1, 3


def main(bridge: str, mac: str, client_id: str = "") -> None:
    name = f"tap{os.getpid()}"
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TAP_NO_PI))
    subprocess.run(["ip", "link", "set", name, "master", bridge, "up"], check=True)
    hardware = bytes.fromhex(mac.replace(":", ""))
    identity = [(61, b"\0" + client_id.encode())] if client_id else []
    os.write(tap, frame(hardware, [(53, bytes([_DISCOVER])), *identity]))
    offered, server = answer(tap, hardware)
    os.write(tap, frame(hardware, [(53, bytes([_REQUEST])), (50, offered), (54, server), *identity]))
    leased, _ = answer(tap, hardware)
    print(".".join(map(str, leased)))


def frame(mac: bytes, options: list[tuple[int, bytes]]) -> bytes:
    """A broadcast from 0.0.0.0:68 to 255.255.255.255:67."""
    told = b"".join(bytes([code, len(value)]) + value for code, value in options) + b"\xff"
    bootp = struct.pack("!BBBBIHH16x16s192x4s", 1, 1, 6, 0, 7, 0, 0x8000, mac, b"\x63\x82\x53\x63") + told
    udp = struct.pack("!HHHH", 68, 67, 8 + len(bootp), 0) + bootp
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:]
    return b"\xff" * 6 + mac + b"\x08\x00" + head + udp


def answer(tap: int, mac: bytes) -> tuple[bytes, bytes]:
    """The address in the next answer to `mac`, and the server that gave it."""
    while True:
        packet = os.read(tap, 2048)
        bootp = packet[14 + 20 + 8 :]
        if packet[23:24] == b"\x11" and packet[34:36] == b"\x00\x43" and bootp[28:34] == mac:
            return bootp[16:20], packet[26:30]


if __name__ == "__main__":
    main(*sys.argv[1:])
