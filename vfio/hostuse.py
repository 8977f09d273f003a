"""Finds the devices that the host itself needs, so that no rule can ever give them away."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress

from vfio.disks import disks_in_use
from vfio.errors import Vanished
from vfio.reading import lines, names, pci_function_of
from vfio.scan import DEVICES
from vfio.sysfs import Sysfs

_NET = "sys/class/net"
_TTY = "sys/class/tty"
_GRAPHICS = "sys/class/graphics"
_IFF_UP = 0x1


def in_use(sysfs: Sysfs) -> dict[str, str]:
    """Address of each function that the host uses, with the first reason found."""
    reasons: dict[str, str] = {}
    finders: tuple[Callable[[Sysfs], Iterator[tuple[str, str]]], ...] = (
        disks_in_use,
        _network_interfaces,
        _displays,
        _serial_consoles,
    )
    for find in finders:
        for address, why in find(sysfs):
            reasons.setdefault(address, why)
    for address, why in list(reasons.items()):
        # Unbinding a physical function takes its virtual ones away.
        with suppress(Vanished):
            physical = sysfs.readlink(f"{DEVICES}/{address}/physfn").rpartition("/")[2]
            reasons.setdefault(physical, f"its virtual function {address}: {why}")
    return reasons


def _network_interfaces(sysfs: Sysfs) -> Iterator[tuple[str, str]]:
    routed = _default_route_interfaces(sysfs)
    addressed = {line.split()[-1] for line in lines(sysfs, "proc/net/if_inet6")}
    for name in names(sysfs, _NET):
        if (address := pci_function_of(sysfs, f"{_NET}/{name}/device")) is None:
            continue
        if name in routed:
            yield address, f"network interface {name} has the default route"
        elif _is_up(sysfs, name):
            yield address, f"network interface {name} is up"
        elif name in addressed:
            yield address, f"network interface {name} has an address"
        elif upper := _upper(sysfs, name):
            yield address, f"network interface {name} belongs to {upper}"


def _default_route_interfaces(sysfs: Sysfs) -> set[str]:
    routes = (line.split() for line in lines(sysfs, "proc/net/route")[1:])
    return {words[0] for words in routes if len(words) > 1 and words[1] == "00000000"}


def _is_up(sysfs: Sysfs, name: str) -> bool:
    with suppress(Vanished):
        return bool(int(sysfs.read_text(f"{_NET}/{name}/flags"), 16) & _IFF_UP)
    return False


def _upper(sysfs: Sysfs, name: str) -> str | None:
    """The bond, bridge or VLAN on top of an interface."""
    links = (entry for entry in names(sysfs, f"{_NET}/{name}") if entry.startswith("upper_"))
    return next((link.removeprefix("upper_") for link in links), None)


def _displays(sysfs: Sysfs) -> Iterator[tuple[str, str]]:
    for address in names(sysfs, DEVICES):
        with suppress(Vanished):
            if sysfs.read_text(f"{DEVICES}/{address}/boot_vga") == "1":
                yield address, "it is the display that the firmware started on"
    for name in names(sysfs, _GRAPHICS):
        if re.fullmatch(r"fb\d+", name) and (card := pci_function_of(sysfs, f"{_GRAPHICS}/{name}/device")):
            yield card, f"the console's frame buffer {name}"


def _serial_consoles(sysfs: Sysfs) -> Iterator[tuple[str, str]]:
    for line in lines(sysfs, f"{_TTY}/console/active"):
        for name in line.split():
            if port := pci_function_of(sysfs, f"{_TTY}/{name}/device"):
                yield port, f"the kernel's console {name}"
