"""Makes the config space of a fake function: header and capabilities as PCI and PCI Express lay them out."""

import hashlib
from dataclasses import dataclass

from vfio.sim.function import FakeFunction

SIZE = 4096
_STATUS_CAPABILITIES = 0x10
_LINK_SPEEDS = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}
_PM, _MSI, _EXPRESS, _MSIX = 0x40, 0x50, 0x60, 0xA0
_AER, _SERIAL, _ACS, _SRIOV, _ARI = 0x100, 0x148, 0x158, 0x160, 0x1A0
_FLR = 1 << 28
_ACS_ALL = 0x001F


@dataclass(frozen=True, slots=True)
class _Space:
    data: bytearray

    def put(self, offset: int, value: int, size: int = 2) -> None:
        self.data[offset : offset + size] = value.to_bytes(size, "little")

    def capability(self, offset: int, number: int, following: int) -> None:
        self.data[offset], self.data[offset + 1] = number, following

    def extended(self, offset: int, number: int, following: int) -> None:
        self.put(offset, number | 1 << 16 | following << 20, 4)


def config_space(function: FakeFunction) -> bytes:
    """A VF's vendor and device read as ones (SR-IOV: its PF's count); all else is plausible."""
    space = _Space(bytearray(SIZE))
    bridge = function.class_code >> 8 == 0x0604
    _header(space, function, bridge=bridge)
    _classic(space, function, bridge=bridge)
    _extended(space, function, bridge=bridge)
    return bytes(space.data)


def all_ones() -> bytes:
    """What is read of a function that does not answer."""
    return b"\xff" * SIZE


def _header(space: _Space, function: FakeFunction, *, bridge: bool) -> None:
    virtual = function.physfn is not None
    space.put(0x00, 0xFFFF if virtual else function.vendor)
    space.put(0x02, 0xFFFF if virtual else function.product)
    space.put(0x04, 0x0406)
    space.put(0x06, _STATUS_CAPABILITIES)
    space.data[0x08] = 0x01
    space.put(0x09, function.class_code, 3)
    several = 0x80 if function.address[-1] != "0" else 0
    space.data[0x0E] = int(bridge) | several
    if not bridge:
        subsystem = function.subsystem or (function.vendor, 0x0001)
        space.put(0x2C, subsystem[0])
        space.put(0x2E, subsystem[1])
    if not bridge and not virtual:
        for index, _ in enumerate(function.bar_sizes[:3]):
            space.put(0x10 + 8 * index, 0x0C, 4)
            space.put(0x14 + 8 * index, 0x3800 + index, 4)
    space.data[0x34] = _PM


def _classic(space: _Space, function: FakeFunction, *, bridge: bool) -> None:
    space.capability(_PM, 0x01, _MSI)
    space.put(_PM + 2, 0x0003)
    space.put(_PM + 4, 0x0008)
    space.capability(_MSI, 0x05, _EXPRESS)
    space.capability(_EXPRESS, 0x10, 0 if bridge else _MSIX)
    space.put(_EXPRESS + 2, 0x0042 if bridge else 0x0002)
    space.put(_EXPRESS + 4, 0x8001 | (_FLR if "flr" in function.reset_methods else 0), 4)
    if function.link is not None:
        code = _LINK_SPEEDS.get(function.link[0], 1) | function.link[1] << 4
        space.put(_EXPRESS + 12, code, 4)
        if function.physfn is None:
            space.put(_EXPRESS + 18, code)
    if not bridge:
        space.capability(_MSIX, 0x11, 0)
        space.put(_MSIX + 2, 0x001F)


def _extended(space: _Space, function: FakeFunction, *, bridge: bool) -> None:
    space.extended(_AER, 0x0001, _SERIAL)
    space.extended(_SERIAL, 0x0003, _ACS)
    if function.serial:
        number = hashlib.blake2b(function.serial.encode(), digest_size=8).digest()
        space.put(_SERIAL + 4, int.from_bytes(number, "little"), 8)
    space.extended(_ACS, 0x000D, _ARI)
    if bridge:
        space.put(_ACS + 4, _ACS_ALL)
        space.put(_ACS + 6, _ACS_ALL)
    space.extended(_ARI, 0x000E, _SRIOV if function.total_vfs else 0)
    if function.total_vfs:
        space.extended(_SRIOV, 0x0010, 0)
        space.put(_SRIOV + 0x0C, function.total_vfs)
        space.put(_SRIOV + 0x0E, function.total_vfs)
        space.put(_SRIOV + 0x14, function.sriov.offset)
        space.put(_SRIOV + 0x16, function.sriov.stride)
        space.put(_SRIOV + 0x1A, function.vf_product)
