"""Reads a port's ACS bits out of its config space, and words the kernel's command line for people. Pure."""

from dataclasses import dataclass
from enum import IntFlag

from vfio.config_space import HEADER, PCIE, damage, parse

_ROOT_PORT, _DOWNSTREAM_PORT = 4, 6
_GRUB = "/etc/default/grub"


class AcsBits(IntFlag):
    """As linux/pci_regs.h names them."""

    SOURCE_VALIDATION = 0x01
    REQUEST_REDIRECT = 0x04
    COMPLETION_REDIRECT = 0x08
    UPSTREAM = 0x10


@dataclass(frozen=True, slots=True)
class PortAcs:
    of_a_port: bool
    """A root port or a switch's downstream port: those are asked to isolate."""
    can: int
    on: int


def acs_of(config: bytes) -> PortAcs | None:
    """None when the bytes do not reach that far, or are no living function's."""
    if damage(config) is not None or len(config) <= HEADER:
        return None
    space = parse(config)
    offset = next((offset for known, offset in space.capabilities if known == PCIE), None)
    if offset is None or len(config) <= 0x100:
        return None
    kind = int.from_bytes(config[offset + 2 : offset + 4], "little") >> 4 & 0xF
    can, on = space.acs or (0, 0)
    return PortAcs(kind in (_ROOT_PORT, _DOWNSTREAM_PORT), can, on)


def kernel_option(option: str, *, take_off: bool = False) -> str:
    """The command that puts a word on the kernel's command line for the next boot, or takes it off."""
    edit = f's/ *{option}[^ "]*//' if take_off else f's/^GRUB_CMDLINE_LINUX="/&{option} /'
    return f"sed -i '{edit}' {_GRUB} && update-grub && reboot"
