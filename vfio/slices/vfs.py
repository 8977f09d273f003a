"""Switches virtual functions on and off; each step may be repeated."""

import re
from collections.abc import Sequence

from vfio.device import PciDevice
from vfio.driver import VFIO_PCI
from vfio.errors import LayoutRefused, Vanished
from vfio.groups import judge
from vfio.scan import DEVICES
from vfio.slices.model import Sight
from vfio.slices.records import Before, Knob
from vfio.sysfs import Sysfs

TYPES_LATER = "its driver names the types only while virtual functions are on: a layout switches them on"

NVIDIA = "nvidia"
"""The driver that keeps virtual functions and sets vGPU types on them."""
NO_TYPE = "0"
NUMBER = re.compile(r"virtfn(\d+)\Z")


def attribute(sysfs: Sysfs, address: str, name: str) -> str | None:
    """None when the device has no such attribute."""
    try:
        return sysfs.read_text(f"{DEVICES}/{address}/{name}")
    except Vanished:
        return None


def count(sysfs: Sysfs, address: str) -> int:
    return int(attribute(sysfs, address, "sriov_numvfs") or "0")


def set_count(sysfs: Sysfs, address: str, wanted: int) -> None:
    """The kernel takes another number only from none (EBUSY else)."""
    now = count(sysfs, address)
    if now == wanted:
        return
    for step in ("0", str(wanted)):
        if count(sysfs, address) != int(step):
            sysfs.write(f"{DEVICES}/{address}/sriov_numvfs", step)


def set_autoprobe(sysfs: Sysfs, address: str, wanted: str) -> None:
    """Whether drivers may take virtual functions by themselves. A kernel that does not ask lets them."""
    if attribute(sysfs, address, "sriov_drivers_autoprobe") not in (None, wanted):
        sysfs.write(f"{DEVICES}/{address}/sriov_drivers_autoprobe", wanted)


def all_on_native_driver(sysfs: Sysfs, device: PciDevice, wanted: int) -> None:
    """Unless there are enough already, switch on all that there can be, as vendors' own tools do: which of
    them can have a type is known only then. Their driver has to take them."""
    if count(sysfs, device.address) < wanted:
        set_count(sysfs, device.address, 0)
        set_autoprobe(sysfs, device.address, "1")
        set_count(sysfs, device.address, device.sriov_total_vfs)


def addresses(sysfs: Sysfs, address: str) -> tuple[str, ...]:
    """Of the virtual functions that stand, in the order of their numbers."""
    links = [name for name in sysfs.listdir(f"{DEVICES}/{address}") if NUMBER.match(name)]
    links.sort(key=lambda name: int(name.removeprefix("virtfn")))
    return tuple(sysfs.readlink(f"{DEVICES}/{address}/{name}").rpartition("/")[2] for name in links)


def before(sysfs: Sysfs, device: PciDevice, knobs: tuple[str, ...] = ()) -> Before:
    """What stands now of all that a layout with virtual functions changes."""
    present = ((path, _read(sysfs, path)) for path in knobs)
    return Before(
        address=device.address,
        vfs=count(sysfs, device.address) if device.sriov_total_vfs else None,
        autoprobe=attribute(sysfs, device.address, "sriov_drivers_autoprobe"),
        knobs=tuple(Knob(path, text) for path, text in present if text is not None),
    )


def restore(sysfs: Sysfs, was: Before) -> None:
    """What is as it was is not touched: virtual functions that stood before may have got new settings."""
    moved = [knob for knob in was.knobs if _read(sysfs, knob.path) != knob.text]
    autoprobe = attribute(sysfs, was.address, "sriov_drivers_autoprobe")
    if was.vfs is None or (not moved and autoprobe == was.autoprobe and count(sysfs, was.address) == was.vfs):
        return
    set_count(sysfs, was.address, 0)
    for knob in moved:
        sysfs.write(knob.path, knob.text)
    if was.autoprobe is not None:
        set_autoprobe(sysfs, was.address, was.autoprobe)
    set_count(sysfs, was.address, was.vfs)


def types_set(sysfs: Sysfs, card: PciDevice, functions: Sequence[PciDevice]) -> dict[str, str]:
    """vGPU types that a card's virtual functions have, by address."""
    if card.driver != NVIDIA:
        return {}
    found = ((device.address, vgpu_type(sysfs, device.address)) for device in functions)
    return {address: kind for address, kind in found if kind not in (None, NO_TYPE)}


def vgpu_type(sysfs: Sysfs, function: str) -> str | None:
    """The type that a virtual function has (NO_TYPE for none); None where its driver knows no types."""
    text = attribute(sysfs, function, "nvidia/current_vgpu_type")
    return None if text is None else text.strip()


def unable(device: PciDevice, wanted: int) -> str:
    """Why the card can't have so many virtual functions, by its kernel's numbers; empty when it can."""
    if not device.sriov_total_vfs:
        return "its kernel shows no SR-IOV (no sriov_totalvfs)"
    if device.driver is None or device.driver == VFIO_PCI:
        return f"is on {device.driver or 'no driver'}, and only its own driver can make virtual functions"
    if wanted > device.sriov_total_vfs:
        return (
            f"{wanted} virtual functions are wanted, and its kernel allows {device.sriov_total_vfs} "
            "(sriov_totalvfs)"
        )
    return ""


def refuse_shared_groups(sight: Sight, functions: tuple[str, ...]) -> None:
    """LayoutRefused unless each can go to a guest of its own: alone in its IOMMU group, bridges aside."""
    for address in functions:
        group = sight.snapshot.devices[address].iommu_group
        if group is None:
            raise LayoutRefused(
                f"{address} has no IOMMU group: switch the IOMMU on in the firmware and boot with "
                "intel_iommu=on or amd_iommu=on",
                (address,),
            )
        verdict = judge(sight.snapshot, group, {address}, sight.used)
        if not verdict.viable:
            raise LayoutRefused(verdict.reason, (address,))
        if verdict.endpoints != (address,):
            raise LayoutRefused(
                f"{address} shares IOMMU group {group} with other functions, so they could not go to "
                f"different guests. Its members: {', '.join(verdict.members)}. Way out: enable ACS in the "
                "firmware, move the card to another slot, or cut it into one function.",
                verdict.endpoints,
            )


def _read(sysfs: Sysfs, path: str) -> str | None:
    try:
        return sysfs.read_text(path)
    except Vanished:
        return None
