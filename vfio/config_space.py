"""Reads the bytes of a function's PCI configuration space: header, capabilities, signs of damage. Pure.

The layout is that of the PCI Local Bus and PCI Express Base specifications, as linux/pci_regs.h names it. Who
may not see all of it (the kernel shows 64 bytes to ordinary users) gets what these bytes hold.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

HEADER = 64
_EXTENDED = 0x100
_HAS_CAPABILITIES = 0x0010
_FIRST_CAPABILITY = 0x34
_ENDPOINT, _BRIDGE, _CARDBUS = 0, 1, 2
_BARS_OF = {_ENDPOINT: 6, _BRIDGE: 2, _CARDBUS: 1}

PM, MSI, PCIE, MSIX, AF = 0x01, 0x05, 0x10, 0x11, 0x13
AER, SERIAL, ACS, SRIOV = 0x0001, 0x0003, 0x000D, 0x0010
_PCIE_FLR = 1 << 28
_AF_FLR = 0b10
_LINK_SPEEDS = {1: 2.5, 2: 5.0, 3: 8.0, 4: 16.0, 5: 32.0, 6: 64.0}


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with what was read. `code` is stable."""

    code: str
    why: str


@dataclass(frozen=True, slots=True)
class ConfigSpace:
    """One reading. Empty tables where the bytes end before them."""

    data: bytes
    vendor: int
    """ffff for a virtual function: its physical one has the ids for it."""
    product: int
    command: int
    class_code: int
    """All 24 bits."""
    header_type: int
    """Without the bit that says whether the slot has several functions."""
    bars: tuple[int, ...]
    """The registers as they are, flags included."""
    capabilities: tuple[tuple[int, int], ...]
    """Id and offset of each, as they are chained."""
    extended: tuple[tuple[int, int], ...]

    @property
    def flr(self) -> bool:
        """Whether the function says that it can be reset by itself (PCI Express or Advanced Features)."""
        offset = self._at(PCIE)
        if offset is not None and (_number(self.data, offset + 4, 4) or 0) & _PCIE_FLR:
            return True
        offset = self._at(AF)
        return offset is not None and bool((_number(self.data, offset + 3, 1) or 0) & _AF_FLR)

    @property
    def link(self) -> tuple[float, int] | None:
        """GT/s and lanes as they run now; None without PCI Express, or for a speed of no known generation."""
        offset = self._at(PCIE)
        status = None if offset is None else _number(self.data, offset + 0x12, 2)
        if status is None or (speed := _LINK_SPEEDS.get(status & 0xF)) is None or not status >> 4 & 0x3F:
            return None
        return speed, status >> 4 & 0x3F

    @property
    def power_state(self) -> int | None:
        """0 to 3 for D0 to D3hot; None without power management."""
        offset = self._at(PM)
        control = None if offset is None else _number(self.data, offset + 4, 2)
        return None if control is None else control & 0b11

    @property
    def acs(self) -> tuple[int, int] | None:
        """What isolation it can do and what is switched on (bits of linux/pci_regs.h); None without ACS."""
        offset = next((offset for known, offset in self.extended if known == ACS), None)
        words = () if offset is None else (_number(self.data, offset + at, 2) for at in (4, 6))
        found = [word for word in words if word is not None]
        return (found[0], found[1]) if len(found) == 2 else None

    def _at(self, capability: int) -> int | None:
        return next((offset for known, offset in self.capabilities if known == capability), None)


def damage(data: bytes) -> Damage | None:
    """Why these bytes are no living function's; None when they may be one's."""
    if len(data) < HEADER:
        return Damage("short", f"only {len(data)} bytes of it can be read")
    if data[:HEADER] == b"\xff" * HEADER:
        return Damage("all-ones", "it reads all ones: the function does not answer")
    if data[0x0E] & 0x7F == 0x7F:
        return Damage("header-7f", "its header type reads 7f: the function is asleep or lost")
    # A virtual function reads ffff here by the standard, so only zero is nobody's.
    if data[:2] == bytes(2):
        return Damage("no-vendor", "its vendor reads 0000")
    if data[0x0E] & 0x7F not in _BARS_OF:
        return Damage("header-unknown", f"its header type reads {data[0x0E] & 0x7F:02x}")
    return None


def device_serial(data: bytes) -> str | None:
    """The number that the maker gave to this one board (Device Serial Number), in the form that lspci prints;
    None where there is none, or one that is nobody's: all zeros or all ones."""
    if damage(data):
        return None
    offset = next((offset for known, offset in _extended(data) if known == SERIAL), None)
    number = None if offset is None else _number(data, offset + 4, 8)
    if number in (None, 0, (1 << 64) - 1):
        return None
    return number.to_bytes(8, "big").hex("-")


def parse(data: bytes) -> ConfigSpace:
    """ValueError for bytes that `damage` objects to."""
    if found := damage(data):
        raise ValueError(found.why)
    kind = data[0x0E] & 0x7F
    capabilities = tuple(_capabilities(data))
    return ConfigSpace(
        data=data,
        vendor=int.from_bytes(data[0:2], "little"),
        product=int.from_bytes(data[2:4], "little"),
        command=int.from_bytes(data[4:6], "little"),
        class_code=int.from_bytes(data[9:12], "little"),
        header_type=kind,
        bars=tuple(int.from_bytes(data[at : at + 4], "little") for at in _bar_offsets(kind)),
        capabilities=capabilities,
        extended=tuple(_extended(data)) if any(known == PCIE for known, _ in capabilities) else (),
    )


def differences(before: ConfigSpace, after: ConfigSpace) -> tuple[str, ...]:
    """Fields that a reset must leave, or the kernel must put back, and that are not as they were."""
    fields: dict[str, Callable[[ConfigSpace], object]] = {
        "vendor": lambda read: f"{read.vendor:04x}",
        "device": lambda read: f"{read.product:04x}",
        "class": lambda read: f"{read.class_code:06x}",
        "header type": lambda read: read.header_type,
        "BARs": lambda read: " ".join(f"{bar:08x}" for bar in read.bars),
        "capabilities": lambda read: _listed(read.capabilities),
        "extended capabilities": lambda read: _listed(read.extended),
    }
    shared = min(len(before.data), len(after.data))
    if len(before.data) != len(after.data):
        # Only this much of both is known; a capability beyond it is not missing.
        before, after = parse(before.data[:shared]), parse(after.data[:shared])
    return tuple(
        f"{name} was {show(before)}, is {show(after)}"
        for name, show in fields.items()
        if show(before) != show(after)
    )


def _capabilities(data: bytes) -> Iterator[tuple[int, int]]:
    """The chain below 0x100. A damaged one may loop or point anywhere: each place is looked at once."""
    if not (_number(data, 6, 2) or 0) & _HAS_CAPABILITIES:
        return
    offset, seen = data[_FIRST_CAPABILITY] & 0xFC, set[int]()
    while HEADER <= offset < min(_EXTENDED, len(data)) - 1 and offset not in seen:
        seen.add(offset)
        if data[offset] == 0xFF:
            return
        yield data[offset], offset
        offset = data[offset + 1] & 0xFC


def _extended(data: bytes) -> Iterator[tuple[int, int]]:
    offset, seen = _EXTENDED, set[int]()
    while offset >= _EXTENDED and offset not in seen:
        seen.add(offset)
        header = _number(data, offset, 4)
        if header is None or header in (0, 0xFFFFFFFF):
            return
        yield header & 0xFFFF, offset
        offset = header >> 20 & 0xFFC


def _bar_offsets(kind: int) -> range:
    return range(0x10, 0x10 + 4 * _BARS_OF[kind], 4)


def _number(data: bytes, offset: int, size: int) -> int | None:
    """None where the bytes end before it."""
    return int.from_bytes(data[offset : offset + size], "little") if offset + size <= len(data) else None


def _listed(capabilities: tuple[tuple[int, int], ...]) -> str:
    return " ".join(f"{known:02x}@{offset:02x}" for known, offset in capabilities) or "none"
